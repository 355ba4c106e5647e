import SluiceTime

extension LoadReport {
    /// The table that ends a load test.
    package func table(plan: LoadPlan, url: String) -> String {
        var lines: [String] = []
        func row(_ name: String, _ values: String) {
            lines.append("  " + Figure.left(name, 14) + values)
        }
        lines.append("\(url)  \(plan.model)")
        switch plan.arrivals {
        case .closed(let clients):
            row("load", "closed loop, \(clients) clients; \(plan.kind)")
        case .open(let rate):
            row("load", "open loop, \(Figure.plain(rate)) requests/s (Poisson); \(plan.kind)")
        }
        row("tokens", "prompt \(plan.promptTokens), output \(plan.outputTokens); seed \(plan.seed)")
        row("time", Figure.span(elapsed))
        lines.append("")
        row("requests", "\(begun)")
        row("  succeeded", counted(succeeded))
        if aborted > 0 { row("  aborted", counted(aborted) + "  by plan") }
        if cut > 0 { row("  cut", counted(cut) + "  unfinished when the test ended") }
        row("  failed", counted(failed))
        for (reason, count) in failures.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            row("", "  \(Figure.right("\(count)", 7))  \(reason)")
        }
        if let firstMessage { row("", "  the first: \(firstMessage)") }
        if notSent > 0 {
            row(
                "not sent",
                "\(notSent)  (\(plan.inFlightMax) were under way: the endpoint is slower)")
        }
        lines.append("")
        lines.append(
            "  " + Figure.left("", 14)
                + ["p50", "p90", "p99", "max", "mean"].map { Figure.right($0, 10) }.joined())
        if plan.streams {
            row("first token", spread(timeToFirstToken))
            row("gap", spread(gaps))
            row("per token", spread(timePerToken))
        }
        row("whole answer", spread(total))
        if refusal.count > 0 { row("refusal", spread(refusal)) }
        lines.append("")
        row("requests/s", "\(Figure.plain(rate(succeeded)))")
        row(
            "tokens/s",
            "\(Figure.plain(rate(outputTokens))) out, \(Figure.plain(rate(promptTokens))) in")
        if plan.objective.isSet {
            row(
                "goodput",
                "\(Figure.plain(rate(good))) requests/s, \(Figure.percent(good, of: judged + notSent)) of requests"
                    + " (\(plan.objective.text))")
        }
        if !(timeToFirstToken.isExact && gaps.isExact && total.isExact && refusal.isExact) {
            row("", "percentiles are of a sample of \(gaps.keptMax)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The one line of progress.
    package func progress(plan: LoadPlan) -> String {
        let first = timeToFirstToken.percentiles([0.5, 0.99])
        let isEnding = elapsed > plan.duration && plan.requestsMax == nil
        let share =
            isEnding
            ? "\(finished)  waiting for the last ones"
            : plan.requestsMax.map { "\(finished) of \($0)" }
                ?? "\(finished)  \(Figure.span(elapsed)) of \(Figure.span(plan.duration))"
        // What is worth most comes first: a narrow terminal cuts the rest.
        return "\(share)  \(inFlight) in flight  \(failed) failed  "
            + "first token \(Figure.span(first[0])), p99 \(Figure.span(first[1]))  "
            + "\(Figure.plain(rate(succeeded))) req/s  \(Figure.plain(rate(outputTokens))) tok/s"
    }

    /// Requests that could have kept the objective: those whose client stayed.
    package var judged: Int { succeeded + failed + cut }

    private func counted(_ count: Int) -> String {
        "\(Figure.left("\(count)", 8))\(Figure.percent(count, of: begun))"
    }

    private func spread(_ samples: LatencySamples) -> String {
        guard samples.count > 0 else { return Figure.right("–", 10) }
        let values = samples.percentiles([0.5, 0.9, 0.99]) + [samples.max, samples.mean]
        return values.map { Figure.right(Figure.span($0), 10) }.joined()
    }
}

extension LoadPlan {
    /// How answers are asked for.
    var kind: String { streams ? "streaming" : "not streaming" }
}

extension LoadObjective {
    /// What is asked, in a line.
    var text: String {
        let first = timeToFirstToken.map { "first token ≤ \(Figure.span($0))" }
        let each = timePerToken.map { "per token ≤ \(Figure.span($0))" }
        return [first, each].compactMap { $0 }.joined(separator: ", ")
    }
}
