import SluiceBytes
import SluiceTelemetry

/// What a replica says of its load in the head of an answer (`endpoint-load-metrics`), for who asks
/// with `endpoint-load-metrics-format: TEXT`.
///
/// Source: ORCA (xDS `OrcaLoadReport`, text form); VLLM.md, *Semantics that bite a gateway*, 13.
package struct EndpointLoad: Equatable, Sendable {
    /// `named_metrics.num_requests_waiting`.
    package var waiting: Double
    /// `named_metrics.kv_cache_usage_perc`, 0 … 1; nil where it does not say.
    package var kvUsage: Double?

    /// Values of a field at most; vLLM writes two.
    private static let valuesMax = 64

    /// Reads the field's value, `TEXT name=value, name=value`; nil where it is of another form or does
    /// not say how many requests wait.
    package init?(_ field: Span<UInt8>) {
        guard field.count > 5, field.equalsIgnoringCase("text ", in: 0..<5) else { return nil }
        var waiting: Double?
        var start = 5
        var left = Self.valuesMax
        while start < field.count, left > 0 {
            left -= 1
            let end = field.firstIndex(of: 0x2C, from: start, to: field.count)
            while start < end, field[start] == 0x20 { start += 1 }
            let equals = field.firstIndex(of: 0x3D, from: start, to: end)
            if equals < end, let value = PrometheusNumber.parse(field, equals + 1..<end) {
                let name = start..<equals
                if field.equals("named_metrics.num_requests_waiting", in: name) {
                    guard value >= 0, value <= 1e9 else { return nil }
                    waiting = value
                } else if field.equals("named_metrics.kv_cache_usage_perc", in: name) {
                    guard value >= 0, value <= 1 else { return nil }
                    kvUsage = value
                }
            }
            start = end + 1
        }
        guard let waiting else { return nil }
        self.waiting = waiting
    }
}
