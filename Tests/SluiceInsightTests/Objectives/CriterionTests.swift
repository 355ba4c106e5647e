import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// The outcome table of docs/metrics.md, one cell after the other.
@Suite struct CriterionTests {
    private static func objective(_ indicator: Indicator) -> Objective {
        var objective = Objective(name: "o")
        objective.indicator = indicator
        if indicator.isTime { objective.threshold = .milliseconds(500) }
        return objective
    }

    /// A stream whose first content came after `first`, and whose end came after `ended`.
    private static func stream(
        _ outcome: Outcome, first: Int64?, ended: Int64 = 3_000
    ) -> ExchangeRecord {
        var record = ExchangeRecord()
        record.isStream = true
        record.outcome = outcome
        record.received = Instant(nanoseconds: 1)
        record.ended = record.received + .milliseconds(ended)
        if let first {
            record.firstContentWritten = record.received + .milliseconds(first)
            record.lastContentWritten = record.ended
        }
        return record
    }

    private static func judge(_ indicator: Indicator, _ record: ExchangeRecord) -> Judgement {
        var record = record
        return Criterion(objective(indicator)).judge(&record)
    }

    @Test(arguments: [
        (Outcome.ok, Judgement.good, Judgement.good), (.clientError, .outside, .outside),
        (.shed, .bad, .outside), (.upstreamClientError, .outside, .outside),
        (.upstreamFailed, .bad, .outside), (.streamError, .good, .bad),
        (.truncated, .good, .bad), (.streamTimeout, .good, .bad),
        (.clientStalled, .outside, .outside), (.clientGone, .outside, .outside),
        (.drained, .good, .bad), (.gatewayError, .bad, .outside),
    ])
    func `availability and completeness follow from the outcome`(
        outcome: Outcome, availability: Judgement, completeness: Judgement
    ) {
        let record = Self.stream(outcome, first: nil)
        #expect(Self.judge(.availability, record) == availability)
        #expect(Self.judge(.completeness, record) == completeness)
    }

    @Test(arguments: Outcome.allCases)
    func `a first token is judged by its time wherever one was delivered`(outcome: Outcome) {
        let isMeasured: Bool =
            switch outcome {
            case .ok, .streamError, .truncated, .streamTimeout, .clientStalled, .clientGone,
                .drained:
                true
            case .clientError, .shed, .upstreamClientError, .upstreamFailed, .gatewayError: false
            }
        let (intime, late) = (Self.stream(outcome, first: 500), Self.stream(outcome, first: 501))
        #expect(Self.judge(.ttft, intime) == (isMeasured ? .good : .outside))
        #expect(Self.judge(.ttft, late) == (isMeasured ? .bad : .outside))
    }

    @Test func `who left without content is bad only once the objective had passed`() {
        let before = Self.stream(.clientGone, first: nil, ended: 500)
        let after = Self.stream(.clientGone, first: nil, ended: 501)
        #expect(Self.judge(.ttft, before) == .outside)
        #expect(Self.judge(.ttft, after) == .bad)
        #expect(Self.judge(.ttft, Self.stream(.truncated, first: nil)) == .outside)
        var other = after
        other.isStream = false
        #expect(Self.judge(.ttft, other) == .outside)
        #expect(Self.judge(.response, other) == .bad)
    }

    @Test func `the threshold grows with the prompt, by usage where it is known`() {
        var objective = Self.objective(.ttft)
        objective.perThousandPromptTokens = .milliseconds(200)
        var record = Self.stream(.ok, first: 900)
        record.promptTokensEstimated = 2_000
        #expect(Criterion(objective).judge(&record) == .good)
        record.promptTokens = 1_999
        #expect(Criterion(objective).judge(&record) == .bad)
        record.promptTokens = .max
        #expect(Criterion(objective).judge(&record) == .good)
    }

    @Test func `responses are judged by their whole time, streams are not`() {
        var record = Self.stream(.ok, first: nil, ended: 500)
        #expect(Self.judge(.response, record) == .outside)
        record.isStream = false
        #expect(Self.judge(.response, record) == .good)
        record.ended = record.ended + .milliseconds(1)
        #expect(Self.judge(.response, record) == .bad)
        record.outcome = .truncated
        #expect(Self.judge(.response, record) == .outside)
    }

    @Test func `time per token is judged where there are two tokens and a reader`() {
        var record = Self.stream(.ok, first: 1_000)
        record.contentEvents = 5
        #expect(Self.judge(.tpot, record) == .good)
        record.contentEvents = 4
        #expect(Self.judge(.tpot, record) == .bad)
        record.contentEvents = 1
        #expect(Self.judge(.tpot, record) == .outside)
        record.contentEvents = 4
        record.outcome = .clientStalled
        #expect(Self.judge(.tpot, record) == .outside)
    }
}
