/// Chooses the traces that are recorded among those that nobody has decided about.
///
/// By the trace's id and not by chance, so that whoever samples by the same rule takes the same
/// traces. Source: OpenTelemetry SDK specification, *ProbabilitySampler*: the last seven bytes of an
/// id are random, and what is at or above the threshold is recorded.
package struct TraceSampler: Sendable {
    /// 0: everything … 2^56: nothing.
    private let threshold: UInt64

    /// - Parameter ratio: the share that is recorded, 0 … 1; anything else is clamped.
    package init(ratio: Double) {
        let ratio = ratio > 0 ? min(ratio, 1) : 0
        threshold = UInt64((1 - ratio) * 0x1p56)
    }

    /// Whether the trace is recorded.
    package func takes(_ trace: TraceID) -> Bool { trace.low & 0x00FF_FFFF_FFFF_FFFF >= threshold }
}
