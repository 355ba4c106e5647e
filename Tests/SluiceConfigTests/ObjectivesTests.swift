import SluiceExchange
import SluiceInsight
import SluiceTime
import Testing

@testable import SluiceConfig

/// Objectives, as an operator writes them.
@Suite struct ObjectivesTests {
    @Test func `every key reaches the settings and is shown`() throws {
        let text = """
            classes: [{name: a, ttft_slo: 1s}, {name: standard}]
            objectives:
              - {name: up, sli: availability, target: 0.9995, bad_events_min: 5}
              - {name: quick, sli: ttft, target: 0.95, threshold: 1500ms,
                 threshold_per_1k_prompt_tokens: 200ms, classes: [a], models: [m/x]}
              - {name: whole, sli: response, target: 0.99, threshold: 30s}
            pools: [{name: p, models: [m/x], replicas: [http://h:1]}]
            """
        let read = try settings(text)
        var available = Objective(name: "up")
        available.target = 0.999_5
        available.badEventsMin = 5
        var quick = Objective(name: "quick")
        quick.indicator = .ttft
        quick.target = 0.95
        quick.threshold = .milliseconds(1_500)
        quick.perThousandPromptTokens = .milliseconds(200)
        quick.classes = ["a"]
        quick.models = ["m/x"]
        var whole = Objective(name: "whole")
        whole.indicator = .response
        whole.target = 0.99
        whole.threshold = .seconds(30)
        #expect(read.objectives == [available, quick, whole])
        #expect(read.objectivesInForce == read.objectives)
        #expect(read.firstTokenBounds == [.seconds(1), .milliseconds(1_500)])
        #expect(read.responseBounds == [.seconds(30)])
        let again = try settings(Configuration.render(read))
        #expect(again == read)
    }

    @Test func `without the key they follow from the classes, and none are none`() throws {
        let plain = try settings(pool)
        #expect(plain.objectives == nil)
        #expect(plain.objectivesInForce.map(\.name) == ["availability", "completeness"])
        let short = try settings("ttft_slo: 500ms\n\(pool)")
        #expect(short.objectivesInForce.map(\.name) == ["availability", "ttft", "completeness"])
        #expect(short.objectivesInForce[1].threshold == .milliseconds(500))
        #expect(short.objectivesInForce[1].classes == ["standard"])
        let none = try settings("ttft_slo: 500ms\nobjectives: []\n\(pool)")
        #expect(none.objectives == [] && none.objectivesInForce.isEmpty)
        let again = try settings(Configuration.render(none))
        #expect(again == none)
    }

    @Test func `what follows from classes and could never be missed is left out, with a warning`()
        throws
    {
        let text = """
            classes: [{name: standard, ttft_slo: 50s, queue_wait_max: 1s}]
            timeouts: {first_content: 10s}
            pools: [{name: p, replicas: [http://h:1], queue_wait_max: 1s}]
            """
        let read = try Configuration.read(text, name: "s.yaml")
        #expect(read.settings.objectivesInForce.map(\.name) == ["availability", "completeness"])
        #expect(read.warnings.contains { $0.hasPrefix("objective ttft (50s) is left out") })
    }

    @Test(arguments: [
        (
            "{name: a, sli: ttft, target: 0.9, threshold: 1s}",
            "with 0.9 the alert on a burn of 14.4 can never fire"
        ),
        (
            "{name: a, sli: ttft, target: 0.9, threshold: 1s}",
            "the budget would burn 10 times as fast as it may. Allowed with this alert: at least 0.931."
        ),
        (
            "{name: a, sli: availability, target: 0.4}",
            "objectives[0].target: `0.4` is below the smallest allowed value"
        ),
        ("{name: a, sli: availability, target: 1}", "Allowed: 0.5 … 0.99999."),
        ("{name: a, sli: avail}", "objectives[0].sli: `avail` is not one of the choices"),
        ("{name: a}", "objectives[0]: `sli` is missing"),
        ("{sli: availability}", "objectives[0]: `name` is missing"),
        ("{name: a, sli: ttft, target: 0.95}", "objectives[0]: `ttft` needs a threshold"),
        (
            "{name: a, sli: completeness, threshold: 1s}",
            "objectives[0].threshold: `1s` is given for `completeness`, which is no time"
        ),
        (
            "{name: a, sli: tpot, target: 0.95, threshold: 100s}",
            "`1m40s` is above the last bucket of its histogram (1m20s)"
        ),
        (
            "{name: a, sli: ttft, target: 0.95, threshold: 21m}",
            "`21m` can never be missed: the gateway gives up after 20m"
        ),
        (
            "{name: a, sli: response, target: 0.95, threshold: 1s, threshold_per_1k_prompt_tokens: 1s}",
            "Only the time to the first token grows with the prompt"
        ),
        (
            "{name: a, sli: availability, classes: [standart]}",
            "objectives[0].classes[0]: `standart` is not one of the classes (default)"
        ),
        (
            "{name: a, sli: availability, models: [n]}",
            "no pool serves `n`, so nothing would ever be counted"
        ),
        ("{name: a, sli: availability, bad_events_min: 0}", "Allowed: 1 … 10,000. Default: 20."),
        (
            "{name: a, sli: availability}, {name: a, sli: completeness}",
            "objectives[1].name: `a` is the name of another objective"
        ),
    ])
    func `an objective that says nothing or never alerts is refused`(
        text: String, expected: String
    ) {
        let found = onlyError(
            "objectives: [\(text)]\npools: [{name: p, models: [m], replicas: [http://h:1]}]")
        #expect(found.contains(expected), "\(found)")
        #expect(found.hasPrefix("s.yaml:1:"), "\(found)")
    }

    @Test(arguments: [7, 8])
    func `pairs with classes are bounded`(count: Int) throws {
        let list = (0..<count).map { "{name: o\($0), sli: availability}" }.joined(separator: ", ")
        let classes = (1...8).map { "{name: c\($0)}" }.joined(separator: ", ")
        let text = "objectives: [\(list)]\nclasses: [\(classes)]\ndefault_class: c1\n\(pool)"
        if count == 7 {
            #expect(try settings(text).objectives?.count == 7)
        } else {
            #expect(onlyError(text).contains("with 8 classes they make 64 pairs"))
        }
    }
}
