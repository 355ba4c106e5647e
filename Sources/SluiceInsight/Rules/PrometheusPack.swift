/// The rules that follow from a configuration, for Prometheus and Alertmanager.
package struct PrometheusPack: Sendable {
    /// Where runbooks are, unless told: the path within the repository.
    package static let runbooksDefault = "docs/operating/"

    private let objectives: [Objective]
    private let runbooks: String

    package init(objectives: [Objective], runbooks: String = Self.runbooksDefault) {
        self.objectives = objectives
        self.runbooks = runbooks
    }

    /// All groups of rules.
    package var groups: [RuleGroup] {
        ObjectiveRules.groups(objectives) + LatencyRules.groups(objectives) + GatewayRules.groups
    }

    /// A file for `rule_files` of Prometheus.
    package var rules: String {
        """
        # Made by `sluice rules`: change the objectives of the configuration, not this file.
        # Labels cluster and namespace come from the scrape configuration; without them the rules hold too.

        """ + RuleGroup.yaml(groups, runbooks: runbooks)
    }

    /// The section `inhibit_rules` of Alertmanager: the cause silences what follows from it.
    package static var inhibition: String {
        var text = """
            # Made by `sluice rules --inhibition`: a section of alertmanager.yml.
            inhibit_rules:

            """
        for rule in inhibitions {
            text += "  # \(rule.why)\n"
            text += "  - source_matchers: [\(rule.source)]\n"
            text += "    target_matchers: [\(rule.target)]\n"
            text += "    equal: [\(rule.equal)]\n"
        }
        return text
    }

    private struct Inhibition {
        let why: String
        let source: String
        let target: String
        let equal: String
    }

    private static var inhibitions: [Inhibition] {
        let series = "cluster, namespace, slo, model_name, class, scope"
        return [
            Inhibition(
                why: "With no gateway to be seen nothing else is known.",
                source: #"'alertname = "SluiceAllTargetsDown"'"#,
                target: #"'alertname =~ "Sluice.*"', 'alertname != "SluiceAllTargetsDown"'"#,
                equal: "cluster, namespace"),
            Inhibition(
                why: "A pool without replicas has no other trouble worth a message.",
                source: #"'alertname = "SluiceNoReadyReplica"'"#,
                target:
                    #"'alertname =~ "SluicePoolPanic|SluiceReplicaOut|SluiceSignalsStale|SluicePoolSaturated"'"#,
                equal: "cluster, namespace, pool"),
            Inhibition(
                why: "The same budget, burnt faster.",
                source: #"'alertname = "SluiceErrorBudgetBurnFast"'"#,
                target: #"'alertname =~ "SluiceErrorBudgetBurn(Slow|Low)"'"#, equal: series),
            Inhibition(
                why: "The same budget, burnt faster.",
                source: #"'alertname = "SluiceErrorBudgetBurnSlow"'"#,
                target: #"'alertname = "SluiceErrorBudgetBurnLow"'"#, equal: series),
            Inhibition(
                why: "Which model and class it is says more than that it is somebody.",
                source: #"'alertname =~ "SluiceErrorBudgetBurn.*"', 'scope = "class"'"#,
                target: #"'alertname =~ "SluiceErrorBudgetBurn.*"', 'scope = "all"'"#,
                equal: "alertname, cluster, namespace, slo"),
            Inhibition(
                why: "Whoever has been paged for an objective need not be told its percentile.",
                source: #"'alertname =~ "SluiceErrorBudgetBurn(Fast|Slow)"'"#,
                target:
                    #"'alertname =~ "SluiceHighTTFT|SluiceQueueTimeHigh|SluicePreemptionRelatedDegradation"'"#,
                equal: "cluster, namespace, slo"),
            Inhibition(
                why: "What clients see includes what the engine sees.",
                source: #"'alertname = "SluiceHighTTFT"'"#,
                target: #"'alertname = "VLLMHighTTFT"'"#, equal: "cluster, model_name"),
            Inhibition(
                why: "Two days are within two weeks.",
                source: #"'alertname = "SluiceCertificateExpires"', 'severity = "page"'"#,
                target: #"'alertname = "SluiceCertificateExpires"', 'severity = "ticket"'"#,
                equal: "cluster, namespace, instance, name"),
        ]
    }
}
