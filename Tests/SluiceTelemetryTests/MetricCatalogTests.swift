import FixtureTestSupport
import SluiceTelemetry
import Testing

@Suite struct MetricCatalogTests {
    @Test(arguments: Metric.allCases)
    func `names follow Prometheus and our own rules`(metric: Metric) {
        let row = metric.row
        #expect(row.name.hasPrefix("sluice_") || row.name.hasPrefix("process_"))
        #expect(row.name.utf8.allSatisfy { $0 == 0x5F || (0x61...0x7A).contains($0) })
        #expect(row.name.hasSuffix("_total") == (row.type == .counter))
        let stem = row.type == .counter ? String(row.name.dropLast(6)) : row.name
        let unit = row.unit.label.description
        #expect(unit.isEmpty || stem.hasSuffix("_" + unit))
        for unit in ["milliseconds", "ms", "minutes", "kilobytes", "percent"] {
            #expect(!stem.hasSuffix("_" + unit))
        }
        if stem.hasSuffix("_seconds"), !stem.hasSuffix("per_second") {
            #expect(row.unit == .seconds)
        }
        if stem.hasSuffix("_bytes") { #expect(row.unit == .bytes) }
        #expect(Set(row.labels).count == row.labels.count)
        #expect(!row.labels.contains("le"))
        #expect(
            row.labels.allSatisfy {
                $0.utf8.allSatisfy { $0 == 0x5F || (0x61...0x7A).contains($0) }
            })
    }

    @Test(arguments: Metric.allCases)
    func `help is one sentence`(metric: Metric) {
        let help = metric.row.help
        #expect(help.hasSuffix("."))
        #expect(help.count > 20 && help.count < 160)
        #expect(help.first?.isUppercase == true)
        #expect(!help.contains("\n"))
    }

    @Test func `names are unique`() {
        let names = Metric.allCases.map(\.row.name)
        #expect(Set(names).count == names.count)
    }

    @Test func `what is looked at by several gateways is not summed`() {
        for metric in Metric.allCases where metric.row.aggregation == .maxByReplica {
            #expect(metric.row.labels.contains("replica"))
            #expect(metric.row.type == .gauge)
        }
        for metric in Metric.allCases where metric.row.type != .gauge {
            #expect(metric.row.aggregation == .sum)
        }
    }

    /// The groups *Offered load and users*, *Upstream*, *Admission and capacity* and *Gateway itself*
    /// of docs/metrics.md.
    @Test func `every metric of the specification has a row with its labels`() throws {
        let text = try fixture("metrics-specification.md")
        let rows = Dictionary(uniqueKeysWithValues: MetricCatalog.rows.map { ($0.name, $0) })
        var found = 0
        for quoted in String(decoding: text, as: UTF8.self).split(separator: "`") {
            guard quoted.hasPrefix("sluice_") else { continue }
            let parts = quoted.split(separator: "{", maxSplits: 1)
            let row = try #require(rows[String(parts[0])], "\(quoted) is not in the catalog")
            found += 1
            guard parts.count == 2, !parts[1].contains("…") else { continue }
            var labels: [Substring] = []
            for label in parts[1].dropLast().split(separator: ",") {
                labels.append(label.split(separator: "=")[0])
            }
            // Rows on replicas say once for all of them that they have `pool`, and some `replica`.
            let written = labels.map(String.init)
            let allowed = [written, ["pool"] + written, ["pool", "replica"] + written]
            #expect(allowed.contains(row.labels), "\(row.name)")
        }
        for (metric, row) in MetricCatalog.upstream {
            #expect(row.labels.first == "pool", "\(metric)")
        }
        #expect(found > 75)
    }
}
