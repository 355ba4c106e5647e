import SluiceBytes

/// TLS on one socket. Until the TLS files land no session can be made: `Transport.tls` is nil.
struct TLSSession: ~Copyable {
    private init() {}
}

extension Transport {
    mutating func readTLS(into buffer: inout ByteBuffer, limit: Int) -> ReadResult { .end }
    mutating func writeTLS(_ bytes: Span<UInt8>) -> WriteResult { .wrote(0) }
    mutating func closeNotify() {}
}
