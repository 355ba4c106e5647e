import SluiceBytes
import SluiceReactor
import SluiceTime

/// One end of a TCP connection as bytes; every wait has a deadline.
///
/// One thread at a time uses it; it is marked sendable as Swift 6.3.1 crashes (SendNonSendable) on
/// tests that hold two of them otherwise.
final class RawConnection: @unchecked Sendable {
    /// How the peer ended its side.
    enum Ending: Equatable {
        case finished, reset
    }

    /// Bytes that have come and not been taken.
    private(set) var received: [UInt8] = []
    /// Everything that has come.
    private(set) var all: [UInt8] = []
    private(set) var ending: Ending?
    private var transport: Transport?
    private let poller: Poller
    private let descriptor: Int32
    private static let token = Token(kind: .client, slot: 0, generation: 1)
    static let patience = Nanoseconds.seconds(10)

    init(_ transport: consuming Transport) throws {
        descriptor = transport.descriptor
        poller = try Poller()
        try poller.add(descriptor, [.read, .peerClosed], Self.token)
        self.transport = consume transport
    }

    /// Connects; data may be sent at once, the kernel keeps it.
    convenience init(to address: SocketAddress) throws {
        try self.init(try Transport.connect(to: address, userTimeout: .seconds(20)))
        wait(for: .write, .seconds(2))
    }

    /// Finishes a TLS handshake; why it failed, or nil.
    func shakeHands() -> TLSError? {
        let deadline = MonotonicClock.now() + Self.patience
        while MonotonicClock.now() < deadline {
            switch transport?.handshake() {
            case .done, nil: return nil
            case .wantsRead: _ = poller.wait(timeout: .milliseconds(50))
            case .wantsWrite: wait(for: .write, .milliseconds(50))
            case .failed(let error): return error
            }
        }
        return .handshake(host: nil, .closed)
    }

    private func wait(for interest: Interest, _ time: Nanoseconds) {
        poller.modify(descriptor, interest, Self.token)
        _ = poller.wait(timeout: time)
        poller.modify(descriptor, [.read, .peerClosed], Self.token)
    }

    /// Sends everything; false when the peer takes no more within `within`.
    @discardableResult func send(_ bytes: [UInt8], within: Nanoseconds = patience) -> Bool {
        let deadline = MonotonicClock.now() + within
        var sent = 0
        while sent < bytes.count {
            let rest = bytes.span.extracting(sent..<bytes.count)
            guard case .wrote(let count)? = transport?.write(rest) else { return false }
            sent += count
            if count == 0 {
                guard MonotonicClock.now() < deadline else { return false }
                wait(for: .write, .milliseconds(50))
            }
        }
        return true
    }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Reads what comes within `within`; false when nothing has, or the peer has ended.
    @discardableResult func readSome(within: Nanoseconds) -> Bool {
        guard ending == nil, transport != nil else { return false }
        var buffer = ByteBuffer(minimumCapacity: 65_536)
        for isSecond in [false, true] {
            switch transport?.read(into: &buffer) {
            case .bytes:
                let bytes = buffer.array()
                received += bytes
                all += bytes
                return true
            case .end: ending = .finished
            case .failed: ending = .reset
            case .wouldBlock, nil: if !isSecond { _ = poller.wait(timeout: within) }
            }
            if ending != nil { return false }
        }
        return false
    }

    /// Whether something comes within `within`, which stays unread: bytes, or the peer's end.
    func holdsUnread(within: Nanoseconds) -> Bool {
        if transport?.isQuiet() == true { _ = poller.wait(timeout: within) }
        return transport?.isQuiet() != true
    }

    /// Reads until `isEnough` of what has not been taken; false when that does not come.
    @discardableResult func read(
        within: Nanoseconds = patience, until isEnough: ([UInt8]) -> Bool
    ) -> Bool {
        let deadline = MonotonicClock.now() + within
        while !isEnough(received) {
            let left = deadline - MonotonicClock.now()
            guard left > .zero, ending == nil else { return false }
            readSome(within: left)
        }
        return true
    }

    /// Reads until `text` has come.
    @discardableResult func read(until text: String, within: Nanoseconds = patience) -> Bool {
        read(within: within) { $0.holds(text) }
    }

    /// Reads until the peer ends its side, and says how; nil when it does not.
    func readToEnd(within: Nanoseconds = patience) -> Ending? {
        read(within: within) { _ in false }
        return ending
    }

    /// Drops the first bytes of what has come.
    func take(_ count: Int) -> [UInt8] {
        let taken = Array(received.prefix(count))
        received.removeFirst(taken.count)
        return taken
    }

    /// Sends FIN; reading goes on.
    func finish() { transport?.shutdownWriting() }

    func close() { transport = nil }

    func reset() {
        transport?.resetOnClose()
        transport = nil
    }

    /// One answer; nil when none has come whole and none is under way at the deadline.
    func readAnswer(isHead: Bool = false, within: Nanoseconds = patience) -> RawAnswer? {
        let deadline = MonotonicClock.now() + within
        while true {
            if let answer = RawAnswer(received, isHead: isHead, isOver: ending != nil) {
                if answer.isWhole || ending != nil {
                    _ = take(answer.byteCount)
                    return answer
                }
            }
            let left = deadline - MonotonicClock.now()
            guard left > .zero, ending == nil else {
                return RawAnswer(received, isHead: isHead, isOver: true)
            }
            readSome(within: left)
        }
    }
}

/// An answer as a client sees it.
struct RawAnswer {
    var status = 0
    /// Lower-case names.
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// The sizes of the chunks do not matter; that the last one came does.
    var isWhole = false
    var byteCount = 0

    /// Nil until the head is there.
    init?(_ bytes: [UInt8], isHead: Bool, isOver: Bool) {
        guard let end = bytes.firstOffset(of: "\r\n\r\n") else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
        status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            fields.append((parts[0].lowercased(), parts.count > 1 ? parts[1].trimmed : ""))
        }
        readBody(bytes, from: end + 4, isHead: isHead, isOver: isOver)
    }

    private mutating func readBody(
        _ bytes: [UInt8], from start: Int, isHead: Bool, isOver: Bool
    ) {
        byteCount = start
        if isHead || status < 200 || status == 204 || status == 304 {
            isWhole = true
        } else if self["transfer-encoding"] == "chunked" {
            let chunks = RawChunks(bytes, from: start)
            (body, isWhole, byteCount) = (chunks.body, chunks.isWhole, chunks.end)
        } else if let length = self["content-length"].flatMap({ Int($0) }) {
            body = Array(bytes[start..<min(bytes.count, start + length)])
            isWhole = body.count == length
            byteCount = start + body.count
        } else {
            body = Array(bytes[start...])
            isWhole = isOver
            byteCount = bytes.count
        }
    }

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Chunked framing, undone.
struct RawChunks {
    var body: [UInt8] = []
    var isWhole = false
    var end: Int

    init(_ bytes: [UInt8], from start: Int) {
        end = start
        while let line = bytes[end...].firstIndex(of: 0x0D), line + 1 < bytes.count {
            let size = Int(String(decoding: bytes[end..<line], as: UTF8.self), radix: 16)
            guard let size, line + 2 + size + 2 <= bytes.count else { return }
            body += bytes[(line + 2)..<(line + 2 + size)]
            end = line + 2 + size + 2
            if size == 0 {
                isWhole = true
                return
            }
        }
    }
}

extension [UInt8] {
    func firstOffset(of text: String, from start: Int = 0) -> Int? {
        let wanted = Array(text.utf8)
        guard count >= start + wanted.count else { return nil }
        for i in start...(count - wanted.count) where self[i] == wanted[0] {
            if self[i..<(i + wanted.count)].elementsEqual(wanted) { return i }
        }
        return nil
    }

    func holds(_ text: String) -> Bool { firstOffset(of: text) != nil }

    func count(of text: String) -> Int {
        var (count, start) = (0, 0)
        while let found = firstOffset(of: text, from: start) {
            count += 1
            start = found + text.utf8.count
        }
        return count
    }
}

extension StringProtocol {
    var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
