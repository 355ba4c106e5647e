import SluiceBytes
import SluiceReactor
import SluiceTime
import Testing

/// One end of a connection, driven as a worker does it: edges set flags, flags are worked off.
struct TLSEnd: ~Copyable {
    var transport: Transport
    /// What is still to be written; only grows at the end.
    var output: [UInt8] = []
    var received: [UInt8] = []
    /// Room of one read.
    var readBytes = 4_096
    /// Bytes of one write at most.
    var writeBytes = Int.max
    var handshake = HandshakeResult.wantsRead
    var isReadable = false
    var isBlocked = false
    var isPaused = false
    var ending: ReadResult?
    var writeFailure: Int32?

    init(_ transport: consuming Transport) { self.transport = transport }

    var failure: TLSError? { transport.tlsError }

    mutating func edge(_ event: PollEvent) {
        if event.isReadable || event.isClosing { isReadable = true }
        if event.isWritable {
            isBlocked = false
            if transport.readWaitsForWrite { isReadable = true }
        }
        advance()
    }

    mutating func advance() {
        if handshake != .done {
            if case .failed = handshake { return }
            handshake = transport.handshake()
            guard handshake == .done else { return }
            isReadable = true
        }
        flush()
        drain()
    }

    mutating func flush() {
        var pending: [UInt8] = []
        swap(&pending, &output)
        // An offset, not removeFirst: megabytes would be moved for each record.
        var sent = 0
        while sent < pending.count, !isBlocked, writeFailure == nil {
            let offered = min(pending.count - sent, writeBytes)
            // Two pieces, cut where it hurts: the vectored path sees every size.
            let cut = sent + offered / 3
            let bytes = pending.span
            let result = transport.write(
                bytes.extracting(sent..<cut), bytes.extracting(cut..<(sent + offered)))
            switch result {
            case .wrote(let count):
                sent += count
                isBlocked = count < offered
            case .failed(let code):
                writeFailure = code
            }
        }
        output = Array(pending[sent...])
    }

    mutating func drain() {
        while isReadable, !isPaused, ending == nil {
            var buffer = ByteBuffer(minimumCapacity: readBytes)
            let result = transport.read(into: &buffer)
            received += buffer.array()
            switch result {
            case .bytes(_, let isDrained): isReadable = !isDrained
            case .wouldBlock: isReadable = false
            case .end, .failed: ending = result
            }
        }
    }
}

/// Two connected ends and the poller that wakes them.
struct TLSPair: ~Copyable {
    let poller: Poller
    var client: TLSEnd
    var server: TLSEnd

    /// A connection over loopback; TLS on each side where a context is given.
    init(
        server context: TLSServerContext?, client: TLSClientContext?, host: String = "replica.test"
    )
        throws
    {
        let address = try #require(SocketAddress("127.0.0.1:0"))
        let listener = try ListenerSocket.open(address, sharesPort: false)
        let poller = try Poller()
        var out = try Transport.connect(to: listener.address, userTimeout: .seconds(5))
        if let client { try out.startTLS(client: client, host: host) }
        try poller.add(listener.descriptor, .read, Token(kind: .listener, slot: 0, generation: 1))
        #expect(poller.wait(timeout: .seconds(5)) == 1)
        guard case .connection(var accepted, _) = listener.accept() else {
            throw SystemError(call: "accept4")
        }
        if let context { try accepted.startTLS(server: context) }
        poller.remove(listener.descriptor)
        try poller.add(out.descriptor, .stream, Token(kind: .client, slot: 1, generation: 1))
        try poller.add(accepted.descriptor, .stream, Token(kind: .server, slot: 2, generation: 1))
        self.poller = poller
        self.client = TLSEnd(out)
        self.server = TLSEnd(accepted)
    }

    /// Hands out edges until `isDone`; false when nothing happened for five seconds before.
    mutating func run(until isDone: (borrowing TLSPair) -> Bool) -> Bool {
        while !isDone(self) {
            let count = poller.wait(timeout: .seconds(5))
            if count == 0 { return false }
            for index in 0..<count {
                let event = poller.event(index)
                if event.token.slot == 1 { client.edge(event) } else { server.edge(event) }
            }
        }
        return true
    }

    /// Finishes the handshake on both sides.
    mutating func shakeHands() -> Bool {
        run { $0.client.handshake == .done && $0.server.handshake == .done }
    }
}
