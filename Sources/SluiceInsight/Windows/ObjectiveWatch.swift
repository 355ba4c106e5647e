import SluiceTelemetry
import SluiceTime

// Control thread only.

/// The windows of every objective, by class and over all its classes, and which alerts fire.
package struct ObjectiveWatch: Sendable {
    /// One objective, of one class or of all it covers.
    package struct Row: Sendable {
        /// Index into ``ObjectivePlan/objectives``.
        package let objective: Int
        /// Index of the class; nil: all.
        package let classIndex: Int?
        package fileprivate(set) var windows: ErrorWindows
        package fileprivate(set) var verdicts: [BurnVerdict] = []
        /// Since when each of ``BurnRule/all`` fires; unset where it does not.
        package fileprivate(set) var firingSince: [Instant]
        /// Pairs of the plan whose events it sums.
        fileprivate let pairs: [Int]
    }

    package let plan: ObjectivePlan
    /// For each objective first that of all its classes, then those of each where there are several.
    package private(set) var rows: [Row] = []

    package init(_ plan: ObjectivePlan, at now: Instant) {
        self.plan = plan
        for objective in plan.objectives.indices {
            let pairs = plan.pairs.indices.filter { plan.pairs[$0].objective == objective }
            let single = pairs.count == 1 ? pairs.first.map { plan.pairs[$0].classIndex } : nil
            rows.append(Self.row(objective, single, pairs, now))
            guard pairs.count > 1 else { continue }
            for pair in pairs {
                rows.append(Self.row(objective, plan.pairs[pair].classIndex, [pair], now))
            }
        }
    }

    private static func row(
        _ objective: Int, _ classIndex: Int?, _ pairs: [Int], _ now: Instant
    ) -> Row {
        Row(
            objective: objective, classIndex: classIndex, windows: ErrorWindows(at: now),
            firingSince: BurnRule.all.map { _ in .unset }, pairs: pairs)
    }

    /// Reads all workers' counters and judges every alert anew.
    ///
    /// - Returns: alerts that began or ended with this step, one sentence each, for the log.
    package mutating func advance(
        to now: Instant, _ counters: [ObjectiveCounters]
    ) -> [String] {
        let totals = plan.pairs.indices.map { Self.total(pair: $0, counters) }
        var changes: [String] = []
        for index in rows.indices {
            let total = rows[index].pairs.reduce(Events()) { $0 + totals[$1] }
            rows[index].windows.advance(to: now, total: total)
            let objective = plan.objectives[rows[index].objective]
            let verdicts = BurnRule.all.map { BurnVerdict($0, objective, rows[index].windows) }
            rows[index].verdicts = verdicts
            for (rule, verdict) in verdicts.enumerated() {
                let was = rows[index].firingSince[rule].isSet
                guard verdict.isFiring != was else { continue }
                rows[index].firingSince[rule] = verdict.isFiring ? now : .unset
                changes.append(sentence(rows[index], verdict))
            }
        }
        return changes
    }

    private static func total(pair: Int, _ counters: [ObjectiveCounters]) -> Events {
        var sum = Events()
        for model in 0...Int(ModelTable.other) {
            for worker in counters { sum = sum + worker.events(pair: pair, model: model) }
        }
        return sum
    }

    private func sentence(_ row: Row, _ verdict: BurnVerdict) -> String {
        let objective = plan.objectives[row.objective]
        let whose = row.classIndex.map { ", class \(plan.classes[$0])" } ?? ""
        let name = "objective \(objective.name)\(whose): the \(verdict.rule.name) burn alert"
        guard verdict.isFiring else { return "\(name) has ended" }
        let burn = ((verdict.longBurn ?? 0) * 10).rounded() / 10
        return "\(name) fires: over \(verdict.longText) the budget burns \(burn) times"
            + " as fast as it may"
    }
}
