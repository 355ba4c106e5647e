/// How a metric's type line calls it.
package enum MetricType: Sendable {
    case counter, gauge, histogram

    /// The word on the `# TYPE` line.
    package var label: StaticString {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }
}

/// The base unit of a metric; part of its name where there is one.
package enum MetricUnit: Sendable {
    case none, seconds, bytes, tokens, ratio

    /// The unit as a metric name spells it, empty for none.
    package var label: StaticString {
        switch self {
        case .none: ""
        case .seconds: "seconds"
        case .bytes: "bytes"
        case .tokens: "tokens"
        case .ratio: "ratio"
        }
    }
}

/// How the series of several gateways become one number.
package enum MetricAggregation: Sendable {
    /// Each gateway has its own share: add them.
    case sum
    /// Gateways look at the same thing: take the largest.
    case max
    /// Gateways look at the same replica: take the largest of each replica.
    case maxByReplica
    /// A statement about one process; there is no sense in joining it.
    case never

    /// The wording of the documentation page.
    package var label: StaticString {
        switch self {
        case .sum: "sum"
        case .max: "max"
        case .maxByReplica: "max by (replica)"
        case .never: "never"
        }
    }
}

/// One metric: what it is called, what it means, and how it aggregates over gateways.
package struct MetricRow: Sendable {
    package let name: String
    package let type: MetricType
    package let unit: MetricUnit
    /// Names of the labels, in the order in which values are given and written.
    package let labels: [String]
    package let aggregation: MetricAggregation
    package let help: String

    init(
        _ name: String, _ type: MetricType, _ unit: MetricUnit, _ labels: [String],
        _ aggregation: MetricAggregation, help: String
    ) {
        self.name = name
        self.type = type
        self.unit = unit
        self.labels = labels
        self.aggregation = aggregation
        self.help = help
    }
}

/// Every metric of this product, one row each: source of the `# HELP` text, of the documentation
/// page, and of the test that rules and panels name nothing else.
package enum MetricCatalog {
    /// Rows in the order of ``Metric``'s cases.
    package static let rows: [MetricRow] = {
        let all = offeredLoad + upstream + admission + objectives + gateway
        precondition(all.count == Metric.allCases.count)
        for (index, entry) in all.enumerated() { precondition(Int(entry.0.rawValue) == index) }
        return all.map(\.1)
    }()
}
