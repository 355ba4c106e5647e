import SluiceBytes

/// What an answer says of its connection's end. Source: RFC 9112 section 9.3.
package enum Persistence: Sendable {
    /// HTTP/1.1: it stays.
    case implied
    /// HTTP/1.0: it stays where both sides say so.
    case keptAlive
    case closed

    package init(closes: Bool, isHTTP11: Bool) {
        self = closes ? .closed : isHTTP11 ? .implied : .keptAlive
    }

    /// Appends the field line, where there is one.
    @inline(__always) func append(to output: inout ByteBuffer) {
        switch self {
        case .implied: break
        case .keptAlive: output.append("connection: keep-alive\r\n")
        case .closed: output.append("connection: close\r\n")
        }
    }
}
