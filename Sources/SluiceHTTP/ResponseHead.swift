import SluiceBytes

/// A response's head in parsed form; ranges are offsets from the head's first byte.
///
/// Large: one per worker, used again for each response. Valid only with the bytes it was parsed from.
package struct ResponseHead: ~Copyable {
    /// 100 … 599.
    package internal(set) var status = 0
    package internal(set) var reason = 0..<0
    package internal(set) var version = HTTPVersion.http11
    package internal(set) var framing = BodyFraming.none
    /// Whether the connection can carry another exchange after this one.
    package internal(set) var keepAlive = true
    /// `Keep-Alive: timeout=…` in seconds, where the peer says so.
    package internal(set) var keepAliveTimeoutSeconds: Int?
    /// The body is `text/event-stream`.
    package internal(set) var isEventStream = false
    package internal(set) var fields = FieldTable()
    /// Bytes of the head with its empty line.
    package internal(set) var byteCount = 0
    /// Another number for each head that was read; the same for one that was the same again.
    package internal(set) var edition = 0
    /// The bytes all of this was read from.
    var memory = HeadMemory()

    package init() {}

    package var fieldCount: Int { fields.count }
    /// The `index`-th line; `0 <= index < fieldCount`.
    package func field(_ index: Int) -> FieldLine { fields[index] }
    /// The first line of a known field; changes nothing, as a borrow would be passed as a copy.
    @inline(__always) package mutating func first(_ field: KnownField) -> FieldLine? {
        fields.first(field)
    }
}

/// Why a response cannot be read; always the upstream's doing. The caller answers 502 or cuts.
package enum ResponseError: UInt8, Error, CaseIterable, Sendable {
    case badStatusLine, badVersion, badStatus
    case headTooLarge, tooManyFields, fieldNameTooLong
    case bareLineFeed, bareCarriageReturn, obsoleteFold, missingColon, emptyName, badNameByte
    case spaceBeforeColon, badValueByte
    case badContentLength, repeatedContentLength, contentLengthWithTransferEncoding
    case badTransferEncoding, switchingProtocols
    case tooManyConnectionOptions

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .badStatusLine: "bad_status_line"
        case .badVersion: "bad_version"
        case .badStatus: "bad_status"
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
        case .badContentLength: "bad_content_length"
        case .repeatedContentLength: "repeated_content_length"
        case .contentLengthWithTransferEncoding: "content_length_with_transfer_encoding"
        case .badTransferEncoding: "bad_transfer_encoding"
        case .switchingProtocols: "switching_protocols"
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
