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

    /// One line per target: what it must be, its median, from least to most of the seeds.
    ///
    /// - Parameter columns: how wide a line may be; nil: as wide as it is.
    func table(columns: Int?) -> String {
        let columns = columns ?? .max
        let width = (rows.map(\.target.count).max() ?? 0) + 2
        var lines = [
            "policy \(policy.rawValue), seeds \(firstSeed)…\(firstSeed + seeds - 1); C = "
                + "\(Figure.fixed(capacity.requestsPerSecond, 1)) requests/s"
        ]
        // Where a line has no room for all of it, the target has one of its own.
        let isNarrow = 6 + width + 56 > columns
        func line(_ name: String, _ target: String, _ figures: String) -> [String] {
            let head = Figure.left(name, 6)
            guard isNarrow else { return [head + Figure.left(target, width) + figures] }
            return ScreenText.wrapped(head + target, columns, indent: 6)
                + [Figure.left("", 6) + figures]
        }
        lines += line(
            "", "target",
            Figure.right("must be", 18) + Figure.right("median", 10)
                + Figure.right("least … most", 20))
        for row in rows {
            let spread = "\(row.written(row.least)) … \(row.written(row.most))"
            lines += line(
                row.scenario, row.target,
                Figure.right(row.writtenBound, 18) + Figure.right(row.written(row.median), 10)
                    + Figure.right(spread, 20) + ("  " + row.verdict.word))
        }
        var explained: Set<String> = []
        for row in rows {
            guard case .short(let known) = row.verdict else { continue }
            if explained.insert(row.scenario + known.reason).inserted {
                lines += ScreenText.wrapped(
                    "short, \(row.scenario): \(known.reason); instead", columns, indent: 7)
                lines += rows.compactMap { $0.floor(short: known.reason, of: row.scenario) }
            }
        }
        let (short, missed) = (
            rows.count { $0.verdict.isShort }, rows.count { $0.verdict == .missed }
        )
        lines.append(
            "\(rows.count - short - missed) of \(rows.count) targets met, \(short) short, \(missed) missed"
        )
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Row: Encodable {
        let scenario: String
        let target: String
        let unit: String
        let bound: String
        let median: Double?
        let least: Double?
        let most: Double?
        let figures: [Double?]
        let verdict: String
        let floor: String?
        let reason: String?
    }

    private struct Report: Encodable {
        let policy: String
        let firstSeed: Int
        let seeds: Int
        let capacityRequestsPerSecond: Double
        let short: Int
        let missed: Int
        let rows: [Row]
    }

    /// The same as one JSON object; a figure that is not a number is null.
    func json() throws -> String {
        func number(_ value: Double) -> Double? { value.isFinite ? value : nil }
        let rows = rows.map { row in
            var known: Shortfall?
            if case .short(let shortfall) = row.verdict { known = shortfall }
            return Row(
                scenario: row.scenario, target: row.target, unit: row.unit.rawValue,
                bound: row.writtenBound, median: number(row.median), least: number(row.least),
                most: number(row.most), figures: row.figures.map(number),
                verdict: row.verdict.word, floor: known.map { row.written($0.floor) },
                reason: known?.reason)
        }
        let report = Report(
            policy: policy.rawValue, firstSeed: firstSeed, seeds: seeds,
            capacityRequestsPerSecond: capacity.requestsPerSecond,
            short: self.rows.count { $0.verdict.isShort },
            missed: self.rows.count { $0.verdict == .missed }, rows: rows)
        return try report.reportJSON()
    }
}

extension ScenarioRow {
    /// A figure in the row's unit.
    func written(_ figure: Double) -> String {
        switch unit {
        case .percent: Figure.share(figure)
        case .seconds: Figure.seconds(figure)
        case .perSecond: Figure.fixed(figure, 1) + "/s"
        case .ratio: Figure.fixed(figure, 3)
        case .count: Figure.fixed(figure, 0)
        }
    }

    /// The bound in the row's unit.
    var writtenBound: String { written(bound) }

    /// A bound in the row's unit.
    func written(_ bound: Bound) -> String {
        switch bound {
        case .atLeast(let least): "≥ " + written(least)
        case .atMost(let most): "≤ " + written(most)
        case .near(let value, let share): written(value) + " ±\(Figure.fixed(share * 100, 0)) %"
        }
    }

    /// What holds instead, as a line, where the row is short for that reason.
    fileprivate func floor(short reason: String, of scenario: String) -> String? {
        guard self.scenario == scenario, case .short(let known) = verdict, known.reason == reason
        else { return nil }
        return "       \(target) \(written(known.floor))"
    }
}

extension RowVerdict {
    /// As tables say it.
    var word: String {
        switch self {
        case .met: "ok"
        case .short: "short"
        case .missed: "MISSED"
        }
    }

    /// Whether the row is known to be missed, and holds what it must instead.
    var isShort: Bool {
        if case .short = self { true } else { false }
    }
}
