import CSluiceLinux
import Glibc
import SluiceBytes
import SluiceTime

/// What reading brought.
package enum ReadResult: Equatable, Sendable {
    /// Bytes came. `isDrained`: fewer than there was room for, so the kernel holds no more – unless
    /// the same event said that the peer is closing. With TLS: the kernel had no more, and nothing
    /// is left inside OpenSSL; false until that is sure, as no edge will tell of bytes held there.
    case bytes(count: Int, isDrained: Bool)
    /// Nothing now; an edge will tell.
    case wouldBlock
    /// The peer has sent FIN (with TLS: close_notify, without which FIN is a failure).
    case end
    /// Reset, timed out, or broken TLS; errno. ``Transport/tlsError`` says more of TLS.
    case failed(Int32)
}

/// What writing took.
package enum WriteResult: Equatable, Sendable {
    /// So many bytes were taken; fewer than offered means that the socket is full and an edge will
    /// tell when it is not.
    case wrote(Int)
    /// Reset, timed out, or broken TLS; errno.
    case failed(Int32)
}

/// What one connection's kernel state says. Source: tcp(7), TCP_INFO.
package struct StreamInfo: Sendable {
    /// Bytes of ours that the peer has acknowledged, readable after FIN and RST.
    package let bytesAcknowledged: UInt64
    /// Smoothed round-trip time.
    package let roundTrip: Nanoseconds
}

/// One connected stream socket: plain TCP, or TLS on it.
///
/// Everything above reads and writes bytes and does not know which. Dropping it closes the socket.
package struct Transport: ~Copyable {
    package let descriptor: Int32
    var tls: TLSSession?

    init(descriptor: Int32, tls: consuming TLSSession?) {
        self.descriptor = descriptor
        self.tls = tls
    }

    deinit { close(descriptor) }

    /// Starts to connect; completion shows as writability and ``connectError()``.
    ///
    /// - Throws: ``SystemError`` when no socket is left or the address is refused at once.
    package static func connect(to address: SocketAddress, userTimeout: Nanoseconds)
        throws(SystemError) -> Transport
    {
        let descriptor = sluice_stream_socket(address.family)
        guard descriptor >= 0 else { throw SystemError(call: "socket") }
        let transport = Transport(descriptor: descriptor, tls: nil)
        tune(descriptor, userTimeout: userTimeout)
        let result = unsafe address.withSockaddr { unsafe Glibc.connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else { throw SystemError(call: "connect") }
        return transport
    }

    /// No delay of small segments, probes of a silent peer, an end to unacknowledged bytes. Of a listener:
    /// those of every connection that it accepts.
    static func tune(_ descriptor: Int32, userTimeout: Nanoseconds) {
        sluice_tune_stream(
            descriptor, UInt32(clamping: userTimeout.wholeMillisecondsRoundedUp))
    }

    /// Why the connection attempt failed; nil when it stands.
    package func connectError() -> SystemError? {
        let code = sluice_socket_error(descriptor)
        return code == 0 ? nil : SystemError(call: "connect", code: code)
    }

    /// Reads once, into the room of `buffer` (which must have storage) or `limit` bytes of it.
    @inline(__always) package mutating func read(into buffer: inout ByteBuffer, limit: Int = .max)
        -> ReadResult
    {
        if tls != nil { return readTLS(into: &buffer, limit: limit) }
        buffer.reserve(1)
        let wanted = min(buffer.room, limit)
        var failure: Int32 = 0
        let descriptor = descriptor
        var count = 0
        _ = unsafe buffer.fill(minimum: 1) { room in
            // Safety: recv writes at most `wanted` <= room.count bytes into the room.
            count = unsafe sluice_receive(descriptor, room.baseAddress, wanted, 0)
            if count < 0 { failure = errno }
            return max(0, count)
        }
        if count > 0 { return .bytes(count: count, isDrained: count < wanted) }
        if count == 0 { return .end }
        if failure == EAGAIN || failure == EINTR { return .wouldBlock }
        return .failed(failure)
    }

    /// Writes as much as the socket takes.
    @inline(__always) package mutating func write(_ bytes: Span<UInt8>) -> WriteResult {
        if tls != nil { return writeTLS(bytes) }
        let descriptor = descriptor
        // Safety: send reads exactly the span's bytes.
        let count = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe sluice_send(
                descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return .wrote(count) }
        let failure = errno
        return failure == EAGAIN || failure == EINTR ? .wrote(0) : .failed(failure)
    }

    /// Writes the unread bytes of a buffer and drops what the socket took.
    @inline(__always) package mutating func write(from buffer: inout ByteBuffer) -> WriteResult {
        let result = write(buffer.bytes)
        if case .wrote(let count) = result { buffer.consume(count) }
        return result
    }

    /// Writes a buffer's unread bytes and then those of `body` from `offset` on.
    package mutating func write(
        _ buffer: borrowing ByteBuffer, _ body: borrowing ByteBuffer, from offset: Int
    ) -> WriteResult {
        let rest = body.bytes.extracting(offset..<body.count)
        if buffer.isEmpty { return write(rest) }
        return rest.isEmpty ? write(buffer.bytes) : write(buffer.bytes, rest)
    }

    /// Writes two pieces with one system call. Source: writev(2).
    package mutating func write(_ first: Span<UInt8>, _ second: Span<UInt8>) -> WriteResult {
        if tls != nil { return writeTLS(first, second) }
        let descriptor = descriptor
        // Safety: both buffers outlive the call; writev only reads them.
        let count = unsafe first.withUnsafeBufferPointer { a in
            unsafe second.withUnsafeBufferPointer { b in
                var parts = unsafe (
                    iovec(iov_base: .init(mutating: a.baseAddress), iov_len: a.count),
                    iovec(iov_base: .init(mutating: b.baseAddress), iov_len: b.count)
                )
                return unsafe withUnsafePointer(to: &parts) { pointer in
                    unsafe pointer.withMemoryRebound(to: iovec.self, capacity: 2) {
                        unsafe writev(descriptor, $0, 2)
                    }
                }
            }
        }
        if count >= 0 { return .wrote(count) }
        let failure = errno
        return failure == EAGAIN || failure == EINTR ? .wrote(0) : .failed(failure)
    }

    /// Whether an idle connection can carry another request: open, and nothing unasked to read.
    /// Source: recv(2), MSG_PEEK.
    package func isQuiet() -> Bool {
        if tls != nil { return isQuietTLS() }
        var byte: UInt8 = 0
        let count = unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count < 0 && errno == EAGAIN
    }

    /// Sends FIN after what has been written; reading goes on.
    package mutating func shutdownWriting() {
        if tls != nil { closeNotify() }
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Sends FIN now, where the descriptor is closed later and nothing more will be written.
    package func finish() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Makes the coming close send a reset: the peer must not take what it got for a whole answer.
    /// (With TLS, closing without ``closeNotify()`` says so too.)
    package func resetOnClose() { sluice_reset_on_close(descriptor) }

    /// The kernel's view of the connection; nil where it has none.
    package func info() -> StreamInfo? {
        var info = sluice_tcp_info()
        guard unsafe sluice_stream_info(descriptor, &info) == 0 else { return nil }
        return StreamInfo(
            bytesAcknowledged: info.bytes_acked,
            roundTrip: .microseconds(Int64(info.rtt_microseconds)))
    }

    /// Our own address of the connection.
    package func localAddress() -> SocketAddress? {
        SluiceReactor.localAddress(of: descriptor)
    }
}

/// What getsockname(2) says.
func localAddress(of descriptor: Int32) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe getsockname(descriptor, $0, &length)
        }
    }
    return result == 0 ? SocketAddress(storage) : nil
}
