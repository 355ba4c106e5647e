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
    package func judge(_ figures: borrowing ExchangeFigures) -> Judgement {
        let bit = figures.outcomeBit
        if good & bit != 0 { return .good }
        if bad & bit != 0 { return .bad }
        if measured & bit == 0 { return .outside }
        switch indicator {
        case .availability, .completeness: return .outside
        case .ttft:
            guard figures.isStream else { return .outside }
            // No product can overflow: a minute per thousand tokens times the largest count is a
            // thousandth of what fits.
            let limit = threshold &+ perPromptToken &* figures.promptTokens
            let time = figures.timeToFirstToken
            if time >= 0 { return time <= limit ? .good : .bad }
            return departed(figures, after: limit)
        case .response:
            let time = figures.duration
            if figures.isStream || time < 0 { return .outside }
            if figures.hasClientGone { return departed(figures, after: threshold) }
            return time <= threshold ? .good : .bad
        case .tpot:
            let time = figures.timePerOutputToken
            if time < 0 { return .outside }
            return time <= threshold ? .good : .bad
        }
    }

    /// Who left without an answer was served badly once the objective had passed; before, nobody
    /// knows what would have come.
    @inline(__always)
    private func departed(_ figures: borrowing ExchangeFigures, after limit: Int64) -> Judgement {
        guard figures.hasClientGone else { return .outside }
        return figures.duration > limit ? .bad : .outside
    }
}
