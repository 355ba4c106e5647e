import SluiceTime
import SluiceTraffic
import Testing

@testable import SluiceSimulation

/// A question becomes a run, and a run the figures of an answer.
@Suite struct FleetPlanTests {
    private static let capacity = Capacity(requestsPerSecond: 40, workPerSecond: 4_000)

    private static func plan() -> FleetPlan {
        var fleet = FleetConfiguration(streams: [
            RequestStream(.closed(clients: 0)), RequestStream(.closed(clients: 0)),
        ])
        fleet.warmUp = .seconds(5)
        fleet.measured = .seconds(30)
        return FleetPlan(fleet: fleet, shares: [0.75, 0.25])
    }

    @Test func `a load is shared by the streams`() {
        let run = Self.plan().configuration(at: .multiple(2), of: Self.capacity)
        #expect(
            run.streams.map(\.arrivals) == [.poisson(perSecond: 60), .poisson(perSecond: 20)])
        let fixed = Self.plan().configuration(at: .perSecond(8), of: Self.capacity)
        #expect(fixed.streams.map(\.arrivals) == [.poisson(perSecond: 6), .poisson(perSecond: 2)])
    }

    @Test func `what is lost all the time is not there, what is lost later is lost then`() {
        var plan = Self.plan()
        plan.misfortunes = [
            Misfortune(count: 1, slowFactor: nil, at: nil),
            Misfortune(count: 1, slowFactor: nil, at: .seconds(10)),
            Misfortune(count: 2, slowFactor: 3, at: .seconds(4)),
        ]
        let run = plan.configuration(at: .multiple(1), of: Self.capacity)
        #expect(run.replicas.count == 3)
        #expect(
            run.faults == [
                Fault(at: .seconds(15), .lost(replica: 2)),
                Fault(at: .seconds(9), .slow(replica: 0, factor: 3)),
                Fault(at: .seconds(9), .slow(replica: 1, factor: 3)),
            ])
    }

    @Test func `more misfortune than replicas is as much as there is`() {
        var plan = Self.plan()
        plan.misfortunes = [
            Misfortune(count: 3, slowFactor: nil, at: nil),
            Misfortune(count: 9, slowFactor: 2, at: nil),
        ]
        let run = plan.configuration(at: .multiple(1), of: Self.capacity)
        #expect(run.replicas.count == 1)
        #expect(run.faults == [Fault(at: .zero, .slow(replica: 0, factor: 2))])
    }

    @Test func `a recording is compressed by the load, and ends with its last request`() {
        var plan = Self.plan()
        plan.fleet.streams = [RequestStream(.recorded([.zero, .seconds(4), .seconds(10)]))]
        plan.shares = [1]
        plan.recording = Recording(perSecond: 0.3, span: .seconds(10))
        let run = plan.configuration(at: .multiple(2), of: Self.capacity)
        #expect(run.streams[0].arrivals == .recorded([.zero, .seconds(2), .seconds(5)]))
        #expect(run.measured == .milliseconds(5_001))
    }

    @Test func `what a fleet can do with a recording is what it can do with all of it`() {
        var plan = Self.plan()
        plan.fleet.replicas = [plan.fleet.replicas[0]]
        // One after the other: an embedding, and an answer of a thousand tokens.
        for (index, kind) in [AnswerKind.embedding, .stream].enumerated() {
            plan.fleet.streams[index].arrivals = .recorded(
                (0..<50).map { .seconds(Int64(2 * $0 + index)) })
            plan.fleet.streams[index].answers = kind
            plan.fleet.streams[index].recorded = Array(
                repeating: RecordedLengths(
                    promptTokens: 20, outputTokens: 1_000, outputMax: nil), count: 50)
        }
        plan.recording = Recording(perSecond: 1, span: .seconds(100))
        // 64 slots, 20 ms a step: three long ones a second, as many short ones beside them.
        #expect((4...8).contains(plan.capacity.requestsPerSecond))
    }

    @Test func `the study's fleet has the study's capacity, a slower one less`() {
        let capacity = FleetPlan(
            fleet: FleetConfiguration(streams: [RequestStream(.closed(clients: 0))]), shares: [1]
        ).capacity
        #expect(abs(capacity.requestsPerSecond / Study.capacity - 1) < 0.05)
    }

    @Test func `the figures account for every request that came`() {
        let plan = Self.plan()
        let run = plan.configuration(at: .multiple(2), of: Self.capacity)
        let result = Fleet(run) { PolicyKind.sluice.make($0) }.run()
        let figures = PlanFigures(
            policy: .sluice, load: .multiple(2), asked: 80, result, of: Self.capacity)
        let all = figures.all
        let refused = all.refused.reduce(0) { $0 + $1.count }
        #expect(refused > 0)
        #expect(all.offered == all.served + refused + all.abandoned + all.cut)
        #expect(all.offered == result.came().count)
        #expect(figures.classes.reduce(0) { $0 + $1.offered } == all.offered)
        #expect(figures.bins.count == 30)
        let binned = figures.bins.reduce(0) { $0 + $1.offered }
        #expect(abs(binned - Double(all.offered)) < 0.5)
        // The same seed gives the same answer.
        let again = PlanFigures(
            policy: .sluice, load: .multiple(2), asked: 80,
            Fleet(run) { PolicyKind.sluice.make($0) }.run(), of: Self.capacity)
        #expect(again == figures)
    }

    @Test func `a static limit refuses because it is full`() {
        let run = Self.plan().configuration(at: .multiple(3), of: Self.capacity)
        let result = Fleet(run) { PolicyKind.staticLimit.make($0) }.run()
        let figures = PlanFigures(
            policy: .staticLimit, load: .multiple(3), asked: 120, result, of: Self.capacity)
        #expect(figures.all.refused.map(\.reason) == [.full])
    }

    @Test func `an objective may grow with the prompt`() {
        var objective = ClassObjective(firstToken: .seconds(1))
        objective.perThousandPromptTokens = .milliseconds(500)
        #expect(objective.firstToken(promptTokens: 0) == .seconds(1))
        #expect(objective.firstToken(promptTokens: 4_000) == .seconds(3))
        objective.firstToken = nil
        #expect(objective.firstToken(promptTokens: 4_000) == nil)
    }
}
