import SluiceBytes
import SluiceTelemetry

/// The trace that a request belongs to. Source: W3C Trace Context, `traceparent`.
package enum TraceContext {
    /// Takes the trace id out of a `traceparent` value, `version-traceid-parentid-flags`.
    ///
    /// What is malformed leaves `id` as it was: a trace is a convenience, never a reason to refuse.
    /// Versions after 00 may append fields, so only the first 55 bytes are looked at.
    package static func readID(_ value: Span<UInt8>, into id: inout InlineText<32>) {
        guard value.count == 55 || value.count > 55 && value[55] == 0x2D,
            value[2] == 0x2D, value[35] == 0x2D, value[52] == 0x2D
        else { return }
        var isZero = true
        for i in 0..<55 where i != 2 && i != 35 && i != 52 {
            guard isLowerHex(value[i]) else { return }
            if i > 2, i < 35, value[i] != 0x30 { isZero = false }
        }
        let isFuture = value[0] == 0x66 && value[1] == 0x66
        let isCurrent = value[0] == 0x30 && value[1] == 0x30
        guard !isZero, !isFuture, !isCurrent || value.count == 55 else { return }
        id.removeAll()
        id.append(value, 3..<35)
    }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || byte &- 0x61 < 6
    }
}
