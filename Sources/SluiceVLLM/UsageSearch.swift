import SluiceBytes

/// Finds the usage of a JSON body that is there as a whole, from its end: engines write it last, so
/// that a few members are looked at instead of all of them.
///
/// Exact for every JSON text. Outside of strings there is no backslash, so read backwards the first
/// quote met closes a string, and the nearest one before it with an even number of backslashes in
/// front opens it: no text inside a string can pass for a member. Of a text that is not JSON it may
/// say something else than a reader from the front, as two of those would.
enum UsageSearch {
    private static let name: StaticString = "usage"

    /// The object of the last top-level `usage` that is one.
    enum Found {
        case none
        case object(Range<Int>)
        /// Written as vLLM does, and read.
        case plain(PlainUsage)
    }

    /// Looks for the last top-level `usage` that is an object.
    static func last(in bytes: Span<UInt8>) -> Found {
        var end = bytes.count
        while end > 0, isWhite(bytes[end &- 1]) { end &-= 1 }
        guard end > 0, bytes[end &- 1] == 0x7D, beginsAsObject(bytes) else { return .none }
        end &-= 1
        var depth = 1
        // The last container passed that is the value of a top-level member.
        var value = 0..<0
        var valueEnd = 0
        while let place = bytes.lastStructure(from: 0, to: end) {
            end = place
            let byte = bytes[place]
            if byte == 0x22 {
                guard let opening = openingQuote(bytes, of: place) else { return .none }
                end = opening
                if depth == 1, bytes.equals(name, in: opening &+ 1..<place),
                    isKey(bytes, endingAt: place, of: value)
                {
                    return .object(value)
                }
            } else if byte == 0x7D || byte == 0x5D {
                if depth == 1 {
                    if byte == 0x7D, let usage = plainMember(bytes, endingAt: place) {
                        return .plain(usage)
                    }
                    valueEnd = place &+ 1
                }
                depth &+= 1
            } else {
                depth &-= 1
                if depth == 0 { return .none }
                if depth == 1 { value = place..<valueEnd }
            }
        }
        return .none
    }

    /// The usage that the brace at `place` closes, outside of strings and at the top level, where it
    /// and its key are written as vLLM does: then every byte of it is known, as if it had been walked.
    @inline(__always) private static func plainMember(_ bytes: Span<UInt8>, endingAt place: Int)
        -> PlainUsage?
    {
        let key: StaticString = "\"usage\":"
        let count = key.utf8CodeUnitCount
        let nearest = max(0, place &- PlainUsage.bytesMax)
        guard let brace = bytes.lastIndex(of: 0x7B, from: nearest, to: place), brace > count,
            bytes.hasBytes(key, at: brace &- count), bytes[brace &- count &- 1] != 0x5C,
            let usage = PlainUsage(bytes, at: brace), usage.end == place &+ 1
        else { return nil }
        return usage
    }

    /// The quote that opens the string which the one at `closing` ends.
    @inline(__always) private static func openingQuote(_ bytes: Span<UInt8>, of closing: Int)
        -> Int?
    {
        var end = closing
        while let quote = bytes.lastIndex(of: 0x22, from: 0, to: end) {
            var before = quote
            while before > 0, bytes[before &- 1] == 0x5C { before &-= 1 }
            if (quote &- before) & 1 == 0 { return quote }
            end = before
        }
        return nil
    }

    /// Whether nothing but a colon lies between the quote at `place` and `value`, an object.
    private static func isKey(_ bytes: Span<UInt8>, endingAt place: Int, of value: Range<Int>)
        -> Bool
    {
        guard !value.isEmpty, bytes[value.lowerBound] == 0x7B else { return false }
        var colons = 0
        for index in place &+ 1..<value.lowerBound where !isWhite(bytes[index]) {
            guard bytes[index] == 0x3A else { return false }
            colons &+= 1
        }
        return colons == 1
    }

    private static func beginsAsObject(_ bytes: Span<UInt8>) -> Bool {
        var start = 0
        while start < bytes.count, isWhite(bytes[start]) { start &+= 1 }
        return start < bytes.count && bytes[start] == 0x7B
    }

    @inline(__always) private static func isWhite(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}

/// The token counts of a usage object written the way vLLM writes it, read by comparing what stands
/// between the numbers; whatever differs is left to the scanner.
struct PlainUsage {
    /// Bytes of it at most: three numbers of nine digits and the names.
    static let bytesMax = 128

    private(set) var prompt: Int32 = 0
    private(set) var completion: Int32 = 0
    /// Just past the object.
    private(set) var end = 0

    /// The object that begins at `start`, or nil where it is written in another way.
    ///
    /// Source: vLLM `UsageInfo`, serialised without white space and, for events, without nulls.
    @inline(__always) init?(_ bytes: Span<UInt8>, at start: Int) {
        var index = start
        guard Self.pass("{\"prompt_tokens\":", bytes, &index),
            let prompt = Self.number(bytes, &index),
            Self.pass(",\"total_tokens\":", bytes, &index),
            Self.number(bytes, &index) != nil,
            Self.pass(",\"completion_tokens\":", bytes, &index),
            let completion = Self.number(bytes, &index)
        else { return nil }
        if index < bytes.count, bytes[index] == 0x7D {
            index &+= 1
        } else {
            guard Self.pass(",\"prompt_tokens_details\":null}", bytes, &index) else { return nil }
        }
        self.prompt = prompt
        self.completion = completion
        end = index
    }

    @inline(__always) private static func pass(
        _ text: StaticString, _ bytes: Span<UInt8>, _ index: inout Int
    ) -> Bool {
        guard bytes.hasBytes(text, at: index) else { return false }
        index &+= text.utf8CodeUnitCount
        return true
    }

    /// A number of up to nine digits that does not begin with a zero, or a zero.
    @inline(__always) private static func number(_ bytes: Span<UInt8>, _ index: inout Int)
        -> Int32?
    {
        let start = index
        var value: Int32 = 0
        while index < bytes.count {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { break }
            guard index &- start < 9 else { return nil }
            value = value &* 10 &+ Int32(digit)
            index &+= 1
        }
        let isGood = index > start && (bytes[start] != 0x30 || index == start &+ 1)
        return isGood ? value : nil
    }
}
