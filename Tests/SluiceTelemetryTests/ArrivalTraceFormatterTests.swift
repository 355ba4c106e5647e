import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

/// The shape of a request and nothing else.
@Suite struct ArrivalTraceFormatterTests {
    private static func line(_ change: (inout ExchangeRecord) -> Void) -> String {
        var record = AccessLogFormatterTests.served()
        record.poolIndex = 0
        change(&record)
        var buffer = ByteBuffer()
        ArrivalTraceFormatter(MetricShardTests.names(), start: Instant(nanoseconds: 500_000))
            .append(&record, into: &buffer)
        return buffer.text()
    }

    @Test func `a line has nine fields, and none says whose it was`() {
        let text = Self.line { $0.tenantIndex = 0 }
        #expect(text.hasSuffix("\n"))
        let parts = text.dropLast().split(separator: ",", omittingEmptySubsequences: false)
        #expect(parts.count == 9)
        #expect(parts[3...] == ["0", "7", "-1", "1", "ok", "100"])
        for secret in ["192.0.2.7", "0190a0b0", "/v1/"] { #expect(!text.contains(secret)) }
    }

    @Test func `an estimate stands where nobody counted`() {
        let text = Self.line {
            $0.promptTokens = -1
            $0.promptTokensEstimated = 55
            $0.generationTokens = -1
            $0.outcome = .shed
        }
        #expect(text.contains(",55,-1,1,shed,99\n"))
    }

    @Test func `clocks out of order give no negative offset`() {
        let text = Self.line {
            $0.received = .unset
            $0.started = Instant(nanoseconds: 1)
        }
        #expect(text.hasPrefix("0.000,"))
    }

    @Test func `the longest line keeps the bound`() {
        let text = Self.line {
            $0.received = Instant(nanoseconds: .max)
            $0.tenantIndex = .max
            $0.promptTokens = .max
            $0.tokensMax = .max
            $0.generationTokens = .max
            $0.route = .audioTranscriptions
            $0.outcome = .upstreamClientError
            $0.classIndex = .max
        }
        #expect(text.utf8.count <= ArrivalTraceFormatter.lineBytesMax)
    }

    @Test func `only what a replica might have served is wanted`() {
        var record = AccessLogFormatterTests.served()
        record.poolIndex = 0
        record.route = .chatCompletions
        #expect(ArrivalTraceFormatter.wants(record))
        record.route = .models
        #expect(!ArrivalTraceFormatter.wants(record))
        record.route = .chatCompletions
        record.poolIndex = -1
        #expect(!ArrivalTraceFormatter.wants(record))
    }
}
