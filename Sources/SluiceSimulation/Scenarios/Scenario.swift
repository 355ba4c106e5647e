import SluiceTime

/// How a figure is written.
package enum FigureUnit: String, Sendable {
    /// A share of 1, written as percent.
    case percent
    case seconds
    case perSecond
    case ratio
    case count
}

/// What a figure is held against.
package enum Bound: Equatable, Sendable {
    case atLeast(Double)
    case atMost(Double)
    /// This value, more or less by a share of it.
    case near(Double, share: Double)

    /// Whether a figure keeps it; not-a-number never does.
    package func holds(_ figure: Double) -> Bool {
        switch self {
        case .atLeast(let least): figure >= least
        case .atMost(let most): figure <= most
        case .near(let value, let share): abs(figure - value) <= share * abs(value)
        }
    }
}

/// Which figure of several seeds must keep the bound.
package enum Judgement: Sendable {
    /// Their median: for figures that scatter around what is meant.
    case median
    /// Every one of them: for what must never happen.
    case each
}

/// One line of the table: a figure and what it must be.
package struct Target: Sendable {
    package let name: String
    package let unit: FigureUnit
    package let bound: Bound
    package let judgement: Judgement

    package init(
        _ name: String, _ unit: FigureUnit, _ bound: Bound, judgedBy judgement: Judgement = .median
    ) {
        self.name = name
        self.unit = unit
        self.bound = bound
        self.judgement = judgement
    }
}

/// One of docs/admission.md, *The targets*: parameters, targets, and how figures are measured.
package struct Scenario: Sendable {
    /// As in the specification: `T3`.
    package let name: String
    /// In a few words.
    package let title: String
    /// What its figures must be, in the order in which `measure` gives them.
    package let targets: [Target]
    /// Runs what is to be run with one seed; gives one figure per target.
    package let measure: @Sendable (ScenarioRun) -> [Double]

    package init(
        _ name: String, _ title: String, targets: [Target],
        measure: @escaping @Sendable (ScenarioRun) -> [Double]
    ) {
        self.name = name
        self.title = title
        self.targets = targets
        self.measure = measure
    }
}

/// One scenario with one seed and one policy, while it is measured.
package final class ScenarioRun {
    /// Start of all randomness.
    package let seed: UInt64
    /// What stands in front of the fleet, where the scenario does not say so itself.
    package let policy: PolicyKind
    /// What the study's fleet can do.
    package let capacity: Capacity
    /// Greatest disagreement of any run's accounts: in flight by policy, fleet and engine, and what
    /// was open or waiting at the end.
    package private(set) var conservationError = 0
    /// Simulated time of all runs.
    package private(set) var simulated = Nanoseconds.zero

    package init(seed: UInt64, policy: PolicyKind, capacity: Capacity) {
        self.seed = seed
        self.policy = policy
        self.capacity = capacity
    }

    /// Runs a fleet with this seed; with the run's policy unless told another.
    ///
    /// - Parameter part: which of several short runs of the seed it is, for figures of all of them.
    package func run(
        _ configuration: FleetConfiguration, _ other: PolicyKind? = nil, part: UInt64 = 0
    ) -> RunResult {
        var configuration = configuration
        configuration.seed = seed &+ part &* 1_000
        let kind = other ?? policy
        let result = Fleet(configuration) { kind.make($0) }.run()
        conservationError = max(conservationError, result.ledgerErrorMax, result.openAtEnd)
        simulated += result.simulated
        return result
    }

    /// The study's fleet under Poisson arrivals at a multiple of its capacity.
    package func poisson(_ load: Double) -> FleetConfiguration {
        FleetConfiguration(streams: [stream(load)])
    }

    /// Poisson arrivals at a multiple of the capacity.
    package func stream(_ load: Double) -> RequestStream {
        RequestStream(.poisson(perSecond: load * capacity.requestsPerSecond))
    }

    /// Work within the objectives as a share of the capacity.
    package func goodput(
        _ result: RunResult, from: Nanoseconds = .zero, to: Nanoseconds? = nil,
        of capacity: Capacity? = nil
    ) -> Double {
        result.goodWork(from: from, to: to) / (capacity ?? self.capacity).workPerSecond
    }
}
