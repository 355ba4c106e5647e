import SluiceBytes

/// What a `Content-Length` field says.
enum ContentLength: Equatable {
    case bytes(Int)
    /// A length that an Int holds, but that no sum of lengths needs to be checked for: 10^18 and up.
    case tooLarge
    case malformed

    /// Digits only, at least one, without leading zeros.
    ///
    /// `Int(_: String)` is not used: it accepts a leading `+`, which an upstream may read differently,
    /// and two readings of one length are request smuggling; so are leading zeros where somebody
    /// reads octal. Source: RFC 9110 §8.6.
    static func parse(_ bytes: Span<UInt8>, _ value: Range<Int>) -> ContentLength {
        let digits = value.count
        guard digits >= 1, digits <= 19 else { return .malformed }
        guard digits == 1 || bytes[value.lowerBound] != 0x30 else { return .malformed }
        // Nineteen digits stay below 2^64.
        var count: UInt64 = 0
        for index in value {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return .malformed }
            count = count &* 10 &+ UInt64(digit)
        }
        if digits < 19 { return .bytes(Int(truncatingIfNeeded: count)) }
        return count <= UInt64(Int.max) ? .tooLarge : .malformed
    }
}

/// The value of a `Transfer-Encoding` field.
enum TransferCoding {
    /// Whether it is a list of other codings with a final `chunked`: understood, not implemented.
    static func endsInChunked(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Bool {
        var list = TokenList(value)
        var codings = 0
        var last = 0..<0
        while let coding = list.next(bytes) {
            for index in coding where !Token.contains(bytes[index]) { return false }
            codings &+= 1
            if codings > 1, bytes.equalsName("chunked", in: last) { return false }
            last = coding
        }
        return codings > 1 && bytes.equalsName("chunked", in: last)
    }
}

/// The value of a `Host` field. Source: RFC 9110 §7.2, RFC 3986 §3.2.
enum HostSyntax {
    /// A registered name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
    static func isValid(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Bool {
        guard !value.isEmpty, value.count <= 255 else { return false }
        var index = value.lowerBound
        let end = value.upperBound
        if bytes[index] == 0x5B {
            index &+= 1
            let start = index
            while index < end, isAddressByte(bytes[index]) { index &+= 1 }
            guard index < end, index > start, bytes[index] == 0x5D else { return false }
            index &+= 1
        } else {
            let start = index
            index = bytes.firstIndexOfOtherThanLetterOrHyphen(from: index, to: end)
            while index < end, isNameByte(bytes[index]) { index &+= 1 }
            guard index > start else { return false }
        }
        if index == end { return true }
        guard bytes[index] == 0x3A else { return false }
        index &+= 1
        guard end &- index <= 5, index < end else { return false }
        var port = 0
        while index < end {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return false }
            port = port &* 10 &+ Int(digit)
            index &+= 1
        }
        return port <= 65_535
    }

    /// Hexadecimal digits, colon and point, as a bit set: see ``Token/contains(_:)``.
    @inline(__always) private static func isAddressByte(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        let word: UInt64 = byte < 64 ? 0x07FF_4000_0000_0000 : 0x0000_007E_0000_007E
        return word >> UInt64(byte & 63) & 1 == 1
    }

    /// Letters, digits, hyphen, point and underscore.
    @inline(__always) private static func isNameByte(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        let word: UInt64 = byte < 64 ? 0x03FF_6000_0000_0000 : 0x07FF_FFFE_87FF_FFFE
        return word >> UInt64(byte & 63) & 1 == 1
    }
}
