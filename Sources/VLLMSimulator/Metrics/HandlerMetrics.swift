import SluiceBytes

/// The `http_*` families of prometheus-fastapi-instrumentator, as vLLM mounts it.
///
/// The label sets are bounded: paths and methods that vLLM does not know share one name each.
struct HandlerMetrics {
    /// Paths with a label of their own; every other one, and every 405, is `none`.
    static let handlers: [String] = [
        "/v1/models", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings",
        "/openapi.json", "/tokenize", "/detokenize", "/v1/messages",
    ]
    /// Paths that vLLM leaves out of these families.
    static let excluded: [String] = [
        "/metrics", "/health", "/load", "/ping", "/version", "/server_info",
    ]
    private static let methods: [String] = [
        "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH",
    ]

    private struct Count {
        var handler: String
        var method: String
        var status: String
        var count = 0
        var created: Double
    }
    private struct Size {
        var handler: String
        var count = 0
        var requestBytes = 0.0
        var responseBytes = 0.0
        var created: Double
    }
    private struct Latency {
        var handler: String
        var method: String
        var histogram = SimulatedHistogram(bounds: SimulatedHistogram.coarseBounds)
        var created: Double
    }

    // In order of first use, which is the order on the page.
    private var counts: [Count] = []
    private var sizes: [Size] = []
    private var latencies: [Latency] = []
    private var fine = SimulatedHistogram(bounds: SimulatedHistogram.fineBounds)

    /// Counts one answered request; bytes are the `content-length` fields, 0 without one.
    mutating func record(
        path: String, method: String, status: Int, requestBytes: Int, responseBytes: Int,
        seconds: Double, at wallSeconds: Double
    ) {
        if Self.excluded.contains(path) { return }
        // A 404 of a known path is a missing model and keeps its handler; a 405 matched no route.
        let handler = Self.handlers.contains(path) && status != 405 ? path : "none"
        let method = Self.methods.contains(method) ? method : "OTHER"
        let group = "\(min(5, max(1, status / 100)))xx"
        let count = counts.firstIndex {
            $0.handler == handler && $0.method == method && $0.status == group
        }
        if count == nil {
            counts.append(
                Count(handler: handler, method: method, status: group, created: wallSeconds))
        }
        counts[count ?? counts.count - 1].count += 1
        let size = sizes.firstIndex { $0.handler == handler }
        if size == nil { sizes.append(Size(handler: handler, created: wallSeconds)) }
        let place = size ?? sizes.count - 1
        sizes[place].count += 1
        sizes[place].requestBytes += Double(requestBytes)
        sizes[place].responseBytes += Double(responseBytes)
        let latency = latencies.firstIndex { $0.handler == handler && $0.method == method }
        if latency == nil {
            latencies.append(Latency(handler: handler, method: method, created: wallSeconds))
        }
        latencies[latency ?? latencies.count - 1].histogram.observe(seconds)
        fine.observe(seconds)
    }

    /// Requests counted so far.
    var count: Int { fine.count }

    /// Writes all five families.
    func append(started: Double, to buffer: inout ByteBuffer) {
        appendCounts(to: &buffer)
        appendSizes(
            "http_request_size_bytes", "incoming requests", \.requestBytes, to: &buffer)
        appendSizes(
            "http_response_size_bytes", "outgoing responses", \.responseBytes, to: &buffer)
        buffer.appendHistogram(
            "http_request_duration_highr_seconds",
            "Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ",
            created: started, MetricLabels(), fine)
        let name = "http_request_duration_seconds"
        let help =
            "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. "
        buffer.appendFamily(name, "", help, "histogram")
        for latency in latencies {
            latency.histogram.append(named: name, labels: labels(latency), to: &buffer)
        }
        buffer.appendGauge(
            "\(name)_created", help, latencies.map { (labels($0).plain, $0.created) })
    }

    private func labels(_ latency: Latency) -> MetricLabels {
        MetricLabels("handler=\"\(latency.handler)\"", "method=\"\(latency.method)\"")
    }

    private func appendCounts(to buffer: inout ByteBuffer) {
        let name = "http_requests"
        let help = "Total number of requests by method, status and handler."
        func labels(_ count: Count) -> String {
            "{handler=\"\(count.handler)\",method=\"\(count.method)\",status=\"\(count.status)\"}"
        }
        buffer.appendFamily(name, "_total", help, "counter")
        for count in counts {
            buffer.appendSeries(name, "_total", labels(count), Double(count.count))
        }
        buffer.appendGauge("\(name)_created", help, counts.map { (labels($0), $0.created) })
    }

    private func appendSizes(
        _ name: String, _ what: String, _ bytes: KeyPath<Size, Double>, to buffer: inout ByteBuffer
    ) {
        let help =
            "Content length of \(what) by handler. Only value of header is respected. Otherwise ignored. No percentile calculated. "
        buffer.appendFamily(name, "", help, "summary")
        for size in sizes {
            let labels = "{handler=\"\(size.handler)\"}"
            buffer.appendSeries(name, "_count", labels, Double(size.count))
            buffer.appendSeries(name, "_sum", labels, size[keyPath: bytes])
        }
        buffer.appendGauge(
            "\(name)_created", help, sizes.map { ("{handler=\"\($0.handler)\"}", $0.created) })
    }
}
