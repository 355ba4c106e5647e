/// One rule of a group, as Prometheus reads it.
package enum PrometheusRule: Sendable {
    /// A series worked out ahead, for rules and panels that come later.
    case recording(name: String, expression: String, labels: [(String, String)])
    case alert(AlertRule)
}

/// An alert, its urgency, and where it is explained.
package struct AlertRule: Sendable {
    package var name: String
    package var expression: String
    /// How long the expression has to hold, such as `10m`; nil: not at all.
    package var holds: String?
    package var severity: Severity
    /// Labels besides `severity`.
    package var labels: [(String, String)] = []
    /// One line for the one who is paged.
    package var summary: String
    /// What the numbers are; may hold templates.
    package var description: String

    package init(
        _ name: String, _ expression: String, for holds: String? = nil, _ severity: Severity,
        labels: [(String, String)] = [], summary: String, description: String
    ) {
        self.name = name
        self.expression = expression
        self.holds = holds
        self.severity = severity
        self.labels = labels
        self.summary = summary
        self.description = description
    }
}

/// Rules that are evaluated one after the other.
package struct RuleGroup: Sendable {
    package var name: String
    /// Such as `2m`; nil: Prometheus's own.
    package var interval: String?
    package var rules: [PrometheusRule]

    /// The text of a rules file.
    ///
    /// - Parameter runbooks: what the addresses of runbooks begin with; the alert's name and `.md`
    ///   follow.
    package static func yaml(_ groups: [RuleGroup], runbooks: String) -> String {
        let base = runbooks.hasSuffix("/") ? runbooks : runbooks + "/"
        var text = "groups:\n"
        for group in groups {
            text += "  - name: \(group.name)\n"
            if let interval = group.interval { text += "    interval: \(interval)\n" }
            text += "    rules:\n"
            for rule in group.rules {
                switch rule {
                case .recording(let name, let expression, let labels):
                    text += "      - record: \(name)\n" + block("expr", expression)
                    text += mapping("labels", labels)
                case .alert(let alert): text += self.alert(alert, base)
                }
            }
        }
        return text
    }

    private static func alert(_ alert: AlertRule, _ base: String) -> String {
        var text = "      - alert: \(alert.name)\n" + block("expr", alert.expression)
        if let holds = alert.holds { text += "        for: \(holds)\n" }
        text += mapping("labels", [("severity", alert.severity.rawValue)] + alert.labels)
        text += mapping(
            "annotations",
            [
                ("summary", alert.summary), ("description", alert.description),
                ("runbook_url", "\(base)\(alert.name).md"),
            ])
        return text
    }

    private static func block(_ key: String, _ lines: String) -> String {
        "        \(key): |\n"
            + lines.split(separator: "\n").map { "          \($0)\n" }.joined()
    }

    private static func mapping(_ key: String, _ entries: [(String, String)]) -> String {
        if entries.isEmpty { return "" }
        return "        \(key):\n"
            + entries.map { "          \($0.0): \(quoted($0.1))\n" }.joined()
    }

    /// A YAML scalar in double quotes.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result + "\""
    }
}

/// Pieces of PromQL.
enum PromQL {
    /// What tells installations apart; put there by the scrape configuration.
    static let place = "cluster, namespace"
    /// Jobs of gateways and of vLLM: plain names, or NAMESPACE/NAME as the operator makes them.
    static let gatewayJob = #"job=~"(.+/)?sluice""#
    static let engineJob = #"job=~"(.+/)?vllm""#
    /// Requests for replicas: not those that the gateway answers itself.
    static let inference = #"route!~"models|health|admin|unknown""#

    /// Nine digits behind the point: 14.4 × 0.001 is 0.0144.
    static func number(_ value: Double) -> String {
        let rounded = (value * 1e9).rounded() / 1e9
        return rounded == rounded.rounded() && rounded.magnitude < 1e9
            ? "\(Int(rounded))" : "\(rounded)"
    }

    /// `{class="a", model_name=~"x|y"}`, empty where an objective is for all.
    static func selector(_ objective: Objective, _ label: String? = "model_name") -> String {
        var parts: [String] = []
        if !objective.classes.isEmpty { parts.append(matcher("class", objective.classes)) }
        if let label, !objective.models.isEmpty { parts.append(matcher(label, objective.models)) }
        return parts.isEmpty ? "" : "{" + parts.joined(separator: ", ") + "}"
    }

    private static func matcher(_ label: String, _ values: [String]) -> String {
        if values.count == 1 { return "\(label)=\(quoted(values[0]))" }
        return "\(label)=~" + quoted(values.map(escaped).joined(separator: "|"))
    }

    /// Source: RE2; names of models have points and slashes.
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if #".+*?()|[]{}^$\"#.contains(character) { result.append("\\") }
            result.append(character)
        }
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result + "\""
    }
}
