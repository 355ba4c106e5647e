import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTime

/// Which replica of which pool, as small numbers.
struct ReplicaKey {
    let pool: Int
    let slot: Int
    let generation: UInt32
}

// Owned by one worker; lives in its slot table until the end of the loop turn in which it closed.

/// One connection to a replica; carries at most one exchange.
struct UpstreamConnection: ~Copyable {
    enum Stage: Equatable {
        case connecting
        /// The request is being written or the answer read.
        case active
        /// In the pool, waiting for the next request.
        case idle
        case closed
    }

    var transport: Transport
    let replica: ReplicaKey
    var stage = Stage.connecting
    var exchange: UInt32
    /// The request's head, and its body where that is small.
    var output = ByteBuffer()
    /// Bytes read and not yet used.
    var input = ByteBuffer()
    var parser: ResponseParser
    var isReadable = false
    var isPeerClosed = false
    var isBlocked = false
    /// TLS: the handshake is not finished.
    var isHandshaking = false
    /// Bytes written before the exchange that is on it now.
    var bytesBefore: UInt64 = 0
    var bytesWritten: UInt64 = 0
    /// Whether a request has been answered on it: the stale keep-alive case needs that.
    var isReused = false
    /// Whether it was idle for ``restMin`` or more before the request on it: no server's keep-alive is
    /// shorter.
    var hasRested = false
    var idleSince = Instant.unset
    /// While idle: the neighbours in the pool's list.
    var idleNext = noSlot
    var idlePrevious = noSlot

    init(
        transport: consuming Transport, replica: ReplicaKey, exchange: UInt32, limits: HeadLimits
    ) {
        self.transport = transport
        self.replica = replica
        self.exchange = exchange
        parser = ResponseParser(limits: limits)
    }

    static let restMin = Nanoseconds.seconds(1)

    /// Notes what an edge says; answers what the connection is about.
    mutating func take(_ event: PollEvent) -> Stage {
        event.note(
            readWaitsForWrite: transport.readWaitsForWrite, in: &isReadable, &isPeerClosed)
        return stage
    }

    /// The exchange whose answer may be read; nil where there is none, or nothing to read.
    var readableExchange: UInt32? {
        mutating get { stage == .active && isReadable ? exchange : nil }
    }

    /// Reads once into `input`; whether there may be more shows in ``isReadable``.
    mutating func receive(_ pool: BufferPool) -> ReadResult {
        pool.provide(&input)
        let result = transport.read(into: &input)
        if input.isEmpty { pool.release(&input) }
        switch result {
        case .bytes(_, let isDrained): if isDrained && !isPeerClosed { isReadable = false }
        case .wouldBlock, .end, .failed: isReadable = false
        }
        return result
    }

    /// Has nothing to do since `now`; `next` is its neighbour in the pool's list.
    mutating func rest(before next: UInt32, since now: Instant) {
        stage = .idle
        exchange = noSlot
        idleSince = now
        idlePrevious = noSlot
        idleNext = next
    }

    /// Forgets its neighbours in the pool's list; answers whose list it is, and who they were.
    @inline(__always)
    mutating func unlink() -> (replica: ReplicaKey, next: UInt32, previous: UInt32) {
        let neighbours = (replica, idleNext, idlePrevious)
        idleNext = noSlot
        idlePrevious = noSlot
        return neighbours
    }

    /// Readies an idle connection for another request; false where it had better not carry one.
    mutating func use(again now: Instant, idleMax: Nanoseconds) -> Bool {
        let idleTime = now - idleSince
        // A FIN shows as an edge before this turn ends; a look at the socket is worth its system call
        // only where there was time for one to arrive unseen.
        let isQuiet = idleTime < .milliseconds(50) || transport.isQuiet()
        guard idleTime < idleMax, isQuiet, !isPeerClosed else { return false }
        isReused = true
        hasRested = idleTime >= Self.restMin
        bytesBefore = transport.wireBytesWritten ?? bytesWritten
        parser.reset()
        return true
    }

    /// Whether nothing of an answer is left on it.
    var isClean: Bool {
        mutating get {
            // A read that filled its block proves nothing: what is left is nobody's answer.
            input.isEmpty && !isPeerClosed && (!isReadable || transport.isQuiet())
        }
    }

    mutating func consumeInput(_ count: Int, _ pool: BufferPool) {
        input.consume(count)
        if input.isEmpty { pool.release(&input) }
    }

    /// Writes `output` and then the request's body from where it stopped.
    ///
    /// - Parameter bodySent: bytes of the body written so far; moved forward.
    /// - Returns: false when the connection is broken.
    mutating func send(
        _ request: borrowing ByteBuffer, bodyStart: Int, bodySent: inout Int, _ pool: BufferPool
    ) -> Bool {
        let headCount = output.count
        // Of a request that has been released nothing is left.
        let offset = min(bodyStart + bodySent, request.count)
        if headCount == 0 && offset == request.count { return true }
        guard case .wrote(let count) = transport.write(output, request, from: offset) else {
            return false
        }
        bytesWritten &+= UInt64(count)
        let ofHead = min(count, headCount)
        output.consume(ofHead)
        bodySent += count - ofHead
        isBlocked = !output.isEmpty || bodyStart + bodySent < request.count
        if output.isEmpty { pool.release(&output) }
        return true
    }
}
