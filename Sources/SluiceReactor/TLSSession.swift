import COpenSSL
import Glibc
import SluiceBytes

// Owned by one connection of one thread, as its Transport is.
//
// Two things differ from a plain socket, and everything below keeps them from those above:
// - Bytes may wait inside OpenSSL, of which no edge will tell. So a read is "drained" only when
//   OpenSSL has come back empty-handed from the kernel.
// - A record that the socket did not take is already encrypted. The next write must begin with the
//   same bytes and offer at least as many, which callers do anyhow: what is not taken stays theirs.

/// TLS on one socket. Dropping it frees the OpenSSL session; the descriptor is the Transport's.
@safe struct TLSSession: ~Copyable {
    private let ssl: OpaquePointer
    /// Set once something broke: nothing is asked of OpenSSL after that.
    private(set) var failure: TLSFailure?
    private var hasFinishedHandshake = false
    /// The last read stopped because OpenSSL has to write first.
    private(set) var readWaitsForWrite = false
    private var hasSentClose = false

    /// A session on a connected, or connecting, socket.
    ///
    /// - Parameter host: of a client's session: whom the certificate must name. Nil: a server's.
    /// - Throws: ``TLSError/library(_:)``.
    static func make(_ context: TLSContext, descriptor: Int32, host: String?) throws(TLSError)
        -> TLSSession
    {
        guard let ssl = unsafe SSL_new(context.pointer) else {
            throw .library(TLSErrorQueue.take().text)
        }
        let session = unsafe TLSSession(ssl)
        guard unsafe SSL_set_fd(ssl, descriptor) == 1 else {
            throw .library(TLSErrorQueue.take().text)
        }
        guard let host else {
            unsafe SSL_set_accept_state(ssl)
            return session
        }
        unsafe SSL_set_connect_state(ssl)
        let name = TLSHostName(host)
        // OpenSSL takes an empty name as "any" and a leading dot as "any name below".
        guard !name.text.isEmpty, !name.text.hasPrefix("."),
            // Safety: OpenSSL copies the name.
            unsafe sluice_tls_expect_host(ssl, name.text, name.isAddress ? 1 : 0) == 1
        else {
            throw .handshake(host: host, .malformed("no host name can be like that"))
        }
        return session
    }

    private init(_ ssl: OpaquePointer) { unsafe self.ssl = ssl }

    deinit { unsafe SSL_free(ssl) }

    var isHandshakeDone: Bool {
        hasFinishedHandshake || failure == nil && isInitFinished
    }

    private var isInitFinished: Bool { unsafe SSL_is_init_finished(ssl) == 1 }

    /// Goes on with the handshake as far as the socket lets it.
    mutating func handshake() -> HandshakeResult {
        if let failure { return .failed(failure.error) }
        if hasFinishedHandshake { return .done }
        let outcome = unsafe sluice_tls_handshake(ssl)
        switch outcome {
        case SSL_ERROR_NONE:
            hasFinishedHandshake = true
            return .done
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        default: return .failed(fail(outcome, errno).error)
        }
    }

    /// Reads until `limit` bytes or the buffer's room are full, or nothing more is to be had.
    mutating func read(into buffer: inout ByteBuffer, limit: Int) -> ReadResult {
        if let failure { return .failed(failure.code) }
        buffer.reserve(1)
        let wanted = max(0, min(buffer.room, limit))
        var outcome = SSL_ERROR_NONE
        var code: Int32 = 0
        let ssl = unsafe ssl
        let count = unsafe buffer.fill(minimum: 1) { room in
            var filled = 0
            while filled < wanted {
                var count = 0
                // Safety: SSL_read_ex writes at most `wanted - filled` bytes, which end in the room.
                outcome = unsafe sluice_tls_read(
                    ssl, room.baseAddress.unsafelyUnwrapped + filled, wanted - filled, &count)
                if outcome != SSL_ERROR_NONE {
                    code = errno
                    break
                }
                filled += count
            }
            return filled
        }
        if count > 0 { hasFinishedHandshake = true }
        readWaitsForWrite = outcome == SSL_ERROR_WANT_WRITE
        switch outcome {
        case SSL_ERROR_NONE:
            return .bytes(count: count, isDrained: false)
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return count > 0 ? .bytes(count: count, isDrained: true) : .wouldBlock
        case SSL_ERROR_ZERO_RETURN:
            // Said again by the next read.
            return count > 0 ? .bytes(count: count, isDrained: false) : .end
        default:
            let failure = fail(outcome, code)
            return count > 0 ? .bytes(count: count, isDrained: false) : .failed(failure.code)
        }
    }

    /// Writes records until the socket is full.
    mutating func write(_ bytes: Span<UInt8>) -> WriteResult {
        if let failure { return .failed(failure.code) }
        var written = 0
        while written < bytes.count {
            let rest = bytes.extracting(written..<bytes.count)
            var count = 0
            // Safety: SSL_write_ex reads exactly the span's bytes.
            let outcome = unsafe rest.withUnsafeBufferPointer {
                unsafe sluice_tls_write(ssl, $0.baseAddress, $0.count, &count)
            }
            guard outcome == SSL_ERROR_NONE else { return stopped(outcome, errno, written) }
            written += count
        }
        return .wrote(written)
    }

    /// Writes two pieces, the end of the first and the beginning of the second in one record: a head
    /// and its small body would else cost two system calls and two packets.
    mutating func write(_ first: Span<UInt8>, _ second: Span<UInt8>) -> WriteResult {
        if let failure { return .failed(failure.code) }
        if second.isEmpty { return write(first) }
        var written = 0
        while written < first.count {
            let rest = first.extracting(written..<first.count)
            var count = 0
            // Safety: both buffers outlive the call, which copies from them.
            let outcome = unsafe rest.withUnsafeBufferPointer { a in
                unsafe second.withUnsafeBufferPointer { b in
                    unsafe sluice_tls_write_joined(
                        ssl, a.baseAddress, a.count, b.baseAddress, b.count, &count)
                }
            }
            guard outcome == SSL_ERROR_NONE else { return stopped(outcome, errno, written) }
            written += count
        }
        let ofSecond = written - first.count
        switch write(second.extracting(ofSecond..<second.count)) {
        case .wrote(let more): return .wrote(written + more)
        case .failed(let code): return .failed(code)
        }
    }

    private mutating func stopped(_ outcome: Int32, _ code: Int32, _ written: Int) -> WriteResult {
        if outcome == SSL_ERROR_WANT_WRITE || outcome == SSL_ERROR_WANT_READ {
            return .wrote(written)
        }
        return .failed(fail(outcome, code).code)
    }

    /// Whether nothing unasked can be read; session tickets and the like do not count.
    func isQuiet() -> Bool {
        guard failure == nil else { return false }
        return unsafe sluice_tls_peek(ssl) == SSL_ERROR_WANT_READ
    }

    /// Says that nothing more will be written; true once the socket has taken that.
    mutating func closeNotify() -> Bool {
        if hasSentClose { return true }
        // SSL_shutdown(3): not after a fatal error, and it cannot be in the middle of a handshake. A
        // second call after it was sent would read, and take what belongs to `read`.
        guard failure == nil, isHandshakeDone else { return false }
        hasSentClose = unsafe sluice_tls_close_notify(ssl) >= 0
        return hasSentClose
    }

    /// Bytes given to the socket so far: handshake, alerts and record overhead included.
    var wireBytesWritten: UInt64 { unsafe sluice_tls_wire_bytes_written(ssl) }

    /// Remembers why the session is of no more use.
    ///
    /// - Parameter code: errno as the call left it.
    private mutating func fail(_ outcome: Int32, _ code: Int32) -> TLSFailure {
        let entry = TLSErrorQueue.take()
        let failure: TLSFailure
        if isHandshakeDone {
            failure = TLSFailure(outcome, entry, code)
        } else {
            failure = unsafe TLSFailure(handshake: ssl, outcome, entry, code)
        }
        self.failure = failure
        return failure
    }
}

/// How far a TLS handshake has come.
package enum HandshakeResult: Equatable, Sendable {
    /// Finished, the peer's certificate accepted. Read before waiting: first bytes of the peer may
    /// have come with its last handshake message, and no edge will tell of them.
    case done
    /// A readable edge will tell when to go on.
    case wantsRead
    /// A writable edge will tell when to go on.
    case wantsWrite
    /// The connection is of no more use.
    case failed(TLSError)
}

extension Transport {
    /// Makes an accepted connection a TLS one, before a byte of it is read. The handshake is driven
    /// by ``handshake()``, or by reading and writing.
    ///
    /// - Throws: ``TLSError/library(_:)``: out of memory.
    package mutating func startTLS(server: TLSServerContext) throws(TLSError) {
        tls = try TLSSession.make(server.context, descriptor: descriptor, host: nil)
    }

    /// Makes a connection of ours a TLS one, before a byte is written; it may still be connecting.
    ///
    /// - Parameter host: DNS name or address literal that the certificate must name.
    /// - Throws: ``TLSError/library(_:)``: out of memory; ``TLSError/handshake(host:_:)``: no host is
    ///   called like that.
    package mutating func startTLS(client: TLSClientContext, host: String) throws(TLSError) {
        tls = try TLSSession.make(client.context, descriptor: descriptor, host: host)
    }

    /// Whether this is a TLS connection.
    package var isTLS: Bool { tls != nil }

    /// Goes on without TLS: for an answer to a client that speaks none. What the handshake has read is
    /// lost.
    package mutating func abandonTLS() { tls = nil }

    /// Goes on with the handshake; `done` at once on a plain connection.
    package mutating func handshake() -> HandshakeResult { tls?.handshake() ?? .done }

    /// Whether bytes can flow; true on a plain connection.
    package var isHandshakeDone: Bool {
        switch tls {
        case .some(let session): session.isHandshakeDone
        case .none: true
        }
    }

    /// Why the TLS connection failed, after a read, write or handshake said that it did.
    package var tlsError: TLSError? {
        switch tls {
        case .some(let session): session.failure?.error
        case .none: nil
        }
    }

    /// Whether reading waits for a *writable* edge: the last read said `wouldBlock` or `isDrained`
    /// because OpenSSL has to write first (an answer to a key update, while the socket is full).
    package var readWaitsForWrite: Bool {
        switch tls {
        case .some(let session): session.readWaitsForWrite
        case .none: false
        }
    }

    /// Bytes given to the socket so far with all that TLS adds, to be compared with
    /// ``StreamInfo/bytesAcknowledged``; nil on a plain connection.
    package var wireBytesWritten: UInt64? {
        switch tls {
        case .some(let session): session.wireBytesWritten
        case .none: nil
        }
    }

    /// Ends what we write with a TLS close_notify; nothing on a plain connection. For every orderly
    /// close, once all is written: without it the peer must take what it got for cut short.
    ///
    /// - Returns: false when it could not be sent: the socket is full (call again at a writable
    ///   edge, or give up), the handshake is not finished, or the connection is broken.
    @discardableResult package mutating func closeNotify() -> Bool { tls?.closeNotify() ?? true }

    @inline(never) mutating func readTLS(into buffer: inout ByteBuffer, limit: Int) -> ReadResult {
        tls?.read(into: &buffer, limit: limit) ?? .failed(ENOTCONN)
    }

    @inline(never) mutating func writeTLS(_ bytes: Span<UInt8>) -> WriteResult {
        tls?.write(bytes) ?? .failed(ENOTCONN)
    }

    mutating func writeTLS(_ first: Span<UInt8>, _ second: Span<UInt8>) -> WriteResult {
        tls?.write(first, second) ?? .failed(ENOTCONN)
    }

    func isQuietTLS() -> Bool {
        switch tls {
        case .some(let session): session.isQuiet()
        case .none: false
        }
    }
}
