import SluiceTime
import Testing

@testable import SluiceInsight

/// What rules a configuration makes; that Prometheus accepts them, and when they fire, is tested with
/// promtool in Tests/Deploy.
@Suite struct PrometheusPackTests {
    private static func alerts(_ objectives: [Objective]) -> [AlertRule] {
        PrometheusPack(objectives: objectives).groups.flatMap(\.rules).compactMap { rule in
            if case .alert(let alert) = rule { alert } else { nil }
        }
    }

    private static func first(_ threshold: Nanoseconds) -> Objective {
        var objective = Objective(name: "first")
        objective.indicator = .ttft
        objective.target = 0.95
        objective.threshold = threshold
        return objective
    }

    @Test func `thresholds are factor times budget, without the dust of binary fractions`() {
        let alerts = Self.alerts([Objective(name: "up")])
        let shares = ["Fast": "0.0144", "Slow": "0.006", "Low": "0.001"]
        for (name, share) in shares {
            let alert = alerts.first { $0.name == "SluiceErrorBudgetBurn\(name)" }
            #expect(alert?.expression.contains("{slo=\"up\"} > \(share)\n") == true, "\(name)")
        }
        #expect(PromQL.number(14.4 * (1 - 0.999)) == "0.0144")
        #expect(PromQL.number(2) == "2" && PromQL.number(0.05) == "0.05")
    }

    @Test func `without objectives nothing is compared with one`() {
        let names = Set(Self.alerts([]).map(\.name))
        #expect(names.contains("SluiceNoReadyReplica"))
        #expect(!names.contains { $0.contains("Budget") || $0.contains("TTFT") })
    }

    @Test func `an objective that grows with the prompt has no percentile to alert on`() {
        var objective = Self.first(.seconds(2))
        #expect(Self.alerts([objective]).contains { $0.name == "SluiceHighTTFT" })
        objective.perThousandPromptTokens = .milliseconds(100)
        let names = Self.alerts([objective]).map(\.name)
        #expect(!names.contains("SluiceHighTTFT") && names.contains("SluiceErrorBudgetBurnFast"))
    }

    @Test func `engines are measured by the loosest objective`() {
        var tight = Self.first(.seconds(1))
        tight.name = "tight"
        let engine = Self.alerts([tight, Self.first(.seconds(3))]).filter {
            $0.name == "VLLMHighTTFT"
        }
        #expect(engine.count == 1)
        #expect(engine.first?.expression.contains("> 3\n") == true)
    }

    @Test func `names of models and classes are matched as they are`() {
        var objective = Self.first(.seconds(1))
        objective.classes = ["a"]
        objective.models = [#"org/m-1.5"#, #"x"y"#]
        #expect(
            PromQL.selector(objective)
                == #"{class="a", model_name=~"org/m-1\\.5|x\"y"}"#)
        objective.models = ["m.5"]
        #expect(PromQL.selector(objective) == #"{class="a", model_name="m.5"}"#)
        objective.classes = []
        objective.models = []
        #expect(PromQL.selector(objective).isEmpty)
    }

    @Test func `every alert points to its page`() {
        let pack = PrometheusPack(objectives: [], runbooks: "https://wiki.example/r")
        #expect(
            pack.rules.contains(
                "runbook_url: \"https://wiki.example/r/SluiceNoReadyReplica.md\"\n"))
    }
}
