import ArgumentParser
import Dispatch
import SluiceBench
import SluiceReactor
import SluiceSimulation
import SluiceTime
import Synchronization

/// `sluice simulate`: a simulated fleet of vLLM replicas behind the gateway's own admission code.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Simulate a vLLM fleet behind the gateway: what holds at which load.",
        discussion: """
            A discrete-event simulation: replicas with slots, KV cache and a law for the time of a \
            step; clients with patience and retries; this gateway's admission and routing, or a \
            policy to compare it with. Deterministic: the same seeds give the same figures.

            With --load or --trace it answers what happens to a fleet: a table, and a picture \
            over the loads, or over time where there is one. A load of 1x is what the fleet can do \
            within the objectives, measured first; what --lose and --slow take does not change \
            it. Times are those of the model: fit it to your replicas (--fit) before you believe \
            absolute figures.

            With --scenario it runs those of docs/admission.md, prints target, median and spread \
            over the seeds, and fails (status 1) when a target is missed. One that is known to be \
            missed is "short" as long as it keeps a floor of its own; the reason is printed.

            EXAMPLES
              sluice simulate --load 0.5x,1x,2x,4x
              sluice simulate --config sluice.yaml --load 2x --replicas 4 --lose 1
              sluice simulate --load 50/s --prompt 1200:0.8 --output 300 --ttft-slo 1s
              sluice simulate --load 0.9x --slow 1:3@40s --policy sluice,least-in-flight
              sluice simulate --load 2x --class-mix critical=20,standard=50,batch=30 --json
              sluice simulate --fit 1:95,64:2600,prefill:25000 --slots 128 --load 1x,2x
              sluice simulate --trace arrivals.csv --load 1.5x --svg replay.svg
              sluice simulate --list
              sluice simulate --scenario T3 --scenario T5
              sluice simulate --scenario all --seeds 2 --json
              sluice simulate --scenario T3 --policy deadline-queue
            """)

    @OptionGroup(title: "FLEET AND LOAD") var plan: PlanOptions

    @Option(help: ArgumentHelp("Scenario; may be repeated; all for all.", valueName: "name"))
    var scenario: [String] = []
    @Flag(help: "List the scenarios and what each is about.")
    var list = false
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "For scenarios: so many seeds, each a run of its own.", valueName: "count"))
    var seeds = 5
    @Option(
        help: ArgumentHelp(
            "What stands in front of the fleet, several with --load: \(PolicyKind.names).",
            valueName: "policies"))
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
    @Flag(
        help: ArgumentHelp("Say how long each of the --decisions takes.", visibility: .hidden))
    var timed = false

    func validate() throws {
        if let decisions {
            guard (1...1_000_000_000).contains(decisions) else {
                throw ValidationError("--decisions is 1 … 1,000,000,000.")
            }
            return
        }
        guard (1...1_000_000).contains(firstSeed) else {
            throw ValidationError("--first-seed is 1 … 1,000,000.")
        }
        if !list && scenario.isEmpty && !plan.isAsked {
            throw ValidationError("Say which --load or --scenario, or --list the scenarios.")
        }
        if !scenario.isEmpty && plan.isAsked {
            throw ValidationError("A --scenario has its own load and fleet: leave --load out.")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds is 1 … 100.") }
        if try policies().count > 1, !scenario.isEmpty {
            throw ValidationError("--policy: a --scenario is run with one.")
        }
        _ = try scenarios()
    }

    private func policies() throws -> [PolicyKind] {
        try policy.split(separator: ",", omittingEmptySubsequences: false).map { name in
            guard let kind = PolicyKind(rawValue: String(name)) else {
                throw ValidationError("--policy is one of: \(PolicyKind.names); not \"\(name)\".")
            }
            return kind
        }
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
            var times: [Instant] = []
            let granted =
                timed
                ? Decisions.run(decisions) { times.append(MonotonicClock.now()) }
                : Decisions.run(decisions)
            print("\(decisions) decisions, \(granted) grants")
            let spans = zip(times.dropFirst(), times).map { $0 - $1 }.sorted()
            if !spans.isEmpty {
                let (middle, rare) = (spans[spans.count / 2], spans[spans.count * 99 / 100])
                print("p50 \(middle.count) ns, p99 \(rare.count) ns")
            }
            if granted != decisions { throw ExitCode(1) }
            return
        }
        if list {
            for scenario in Scenarios.all {
                print(ScenarioReport.listed(scenario))
            }
            return
        }
        if plan.isAsked { return try answer() }
        let scenarios = try scenarios()
        let kind = try policies()[0]
        let capacity = Capacity.study
        let runs = scenarios.flatMap { scenario in
            (0..<seeds).map { (scenario, UInt64(firstSeed + $0)) }
        }
        let began = MonotonicClock.now()
        let all = Self.concurrently(runs.count) { index in
            let (scenario, seed) = runs[index]
            return scenario.sample(seed: seed, policy: kind, capacity: capacity)
        }
        let report = ScenarioReport(
            policy: kind, firstSeed: firstSeed, seeds: seeds, capacity: capacity,
            rows: scenarios.enumerated().flatMap { index, scenario in
                scenario.rows(
                    Array(all[index * seeds..<(index + 1) * seeds]),
                    shortfalls: kind == .sluice ? Scenarios.shortfalls : [])
            })
        print(json ? try report.json() : report.table(columns: Self.columns), terminator: "")
        // Not in the report, which is the same for the same seeds.
        let simulated = all.reduce(0) { $0 + $1.simulated.seconds }
        let took = (MonotonicClock.now() - began).seconds
        printError(
            "\(Figure.fixed(simulated / 3_600, 1)) h of model time in \(Figure.fixed(took, 1)) s: "
                + "\(Figure.fixed(simulated / took, 0)) times real time\n")
        if report.rows.contains(where: { $0.verdict == .missed }) { throw ExitCode(1) }
    }

    /// Answers what happens at a load.
    private func answer() throws {
        let question = try PlannedQuestion(plan)
        let loads = try plan.loads()
        let asked = try policies().flatMap { kind in loads.map { (kind, $0) } }
        let capacity = question.plan.capacity
        let figures = Self.concurrently(asked.count) { index in
            let (kind, load) = asked[index]
            let run = Fleet(question.plan.configuration(at: load, of: capacity)) { kind.make($0) }
            return PlanFigures(
                policy: kind, load: load,
                asked: question.plan.perSecond(at: load, of: capacity), run.run(), of: capacity)
        }
        let report = PlanReport(question: question, capacity: capacity, figures: figures)
        if let path = plan.svg {
            guard (try? report.svg.write(toFile: path, atomically: true, encoding: .utf8)) != nil
            else { throw ValidationError("--svg: \(path) cannot be written.") }
        }
        let width = plan.width ?? Terminal.size().columns
        print(
            json
                ? try report.json()
                : report.text(width: width, columns: plan.width ?? Self.columns),
            terminator: "")
    }

    /// How wide a line may be: of a file nothing is known.
    private static var columns: Int? { Terminal.isOutput ? Terminal.size().columns : nil }

    /// Runs what does not depend on each other on all cores; results stand in their order.
    private static func concurrently<Value: Sendable>(
        _ count: Int, _ run: @Sendable (Int) -> Value
    ) -> [Value] {
        // Which thread runs what does not matter: nothing is shared, results have their places.
        let results = Mutex([Value?](repeating: nil, count: count))
        let done = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let result = run(index)
            results.withLock { $0[index] = result }
            let finished = done.add(1, ordering: .relaxed).newValue
            if Terminal.isError { printError("\r\u{1B}[2K\(finished) of \(count) runs") }
        }
        if Terminal.isError { printError("\r\u{1B}[2K") }
        return results.withLock { $0.compactMap { $0 } }
    }
}

extension PolicyKind {
    /// All of them, for messages.
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
