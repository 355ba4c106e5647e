import SluiceTime
import Testing

@testable import SluiceInsight

/// Objectives that could never be missed, or never alert.
@Suite struct ObjectiveFlawTests {
    private static let facts = ObjectiveFacts(
        classes: ["standard"], models: ["m"], firstContentMax: .seconds(600),
        queueWaitMax: .seconds(30), streamIdleMax: .seconds(60))

    private static func flaws(
        _ indicator: Indicator, _ change: (inout Objective) -> Void = { _ in }
    ) -> [ObjectiveFlaw] {
        var objective = Objective(name: "o")
        objective.indicator = indicator
        if indicator.isTime { objective.threshold = .seconds(1) }
        change(&objective)
        return ObjectiveFlaw.all(of: objective, facts)
    }

    @Test(arguments: Indicator.allCases)
    func `a sensible objective has none`(indicator: Indicator) {
        #expect(Self.flaws(indicator).isEmpty)
    }

    @Test func `a target that no outage can burn fast enough is named with the least that can`() {
        let flaws = Self.flaws(.ttft) { $0.target = 0.9 }
        guard case .burnOutOfReach(let rule, let burnMax, let targetMin) = flaws.first else {
            Issue.record("\(flaws)")
            return
        }
        #expect(rule.name == "fast" && abs(rule.factor - 14.4) < 1e-9)
        #expect(abs(burnMax - 10) < 1e-9)
        #expect(targetMin == 0.931)
        #expect(Self.flaws(.ttft) { $0.target = targetMin }.isEmpty)
        #expect(Self.flaws(.ttft) { $0.target = 0.93 }.count == 1)
    }

    @Test func `thresholds fit their indicator`() {
        #expect(Self.flaws(.ttft) { $0.threshold = nil } == [.thresholdMissing])
        #expect(Self.flaws(.availability) { $0.threshold = .seconds(1) } == [.thresholdUnused])
        let grows = Self.flaws(.response) { $0.perThousandPromptTokens = .seconds(1) }
        #expect(grows == [.perPromptUnused])
    }

    @Test func `a threshold beyond the histogram or the gateway's patience is refused`() {
        #expect(Self.flaws(.ttft) { $0.threshold = .seconds(629) }.isEmpty)
        let patience = Self.flaws(.ttft) { $0.threshold = .seconds(630) }
        #expect(patience == [.beyondTimeouts(.seconds(630))])
        let both = Self.flaws(.ttft) { $0.threshold = .seconds(2_561) }
        #expect(both == [.beyondHistogram(.seconds(2_560)), .beyondTimeouts(.seconds(630))])
        let response = Self.flaws(.response) { $0.threshold = .seconds(7_681) }
        #expect(response == [.beyondHistogram(.seconds(7_680))])
        #expect(
            Self.flaws(.tpot) { $0.threshold = .seconds(60) } == [.beyondTimeouts(.seconds(60))])
    }

    @Test func `classes and models have to exist, models only where all are known`() {
        let flaws = Self.flaws(.ttft) {
            $0.classes = ["standard", "fast"]
            $0.models = ["n", "m"]
        }
        #expect(flaws == [.unknownClass(1), .unknownModel(0)])
        var objective = Objective(name: "o")
        objective.models = ["n"]
        var facts = Self.facts
        facts.models = nil
        #expect(ObjectiveFlaw.all(of: objective, facts).isEmpty)
    }

    @Test func `what follows from classes is usable`() {
        let classes = [
            ClassObjectives(
                name: "standard", timeToFirstToken: .seconds(2),
                perThousandPromptTokens: .milliseconds(100), timePerToken: .milliseconds(50))
        ]
        let derived = Objective.derived(from: classes)
        #expect(derived.map(\.name) == ["availability", "ttft", "tpot", "completeness"])
        for objective in derived {
            #expect(ObjectiveFlaw.all(of: objective, Self.facts).isEmpty)
        }
        let two =
            classes + [
                ClassObjectives(
                    name: "batch", timeToFirstToken: nil, perThousandPromptTokens: .zero,
                    timePerToken: nil)
            ]
        #expect(Objective.derived(from: two).map(\.name).contains("ttft-standard"))
    }
}
