import SluiceVLLM

/// The grammar of RFC 8259 by recursive descent: another reader for the product's to agree with.
struct JSONGrammar {
    private let bytes: [UInt8]
    private var index = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether the text is one JSON value in UTF-8, of no more levels than the product reads.
    static func accepts(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var grammar = JSONGrammar(bytes)
        return grammar.passValue(level: 0) && grammar.index == bytes.count
    }

    private var byte: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func pass(_ text: String) -> Bool {
        guard bytes[index...].starts(with: text.utf8) else { return false }
        index += text.utf8.count
        return true
    }

    private mutating func passBlanks() {
        while let byte, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }

    /// A value and the blanks around it.
    private mutating func passValue(level: Int) -> Bool {
        passBlanks()
        let isValue: Bool
        switch byte {
        case UInt8(ascii: "{"): isValue = passContainer(level, closing: "}", isObject: true)
        case UInt8(ascii: "["): isValue = passContainer(level, closing: "]", isObject: false)
        case UInt8(ascii: "\""): isValue = passString()
        case UInt8(ascii: "t"): isValue = pass("true")
        case UInt8(ascii: "f"): isValue = pass("false")
        case UInt8(ascii: "n"): isValue = pass("null")
        default: isValue = passNumber()
        }
        passBlanks()
        return isValue
    }

    private mutating func passContainer(_ level: Int, closing: String, isObject: Bool) -> Bool {
        guard level < jsonDepthMax else { return false }
        index += 1
        passBlanks()
        if pass(closing) { return true }
        repeat {
            if isObject {
                passBlanks()
                guard byte == UInt8(ascii: "\""), passString() else { return false }
                passBlanks()
                guard pass(":") else { return false }
            }
            guard passValue(level: level + 1) else { return false }
        } while pass(",")
        return pass(closing)
    }

    private mutating func passString() -> Bool {
        index += 1
        while let byte {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard passEscape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func passEscape() -> Bool {
        if pass("u") {
            for _ in 0..<4 {
                guard let byte, Character(UnicodeScalar(byte)).isHexDigit else { return false }
                index += 1
            }
            return true
        }
        guard let byte, "\"\\/bfnrt".utf8.contains(byte) else { return false }
        index += 1
        return true
    }

    private mutating func passNumber() -> Bool {
        _ = pass("-")
        if !pass("0") { guard passDigits() else { return false } }
        if pass(".") { guard passDigits() else { return false } }
        if pass("e") || pass("E") {
            _ = pass("+") || pass("-")
            return passDigits()
        }
        return true
    }

    private mutating func passDigits() -> Bool {
        let start = index
        while let byte, byte >= 0x30, byte <= 0x39 { index += 1 }
        return index > start
    }
}
