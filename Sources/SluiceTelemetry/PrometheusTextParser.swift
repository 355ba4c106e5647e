import SluiceBytes

/// Reads Prometheus text (0.0.4) and OpenMetrics as it arrives, line by line, in bounded memory.
///
/// Comments and lines whose name the caller does not want are skipped after a search for the line's
/// end; a vLLM page is 50 KB of which some ten lines matter. Nothing in a page can stop the parser:
/// what it cannot understand it counts and leaves out.
///
/// Source: Prometheus, "Exposition formats"; OpenMetrics 1.0. Timestamps and exemplars are ignored.
package struct PrometheusTextParser: ~Copyable {
    /// Bytes of a line at most; a longer one is skipped and counted.
    package static let lineBytesMax = 65_536

    /// Lines that were wanted, or could not be told apart, and not understood.
    package private(set) var badLines = 0
    /// Lines longer than ``lineBytesMax``.
    package private(set) var longLines = 0
    /// Samples handed to the caller.
    package private(set) var samples = 0

    /// The beginning of a line whose end has not arrived.
    private var partial = ByteBuffer()
    private var isSkippingLine = false

    /// A parser at the beginning of a page.
    package init() {}

    /// Takes the next bytes of a page, cut anywhere.
    ///
    /// - Parameters:
    ///   - wants: whether a metric's name (a range of the line) is of interest.
    ///   - body: called for every wanted sample that could be read.
    package mutating func feed(
        _ bytes: Span<UInt8>,
        wants: (_ line: Span<UInt8>, _ name: Range<Int>) -> Bool,
        _ body: (borrowing PrometheusSample) -> Void
    ) {
        var start = 0
        while start < bytes.count {
            let end = bytes.firstIndex(of: 0x0A, from: start, to: bytes.count)
            let isWhole = end < bytes.count
            if isSkippingLine {
                isSkippingLine = !isWhole
            } else if !isWhole {
                keep(bytes, start..<end)
            } else if partial.isEmpty {
                read(bytes, start..<end, wants, body)
            } else {
                keep(bytes, start..<end)
                if isSkippingLine { isSkippingLine = false } else { readPartial(wants, body) }
            }
            start = end + 1
        }
    }

    /// Reads a last line without an end, and makes the parser ready for another page.
    package mutating func finish(
        wants: (_ line: Span<UInt8>, _ name: Range<Int>) -> Bool,
        _ body: (borrowing PrometheusSample) -> Void
    ) {
        if !partial.isEmpty { readPartial(wants, body) }
        isSkippingLine = false
    }

    private mutating func keep(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard partial.count + range.count <= Self.lineBytesMax else {
            longLines += 1
            partial.removeAll()
            isSkippingLine = true
            return
        }
        partial.append(bytes, range)
    }

    private mutating func readPartial(
        _ wants: (Span<UInt8>, Range<Int>) -> Bool, _ body: (borrowing PrometheusSample) -> Void
    ) {
        // Moved out for the call: the line is read from it while counters of self change.
        var line = ByteBuffer()
        swap(&line, &partial)
        read(line.bytes, 0..<line.count, wants, body)
        line.removeAll()
        swap(&line, &partial)
    }

    private mutating func read(
        _ bytes: Span<UInt8>, _ range: Range<Int>,
        _ wants: (Span<UInt8>, Range<Int>) -> Bool, _ body: (borrowing PrometheusSample) -> Void
    ) {
        guard range.count <= Self.lineBytesMax else {
            longLines += 1
            return
        }
        let line = bytes.extracting(range)
        var end = line.count
        if end > 0, line[end - 1] == 0x0D { end -= 1 }
        var index = 0
        while index < end, PrometheusSample.isBlank(line[index]) { index += 1 }
        if index == end || line[index] == 0x23 { return }
        let nameStart = index
        while index < end, PrometheusSample.isNameByte(line[index]) { index += 1 }
        let name = nameStart..<index
        guard !name.isEmpty else {
            badLines += 1
            return
        }
        guard wants(line, name) else { return }
        guard let (labels, value) = Self.labelsAndValue(line, from: index, to: end) else {
            badLines += 1
            return
        }
        samples += 1
        body(PrometheusSample(line: line, name: name, labels: labels, value: value))
    }

    private static func labelsAndValue(
        _ line: Span<UInt8>, from start: Int, to end: Int
    ) -> (Range<Int>, Double)? {
        var index = start
        while index < end, PrometheusSample.isBlank(line[index]) { index += 1 }
        var labels = index..<index
        if index < end, line[index] == 0x7B {
            let first = index + 1
            var cursor = first
            while let (_, _, next) = PrometheusSample.nextLabel(line, from: cursor, to: end) {
                cursor = next
            }
            while cursor < end, line[cursor] == 0x2C || PrometheusSample.isBlank(line[cursor]) {
                cursor += 1
            }
            guard cursor < end, line[cursor] == 0x7D else { return nil }
            labels = first..<cursor
            index = cursor + 1
        } else if index == start {
            return nil
        }
        while index < end, PrometheusSample.isBlank(line[index]) { index += 1 }
        let valueStart = index
        while index < end, !PrometheusSample.isBlank(line[index]) { index += 1 }
        guard let value = PrometheusNumber.parse(line, valueStart..<index) else { return nil }
        return (labels, value)
    }
}
