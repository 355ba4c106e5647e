import Glibc
import SluiceBytes
import SluiceReactor
import SluiceTime
import Testing

@Suite struct TransportTests {
    private func listener() throws -> ListenerSocket {
        let address = try #require(SocketAddress("127.0.0.1:0"))
        return try ListenerSocket.open(address, sharesPort: true)
    }

    @Test func `bytes written at one end are read at the other, and FIN is seen as the end`() throws
    {
        let listener = try listener()
        let poller = try Poller()
        try poller.add(listener.descriptor, .read, Token(kind: .listener, slot: 0, generation: 1))
        var client = try Transport.connect(to: listener.address, userTimeout: .seconds(5))
        #expect(poller.wait(timeout: .seconds(5)) == 1)
        guard case .connection(var server, let peer) = listener.accept()
        else {
            Issue.record("nothing accepted")
            return
        }
        #expect(peer.isLoopback)
        let quietBefore = server.isQuiet()
        #expect(quietBefore)
        let (a, b) = (Array("hello ".utf8), Array("world".utf8))
        let wrote = client.write(a.span, b.span)
        #expect(wrote == .wrote(11))
        client.shutdownWriting()
        try poller.add(server.descriptor, .stream, Token(kind: .server, slot: 1, generation: 1))
        var buffer = ByteBuffer(minimumCapacity: 64)
        var result = ReadResult.wouldBlock
        while result != .end {
            #expect(poller.wait(timeout: .seconds(5)) > 0)
            repeat {
                result = server.read(into: &buffer)
            } while result != .end && result != .wouldBlock
        }
        #expect(buffer.text() == "hello world")
        #expect(client.info()?.bytesAcknowledged ?? 0 >= 11)
    }

    @Test func `an accepted connection has its options of the listener`() throws {
        var accepted = AcceptedOptions()
        accepted.userTimeout = .milliseconds(7_500)
        accepted.unsentBytesMax = 12_345
        let listener = try ListenerSocket.open(
            try #require(SocketAddress("127.0.0.1:0")), sharesPort: false, accepted: accepted)
        let client = try Transport.connect(to: listener.address, userTimeout: .milliseconds(2_500))
        let poller = try Poller()
        try poller.add(listener.descriptor, .read, Token(kind: .listener, slot: 0, generation: 1))
        #expect(poller.wait(timeout: .seconds(5)) == 1)
        guard case .connection(let server, _) = listener.accept() else {
            Issue.record("nothing accepted")
            return
        }
        func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
            var (value, size) = (Int32(-1), socklen_t(MemoryLayout<Int32>.size))
            return unsafe getsockopt(descriptor, level, name, &value, &size) == 0 ? value : -1
        }
        let tcp = Int32(IPPROTO_TCP)
        for (descriptor, timeout) in [
            (server.descriptor, Int32(7_500)), (client.descriptor, 2_500),
        ] {
            #expect(option(descriptor, tcp, TCP_NODELAY) == 1)
            #expect(option(descriptor, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(option(descriptor, tcp, TCP_KEEPIDLE) == 15)
            #expect(option(descriptor, tcp, TCP_KEEPINTVL) == 5)
            #expect(option(descriptor, tcp, TCP_KEEPCNT) == 3)
            #expect(option(descriptor, tcp, TCP_USER_TIMEOUT) == timeout)
        }
        #expect(option(server.descriptor, tcp, TCP_NOTSENT_LOWAT) == 12_345)
    }

    @Test func `a refused connection names its reason`() throws {
        var address = try #require(SocketAddress("127.0.0.1:0"))
        do {
            let closed = try listener()
            address = closed.address
        }
        let poller = try Poller()
        let transport = try Transport.connect(to: address, userTimeout: .seconds(1))
        try poller.add(transport.descriptor, .stream, Token(kind: .client, slot: 0, generation: 1))
        #expect(poller.wait(timeout: .seconds(5)) == 1)
        let reason = transport.connectError()?.reason
        #expect(reason == "Connection refused")
    }

    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:8080", "[::1]:8080"), (":90", "0.0.0.0:90"),
    ])
    func `addresses read and print alike`(text: String, printed: String) {
        #expect(SocketAddress(text)?.description == printed)
    }

    @Test(arguments: ["", "127.0.0.1", "localhost:80", "127.0.0.1:65536", "1.2.3:4"])
    func `what is not an address literal is refused`(text: String) {
        #expect(SocketAddress(text) == nil)
    }
}

@Suite struct SlotTableTests {
    @Test func `a token of an earlier tenant does not match a later one`() {
        let table = SlotTable<Int>(capacity: 2)
        let a = table.insert(1)
        let stale = table.token(.client, a)
        #expect(table.holds(stale))
        #expect(table.remove(a) == 1)
        #expect(!table.holds(stale))
        let b = table.insert(2)
        #expect(a == b && !table.holds(stale) && table.holds(table.token(.client, b)))
        _ = table.insert(3)
        #expect(table.isFull && table.count == 2)
        table[b] += 40
        #expect(table[b] == 42)
    }

    @Test func `an element is where it was put until its slot is given back`() {
        let table = SlotTable<String>(capacity: 3)
        let a = table.insert { "first" }
        let b = table.insert("second")
        table.discard(a)
        #expect(!table.isInUse(a) && table.isInUse(b) && table[b] == "second")
        let c = table.insert { "third" }
        #expect(c == a && table[c] == "third" && table[b] == "second" && table.count == 2)
        #expect(table.slotsInUse() == [c, b].sorted())
    }
}

@Suite struct MailboxTests {
    @Test func `messages from other threads arrive once and wake the owner`() throws {
        let mailbox = try Mailbox<Int>()
        let poller = try Poller()
        try poller.add(mailbox.descriptor, .read, Token(kind: .mailbox, slot: 0, generation: 1))
        var threads: [Int] = []
        let a = try WorkerThread(name: "a") { for i in 0..<1_000 { mailbox.post(i) } }
        let b = try WorkerThread(name: "b") { for i in 1_000..<2_000 { mailbox.post(i) } }
        while threads.count < 2_000, poller.wait(timeout: .seconds(5)) > 0 {
            threads += mailbox.take()
        }
        a.join()
        b.join()
        #expect(threads.sorted() == Array(0..<2_000))
    }
}
