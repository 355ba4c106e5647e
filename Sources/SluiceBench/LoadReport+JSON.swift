import SluiceBytes
import SluiceTime

extension LoadReport {
    /// The same as one JSON object; spans in seconds, absent figures `null`.
    package func json(plan: LoadPlan, url: String) -> String {
        let arrivals =
            switch plan.arrivals {
            case .closed(let clients):
                JSON.object([("loop", JSON.text("closed")), ("concurrency", "\(clients)")])
            case .open(let rate):
                JSON.object([("loop", JSON.text("open")), ("rate", JSON.number(rate))])
            }
        let settings = JSON.object([
            ("url", JSON.text(url)), ("model", JSON.text(plan.model)), ("arrivals", arrivals),
            ("stream", "\(plan.streams)"), ("seed", "\(plan.seed)"),
            ("prompt_tokens", JSON.text(plan.promptTokens.description)),
            ("output_tokens", JSON.text(plan.outputTokens.description)),
            ("abort_ratio", JSON.number(plan.abortRatio)),
            ("slo_ttft_seconds", JSON.seconds(plan.objective.timeToFirstToken)),
            ("slo_tpot_seconds", JSON.seconds(plan.objective.timePerToken)),
        ])
        let reasons = failures.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        return JSON.object([
            ("plan", settings), ("elapsed_seconds", JSON.seconds(elapsed)),
            (
                "requests",
                JSON.object([
                    ("begun", "\(begun)"), ("succeeded", "\(succeeded)"), ("failed", "\(failed)"),
                    ("aborted", "\(aborted)"), ("cut", "\(cut)"), ("not_sent", "\(notSent)"),
                    ("good", plan.objective.isSet ? "\(good)" : "null"),
                ])
            ),
            ("failures", JSON.object(reasons)),
            ("first_failure", firstMessage.map(JSON.text) ?? "null"),
            ("ttft_seconds", spread(timeToFirstToken)), ("gap_seconds", spread(gaps)),
            ("tpot_seconds", spread(timePerToken)), ("e2e_seconds", spread(total)),
            ("refusal_seconds", spread(refusal)),
            ("requests_per_second", JSON.number(rate(succeeded))),
            ("output_tokens_per_second", JSON.number(rate(outputTokens))),
            ("prompt_tokens_per_second", JSON.number(rate(promptTokens))),
            (
                "goodput_requests_per_second",
                plan.objective.isSet ? JSON.number(rate(good)) : "null"
            ),
            (
                "goodput_tokens_per_second",
                plan.objective.isSet ? JSON.number(rate(goodOutputTokens)) : "null"
            ),
        ]) + "\n"
    }

    private func spread(_ samples: LatencySamples) -> String {
        let values = samples.percentiles([0.5, 0.9, 0.95, 0.99])
        return JSON.object([
            ("count", "\(samples.count)"), ("exact", "\(samples.isExact)"),
            ("mean", JSON.seconds(samples.mean)), ("p50", JSON.seconds(values[0])),
            ("p90", JSON.seconds(values[1])), ("p95", JSON.seconds(values[2])),
            ("p99", JSON.seconds(values[3])),
            ("max", samples.count == 0 ? "null" : JSON.seconds(samples.max)),
        ])
    }
}

/// JSON text, piece by piece.
enum JSON {
    static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(text($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    static func text(_ text: String) -> String { "\"\(text.jsonEscaped)\"" }

    static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

    static func seconds(_ span: Nanoseconds?) -> String {
        span.map { number($0.seconds) } ?? "null"
    }
}
