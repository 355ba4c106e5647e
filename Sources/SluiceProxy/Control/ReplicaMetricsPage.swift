import SluiceBytes
import SluiceEndpoint
import SluiceTelemetry
import SluiceVLLM

// Control thread only.

/// `/replicas/NAME/metrics`: what a replica's own page of metrics says now, typed, as JSON.
enum ReplicaMetricsPage {
    static func path(of name: String) -> String {
        "/replicas/\(PercentText.encoded(name))/metrics"
    }

    /// The name in such a path, still encoded; nil: it is another one.
    static func name(in path: String) -> Substring? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].isEmpty, parts[1] == "replicas", parts[3] == "metrics"
        else { return nil }
        return parts[2]
    }

    /// Asks the replica, and answers when it has.
    static func answer(
        _ name: String, prefix: String?, _ responder: Responder, _ control: ControlLoop
    ) {
        guard let agent = control.registry.agents.first(where: { $0.name == name }) else {
            let names = control.registry.agents.map(\.name).joined(separator: ", ")
            return responder.respond(
                404, text: "no replica is called '\(name)'; there are: \(names)\n")
        }
        // Answers even where the agent ends, and forgets what it was asked.
        let question = Question(responder)
        agent.fetchMetrics { result in
            // Whoever has left needs no answer.
            guard question.isOpen else { return }
            switch result {
            case .success(let page):
                let snapshot =
                    prefix.map { MetricsSnapshot(page.span, prefix: $0) }
                    ?? MetricsSnapshot(page.span)
                question.answer(200, json: render(snapshot, of: name))
            case .failure(.asked):
                question.answer(503, text: "replica \(name) is being asked already; try again\n")
            case .failure(.status(let status)):
                question.answer(502, text: "replica \(name): its page of metrics: HTTP \(status)\n")
            case .failure(.client(let failure)):
                question.answer(502, text: "replica \(name): its page of metrics: \(failure)\n")
            }
        }
    }

    private final class Question {
        private var responder: Responder?

        init(_ responder: Responder) { self.responder = responder }

        deinit { responder?.respond(503, text: "the replica was taken out meanwhile\n") }

        var isOpen: Bool { responder?.isOpen ?? false }

        func answer(_ status: Int, json: String) {
            responder.take()?
                .respond(status, contentType: "application/json", body: Array(json.utf8))
        }

        func answer(_ status: Int, text: String) { responder.take()?.respond(status, text: text) }
    }

    private static func render(_ snapshot: MetricsSnapshot, of name: String) -> String {
        PageJSON.block(
            0,
            [
                ("replica", PageJSON.quoted(name)), ("bad_lines", "\(snapshot.badLines)"),
                ("metrics", PageJSON.list(snapshot.entries.map(entry), ",\n  ")),
            ]) + "\n"
    }

    private static func entry(_ entry: MetricsSnapshot.Entry) -> String {
        let labels = entry.labels.map { ($0.name.jsonEscaped, PageJSON.quoted($0.value)) }
        let (kind, members): (String, [(String, String)]) =
            switch entry.value {
            case .counter(let value): ("counter", [("value", number(value))])
            case .gauge(let value): ("gauge", [("value", number(value))])
            case .untyped(let value): ("untyped", [("value", number(value))])
            case .vector(let values): ("vector", [("values", PageJSON.list(values.map(number)))])
            case .histogram(let count, let sum, let buckets):
                (
                    "histogram",
                    [
                        ("count", number(count)), ("sum", number(sum)),
                        (
                            "buckets",
                            PageJSON.object(
                                buckets.map { ($0.bound.jsonEscaped, number($0.count)) })
                        ),
                    ]
                )
            }
        return PageJSON.object(
            [
                ("type", PageJSON.quoted(kind)), ("name", PageJSON.quoted(entry.name)),
                ("labels", PageJSON.object(labels)),
            ] + members)
    }

    /// As exact as it came; what JSON has no number for is a text, as Prometheus writes it.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "\"NaN\"" }
        if value.isInfinite { return value < 0 ? "\"-Inf\"" : "\"+Inf\"" }
        return value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
