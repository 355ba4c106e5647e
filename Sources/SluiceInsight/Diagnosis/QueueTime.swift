import SluiceTelemetry

/// What requests waited in queues, ours and the engines', in the last ``DiagnosisWindow/seconds``.
///
/// Means, since only means add up: the time in the gateway and that in an engine of one request are
/// never known together.
package struct QueueTime: Sendable {
    private var inGateway: HistogramTotals?
    private var inEngines: HistogramTotals?

    /// Mean seconds until a request was sent to a replica; nil where none was.
    package var gateway: Double? { inGateway?.mean }
    /// Mean seconds in an engine's queue of those that finished, by `vllm:request_queue_time_seconds`;
    /// nil where no replica says.
    package var engine: Double? { inEngines?.mean }

    /// Nothing has been seen.
    package init() {}

    mutating func add(_ window: DiagnosisWindow) {
        inGateway = Self.sum(inGateway, window.now.queueWait.since(window.earlier.queueWait))
        inEngines = Self.sum(inEngines, window.engineQueueTotals)
    }

    private static func sum(_ a: HistogramTotals?, _ b: HistogramTotals?) -> HistogramTotals? {
        guard let a, let b else { return a ?? b }
        return a + b
    }
}
