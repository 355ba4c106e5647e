import SluiceBytes
import SluiceTelemetry

/// Everything that a page of metrics says, typed: the counterpart of vLLM's
/// `get_metrics_snapshot()`, for any server that speaks Prometheus text or OpenMetrics.
///
/// Time and memory are bounded by ``samplesMax``; what is beyond, or cannot be read, is counted and
/// left out.
public struct MetricsSnapshot: Sendable {
    /// One series, or one histogram with all of its buckets.
    public struct Entry: Sendable {
        /// As on the page, without `_total`, `_bucket`, `_sum` and `_count`.
        public var name: String
        /// In the order of the page, unescaped; without `le` and the position in a vector.
        public var labels: [(name: String, value: String)]
        /// By the kind that the page gives.
        public var value: Value
    }

    /// A value, by the kind that the page's `# TYPE` line gives.
    public enum Value: Sendable {
        case counter(Double)
        case gauge(Double)
        /// - Parameter buckets: upper bounds as written and how many are not above, in the page's order.
        case histogram(count: Double, sum: Double, buckets: [(bound: String, count: Double)])
        /// A counter with one series for each position, as of speculative decoding.
        case vector([Double])
        /// No kind was given, or one that is none of these.
        case untyped(Double)
    }

    /// In the order in which they first came.
    public private(set) var entries: [Entry] = []
    /// Lines that could not be read.
    public private(set) var badLines = 0

    /// The label that tells a vector's elements apart (vLLM 0.23: `spec_decode_…_per_pos`).
    private static let positionLabel = "position"
    /// Elements of a vector; more positions than this are left out.
    private static let positionsMax = 1_024
    /// Samples that are read; a vLLM page has about two thousand.
    public static let samplesMax = 20_000

    /// Reads a whole page.
    ///
    /// - Parameters:
    ///   - page: the body of an answer of `/metrics`, UTF-8.
    ///   - prefix: of the names of interest; empty: all.
    public init(_ page: Span<UInt8>, prefix: String = "vllm:") {
        let kinds = Self.kinds(page)
        var builder = Builder(kinds: kinds)
        var parser = PrometheusTextParser()
        let wanted = Array(prefix.utf8)
        let wants = { (line: Span<UInt8>, name: Range<Int>) -> Bool in
            guard name.count >= wanted.count else { return false }
            for place in wanted.indices where line[name.lowerBound + place] != wanted[place] {
                return false
            }
            return true
        }
        parser.feed(page, wants: wants) { builder.add($0) }
        parser.finish(wants: wants) { builder.add($0) }
        entries = builder.finish()
        badLines = parser.badLines + parser.longLines + builder.badSamples
    }

    /// The kind of each family, from its `# TYPE` line.
    private static func kinds(_ page: Span<UInt8>) -> [String: String] {
        var kinds: [String: String] = [:]
        var start = 0
        while start < page.count, kinds.count < samplesMax {
            let end = page.firstIndex(of: 0x0A, from: start, to: page.count)
            if page[start] == 0x23 {
                let words = page.text(in: start..<end).split(whereSeparator: \.isWhitespace)
                if words.count >= 4, words[1] == "TYPE" {
                    kinds[String(words[2])] = String(words[3])
                }
            }
            start = end + 1
        }
        return kinds
    }

    private struct Builder {
        let kinds: [String: String]
        private(set) var badSamples = 0
        private var entries: [Entry] = []
        private var samples = 0
        private var places: [String: Int] = [:]
        // Beside their entries while they grow: taken out of an enum they would be copied each time.
        private var histograms: [Int: Histogram] = [:]
        private var vectors: [Int: [Double]] = [:]

        private struct Histogram {
            var count = 0.0
            var sum = 0.0
            var buckets: [(bound: String, count: Double)] = []
        }

        init(kinds: [String: String]) { self.kinds = kinds }

        mutating func add(_ sample: borrowing PrometheusSample) {
            samples += 1
            guard samples <= samplesMax else {
                badSamples += 1
                return
            }
            let full = sample.line.text(in: sample.name)
            if full.hasSuffix("_created") { return }
            var labels = sample.allLabels
            for suffix in ["_bucket", "_sum", "_count"] where full.hasSuffix(suffix) {
                let family = String(full.dropLast(suffix.count))
                guard kinds[family] == "histogram" || kinds[family] == "summary" else { continue }
                return addToHistogram(family, suffix, &labels, sample.value)
            }
            let family = full.hasSuffix("_total") ? String(full.dropLast(6)) : full
            let kind = kinds[full] ?? kinds[family]
            if kind == "counter", let at = labels.firstIndex(where: { $0.name == positionLabel }) {
                let position = labels.remove(at: at).value
                return addToVector(family, position, labels, sample.value)
            }
            let value: Value =
                switch kind {
                case "counter": .counter(sample.value)
                case "gauge": .gauge(sample.value)
                default: .untyped(sample.value)
                }
            entries.append(
                Entry(name: kind == "counter" ? family : full, labels: labels, value: value))
        }

        /// The entry of a name and labels, made where there is none.
        private mutating func place(
            _ name: String, _ labels: [(name: String, value: String)]
        ) -> Int {
            // Length first: no two sets of labels can be written alike.
            let key = ([name] + labels.flatMap { [$0.name, $0.value] })
                .map { "\($0.utf8.count):\($0)" }.joined()
            if let found = places[key] { return found }
            places[key] = entries.count
            entries.append(Entry(name: name, labels: labels, value: .untyped(.nan)))
            return entries.count - 1
        }

        /// All entries, histograms and vectors included.
        mutating func finish() -> [Entry] {
            for (index, histogram) in histograms {
                entries[index].value = .histogram(
                    count: histogram.count, sum: histogram.sum, buckets: histogram.buckets)
            }
            for (index, values) in vectors { entries[index].value = .vector(values) }
            return entries
        }

        private mutating func addToHistogram(
            _ name: String, _ part: String, _ labels: inout [(name: String, value: String)],
            _ value: Double
        ) {
            var bound: String?
            if part == "_bucket", let at = labels.firstIndex(where: { $0.name == "le" }) {
                bound = labels.remove(at: at).value
            }
            guard part != "_bucket" || bound != nil else {
                badSamples += 1
                return
            }
            let index = place(name, labels)
            switch part {
            case "_sum": histograms[index, default: Histogram()].sum = value
            case "_count": histograms[index, default: Histogram()].count = value
            default:
                histograms[index, default: Histogram()].buckets.append((bound ?? "", value))
            }
        }

        private mutating func addToVector(
            _ name: String, _ position: String, _ labels: [(name: String, value: String)],
            _ value: Double
        ) {
            guard let position = Int(position), (0..<positionsMax).contains(position) else {
                badSamples += 1
                return
            }
            let index = place(name, labels)
            let missing = position + 1 - vectors[index, default: []].count
            if missing > 0 {
                vectors[index, default: []].append(contentsOf: repeatElement(0, count: missing))
            }
            vectors[index, default: []][position] = value
        }
    }
}
