import SluiceInsight
import SluiceTime
import Testing

/// Objectives on all sides of what scripts take, and how each must have judged an exchange: by the
/// table of docs/metrics.md and the times of log and page, which tests hold against the script.
enum JudgedExchange {
    /// Below and above the times of the scripts by a little more than a gateway may be off.
    private static let ladder: [Int64] = [5, 20, 35, 94, 106, 126, 150, 290, 310]

    /// Each time at every step of the ladder, and what is no time.
    static let objectives: [Objective] = Indicator.allCases.flatMap { indicator in
        (indicator.isTime ? ladder : [0]).map { milliseconds in
            var objective = Objective(name: "\(indicator)-\(milliseconds)")
            objective.indicator = indicator
            objective.threshold = indicator.isTime ? .milliseconds(milliseconds) : nil
            return objective
        }
    }

    private static let cutShort = ["stream_error", "truncated", "stream_timeout", "drained"]

    /// Checks what the page says of an only exchange; returns the indicators that it was judged by.
    @discardableResult
    static func check(_ measured: Measured, _ objectives: [Objective]) -> Set<Indicator> {
        var judged = Set<Indicator>()
        for objective in objectives {
            let expected = isGood(measured, objective)
            let counted = [true, false].map {
                measured.page.sum(
                    "sluice_slo_events_total", "slo=\"\(objective.name)\"",
                    "sli=\"\(objective.indicator)\"", "result=\"\($0 ? "good" : "bad")\"")
            }
            #expect(
                counted == [expected == true ? 1 : 0, expected == false ? 1 : 0],
                "\(objective.name)")
            if expected != nil { judged.insert(objective.indicator) }
        }
        return judged
    }

    /// Nil where the exchange is not in the objective's valid set.
    private static func isGood(_ measured: Measured, _ objective: Objective) -> Bool? {
        let outcome = measured.line["outcome"] as? String ?? ""
        let isStream = measured.line["stream"] as? Bool ?? false
        let limit = objective.threshold?.seconds ?? 0
        let duration = measured.logged("duration_ms") ?? 0
        let hasWaited = outcome == "client_gone" && duration > limit ? false : nil
        switch objective.indicator {
        case .availability:
            return outcome == "ok" || cutShort.contains(outcome)
                ? true
                : ["shed", "upstream_failed", "gateway_error"].contains(outcome) ? false : nil
        case .completeness:
            return outcome == "ok" ? true : cutShort.contains(outcome) ? false : nil
        case .ttft:
            guard isStream, outcome != "upstream_failed" else { return nil }
            return measured.logged("ttft_ms").map { $0 <= limit } ?? hasWaited
        case .response:
            return isStream ? nil : outcome == "ok" ? duration <= limit : hasWaited
        case .tpot:
            guard outcome != "client_stalled" else { return nil }
            return measured.observed("sluice_time_per_output_token_seconds").map { $0 <= limit }
        }
    }
}
