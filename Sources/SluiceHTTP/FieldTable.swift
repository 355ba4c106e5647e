import SluiceBytes

/// Where one field line lies in the bytes of its head.
package struct FieldLine: Sendable {
    // 32 bits: a head is at most 262,144 bytes (HeadLimits), checked before anything is recorded.
    private var nameStart: UInt32
    private var nameEnd: UInt32
    private var valueStart: UInt32
    private var valueEnd: UInt32
    package let known: KnownField
    /// Named by a `Connection` field of the same head: concerns this connection only.
    package internal(set) var isNominated = false
    /// The line is `name: value` CR LF with one space and nothing else: its bytes are already what
    /// writing it from its parts would make.
    package let isCanonical: Bool

    @inline(__always) init(
        nameStart: Int, nameEnd: Int, valueStart: Int, valueEnd: Int, known: KnownField,
        isCanonical: Bool
    ) {
        self.nameStart = UInt32(truncatingIfNeeded: nameStart)
        self.nameEnd = UInt32(truncatingIfNeeded: nameEnd)
        self.valueStart = UInt32(truncatingIfNeeded: valueStart)
        self.valueEnd = UInt32(truncatingIfNeeded: valueEnd)
        self.known = known
        self.isCanonical = isCanonical
    }

    static let empty = FieldLine(
        nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0, known: .other, isCanonical: false)

    /// Offsets of the name, which is a token.
    @inline(__always) package var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
    /// Offsets of the value without the white space around it; may be empty.
    @inline(__always) package var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// Why a head's field lines could not be read; both directions share it.
enum FieldError: Error {
    case bareLineFeed, bareCarriageReturn, obsoleteFold, missingColon, emptyName, badNameByte
    case spaceBeforeColon, badValueByte, nameTooLong, tooMany, tooManyOptions
}

/// The field lines of one head, in order. Large: one per worker, used again and again.
package struct FieldTable: ~Copyable {
    /// Field lines at most.
    package static let capacity = 100

    /// Connection options at most in one head: each is compared with every field name.
    package static let connectionOptionsMax = 64

    // Arrays of fixed size, made once. An InlineArray would be nearer, but reading an element of one
    // through a borrow copies all of it (Swift 6.3: 6,000 of 10,000 instructions a head).
    private var lines = [FieldLine](repeating: .empty, count: FieldTable.capacity)
    /// Index of the first line of each known field; says something only of those in `present`.
    private var firsts = [UInt8](repeating: 0, count: 64)
    package private(set) var count = 0
    /// Known fields that occur at least once.
    package private(set) var present = KnownFieldSet()
    /// Known fields that occur more than once.
    package private(set) var repeated = KnownFieldSet()
    /// `Connection` says `close`; says `keep-alive`.
    private var closes = false
    private var keeps = false

    init() {}

    /// The `index`-th line; `0 <= index < count`.
    package subscript(index: Int) -> FieldLine {
        precondition(index < count)
        return lines[index]
    }

    /// The first line of a known field.
    @inline(__always) package func first(_ field: KnownField) -> FieldLine? {
        guard present.contains(field) else { return nil }
        return lines[Int(firsts[Int(field.rawValue)])]
    }

    /// Forgets all lines; `earlier` of them, judged but not kept, count towards the limit.
    mutating func removeAll(assuming earlier: Int) {
        count = earlier
        present = KnownFieldSet(rawValue: 0)
        repeated = KnownFieldSet(rawValue: 0)
    }

    /// Reads whole lines from `offset` on, which is left at the first line not read.
    ///
    /// - Parameter limit: where the input ends, or the room for a head.
    /// - Returns: whether the empty line came; `offset` is then just past it.
    mutating func parse(
        _ bytes: Span<UInt8>, from offset: inout Int, to limit: Int, limits: HeadLimits
    ) throws(FieldError) -> Bool {
        var (index, seen, again) = (count, present.rawValue, repeated.rawValue)
        defer {
            count = index
            present = KnownFieldSet(rawValue: seen)
            repeated = KnownFieldSet(rawValue: again)
        }
        return try Self.read(
            bytes, from: &offset, to: limit, limits: limits, lines: &lines, firsts: &firsts,
            count: &index, seen: &seen, again: &again)
    }

    /// The lines from `offset` to `limit`, into everything that is `inout`.
    ///
    /// Static, so that both arrays can be open at once: one uniqueness check a head, not two a line.
    @inline(__always) private static func read(
        _ bytes: Span<UInt8>, from offset: inout Int, to limit: Int, limits: HeadLimits,
        lines: inout [FieldLine], firsts: inout [UInt8], count index: inout Int,
        seen: inout UInt64, again: inout UInt64
    ) throws(FieldError) -> Bool {
        let fieldsMax = min(limits.fieldsMax, Self.capacity)
        var table = lines.mutableSpan
        var firstLines = firsts.mutableSpan
        var start = offset
        while start < limit {
            if bytes[start] == 0x0D, start &+ 1 < limit, bytes[start &+ 1] == 0x0A {
                offset = start &+ 2
                return true
            }
            // A name that is known is a token; any other is looked at byte by byte up to the colon.
            var colon = bytes.firstIndex(of: 0x3A, from: start, to: limit)
            let known = KnownField.classify(bytes, start..<colon)
            if known == .other || known == .sluice || colon == limit {
                colon = Self.nameEnd(bytes, from: start, to: colon)
                guard colon > start, colon < limit, bytes[colon] == 0x3A else {
                    let error = Self.badName(bytes, start, colon, limit)
                    return try Self.fail(error, bytes, from: start, to: limit)
                }
            }
            // One space and then text, as nearly everybody writes it; else any white space.
            var valueStart = colon &+ 1
            var isCanonical = false
            if valueStart &+ 1 < limit, bytes[valueStart] == 0x20, bytes[valueStart &+ 1] > 0x20 {
                valueStart &+= 1
                isCanonical = true
            } else {
                while valueStart < limit, isBlank(bytes[valueStart]) { valueStart &+= 1 }
            }
            var end = bytes.firstControl(from: valueStart, to: limit)
            while end < limit, bytes[end] == 0x09 {
                end = bytes.firstControl(from: end &+ 1, to: limit)
            }
            guard end &+ 1 < limit, bytes[end] == 0x0D, bytes[end &+ 1] == 0x0A else {
                let error = Self.badValue(bytes, end, limit)
                return try Self.fail(error, bytes, from: start, to: limit)
            }
            if colon &- start > limits.fieldNameBytesMax { throw .nameTooLong }
            if index >= fieldsMax { throw .tooMany }
            var valueEnd = end
            while valueEnd > valueStart, isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
            if known != .other {
                let bit: UInt64 = 1 &<< UInt64(known.rawValue)
                if seen & bit == 0 {
                    firstLines[Int(known.rawValue)] = UInt8(truncatingIfNeeded: index)
                }
                again |= seen & bit
                seen |= bit
            }
            table[index] = FieldLine(
                nameStart: start, nameEnd: colon, valueStart: valueStart, valueEnd: valueEnd,
                known: known, isCanonical: isCanonical && valueEnd == end)
            index &+= 1
            start = end &+ 2
            offset = start
        }
        return false
    }

    /// Offset of the first byte that is no `tchar`.
    @inline(__always) private static func nameEnd(
        _ bytes: Span<UInt8>, from start: Int, to limit: Int
    ) -> Int {
        var end = bytes.firstIndexOfOtherThanLetterOrHyphen(from: start, to: limit)
        while end < limit, Token.contains(bytes[end]) { end &+= 1 }
        return end
    }

    /// A line cannot be read: fails if the line has ended, else more must come, since a line is judged
    /// only when it is whole.
    @inline(never) private static func fail(
        _ error: FieldError, _ bytes: Span<UInt8>, from start: Int, to limit: Int
    ) throws(FieldError) -> Bool {
        if bytes.firstIndex(of: 0x0A, from: start, to: limit) == limit { return false }
        throw error
    }

    /// What is wrong with a line whose name stops at `end` without a colon, or is empty.
    @inline(never) private static func badName(
        _ bytes: Span<UInt8>, _ start: Int, _ end: Int, _ limit: Int
    ) -> FieldError {
        guard end < limit else { return .missingColon }
        switch bytes[end] {
        case 0x3A: return .emptyName
        case 0x0A: return .bareLineFeed
        case 0x0D:
            let isLineEnd = end &+ 1 < limit && bytes[end &+ 1] == 0x0A
            return isLineEnd ? .missingColon : .bareCarriageReturn
        case 0x09, 0x20:
            if end == start { return .obsoleteFold }
            var next = end
            while next < limit, isBlank(bytes[next]) { next &+= 1 }
            return next < limit && bytes[next] == 0x3A ? .spaceBeforeColon : .badNameByte
        default: return .badNameByte
        }
    }

    /// What is wrong with a value that stops at `end`.
    @inline(never) private static func badValue(_ bytes: Span<UInt8>, _ end: Int, _ limit: Int)
        -> FieldError
    {
        guard end < limit else { return .badValueByte }
        switch bytes[end] {
        case 0x0A: return .bareLineFeed
        case 0x0D: return .bareCarriageReturn
        default: return .badValueByte
        }
    }

    /// Reads the `Connection` fields and marks the fields they name: those end here.
    ///
    /// Source: RFC 9110 §7.6.1.
    mutating func nominate(_ bytes: Span<UInt8>) throws(FieldError) {
        closes = false
        keeps = false
        guard let line = first(.connection) else { return }
        if !repeated.contains(.connection) {
            // What nearly every such field says; neither names a field that would be forwarded.
            if bytes.equalsName("keep-alive", in: line.value) {
                keeps = true
                return
            }
            if bytes.equalsName("close", in: line.value) {
                closes = true
                return
            }
        }
        var options = 0
        for index in 0..<count where lines[index].known == .connection {
            var list = TokenList(lines[index].value)
            while let option = list.next(bytes) {
                options &+= 1
                if options > Self.connectionOptionsMax { throw .tooManyOptions }
                if bytes.equalsName("close", in: option) { closes = true }
                if bytes.equalsName("keep-alive", in: option) { keeps = true }
                for other in 0..<count where equalIgnoringCase(bytes, lines[other].name, option) {
                    lines[other].isNominated = true
                }
            }
        }
    }

    /// Whether the connection goes on after this message. Source: RFC 9112 §9.3.
    func keepsAlive(_ version: HTTPVersion) -> Bool {
        !closes && (version == .http11 || keeps)
    }
}

/// Space or tab.
@inline(__always) func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// Whether two parts of a head are the same name.
func equalIgnoringCase(_ bytes: Span<UInt8>, _ a: Range<Int>, _ b: Range<Int>) -> Bool {
    guard a.count == b.count else { return false }
    for i in 0..<a.count {
        let (x, y) = (bytes[a.lowerBound &+ i], bytes[b.lowerBound &+ i])
        if x == y { continue }
        let folded = x | 0x20
        guard folded == y | 0x20, folded &- 0x61 < 26 else { return false }
    }
    return true
}

/// `tchar` of RFC 9110 §5.6.2.
enum Token {
    private static let low: UInt64 = {
        var bits: UInt64 = 0
        for byte in "!#$%&'*+-.0123456789".utf8 { bits |= 1 << UInt64(byte) }
        return bits
    }()
    private static let high: UInt64 = {
        var bits: UInt64 = 0
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz^_`|~"
        for byte in letters.utf8 { bits |= 1 << UInt64(byte - 64) }
        return bits
    }()

    @inline(__always) static func contains(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        // The two words above, as constants: a lazy global would cost a check per byte.
        let word: UInt64 = byte < 64 ? 0x03FF_6CFA_0000_0000 : 0x57FF_FFFF_C7FF_FFFE
        return word >> UInt64(byte & 63) & 1 == 1
    }

    /// Whether the constants of ``contains(_:)`` are what the grammar says; for the test.
    static var isConsistent: Bool { low == 0x03FF_6CFA_0000_0000 && high == 0x57FF_FFFF_C7FF_FFFE }
}

/// Walks a comma-separated list of tokens; empty elements are skipped. Source: RFC 9110 §5.6.1.
struct TokenList {
    private var offset: Int
    private let end: Int

    init(_ value: Range<Int>) {
        offset = value.lowerBound
        end = value.upperBound
    }

    /// The next element without the white space around it, or nil at the end.
    mutating func next(_ bytes: Span<UInt8>) -> Range<Int>? {
        while offset < end {
            let comma = bytes.firstIndex(of: 0x2C, from: offset, to: end)
            var (start, stop) = (offset, comma)
            offset = min(comma &+ 1, end)
            while start < stop, isBlank(bytes[start]) { start &+= 1 }
            while stop > start, isBlank(bytes[stop &- 1]) { stop &-= 1 }
            if start < stop { return start..<stop }
        }
        return nil
    }
}
