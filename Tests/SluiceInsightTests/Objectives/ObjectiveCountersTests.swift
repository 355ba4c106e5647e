import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

@Suite struct ObjectiveCountersTests {
    /// `availability` for all, `ttft` for class `fast` and model `b`.
    private static func plan() -> ObjectivePlan {
        var first = Objective(name: "ttft")
        first.indicator = .ttft
        first.threshold = .seconds(1)
        first.classes = ["fast"]
        first.models = ["b"]
        return ObjectivePlan(
            [Objective(name: "availability"), first], classes: ["fast", "slow"])
    }

    private static func record(
        _ outcome: Outcome = .ok, model: UInt16 = 0, classIndex: UInt8 = 0, first: Int64 = 100
    ) -> ExchangeRecord {
        var record = ExchangeRecord()
        record.route = .chatCompletions
        record.outcome = outcome
        record.modelIndex = model
        record.classIndex = classIndex
        record.isStream = true
        record.received = Instant(nanoseconds: 1)
        record.firstContentWritten = record.received + .milliseconds(first)
        record.ended = record.received + .seconds(5)
        record.contentEvents = 7
        return record
    }

    @Test func `each exchange counts for the objectives of its class and model`() {
        let plan = Self.plan()
        let counters = ObjectiveCounters(plan)
        // Pairs by class: availability and ttft of fast, availability of slow.
        #expect(plan.pairs.map(\.objective) == [0, 1, 0])
        #expect(plan.pairs.map(\.classIndex) == [0, 0, 1])
        for (outcome, model, classIndex) in [
            (Outcome.ok, UInt16(0), UInt8(0)), (.shed, 0, 0), (.ok, 1, 0), (.ok, 0, 1),
            (.ok, ModelTable.other, 1),
        ] {
            var record = Self.record(outcome, model: model, classIndex: classIndex)
            counters.record(&record)
        }
        #expect(counters.events(pair: 0, model: 0) == Events(good: 1, bad: 1))
        #expect(counters.events(pair: 0, model: 1) == Events(good: 1))
        #expect(counters.events(pair: 1, model: 0) == Events(good: 1))
        #expect(counters.events(pair: 1, model: 1) == Events())
        #expect(counters.events(pair: 2, model: 0) == Events(good: 1))
        #expect(counters.events(pair: 2, model: 64) == Events(good: 1))
    }

    @Test func `the models that objectives name have the first numbers`() {
        let plan = Self.plan()
        #expect(ObjectivePlan.modelNames(of: plan.objectives) == ["b"])
        #expect(plan.covers(pair: 1, model: 0))
        #expect(!plan.covers(pair: 1, model: 1) && !plan.covers(pair: 1, model: 64))
        #expect(plan.covers(pair: 0, model: 1) && plan.covers(pair: 0, model: 64))
    }

    @Test func `what is good by every objective is goodput, with its tokens`() {
        let counters = ObjectiveCounters(Self.plan())
        for first in [Int64(100), 1_001] {
            var record = Self.record(first: first)
            counters.record(&record)
        }
        #expect(counters.goodput(model: 0) == (requests: 1, tokens: 7))
        #expect(counters.goodput(model: 1) == (requests: 0, tokens: 0))
    }

    @Test(arguments: Route.allCases)
    func `what no replica serves is not judged`(route: Route) {
        let counters = ObjectiveCounters(Self.plan())
        var record = Self.record()
        record.route = route
        counters.record(&record)
        let isOurs = [Route.models, .health, .admin, .unknown].contains(route)
        #expect(counters.events(pair: 0, model: 0).count == (isOurs ? 0 : 1))
    }

    @Test func `indexes beyond the tables count nowhere and harm nothing`() {
        let counters = ObjectiveCounters(Self.plan())
        var record = Self.record(model: .max, classIndex: .max)
        counters.record(&record)
        record.classIndex = 0
        counters.record(&record)
        #expect(counters.events(pair: 0, model: 64) == Events(good: 1))
    }

    @Test func `as many pairs as there are cells for are kept`() {
        let objectives = (0..<Objective.countMax).map { Objective(name: "o\($0)") }
        let classes = (0..<8).map { "c\($0)" }
        #expect(ObjectivePlan.pairCount(objectives, classes: classes) == 256)
        let plan = ObjectivePlan(objectives, classes: classes)
        #expect(plan.pairs.count == Objective.pairsMax)
        let counters = ObjectiveCounters(plan)
        for classIndex in UInt8(0)..<8 {
            var record = Self.record(model: ModelTable.other, classIndex: classIndex)
            counters.record(&record)
        }
        let counted = plan.pairs.indices.reduce(0) {
            $0 + counters.events(pair: $1, model: 64).count
        }
        #expect(counted == 63)
        #expect(counters.goodput(model: 64).requests == 8)
    }
}
