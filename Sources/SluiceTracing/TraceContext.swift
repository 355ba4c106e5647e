import SluiceBytes
import SluiceTelemetry

/// The trace that a request belongs to. Source: W3C Trace Context, level 1, `traceparent`.
package struct TraceContext: Hashable, Sendable {
    /// The trace.
    package let trace: TraceID
    /// The span of whoever sent the request.
    package let span: SpanID
    /// Whether they may have recorded it.
    package let isSampled: Bool

    /// Bytes of version 00: `00-` trace id `-` span id `-` flags.
    static let bytesCount = 55

    /// The context of `span` in `trace`.
    package init(trace: TraceID, span: SpanID, isSampled: Bool) {
        self.trace = trace
        self.span = span
        self.isSampled = isSampled
    }

    /// Reads a `traceparent` value, `version-traceid-parentid-flags`; nil where it is malformed.
    ///
    /// A trace is a convenience, never a reason to refuse: what is malformed is as good as none.
    /// Versions after 00 may append fields, so only their first 55 bytes are looked at; of the flags
    /// only `sampled` is known, and no other is passed on.
    package init?(_ value: Span<UInt8>) {
        let count = Self.bytesCount
        guard value.count == count || value.count > count && value[count] == 0x2D,
            value[2] == 0x2D, value[35] == 0x2D, value[52] == 0x2D,
            let version = HexText.number(value.extracting(0..<2)), version != 0xFF,
            version != 0 || value.count == count,
            let high = HexText.number(value.extracting(3..<19)),
            let low = HexText.number(value.extracting(19..<35)),
            let trace = TraceID(high: high, low: low),
            let bits = HexText.number(value.extracting(36..<52)), let span = SpanID(bits),
            let flags = HexText.number(value.extracting(53..<55))
        else { return nil }
        self.trace = trace
        self.span = span
        isSampled = flags & 1 == 1
    }

    /// Takes the trace id out of a `traceparent` value; what is malformed leaves `id` as it was.
    package static func readID(_ value: Span<UInt8>, into id: inout InlineText<32>) {
        guard TraceContext(value) != nil else { return }
        id.removeAll()
        id.append(value, 3..<35)
    }

    // MARK: The line that is sent on

    /// Where the span id begins, counted back from the end of the line.
    private static let spanFromEnd = 21

    /// Appends the field line, of version 00.
    package func appendField(to output: inout ByteBuffer) {
        output.append("traceparent: 00-")
        output.append(hex: trace.high)
        output.append(hex: trace.low)
        output.append("-")
        output.append(hex: span.bits)
        output.append(isSampled ? "-01\r\n" : "-00\r\n")
    }

    /// Names another span in the line that ``appendField(to:)`` wrote and that ends at offset `end`.
    package static func replaceSpan(
        _ span: SpanID, inFieldEndingAt end: Int, of output: inout ByteBuffer
    ) {
        let start = end - spanFromEnd
        output.overwrite(at: start, packed: HexText.eightDigits(span.bits >> 32))
        output.overwrite(at: start + 8, packed: HexText.eightDigits(span.bits))
    }
}

extension TraceID {
    /// Puts the id's 32 digits into `text`, in place of what it held.
    package func write(to text: inout InlineText<32>) {
        text.removeAll()
        for word in [high >> 32, high, low >> 32, low] {
            text.append(packed: HexText.eightDigits(word), count: 8)
        }
    }
}

extension ByteBuffer {
    /// Appends a number in sixteen hexadecimal digits.
    fileprivate mutating func append(hex number: UInt64) {
        append(packed: HexText.eightDigits(number >> 32), count: 8)
        append(packed: HexText.eightDigits(number), count: 8)
    }
}
