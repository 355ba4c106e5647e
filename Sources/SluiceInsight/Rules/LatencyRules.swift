/// Alerts on percentiles and their causes: vLLM's own, and their twins at the gateway, where the wait
/// for a slot is now.
///
/// Their thresholds are those of the configured objectives for the time to the first token. An
/// objective that grows with the prompt has no one threshold: it alerts by its burn alone.
enum LatencyRules {
    /// Fewer observations in five minutes make no percentile.
    private static let observationsMin = 20

    static func groups(_ objectives: [Objective]) -> [RuleGroup] {
        let fixed = objectives.filter {
            $0.indicator == .ttft && $0.threshold != nil && $0.perThousandPromptTokens == .zero
        }
        var rules: [PrometheusRule] = fixed.flatMap(ofGateway)
        // An engine knows no classes: what the most patient class cannot accept nobody can.
        if let loosest = fixed.max(by: { seconds($0) < seconds($1) }) { rules += ofEngine(loosest) }
        rules.append(transferFailures)
        return [RuleGroup(name: "sluice-latency", interval: nil, rules: rules)]
    }

    private static func seconds(_ objective: Objective) -> Double {
        objective.threshold?.seconds ?? 0
    }

    private static func quantile(
        _ objective: Objective, _ labels: String, _ metric: String, _ selector: String
    ) -> String {
        """
        histogram_quantile(
          \(PromQL.number(objective.target)),
          sum by (le, \(labels)) (rate(\(metric)_bucket\(selector)[5m]))
        )
        """
    }

    private static func enough(_ labels: String, _ metric: String, _ selector: String) -> String {
        "sum by (\(labels)) (increase(\(metric)_count\(selector)[5m])) >= \(observationsMin)"
    }

    private static func ofGateway(_ objective: Objective) -> [PrometheusRule] {
        let limit = PromQL.number(seconds(objective))
        let half = PromQL.number(seconds(objective) / 2)
        let name = [("slo", objective.name)]
        let percentile = "P\(PromQL.number(objective.target * 100))"
        let labels = "\(PromQL.place), model_name, class"
        let metric = "sluice_time_to_first_token_seconds"
        let selector = PromQL.selector(objective)
        let wait = "sluice_queue_wait_seconds"
        var ofQueue = objective
        ofQueue.models = []
        let queue = PromQL.selector(ofQueue)
        let dispatched =
            queue.isEmpty
            ? "{result=\"dispatched\"}" : queue.dropLast() + ", result=\"dispatched\"}"
        let waitLabels = "\(PromQL.place), pool, class"
        return [
            .alert(
                AlertRule(
                    "SluiceHighTTFT",
                    """
                    \(quantile(objective, labels, metric, selector)) > \(limit)
                    and
                    \(enough(labels, metric, selector))
                    """, for: "10m", .ticket, labels: name,
                    summary:
                        "Clients wait longer for the first token than \(objective.name) allows",
                    description:
                        "\(percentile) of {{ $labels.model_name }}, class {{ $labels.class }}, is {{ $value | printf \"%.2f\" }} s; the objective is \(limit) s."
                )),
            .alert(
                AlertRule(
                    "SluiceQueueTimeHigh",
                    """
                    \(quantile(objective, waitLabels, wait, String(dispatched))) > \(half)
                    and
                    \(enough(waitLabels, wait, String(dispatched)))
                    """, for: "10m", .ticket, labels: name,
                    summary: "Requests wait in the gateway for half of \(objective.name) and more",
                    description:
                        "\(percentile) of the wait for a slot in pool {{ $labels.pool }}, class {{ $labels.class }}, is {{ $value | printf \"%.2f\" }} s; \(limit) s is the objective for the first token."
                )),
            .alert(
                AlertRule(
                    "SluicePreemptionRelatedDegradation",
                    preempted(by: "cluster, model_name") + "\nand\n"
                        + quantile(objective, "cluster, model_name", metric, selector)
                        + " > \(limit)",
                    for: "10m", .ticket, labels: name,
                    summary: "Engines recompute preempted requests while clients wait too long",
                    description:
                        "{{ $value | printf \"%.0f\" }} preemptions of {{ $labels.model_name }} in 10 minutes, and the time to the first token is above \(limit) s."
                )),
        ]
    }

    private static func preempted(by labels: String) -> String {
        "sum by (\(labels)) (increase(vllm:num_preemptions_total[10m])) > 0"
    }

    private static func ofEngine(_ objective: Objective) -> [PrometheusRule] {
        let limit = PromQL.number(seconds(objective))
        let half = PromQL.number(seconds(objective) / 2)
        let labels = "cluster, model_name"
        let metric = "vllm:time_to_first_token_seconds"
        let queue = "vllm:request_queue_time_seconds"
        let percentile = "P\(PromQL.number(objective.target * 100))"
        return [
            .alert(
                AlertRule(
                    "VLLMHighTTFT",
                    """
                    \(quantile(objective, labels, metric, "")) > \(limit)
                    and
                    \(enough(labels, metric, ""))
                    """, for: "10m", .ticket,
                    summary: "vLLM's own time to the first token is above the service objective",
                    description:
                        "\(percentile) of {{ $labels.model_name }} in the engines is {{ $value | printf \"%.2f\" }} s; \(limit) s is the loosest objective. Requests that were given up are not in it."
                )),
            .alert(
                AlertRule(
                    "VLLMQueueTimeHigh",
                    """
                    \(quantile(objective, labels, queue, "")) > \(half)
                    and
                    \(enough(labels, queue, ""))
                    """, for: "10m", .ticket,
                    summary: "Requests wait too long in vLLM's scheduler",
                    description:
                        "\(percentile) of the wait in the engines of {{ $labels.model_name }} is {{ $value | printf \"%.2f\" }} s. The gateway lets in no more than they have slots for: somebody else sends, or the slots are misjudged."
                )),
            .alert(
                AlertRule(
                    "VLLMPreemptionRelatedDegradation",
                    preempted(by: labels) + "\nand\n" + quantile(objective, labels, metric, "")
                        + " > \(limit)",
                    for: "10m", .ticket,
                    summary: "vLLM preemptions correlate with a slow first token",
                    description:
                        "{{ $value | printf \"%.0f\" }} preemptions of {{ $labels.model_name }} in 10 minutes, and the engines' time to the first token is above \(limit) s."
                )),
        ]
    }

    /// Only engines with the NIXL connector have the counter.
    private static var transferFailures: PrometheusRule {
        .alert(
            AlertRule(
                "VLLMKVTransferFailures",
                "sum by (cluster, model_name) (increase(vllm:nixl_num_failed_transfers_total[10m])) > 0",
                for: "5m", .ticket,
                summary: "Transfers of KV cache between engines fail",
                description:
                    "{{ $value | printf \"%.0f\" }} failed NIXL transfers of {{ $labels.model_name }} in 10 minutes."
            ))
    }
}
