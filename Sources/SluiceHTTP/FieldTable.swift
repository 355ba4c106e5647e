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

    init(name: Range<Int>, value: Range<Int>, known: KnownField) {
        nameStart = UInt32(truncatingIfNeeded: name.lowerBound)
        nameEnd = UInt32(truncatingIfNeeded: name.upperBound)
        valueStart = UInt32(truncatingIfNeeded: value.lowerBound)
        valueEnd = UInt32(truncatingIfNeeded: value.upperBound)
        self.known = known
    }

    static let empty = FieldLine(name: 0..<0, value: 0..<0, known: .other)

    package var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
    /// Without the white space around it.
    package var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// Why a head's field lines could not be read; both directions share it.
enum FieldError: Error {
    case bareLineFeed, bareCarriageReturn, obsoleteFold, missingColon, emptyName, badNameByte
    case spaceBeforeColon, badValueByte, nameTooLong, tooMany
}

/// The field lines of one head, in order. Large: one per worker, used again and again.
package struct FieldTable: ~Copyable {
    /// Field lines at most.
    package static let capacity = 100

    private var lines = InlineArray<100, FieldLine>(repeating: .empty)
    package private(set) var count = 0
    /// Known fields that occur at least once.
    package private(set) var present = KnownFieldSet()
    /// Known fields that occur more than once.
    package private(set) var repeated = KnownFieldSet()

    init() {}

    /// The `index`-th line; `0 <= index < count`.
    package subscript(index: Int) -> FieldLine {
        precondition(index < count)
        // Through a span: subscripting the array itself copies all of it (measured).
        return lines.span[index]
    }

    /// The first line of a known field.
    package func first(_ field: KnownField) -> FieldLine? {
        guard present.contains(field) else { return nil }
        let lines = lines.span
        for index in 0..<count where lines[index].known == field { return lines[index] }
        return nil
    }

    mutating func removeAll() {
        count = 0
        present = KnownFieldSet()
        repeated = KnownFieldSet()
    }

    /// Reads the lines from `start` up to the empty line at the end of the head, which ends at `end`.
    mutating func parse(_ bytes: Span<UInt8>, from start: Int, end: Int, limits: HeadLimits)
        throws(FieldError)
    {
        removeAll()
        var offset = start
        // The head ends in CR LF CR LF; the last two are the empty line.
        while offset < end &- 2 {
            let lineFeed = bytes.firstIndex(of: 0x0A, from: offset, to: end)
            let lineEnd = lineFeed &- 1
            try parseLine(bytes, from: offset, to: lineEnd, limits: limits)
            offset = lineFeed &+ 1
        }
        if present.contains(.connection) { nominate(bytes) }
    }

    private mutating func parseLine(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, limits: HeadLimits
    ) throws(FieldError) {
        let first = bytes[start]
        if first == 0x20 || first == 0x09 { throw .obsoleteFold }
        var colon = start
        while colon < end {
            let byte = bytes[colon]
            if byte == 0x3A { break }
            if !Token.contains(byte) { throw badName(bytes, at: colon, end: end) }
            colon &+= 1
        }
        if colon == end { throw .missingColon }
        if colon == start { throw .emptyName }
        if colon &- start > limits.fieldNameBytesMax { throw .nameTooLong }
        var valueStart = colon &+ 1
        var valueEnd = end
        while valueStart < valueEnd, isBlank(bytes[valueStart]) { valueStart &+= 1 }
        while valueEnd > valueStart, isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
        if let bad = firstControl(bytes, valueStart, valueEnd) {
            throw bytes[bad] == 0x0D ? .bareCarriageReturn : .badValueByte
        }
        guard count < Self.capacity, count < limits.fieldsMax else { throw .tooMany }
        let name = start..<colon
        let known = KnownField.classify(bytes, name)
        lines[count] = FieldLine(name: name, value: valueStart..<valueEnd, known: known)
        count &+= 1
        let bit = KnownFieldSet(known)
        if present.contains(known) { repeated.formUnion(bit) }
        present.formUnion(bit)
    }

    private func badName(_ bytes: Span<UInt8>, at offset: Int, end: Int) -> FieldError {
        let byte = bytes[offset]
        guard isBlank(byte) else { return byte == 0x0D ? .bareCarriageReturn : .badNameByte }
        var next = offset
        while next < end, isBlank(bytes[next]) { next &+= 1 }
        return next < end && bytes[next] == 0x3A ? .spaceBeforeColon : .badNameByte
    }

    /// Marks the fields that `Connection` names: they end here. Source: RFC 9110 §7.6.1.
    private mutating func nominate(_ bytes: Span<UInt8>) {
        for index in 0..<count where lines[index].known == .connection {
            var list = TokenList(lines[index].value)
            while let option = list.next(bytes) {
                for other in 0..<count
                where lines[other].name.count == option.count
                    && equalIgnoringCase(bytes, lines[other].name, option)
                {
                    lines[other].isNominated = true
                }
            }
        }
    }
}

/// Space or tab.
@inline(__always) func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// The first byte in `start..<end` that no field value may hold: controls but tab, and DEL.
func firstControl(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    var index = start
    while index &+ 8 <= end {
        let word = bytes.word(at: index)
        // Source: "Bit Twiddling Hacks", bytes less than 0x20; a suspicion is checked bytewise.
        let low = (word &- ByteScan.broadcast(0x20)) & ~word & ByteScan.highs
        if low | ByteScan.matches(word, ByteScan.broadcast(0x7F)) != 0 { break }
        index &+= 8
    }
    while index < end {
        let byte = bytes[index]
        if (byte < 0x20 && byte != 0x09) || byte == 0x7F { return index }
        index &+= 1
    }
    return nil
}

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
