/// Why a text is no list of field lines.
package enum FieldLinesError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nothing of the line is repeated: it may be a secret.
    case badLine(Int)
    /// A field that is the client's own to write.
    case reserved(String)
    case tooMany

    package var description: String {
        switch self {
        case .badLine(let number): "line \(number) is not `name: value` in printable ASCII"
        case .reserved(let name): "`\(name)` cannot be set: it is a part of the message itself"
        case .tooMany: "has more than \(FieldLinesText.linesMax) lines"
        }
    }
}

/// Header fields as a file lists them: `name: value`, one a line; empty lines and those that begin
/// with `#` say nothing.
package enum FieldLinesText {
    /// Fields at most.
    package static let linesMax = 32
    private static let reserved: Set = [
        "host", "content-length", "content-type", "transfer-encoding", "connection", "expect",
    ]

    package static func read(_ text: String) throws(FieldLinesError) -> [(String, String)] {
        var fields: [(String, String)] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let bytes = Array(line.utf8)
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) || bytes.first == 0x23 { continue }
            guard let colon = bytes.firstIndex(of: 0x3A), colon > 0,
                bytes[..<colon].allSatisfy({ Token.contains($0) }),
                bytes[colon...].allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x09 })
            else { throw .badLine(index + 1) }
            guard fields.count < linesMax else { throw .tooMany }
            let name = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
            if reserved.contains(name) { throw .reserved(name) }
            fields.append((name, value(bytes[(colon + 1)...])))
        }
        return fields
    }

    /// Without the white space around it.
    private static func value(_ bytes: ArraySlice<UInt8>) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var value = bytes.drop(while: isBlank)
        while let last = value.last, isBlank(last) { value.removeLast() }
        return String(decoding: value, as: UTF8.self)
    }
}
