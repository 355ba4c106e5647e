// Built and used by the control thread, which may allocate: once per scrape, never per request.

/// What one `/metrics` page will show: shards merged, and whatever the caller adds.
package struct MetricSnapshot {
    /// A sample of a counter or gauge.
    enum Value {
        case integer(UInt64)
        case real(Double)
        case histogram(HistogramValue)
    }

    /// Time series at most, as lines on the page; more are left out and counted.
    package let seriesMax: Int
    /// Whether histograms have their native buckets too.
    let hasNative: Bool
    /// Samples of each family by their rendered labels, without braces.
    private(set) var families: [[String: Value]]
    /// Lines that the samples will take.
    package private(set) var seriesCount = 0
    /// Series left out because of ``seriesMax``.
    package private(set) var seriesDropped: UInt64 = 0

    /// An empty snapshot.
    ///
    /// - Parameters:
    ///   - seriesMax: default 100,000, about 10 MB of text.
    ///   - native: whether the page will show native histograms.
    package init(seriesMax: Int = 100_000, native: Bool = false) {
        self.seriesMax = seriesMax
        hasNative = native
        families = Array(repeating: [:], count: Metric.allCases.count)
    }

    /// Adds a sample; a second one with the same labels is added to the first.
    ///
    /// - Parameter labels: values in the order of the catalog's labels; as many as it has.
    package mutating func add(_ metric: Metric, _ labels: [String], _ value: Double) {
        add(metric, labels, .real(value))
    }

    /// Adds a sample that is a whole number.
    package mutating func add(_ metric: Metric, _ labels: [String] = [], count: UInt64) {
        add(metric, labels, .integer(count))
    }

    /// Adds a histogram.
    package mutating func add(
        _ metric: Metric, _ labels: [String], _ histogram: HistogramValue
    ) {
        add(metric, labels, .histogram(histogram))
    }

    /// Adds the sample of a family without labels.
    package mutating func add(_ metric: Metric, _ value: Double) { add(metric, [], .real(value)) }

    /// Adds the histogram of a family without labels.
    package mutating func add(_ metric: Metric, _ histogram: HistogramValue) {
        add(metric, [], .histogram(histogram))
    }

    /// Adds one sample per state, one for `current` and zero for the others; `state` stands where
    /// the catalog's last label is.
    package mutating func addOneHot(
        _ metric: Metric, _ labels: [String], current: String, of states: [String]
    ) {
        for state in states { add(metric, labels + [state], state == current ? 1 : 0) }
    }

    /// Says how many series there are, and how many had no room.
    mutating func addOwnSize() {
        if seriesDropped > 0 { add(.metricsLost, count: seriesDropped) }
        add(.metricsSeriesMax, count: UInt64(seriesMax))
        add(.metricsSeries, count: UInt64(seriesCount + 1))
    }

    /// A counter's or gauge's value, nil if there is none; for pages and tests.
    package func value(_ metric: Metric, _ labels: [String] = []) -> Double? {
        switch families[Int(metric.rawValue)][Self.render(metric.row.labels, labels)] {
        case .integer(let value): Double(value)
        case .real(let value): value
        case .histogram, nil: nil
        }
    }

    /// A histogram, nil if there is none; for pages and tests.
    package func histogram(_ metric: Metric, _ labels: [String] = []) -> HistogramValue? {
        switch families[Int(metric.rawValue)][Self.render(metric.row.labels, labels)] {
        case .histogram(let value): value
        case .integer, .real, nil: nil
        }
    }

    /// The sum over all series of a counter or gauge; for pages and tests.
    package func total(_ metric: Metric) -> Double {
        var sum = 0.0
        for value in families[Int(metric.rawValue)].values {
            switch value {
            case .integer(let value): sum += Double(value)
            case .real(let value): sum += value
            case .histogram: break
            }
        }
        return sum
    }

    mutating func add(_ metric: Metric, _ labels: [String], _ value: Value) {
        let row = metric.row
        precondition(labels.count == row.labels.count, "\(row.name) has labels \(row.labels)")
        let key = Self.render(row.labels, labels)
        let index = Int(metric.rawValue)
        if let old = families[index][key] {
            families[index][key] = old.sum(value)
            return
        }
        let lines: Int
        switch value {
        case .integer, .real:
            assert(row.type != .histogram)
            lines = 1
        case .histogram(let histogram):
            assert(row.type == .histogram)
            lines = histogram.counts.count + 2
        }
        // What says that series are missing is never missing itself.
        let isExempt =
            metric == .metricsSeries || metric == .metricsSeriesMax || metric == .metricsLost
        guard isExempt || seriesCount + lines <= seriesMax else {
            seriesDropped &+= UInt64(lines)
            return
        }
        seriesCount += lines
        families[index][key] = value
    }

    /// `a="x",b="y"`, values escaped as the text formats want them.
    private static func render(_ names: [String], _ values: [String]) -> String {
        var text = ""
        for (name, value) in zip(names, values) {
            if !text.isEmpty { text += "," }
            text += name
            text += "=\""
            if value.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x0A }) {
                for scalar in value.unicodeScalars {
                    switch scalar {
                    case "\"": text += "\\\""
                    case "\\": text += "\\\\"
                    case "\n": text += "\\n"
                    default: text.unicodeScalars.append(scalar)
                    }
                }
            } else {
                text += value
            }
            text += "\""
        }
        return text
    }
}

extension MetricSnapshot.Value {
    func sum(_ other: Self) -> Self {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): return .integer(a &+ b)
        case (.real(let a), .real(let b)): return .real(a + b)
        case (.integer(let a), .real(let b)), (.real(let b), .integer(let a)):
            return .real(Double(a) + b)
        case (.histogram(var a), .histogram(let b)):
            a.add(b)
            return .histogram(a)
        case (.histogram, _), (_, .histogram):
            assertionFailure("a histogram and a number under one name")
            return self
        }
    }
}
