import SluiceTelemetry
import SluiceTime

/// What an exchange is to one objective.
package enum Judgement: Sendable {
    /// Not in the objective's valid set.
    case outside
    case good
    case bad
}

/// How exchanges are judged by one indicator: the outcome table of docs/metrics.md as data.
package struct Criterion: Sendable {
    private let indicator: Indicator
    /// Outcomes, one bit each, that are good or bad whatever was measured, and those that are judged
    /// by what was measured; all others are outside.
    private let good: UInt16
    private let bad: UInt16
    private let measured: UInt16
    /// Nanoseconds.
    private let threshold: Int64
    /// Nanoseconds per token of prompt.
    private let perPromptToken: Int64

    package init(_ objective: Objective) {
        indicator = objective.indicator
        threshold = objective.threshold?.count ?? 0
        perPromptToken = objective.perThousandPromptTokens.count / 1_000
        let cutShort: [Outcome] = [.streamError, .truncated, .streamTimeout, .drained]
        switch objective.indicator {
        case .availability:
            good = Self.bits([.ok] + cutShort)
            bad = Self.bits([.shed, .upstreamFailed, .gatewayError])
            measured = 0
        case .completeness:
            good = Self.bits([.ok])
            bad = Self.bits(cutShort)
            measured = 0
        case .ttft:
            good = 0
            bad = 0
            measured = Self.bits([.ok, .clientStalled, .clientGone] + cutShort)
        case .response:
            good = 0
            bad = 0
            measured = Self.bits([.ok, .clientGone])
        case .tpot:
            // Not those who stopped reading: a slow reader is no slow decode.
            good = 0
            bad = 0
            measured = Self.bits([.ok, .clientGone] + cutShort)
        }
    }

    private static func bits(_ outcomes: [Outcome]) -> UInt16 {
        outcomes.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
    }

    /// Judges a finished exchange.
    @inline(__always)
    package func judge(_ record: inout ExchangeRecord) -> Judgement {
        let bit: UInt16 = 1 << UInt16(record.outcome.rawValue)
        if good & bit != 0 { return .good }
        if bad & bit != 0 { return .bad }
        if measured & bit == 0 { return .outside }
        switch indicator {
        case .availability, .completeness: return .outside
        case .ttft:
            guard record.isStream else { return .outside }
            let limit = limit(&record)
            if let time = record.timeToFirstToken { return time.count <= limit ? .good : .bad }
            return departed(&record, after: limit)
        case .response:
            guard !record.isStream, let time = record.duration else { return .outside }
            if record.outcome == .clientGone { return departed(&record, after: threshold) }
            return time.count <= threshold ? .good : .bad
        case .tpot:
            guard let (time, _) = record.timePerOutputToken else { return .outside }
            return time.count <= threshold ? .good : .bad
        }
    }

    /// Who left without an answer was served badly once the objective had passed; before, nobody
    /// knows what would have come.
    @inline(__always)
    private func departed(_ record: inout ExchangeRecord, after limit: Int64) -> Judgement {
        guard record.outcome == .clientGone, let time = record.duration else { return .outside }
        return time.count > limit ? .bad : .outside
    }

    /// The threshold for the record's prompt. No product can overflow: a minute per thousand tokens
    /// times the largest count is a thousandth of what fits.
    @inline(__always)
    private func limit(_ record: inout ExchangeRecord) -> Int64 {
        if perPromptToken == 0 { return threshold }
        let known = record.promptTokens >= 0 ? record.promptTokens : record.promptTokensEstimated
        return threshold &+ perPromptToken &* Int64(max(0, known))
    }
}
