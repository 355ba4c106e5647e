import CSluiceLinux
import Glibc
import SluiceTime

/// What a token of the poller stands for; the top byte of the token.
@usableFromInline package enum TokenKind: UInt8, Sendable {
    case listener, downstream, upstream, mailbox, signals, timer, server, client
}

/// Names one registered descriptor: slot, the slot's generation, kind. An event whose generation is
/// not the slot's current one is left over from a closed descriptor and dropped.
@usableFromInline package struct Token: Hashable, Sendable {
    @usableFromInline package var bits: UInt64

    @inlinable package init(bits: UInt64) { self.bits = bits }

    /// - Parameter generation: its low 24 bits count.
    @inlinable package init(kind: TokenKind, slot: UInt32, generation: UInt32) {
        bits =
            UInt64(slot) | UInt64(generation & 0xFF_FFFF) << 32 | UInt64(kind.rawValue) << 56
    }

    @inlinable package var slot: UInt32 { UInt32(truncatingIfNeeded: bits) }
    @inlinable package var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) & 0xFF_FFFF }
    /// The kind, or nil for bits that no token of ours has.
    @inlinable package var kind: TokenKind? {
        TokenKind(rawValue: UInt8(truncatingIfNeeded: bits >> 56))
    }
}

/// What may happen to a registered descriptor.
package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let read = Interest(rawValue: UInt32(EPOLLIN.rawValue))
    package static let write = Interest(rawValue: UInt32(EPOLLOUT.rawValue))
    package static let peerClosed = Interest(rawValue: UInt32(EPOLLRDHUP.rawValue))
    package static let edgeTriggered = Interest(rawValue: UInt32(bitPattern: -0x8000_0000))

    /// A stream socket: everything once, by edges; no `epoll_ctl` in steady state.
    package static let stream: Interest = [.read, .write, .peerClosed, .edgeTriggered]
}

/// One thing that happened.
@usableFromInline package struct PollEvent: Sendable {
    @usableFromInline package let token: Token
    @usableFromInline let bits: UInt32

    init(token: Token, bits: UInt32) {
        self.token = token
        self.bits = bits
    }

    /// EPOLLIN.
    @inlinable package var isReadable: Bool { bits & 0x1 != 0 }
    /// EPOLLOUT.
    @inlinable package var isWritable: Bool { bits & 0x4 != 0 }
    /// The peer has sent FIN, reset, or the socket failed: a short read is then no proof of "drained".
    /// EPOLLRDHUP, EPOLLHUP, EPOLLERR.
    @inlinable package var isClosing: Bool { bits & 0x2018 != 0 }
    /// Reset or failed: nothing can be written any more. EPOLLHUP, EPOLLERR.
    @inlinable package var isBroken: Bool { bits & 0x18 != 0 }

    /// Notes in a connection's own account what the edge says: there may be something to read, the peer
    /// has closed.
    ///
    /// - Parameter readWaitsForWrite: TLS cannot read on before it has written.
    @inlinable @inline(__always) package func note(
        readWaitsForWrite: Bool, in canBeRead: inout Bool, _ isPeerClosed: inout Bool
    ) {
        if isReadable || isWritable && readWaitsForWrite || isClosing { canBeRead = true }
        if isClosing { isPeerClosed = true }
    }
}

/// epoll(7) of one thread.
@safe package final class Poller {
    private let epoll: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    /// Events taken from the kernel in one turn at most; the rest come with the next.
    package static let batchMax = 256

    /// - Throws: ``SystemError`` when the process has no descriptor left.
    package init() throws(SystemError) {
        epoll = sluice_epoll_create()
        guard epoll >= 0 else { throw SystemError(call: "epoll_create1") }
        unsafe events = .allocate(capacity: Self.batchMax)
    }

    deinit {
        unsafe events.deallocate()
        close(epoll)
    }

    /// Registers a descriptor. - Throws: ``SystemError`` (out of memory or of watches).
    package func add(_ descriptor: Int32, _ interest: Interest, _ token: Token)
        throws(SystemError)
    {
        guard sluice_epoll_add(epoll, descriptor, interest.rawValue, token.bits) == 0 else {
            throw SystemError(call: "epoll_ctl")
        }
    }

    /// Changes what a registered descriptor is watched for.
    package func modify(_ descriptor: Int32, _ interest: Interest, _ token: Token) {
        _ = sluice_epoll_modify(epoll, descriptor, interest.rawValue, token.bits)
    }

    /// Stops watching; closing the descriptor does the same.
    package func remove(_ descriptor: Int32) {
        _ = sluice_epoll_remove(epoll, descriptor)
    }

    /// Waits for events until the timeout (nil: for ever) and returns how many came.
    package func wait(timeout: Nanoseconds?) -> Int {
        let milliseconds: Int32
        if let timeout {
            milliseconds = Int32(clamping: timeout.wholeMillisecondsRoundedUp)
        } else {
            milliseconds = -1
        }
        let count = unsafe sluice_epoll_wait(
            epoll, events, Int32(Self.batchMax), milliseconds)
        // EINTR only: every other error is a bug of ours.
        return max(0, Int(count))
    }

    /// The `index`-th event of the last ``wait(timeout:)``.
    @inline(__always) package func event(_ index: Int) -> PollEvent {
        precondition(index >= 0 && index < Self.batchMax)
        // Safety: the index is inside the allocation; the kernel wrote the first `count` events.
        let event = unsafe events + index
        return unsafe PollEvent(
            token: Token(bits: sluice_event_token(event)), bits: sluice_event_bits(event))
    }
}
