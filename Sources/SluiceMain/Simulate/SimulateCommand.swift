import ArgumentParser
import Dispatch
import SluiceReactor
import SluiceSimulation
import Synchronization

/// `sluice simulate`: a simulated fleet of vLLM replicas behind the gateway's own admission code.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Simulate a vLLM fleet behind the gateway: what holds at which load.",
        discussion: """
            Runs scenarios of a discrete-event simulation: replicas with slots, KV cache and a law \
            for the time of a step; clients with patience and retries; this gateway's admission \
            and routing, or a policy to compare it with. Deterministic: the same seeds give the \
            same figures. Prints target, figure and spread over the seeds; fails (status 1) when \
            a target is missed.

            EXAMPLES
              sluice simulate --list
              sluice simulate --scenario T3 --scenario T5
              sluice simulate --scenario all --seeds 2 --json
              sluice simulate --scenario T3 --policy deadline-queue
            """)

    @Option(help: ArgumentHelp("Scenario; may be repeated; all for all.", valueName: "name"))
    var scenario: [String] = []
    @Flag(help: "List the scenarios and what each is about.")
    var list = false
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("So many seeds, each a run of its own.", valueName: "count"))
    var seeds = 5
    @Option(
        help: ArgumentHelp(
            "What stands in front of the fleet: \(PolicyKind.names).", valueName: "policy"))
    var policy = PolicyKind.sluice.rawValue
    @Flag(help: "Print one JSON object instead of the table.")
    var json = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("First seed; the others follow it.", valueName: "seed"))
    var firstSeed = 1
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Make so many admission decisions and nothing else, to count what they cost.",
            valueName: "count", visibility: .hidden))
    var decisions: Int?

    func validate() throws {
        if let decisions {
            guard (1...1_000_000_000).contains(decisions) else {
                throw ValidationError("--decisions is 1 … 1,000,000,000.")
            }
            return
        }
        if !list && scenario.isEmpty {
            throw ValidationError("Say which --scenario, or --list them.")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds is 1 … 100.") }
        guard (1...1_000_000).contains(firstSeed) else {
            throw ValidationError("--first-seed is 1 … 1,000,000.")
        }
        _ = try policyKind()
        _ = try scenarios()
    }

    private func policyKind() throws -> PolicyKind {
        guard let kind = PolicyKind(rawValue: policy) else {
            throw ValidationError("--policy is one of: \(PolicyKind.names).")
        }
        return kind
    }

    private func scenarios() throws -> [Scenario] {
        if scenario.contains("all") { return Scenarios.all }
        return try scenario.map { name in
            guard let found = Scenarios.named(name) else {
                throw ValidationError("There is no scenario \(name); --list names them.")
            }
            return found
        }
    }

    func run() throws {
        if let decisions {
            let granted = Decisions.run(decisions)
            print("\(decisions) decisions, \(granted) grants")
            if granted != decisions { throw ExitCode(1) }
            return
        }
        if list {
            for scenario in Scenarios.all {
                print(ScenarioReport.listed(scenario))
            }
            return
        }
        let scenarios = try scenarios()
        let kind = try policyKind()
        let capacity = Capacity.study
        let runs = scenarios.flatMap { scenario in
            (0..<seeds).map { (scenario, UInt64(firstSeed + $0)) }
        }
        // Which thread runs what does not matter: nothing is shared, results have their places.
        let samples = Mutex([ScenarioSample?](repeating: nil, count: runs.count))
        let done = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: runs.count) { index in
            let (scenario, seed) = runs[index]
            let sample = scenario.sample(seed: seed, policy: kind, capacity: capacity)
            samples.withLock { $0[index] = sample }
            let count = done.add(1, ordering: .relaxed).newValue
            if Terminal.isError {
                printError("\r\u{1B}[2K\(count) of \(runs.count) runs")
            }
        }
        if Terminal.isError { printError("\r\u{1B}[2K") }
        let all = samples.withLock { $0.compactMap { $0 } }
        let report = ScenarioReport(
            policy: kind, firstSeed: firstSeed, seeds: seeds, capacity: capacity,
            rows: scenarios.enumerated().flatMap { index, scenario in
                scenario.rows(Array(all[index * seeds..<(index + 1) * seeds]))
            })
        print(json ? try report.json() : report.table(), terminator: "")
        if report.rows.contains(where: { !$0.isMet }) { throw ExitCode(1) }
    }
}

extension PolicyKind {
    /// All of them, for messages.
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
