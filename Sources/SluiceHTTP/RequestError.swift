/// Why a request cannot be read; always the client's doing. The caller answers and closes.
package enum RequestError: UInt8, Error, CaseIterable, Sendable {
    case badRequestLine, badMethod, methodTooLong, connectRefused, traceRefused
    case badTarget, targetTooLong, authorityMismatch
    case badVersion, versionNotSupported
    case headTooLarge, tooManyFields, fieldNameTooLong
    case bareLineFeed, bareCarriageReturn, obsoleteFold, missingColon, emptyName, badNameByte
    case spaceBeforeColon, badValueByte
    case missingHost, repeatedHost, badHost, repeatedAuthorization
    case badContentLength, repeatedContentLength, contentLengthWithTransferEncoding
    case badTransferEncoding, codingNotImplemented, chunkedInHTTP10, unknownExpectation
    case contentTooLarge, tooManyConnectionOptions, tlsHandshake

    /// The status of the answer.
    package var status: Int {
        switch self {
        case .methodTooLong, .codingNotImplemented: 501
        case .connectRefused, .traceRefused: 405
        case .targetTooLong: 414
        case .versionNotSupported: 505
        case .headTooLarge, .tooManyFields, .fieldNameTooLong, .tooManyConnectionOptions: 431
        case .contentTooLarge: 413
        case .unknownExpectation: 417
        case .badRequestLine, .badMethod, .tlsHandshake, .badTarget, .authorityMismatch,
            .badVersion,
            .bareLineFeed, .bareCarriageReturn, .obsoleteFold, .missingColon, .emptyName,
            .badNameByte, .spaceBeforeColon, .badValueByte, .missingHost, .repeatedHost, .badHost,
            .repeatedAuthorization, .badContentLength, .repeatedContentLength,
            .contentLengthWithTransferEncoding, .badTransferEncoding, .chunkedInHTTP10:
            400
        }
    }

    /// One sentence for the person behind the client.
    package var reason: StaticString {
        switch self {
        case .badRequestLine: "The request line is not METHOD SP target SP HTTP/1.1."
        case .badMethod: "The method is not an upper-case token."
        case .tlsHandshake: "A TLS handshake came to a port that speaks plain HTTP."
        case .methodTooLong: "The method is not known."
        case .connectRefused: "CONNECT is not served here."
        case .traceRefused: "TRACE is not served here."
        case .badTarget: "The request target has a byte that no target may have, or no path."
        case .targetTooLong: "The request target is too long."
        case .authorityMismatch: "The target's authority is not that of the Host field."
        case .badVersion: "The HTTP version is malformed."
        case .versionNotSupported: "Only HTTP/1.1 and HTTP/1.0 are served here."
        case .headTooLarge: "The request head is too large."
        case .tooManyFields: "The request has too many header fields."
        case .fieldNameTooLong: "A header field name is too long."
        case .bareLineFeed: "A line ends in LF without CR."
        case .bareCarriageReturn: "A CR stands without LF."
        case .obsoleteFold: "A header line begins with white space."
        case .missingColon: "A header line has no colon."
        case .emptyName: "A header field has no name."
        case .badNameByte: "A header field name has a byte that no name may have."
        case .spaceBeforeColon: "White space stands before a header's colon."
        case .badValueByte: "A header field value has a control byte."
        case .missingHost: "The Host field is missing."
        case .repeatedHost: "The Host field occurs more than once."
        case .badHost: "The Host field is not a host with an optional port."
        case .repeatedAuthorization: "The Authorization field occurs more than once."
        case .badContentLength: "Content-Length is not a decimal number in range."
        case .repeatedContentLength: "Content-Length occurs more than once."
        case .contentLengthWithTransferEncoding:
            "Content-Length and Transfer-Encoding exclude each other."
        case .badTransferEncoding: "Transfer-Encoding is not exactly chunked."
        case .codingNotImplemented: "Transfer codings other than chunked are not implemented."
        case .chunkedInHTTP10: "HTTP/1.0 has no Transfer-Encoding."
        case .unknownExpectation: "Only the expectation 100-continue can be met."
        case .contentTooLarge: "The request body is too large."
        case .tooManyConnectionOptions: "The Connection field names too many options."
        }
    }

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .badRequestLine: "bad_request_line"
        case .badMethod: "bad_method"
        case .tlsHandshake: "tls_handshake"
        case .methodTooLong: "method_too_long"
        case .connectRefused: "connect_refused"
        case .traceRefused: "trace_refused"
        case .badTarget: "bad_target"
        case .targetTooLong: "target_too_long"
        case .authorityMismatch: "authority_mismatch"
        case .badVersion: "bad_version"
        case .versionNotSupported: "version_not_supported"
        case .headTooLarge: "head_too_large"
        case .tooManyFields: "too_many_fields"
        case .fieldNameTooLong: "field_name_too_long"
        case .bareLineFeed: "bare_line_feed"
        case .bareCarriageReturn: "bare_carriage_return"
        case .obsoleteFold: "obsolete_fold"
        case .missingColon: "missing_colon"
        case .emptyName: "empty_name"
        case .badNameByte: "bad_name_byte"
        case .spaceBeforeColon: "space_before_colon"
        case .badValueByte: "bad_value_byte"
        case .missingHost: "missing_host"
        case .repeatedHost: "repeated_host"
        case .badHost: "bad_host"
        case .repeatedAuthorization: "repeated_authorization"
        case .badContentLength: "bad_content_length"
        case .repeatedContentLength: "repeated_content_length"
        case .contentLengthWithTransferEncoding: "content_length_with_transfer_encoding"
        case .badTransferEncoding: "bad_transfer_encoding"
        case .codingNotImplemented: "coding_not_implemented"
        case .chunkedInHTTP10: "chunked_in_http10"
        case .unknownExpectation: "unknown_expectation"
        case .contentTooLarge: "content_too_large"
        case .tooManyConnectionOptions: "too_many_connection_options"
        }
    }

    init(_ error: FieldError) {
        self =
            switch error {
            case .bareLineFeed: .bareLineFeed
            case .bareCarriageReturn: .bareCarriageReturn
            case .obsoleteFold: .obsoleteFold
            case .missingColon: .missingColon
            case .emptyName: .emptyName
            case .badNameByte: .badNameByte
            case .spaceBeforeColon: .spaceBeforeColon
            case .badValueByte: .badValueByte
            case .nameTooLong: .fieldNameTooLong
            case .tooMany: .tooManyFields
            case .tooManyOptions: .tooManyConnectionOptions
            }
    }
}
