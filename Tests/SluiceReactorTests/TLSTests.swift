import Foundation
import SluiceBytes
import SluiceReactor
import SluiceTime
import TLSTestSupport
import Testing

/// Bytes of which no two neighbourhoods are alike.
func pattern(_ count: Int, seed: UInt8) -> [UInt8] {
    // Repeats itself after 64 KiB; made once that far, as sixteen mebibytes byte by byte take long.
    var bytes = (0..<min(count, 65_536)).map {
        UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed
    }
    while bytes.count < count { bytes += bytes.prefix(count - bytes.count) }
    return bytes
}

private func fixture() throws -> TLSFixture { try TLSFixture.shared.get() }

@Suite struct TLSStreamTests {
    @Test(arguments: [(1_000, 3_001), (4_096, 70_000), (16_384, Int.max), (65_536, 16_385)])
    func `a mebibyte crosses both ways at once, whatever the sizes of reads and writes`(
        readBytes: Int, writeBytes: Int
    ) throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let (up, down) = (pattern(1 << 20, seed: 1), pattern(1 << 20, seed: 2))
        (pair.client.output, pair.server.output) = (up, down)
        (pair.client.readBytes, pair.server.readBytes) = (readBytes, readBytes)
        (pair.client.writeBytes, pair.server.writeBytes) = (writeBytes, writeBytes)
        let isComplete = pair.run {
            $0.server.received.count >= up.count && $0.client.received.count >= down.count
        }
        #expect(isComplete)
        #expect(pair.server.received == up)
        #expect(pair.client.received == down)
        let isTLS = pair.client.transport.isTLS
        #expect(isTLS)
    }

    @Test func `a reader that pauses blocks the writer, and nothing is lost or doubled`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.client.isPaused = true
        let sent = pattern(8 << 20, seed: 3)
        pair.server.output = sent
        pair.server.flush()
        let isBlocked = pair.server.isBlocked
        #expect(isBlocked)
        // The record that hangs is offered again from memory that has moved.
        pair.server.output.reserveCapacity(32 << 20)
        pair.client.isPaused = false
        pair.client.isReadable = true
        pair.client.advance()
        let isComplete = pair.run { $0.client.received.count >= sent.count }
        #expect(isComplete)
        #expect(pair.client.received == sent)
    }

    @Test func `the handshake also goes on by reading and writing alone`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let early = pair.client.transport.isHandshakeDone
        #expect(!early)
        let request = Array("request".utf8)
        #expect(pair.client.transport.write(request.span) == .wrote(0))
        (pair.client.handshake, pair.server.handshake) = (.done, .done)
        pair.client.output = request
        pair.server.output = Array("answer".utf8)
        // A write that waits for the peer's handshake is tried again with each edge.
        for _ in 0..<20 where pair.client.received.isEmpty || pair.server.received.isEmpty {
            _ = pair.poller.wait(timeout: .seconds(5))
            (pair.client.isReadable, pair.server.isReadable) = (true, true)
            (pair.client.isBlocked, pair.server.isBlocked) = (false, false)
            pair.client.advance()
            pair.server.advance()
        }
        #expect(pair.server.received == request)
        #expect(pair.client.received == Array("answer".utf8))
        let late = pair.client.transport.isHandshakeDone
        #expect(late)
    }

    @Test func `a limit stops a read, and what waits inside OpenSSL is not called drained`() throws
    {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.client.isPaused = true
        pair.server.output = pattern(1_000, seed: 4)
        pair.server.flush()
        let hasCome = pair.run { $0.client.isReadable }
        #expect(hasCome)
        var buffer = ByteBuffer(minimumCapacity: 2_048)
        var result = ReadResult.wouldBlock
        while result == .wouldBlock {
            result = pair.client.transport.read(into: &buffer, limit: 400)
        }
        #expect(result == .bytes(count: 400, isDrained: false))
        result = pair.client.transport.read(into: &buffer, limit: 600)
        #expect(result == .bytes(count: 600, isDrained: false))
        result = pair.client.transport.read(into: &buffer)
        #expect(result == .wouldBlock)
        #expect(buffer.array() == pattern(1_000, seed: 4))
    }

    @Test func `an idle connection is quiet in spite of session tickets, and not after a byte`()
        throws
    {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        pair.client.isPaused = true
        let isReady = pair.shakeHands()
        #expect(isReady)
        let before = pair.client.transport.isQuiet()
        #expect(before)
        pair.client.isReadable = false
        pair.server.output = [1]
        pair.server.flush()
        let hasCome = pair.run { $0.client.isReadable }
        #expect(hasCome)
        let after = pair.client.transport.isQuiet()
        #expect(!after)
        pair.client.isPaused = false
        pair.client.advance()
        #expect(pair.client.received == [1])
    }

    @Test func `the kernel never acknowledges more than the wire bytes that were counted`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        pair.client.output = [1, 2, 3]
        let isComplete = pair.run { $0.server.received.count == 3 }
        #expect(isComplete)
        let wire = pair.client.transport.wireBytesWritten ?? 0
        let acknowledged = pair.client.transport.info()?.bytesAcknowledged ?? .max
        // One for the SYN: tcp(7).
        #expect(wire > 200 && acknowledged <= wire + 1)
        let plain = try TLSPair(server: nil, client: nil)
        let ofPlain = plain.client.transport.wireBytesWritten
        #expect(ofPlain == nil)
    }
}

@Suite struct TLSEndTests {
    @Test func `close_notify is the end, and the other direction goes on`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        pair.client.output = Array("last words".utf8)
        let isSent = pair.run { $0.client.output.isEmpty && $0.server.handshake == .done }
        #expect(isSent)
        pair.client.transport.shutdownWriting()
        let isEnded = pair.run { $0.server.ending != nil }
        #expect(isEnded)
        #expect(pair.server.ending == .end)
        #expect(pair.server.received == Array("last words".utf8))
        pair.server.output = Array("answer".utf8)
        pair.server.flush()
        let isAnswered = pair.run { $0.client.received.count == 6 }
        #expect(isAnswered)
    }

    @Test func `close_notify is sent once, and asking again takes nothing from the reader`() throws
    {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let early = pair.client.transport.closeNotify()
        #expect(!early)
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.server.output = Array("still coming".utf8)
        pair.server.flush()
        for _ in 0..<3 {
            let isSent = pair.client.transport.closeNotify()
            #expect(isSent)
        }
        let hasCome = pair.run { $0.client.received.count == 12 && $0.server.ending != nil }
        #expect(hasCome)
        #expect(pair.server.ending == .end)
    }

    @Test
    func `a stream given up while the socket is full does not look whole, close_notify or not`()
        throws
    {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.client.isPaused = true
        pair.server.output = pattern(16 << 20, seed: 5)
        pair.server.flush()
        let isBlocked = pair.server.isBlocked
        #expect(isBlocked)
        // Given up: the stream ends inside a record, which must not look whole.
        let isSent = pair.server.transport.closeNotify()
        #expect(!isSent)
        _ = shutdown(pair.server.transport.descriptor, Int32(SHUT_WR))
        pair.client.isPaused = false
        pair.client.isReadable = true
        pair.client.advance()
        let isEnded = pair.run { $0.client.ending != nil }
        #expect(isEnded)
        #expect(pair.client.ending == .failed(EPROTO))
    }

    @Test func `FIN without close_notify is a failure: a stream cut short never looks whole`()
        throws
    {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.server.output = Array("half of".utf8)
        pair.server.flush()
        _ = shutdown(pair.server.transport.descriptor, Int32(SHUT_WR))
        let isEnded = pair.run { $0.client.ending != nil }
        #expect(isEnded)
        #expect(pair.client.received == Array("half of".utf8))
        #expect(pair.client.ending == .failed(EPROTO))
        #expect(pair.client.failure == .connection(.truncated))
        // And it stays so.
        #expect(pair.client.transport.write([1].span) == .failed(EPROTO))
        let quiet = pair.client.transport.isQuiet()
        #expect(!quiet)
    }

    @Test func `a reset names the system's reason`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        pair.server.transport.resetOnClose()
        close(of: &pair)
        let isEnded = pair.run { $0.client.ending != nil }
        #expect(isEnded)
        #expect(pair.client.ending == .failed(ECONNRESET))
        #expect(pair.client.failure == .connection(.system("Connection reset by peer")))
    }

    /// Puts an unconnected socket in the server's place, which closes the one that was there.
    private func close(of pair: inout TLSPair) {
        guard let nowhere = SocketAddress("127.0.0.1:1"),
            let other = try? Transport.connect(to: nowhere, userTimeout: .seconds(1))
        else { return }
        pair.server = TLSEnd(other)
    }

    @Test func `bytes that do not decrypt break the connection`() throws {
        let fixture = try fixture()
        var pair = try TLSPair(server: fixture.server("server"), client: fixture.client())
        let isReady = pair.shakeHands()
        #expect(isReady)
        let forged: [UInt8] = [23, 3, 3, 0, 20] + pattern(20, seed: 9)
        _ = unsafe forged.withUnsafeBytes {
            unsafe send(pair.server.transport.descriptor, $0.baseAddress, $0.count, 0)
        }
        let isEnded = pair.run { $0.client.ending != nil }
        #expect(isEnded)
        #expect(pair.client.ending == .failed(EBADMSG))
    }

    @Test func `dropping a connection closes its socket, whatever state TLS is in`() throws {
        let fixture = try fixture()
        let (server, client) = (try fixture.server("server"), try fixture.client())
        var inodes: Set<String> = []
        for round in 0..<24 {
            var pair = try TLSPair(
                server: server, client: client, host: round % 4 == 3 ? "wrong.test" : "replica.test"
            )
            inodes.insert(try inode(pair.client.transport.descriptor))
            inodes.insert(try inode(pair.server.transport.descriptor))
            if round % 4 > 0 {
                _ = pair.run {
                    $0.server.handshake != .wantsRead && $0.client.handshake != .wantsRead
                }
            }
            if round % 4 > 1 { pair.client.transport.closeNotify() }
        }
        #expect(inodes.count == 48)
        // Sockets of suites that run beside this one have other inodes.
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
            .compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
            }
        #expect(inodes.isDisjoint(with: open))
    }

    private func inode(_ descriptor: Int32) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
    }
}
