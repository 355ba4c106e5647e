import SluiceBytes

/// The value of a `Content-Length` field.
enum ContentLength {
    /// Digits only, at least one; nil for anything else and for what does not fit 62 bits.
    ///
    /// `Int(_: String)` is not used: it accepts a leading `+`, which an upstream may read differently,
    /// and two readings of one length are request smuggling. Source: RFC 9110 §8.6.
    static func parse(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Int? {
        guard value.count >= 1, value.count <= 18 else { return nil }
        var count = 0
        for index in value {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            count = count &* 10 &+ Int(digit)
        }
        return count
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
            if codings > 1, bytes.equalsIgnoringCase("chunked", in: last) { return false }
            last = coding
        }
        return codings > 1 && bytes.equalsIgnoringCase("chunked", in: last)
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

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6 || byte == 0x3A || byte == 0x2E
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E
            || byte == 0x5F
    }
}

/// What a head's `Connection` fields say. Source: RFC 9112 §9.3.
struct ConnectionOptions {
    private(set) var closes = false
    private(set) var keeps = false

    init(_ fields: borrowing FieldTable, _ bytes: Span<UInt8>) {
        guard fields.present.contains(.connection) else { return }
        for index in 0..<fields.count where fields[index].known == .connection {
            var list = TokenList(fields[index].value)
            while let option = list.next(bytes) {
                if bytes.equalsIgnoringCase("close", in: option) { closes = true }
                if bytes.equalsIgnoringCase("keep-alive", in: option) { keeps = true }
            }
        }
    }

    func keepsAlive(_ version: HTTPVersion) -> Bool {
        !closes && (version == .http11 || keeps)
    }
}
