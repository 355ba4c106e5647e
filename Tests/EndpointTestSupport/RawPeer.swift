import SluiceBytes
import SluiceEndpoint
import SluiceReactor
import SluiceTime

/// The other end of a connection under test: sends what it is told and keeps what comes.
package final class RawPeer {
    /// How the connection ended for us.
    package enum Ending: Equatable, Sendable {
        case open, finished, reset
    }

    /// Everything received, up to now.
    package private(set) var bytes: [UInt8] = []
    /// Whether the other side is still there.
    package private(set) var ending = Ending.open
    /// While false nothing is read, so that the other side's socket fills.
    package var reads = true { didSet { read() } }
    private let loop: EndpointLoop
    private var transport: Transport?
    private var watch: EndpointLoop.Watch?
    private var output = ByteBuffer()

    /// Connects; ``send(_:)`` may be called at once.
    package convenience init(to address: SocketAddress, on loop: EndpointLoop) throws {
        try self.init(Transport.connect(to: address, userTimeout: .seconds(30)), on: loop)
    }

    /// Takes over an accepted connection.
    package init(_ transport: consuming Transport, on loop: EndpointLoop) throws {
        self.loop = loop
        let descriptor = transport.descriptor
        self.transport = consume transport
        watch = try loop.watch(descriptor, .stream) { [weak self] event in
            if event.isWritable { self?.flush() }
            self?.read()
        }
    }

    deinit { close() }

    /// What has been received, as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Sends text, as soon as the socket takes it.
    package func send(_ text: String) { send(Array(text.utf8)) }

    /// Sends bytes, as soon as the socket takes them.
    package func send(_ bytes: [UInt8]) {
        output.append(bytes.span)
        flush()
    }

    /// Forgets what has been received.
    package func clear() { bytes = [] }

    /// Sends FIN.
    package func finish() { transport?.shutdownWriting() }

    /// Cuts the connection with a reset.
    package func reset() {
        transport?.resetOnClose()
        close()
    }

    /// Closes our end.
    package func close() {
        if let watch, let descriptor = transport?.descriptor { loop.unwatch(watch, descriptor) }
        watch = nil
        transport = nil
    }

    /// Reads once and no more than this, for a client that reads slowly: ``reads`` is false.
    package func take(atMost count: Int) {
        guard ending == .open else { return }
        var input = ByteBuffer(minimumCapacity: count)
        guard case .bytes = transport?.read(into: &input, limit: count) else { return }
        bytes += input.array()
    }

    private func flush() {
        guard !output.isEmpty else { return }
        _ = transport?.write(from: &output)
    }

    private func read() {
        guard reads, ending == .open else { return }
        var input = ByteBuffer(minimumCapacity: 65_536)
        while true {
            switch transport?.read(into: &input) ?? .wouldBlock {
            case .bytes:
                bytes += input.array()
                input.removeAll()
            case .wouldBlock: return
            case .end:
                ending = .finished
                return
            case .failed:
                ending = .reset
                return
            }
        }
    }
}

extension EndpointLoop {
    /// Turns until the condition holds.
    ///
    /// - Returns: false when it did not within `limit`.
    package func turn(within limit: Nanoseconds = .seconds(10), until condition: () -> Bool)
        -> Bool
    {
        let deadline = MonotonicClock.now() + limit
        while !condition() {
            guard MonotonicClock.now() < deadline else { return false }
            turn(maxWait: .milliseconds(5))
        }
        return true
    }

    /// Whether every descriptor, timer and buffer has been given back.
    package var isClean: Bool { inUse == (0, 0, 0) }
}
