import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime

// Owned by one worker; lives in its slot table until the end of the loop turn in which it closed.

/// "No slot": an exchange without an upstream, a connection without an exchange.
let noSlot = UInt32.max

/// One client's connection.
struct DownstreamConnection: ~Copyable {
    /// What the connection is about to do; each case waits for something different.
    enum Stage: Equatable {
        /// Between requests, or part of a head has come.
        case receivingHead
        /// The head has been read, the body is coming.
        case receivingBody
        /// A request is complete; its exchange owns the connection's next bytes out.
        case responding
        /// The answer is sent and our side shut down; what still comes is discarded for a while, so
        /// that no reset overtakes the answer.
        case lingering
        /// The answer is sent and the rest of its request's body, discarded, is still coming.
        case discardingBody
        /// Closed; the slot is freed at the end of the turn.
        case closed
    }

    /// Bytes discarded after an answer at most, and for how long.
    static let lingerBytesMax = 262_144
    static let lingerMax = Nanoseconds.seconds(2)
    /// Rest between two requests once the listeners are closed: a round trip, and time to think.
    static let drainRest = Nanoseconds.seconds(1)

    var transport: Transport
    let peer: SocketAddress
    /// The peer's address as records keep it.
    let client: InlineText<46>
    /// Bytes read and not yet used.
    var input = ByteBuffer()
    /// Bytes of answers not yet taken by the socket.
    var output = ByteBuffer()
    var parser: RequestParser
    var stage = Stage.receivingHead
    /// The open exchange, or ``noSlot``.
    var exchange = noSlot
    var timer = TimerWheel.none
    /// When `timer` fires; at or before every deadline in force.
    var timerAt = Instant.never
    /// Deadline of `receivingHead`, `receivingBody`, `lingering`, `discardingBody`.
    var deadline = Instant.never
    /// First byte of the head that is being received.
    var headStarted = Instant.unset
    /// An edge said that there is something to read, and no read has found the end of it.
    var isReadable = false
    /// The client has sent FIN or reset.
    var isPeerClosed = false
    /// `output` goes out at the end of this turn.
    var isSendQueued = false
    /// The socket took less than offered; an edge will tell.
    var isBlocked = false
    /// Since when, while blocked.
    var blockedSince = Instant.unset
    /// Close instead of waiting for another request.
    var closesAfterAnswer = false
    /// Answers begun on it.
    var answers: UInt32 = 0
    /// TLS: the handshake is not finished.
    var isHandshaking = false
    var lingeredBytes = 0
    /// Bytes still to come of the body of a request that was answered without it.
    var bodyLeft = 0
    /// Whose key the last request had; empty where no tenants are told apart.
    var lastKey = LastKey()

    init(transport: consuming Transport, peer: SocketAddress, limits: HeadLimits) {
        self.transport = transport
        self.peer = peer
        client = InlineText(peer.host)
        parser = RequestParser(limits: limits)
    }

    /// Notes what an edge says; answers what the connection is about.
    mutating func take(_ event: PollEvent) -> Stage {
        event.note(
            readWaitsForWrite: transport.readWaitsForWrite, in: &isReadable, &isPeerClosed)
        return stage
    }

    /// Reads once into `input`, which borrows a block while it holds bytes.
    mutating func receive(_ pool: BufferPool) -> ReadResult {
        pool.provide(&input)
        let result = transport.read(into: &input)
        if input.isEmpty { pool.release(&input) }
        return result
    }

    /// Writes `output`; what the socket does not take stays. False when the connection is broken.
    mutating func flush(_ pool: BufferPool, now: Instant) -> Bool {
        guard !output.isEmpty else { return true }
        switch transport.write(from: &output) {
        case .wrote(let count):
            if output.isEmpty {
                pool.release(&output)
                isBlocked = false
            } else if !isBlocked {
                isBlocked = true
                blockedSince = now
            } else if count > 0 {
                blockedSince = now
            }
            return true
        case .failed:
            return false
        }
    }

    /// Sets the deadline of a stage without an exchange at a replica; answers whether `timer` fires
    /// too late for it.
    @inline(__always) mutating func isEarly(_ deadline: Instant) -> Bool {
        self.deadline = deadline
        return deadline < timerAt
    }

    /// Drops `count` used bytes of `input` and its block with the last.
    mutating func consumeInput(_ count: Int, _ pool: BufferPool) {
        input.consume(count)
        if input.isEmpty { pool.release(&input) }
    }
}
