/// The versions spoken here.
@usableFromInline package enum HTTPVersion: UInt8, Sendable {
    case http10, http11
}

/// Request methods. A token that is none of the known ones is `other`.
@usableFromInline package enum Method: UInt8, CaseIterable, Sendable {
    case get, head, post, put, delete, patch, options, connect, trace, other

    /// The method as it is sent; empty for `other`.
    package var name: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .connect: "CONNECT"
        case .trace: "TRACE"
        case .other: ""
        }
    }
}

/// How the end of a body is known. Source: RFC 9112 §6.
@usableFromInline package enum BodyFraming: Equatable, Sendable {
    case none
    /// So many bytes.
    case length(Int)
    case chunked
    /// Responses only: the end of the connection.
    case untilClose
}

/// Bounds on what a peer may send as a head; the caller answers 431, 414 or 502 beyond them.
package struct HeadLimits: Sendable, Equatable {
    /// Interim answers (1xx) to one request at most.
    package static let interimAnswersMax = 16

    /// All bytes up to the empty line: 1,024 … 262,144.
    package var headBytesMax = 32_768
    /// Field lines: 1 … ``FieldTable/capacity``.
    package var fieldsMax = 100
    /// Bytes of a request target.
    package var targetBytesMax = 8_192
    /// Bytes of a field name; CVE-2021-40346 hid a length in a name longer than its counter.
    package var fieldNameBytesMax = 128
    /// Bytes of a method; longer is "not implemented".
    package var methodBytesMax = 32

    package init() {}
}

/// What parsing a head came to.
package enum HeadStep<Failure: Error>: Sendable where Failure: Sendable {
    /// The empty line has not come yet.
    case needMore
    /// The head is in the caller's value; `byteCount` bytes of input are used.
    case complete
    case failed(Failure)
}
