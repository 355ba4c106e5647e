import SluiceTime

/// A target with the figures of all seeds.
package struct ScenarioRow: Equatable, Sendable {
    package let scenario: String
    package let target: String
    package let unit: FigureUnit
    package let bound: Bound
    /// One per seed.
    package let figures: [Double]
    package let isMet: Bool

    package var mean: Double { figures.reduce(0, +) / Double(max(1, figures.count)) }
    package var least: Double { figures.min() ?? .nan }
    package var most: Double { figures.max() ?? .nan }

    init(_ scenario: Scenario, _ target: Target, figures: [Double]) {
        self.scenario = scenario.name
        self.target = target.name
        unit = target.unit
        bound = target.bound
        self.figures = figures
        let mean = figures.reduce(0, +) / Double(max(1, figures.count))
        switch target.judgement {
        case .mean: isMet = target.bound.holds(mean)
        case .each: isMet = !figures.isEmpty && figures.allSatisfy(target.bound.holds)
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
    package func rows(_ samples: [ScenarioSample]) -> [ScenarioRow] {
        let rows = targets.indices.map { index in
            ScenarioRow(self, targets[index], figures: samples.map { $0.figures[index] })
        }
        let errors = samples.map { Double($0.conservationError) }
        return rows + [ScenarioRow(self, Self.conservation, figures: errors)]
    }
}
