import Foundation
import SluiceBytes

/// JSON strings as pydantic writes them: UTF-8 as it is, escapes only where JSON asks for them.
enum JSONText {
    /// The text escaped, without the quotes around it.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Whether a value of `JSONSerialization` was written `true` or `false`.
    ///
    /// On Linux every 0 and 1 casts to `Bool`, and `true` to `Int`, so the type itself is asked.
    static func isFlag(_ value: Any) -> Bool {
        String(describing: type(of: value)).contains("Bool")
    }

    /// The type that Python gives a value of `JSONSerialization`.
    static func pythonType(_ value: Any) -> String {
        if isFlag(value) { return "bool" }
        if value is String { return "str" }
        if value is [Any] { return "list" }
        if value is [String: Any] { return "dict" }
        if value is NSNull { return "NoneType" }
        return value is Int ? "int" : "float"
    }

    /// A value of `JSONSerialization` as Python's `repr` shows it, keys sorted, cut at `depth`.
    ///
    /// The order of keys is lost in parsing; the real server keeps the client's.
    static func pythonRepresentation(_ value: Any, depth: Int = 6) -> String {
        guard depth > 0 else { return "..." }
        if let text = value as? String {
            let body = escaped(text).replacing("\\\"", with: "\"").replacing("'", with: "\\'")
            return "'\(body)'"
        }
        if let object = value as? [String: Any] {
            let members = object.keys.sorted().map { key in
                "'\(key)': \(pythonRepresentation(object[key] as Any, depth: depth - 1))"
            }
            return "{\(members.joined(separator: ", "))}"
        }
        if let array = value as? [Any] {
            let elements = array.map { pythonRepresentation($0, depth: depth - 1) }
            return "[\(elements.joined(separator: ", "))]"
        }
        if isFlag(value) { return value as? Bool == true ? "True" : "False" }
        if let number = value as? Int { return String(number) }
        if let number = value as? Double { return number.description }
        return "None"
    }
}

extension ByteBuffer {
    /// Appends a JSON string with its quotes.
    mutating func append(json text: String) {
        append(0x22)
        append(text: JSONText.escaped(text))
        append(0x22)
    }
}
