import Foundation
import SluiceBench
import SluiceSimulation

/// The figures of all scenarios that were run, for people and for programs.
struct ScenarioReport {
    let policy: PolicyKind
    let firstSeed: Int
    let seeds: Int
    let capacity: Capacity
    let rows: [ScenarioRow]

    /// One line of `--list`.
    static func listed(_ scenario: Scenario) -> String {
        Figure.left(scenario.name, 6) + scenario.title
    }

    /// One line per target: what it must be, what it was, from least to most of the seeds.
    func table() -> String {
        let width = (rows.map(\.target.count).max() ?? 0) + 2
        var lines = [
            "policy \(policy.rawValue), seeds \(firstSeed)…\(firstSeed + seeds - 1); C = "
                + "\(Figure.fixed(capacity.requestsPerSecond, 1)) requests/s"
        ]
        lines.append(
            Figure.left("", 6) + Figure.left("target", width) + Figure.right("must be", 18)
                + Figure.right("mean", 10) + Figure.right("least … most", 20))
        for row in rows {
            let spread = "\(row.written(row.least)) … \(row.written(row.most))"
            lines.append(
                Figure.left(row.scenario, 6) + Figure.left(row.target, width)
                    + Figure.right(row.writtenBound, 18) + Figure.right(row.written(row.mean), 10)
                    + Figure.right(spread, 20) + (row.isMet ? "  ok" : "  MISSED"))
        }
        let missed = rows.count { !$0.isMet }
        lines.append(
            missed == 0
                ? "all \(rows.count) targets met" : "\(missed) of \(rows.count) targets missed")
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Row: Encodable {
        let scenario: String
        let target: String
        let unit: String
        let bound: String
        let mean: Double?
        let least: Double?
        let most: Double?
        let figures: [Double?]
        let met: Bool
    }

    private struct Report: Encodable {
        let policy: String
        let firstSeed: Int
        let seeds: Int
        let capacityRequestsPerSecond: Double
        let missed: Int
        let rows: [Row]
    }

    /// The same as one JSON object; a figure that is not a number is null.
    func json() throws -> String {
        func number(_ value: Double) -> Double? { value.isFinite ? value : nil }
        let rows = rows.map { row in
            Row(
                scenario: row.scenario, target: row.target, unit: row.unit.rawValue,
                bound: row.writtenBound, mean: number(row.mean), least: number(row.least),
                most: number(row.most), figures: row.figures.map(number), met: row.isMet)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let report = Report(
            policy: policy.rawValue, firstSeed: firstSeed, seeds: seeds,
            capacityRequestsPerSecond: capacity.requestsPerSecond,
            missed: rows.count { !$0.met }, rows: rows)
        return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
    }
}

extension ScenarioRow {
    /// A figure in the row's unit.
    func written(_ figure: Double) -> String {
        switch unit {
        case .percent: Figure.fixed(figure * 100, 1) + " %"
        case .seconds: Figure.fixed(figure, 2) + " s"
        case .perSecond: Figure.fixed(figure, 1) + "/s"
        case .ratio: Figure.fixed(figure, 3)
        case .count: Figure.fixed(figure, 0)
        }
    }

    /// The bound in the row's unit.
    var writtenBound: String {
        switch bound {
        case .atLeast(let least): "≥ " + written(least)
        case .atMost(let most): "≤ " + written(most)
        case .near(let value, let share): written(value) + " ±\(Figure.fixed(share * 100, 0)) %"
        }
    }
}
