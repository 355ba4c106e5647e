import SluiceTime

/// A target with the figures of all seeds.
package struct ScenarioRow: Equatable, Sendable {
    package let scenario: String
    package let target: String
    package let unit: FigureUnit
    package let bound: Bound
    /// One per seed.
    package let figures: [Double]
    package let verdict: RowVerdict

    package var median: Double { Self.median(figures) }
    package var least: Double { figures.min() ?? .nan }
    package var most: Double { figures.max() ?? .nan }

    /// - Parameter shortfall: what is known of this row's target, if anything.
    init(
        _ scenario: Scenario, _ target: Target, figures: [Double], shortfall: Shortfall? = nil
    ) {
        self.scenario = scenario.name
        self.target = target.name
        unit = target.unit
        bound = target.bound
        self.figures = figures
        if target.judgement.holds(target.bound, figures) {
            verdict = .met
        } else if let shortfall, target.judgement.holds(shortfall.floor, figures) {
            verdict = .short(shortfall)
        } else {
            verdict = .missed
        }
    }

    /// The middle of the figures; the mean of the two in the middle where their number is even.
    static func median(_ figures: [Double]) -> Double {
        guard !figures.isEmpty, figures.allSatisfy({ !$0.isNaN }) else { return .nan }
        let sorted = figures.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}

/// What became of a target.
package enum RowVerdict: Equatable, Sendable {
    /// It holds.
    case met
    /// It does not, as is known and told, and what holds instead does.
    case short(Shortfall)
    /// It does not.
    case missed
}

extension Judgement {
    /// Whether the figures of all seeds keep a bound.
    func holds(_ bound: Bound, _ figures: [Double]) -> Bool {
        switch self {
        case .median: bound.holds(ScenarioRow.median(figures))
        case .each: !figures.isEmpty && figures.allSatisfy(bound.holds)
        }
    }
}

/// What one scenario gave with one seed.
package struct ScenarioSample: Sendable {
    package let figures: [Double]
    package let conservationError: Int
    package let simulated: Nanoseconds
}

extension Scenario {
    /// What holds in every run of every scenario.
    static let conservation = Target(
        "conservation: greatest difference of accounts", .count, .atMost(0), judgedBy: .each)

    /// Measures the scenario with one seed.
    package func sample(seed: UInt64, policy: PolicyKind, capacity: Capacity) -> ScenarioSample {
        let run = ScenarioRun(seed: seed, policy: policy, capacity: capacity)
        let figures = measure(run)
        precondition(figures.count == targets.count, "a figure per target")
        return ScenarioSample(
            figures: figures, conservationError: run.conservationError, simulated: run.simulated)
    }

    /// The lines of the table, from one sample per seed.
    ///
    /// - Parameter shortfalls: targets that are known to be missed by what was run.
    package func rows(
        _ samples: [ScenarioSample], shortfalls: [Shortfall] = []
    ) -> [ScenarioRow] {
        let rows = targets.indices.map { index in
            ScenarioRow(
                self, targets[index], figures: samples.map { $0.figures[index] },
                shortfall: shortfalls.first {
                    $0.scenario == name && $0.target == targets[index].name
                })
        }
        let errors = samples.map { Double($0.conservationError) }
        return rows + [ScenarioRow(self, Self.conservation, figures: errors)]
    }
}
