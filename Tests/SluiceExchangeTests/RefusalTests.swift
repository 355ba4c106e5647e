import SluiceBytes
import SluiceHTTP
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import Testing

@testable import SluiceExchange

/// What a refused client reads: docs/operating.md, *Every `x-sluice-reason`*.
@Suite struct RefusalTests {
    /// The answer as text.
    private func answer(_ refusal: Refusal, isHead: Bool = false) -> String {
        var output = ByteBuffer(minimumCapacity: 1_024)
        refusal.append(
            requestID: Array("id-1".utf8).span, isHead: isHead, persistence: .implied,
            unixSeconds: 951_782_400, to: &output)
        return String(decoding: output.array(), as: UTF8.self)
    }

    private func field(_ name: String, _ refusal: Refusal) -> String? {
        answer(refusal).split(separator: "\r\n").first { $0.hasPrefix("\(name): ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    @Test func `an overload says why, when to come back, and what was predicted`() {
        let shed = Shed(
            .overload, retryAfter: .microseconds(2_345_678),
            predictedWait: .microseconds(812_300))
        #expect(
            answer(Refusal(shed)) == """
                HTTP/1.1 429 Too Many Requests\r
                date: Tue, 29 Feb 2000 00:00:00 GMT\r
                content-type: application/json\r
                content-length: 143\r
                x-sluice-reason: overload\r
                x-request-id: id-1\r
                retry-after: 3\r
                retry-after-ms: 2346\r
                x-sluice-predicted-wait-ms: 813\r
                \r
                {"error":{"message":"The model servers are too busy to answer in time; retry later.",\
                "type":"rate_limit_error","param":null,"code":"overload"}}
                """)
    }

    @Test func `a limit that a request is beyond is named with the key that raises it`() {
        var limits = GatewaySettings.Limits()
        limits.headBytesMax = 2_048
        limits.fieldsMax = 7
        limits.targetBytesMax = 99
        let body = Refusal.bodyTooLarge(bytesMax: 12)
        #expect(body.message.contains("12 bytes (`limits.body_bytes_max`)"))
        let named: [(RequestError, String)] = [
            (.headTooLarge, "2048 bytes (`limits.head_bytes_max`)"),
            (.tooManyFields, "7 (`limits.fields_max`)"),
            (.targetTooLong, "99 bytes (`limits.target_bytes_max`)"),
        ]
        for (error, text) in named {
            let refusal = Refusal(error, .headTooLarge, limits: limits)
            #expect(refusal.message.hasSuffix("Allowed are \(text)."))
            #expect(refusal.status == error.status && refusal.closes)
        }
    }

    @Test(arguments: RequestError.allCases)
    func `every 413, 414 and 431 names a key, or says that none helps`(error: RequestError) {
        let message = Refusal(error, .badRequest, limits: GatewaySettings.Limits()).message
        let isOfALimit = [413, 414, 431].contains(error.status)
        #expect(isOfALimit == (message.contains("`limits.") || message.contains("whatever")))
    }

    @Test(arguments: ShedReason.allCases)
    func `retry-after is there and within a minute where a retry can help`(reason: ShedReason) {
        for wait in [nil, Nanoseconds.zero, .milliseconds(1_500), .seconds(3_600)] {
            let refusal = Refusal(Shed(reason, retryAfter: wait))
            let seconds = field("retry-after", refusal).flatMap { Int($0) }
            let milliseconds = field("retry-after-ms", refusal).flatMap { Int($0) }
            switch reason {
            case .deadline, .infeasible:
                #expect(seconds == nil && milliseconds == nil)
                #expect(field("x-should-retry", refusal) == "false")
            case .overload, .full, .expired, .noReplica, .draining:
                #expect(
                    (1...60).contains(seconds ?? 0) && (1_000...60_000).contains(milliseconds ?? 0))
                #expect(field("x-should-retry", refusal) == nil)
            }
            #expect(refusal.outcome == .shed)
            #expect(field("x-sluice-reason", refusal) == reason.label.description)
        }
    }

    @Test(arguments: ShedReason.allCases)
    func `a pool may answer 503 where capacity is contended, and the type follows`(
        reason: ShedReason
    ) {
        let usual = Refusal(Shed(reason))
        let chosen = Refusal(Shed(reason), overloadStatus: 503)
        #expect(usual.status == reason.status)
        #expect(chosen.status == (reason.status == 429 ? 503 : reason.status))
        let type = ["429": "rate_limit_error", "503": "overloaded_error", "504": "server_error"]
        for refusal in [usual, chosen] {
            let wanted = type["\(refusal.status)"] ?? "?"
            #expect(answer(refusal).contains("\"type\":\"\(wanted)\""))
        }
    }

    @Test func `without a prediction none is told`() {
        #expect(field("x-sluice-predicted-wait-ms", Refusal(Shed(.full))) == nil)
        let none = Refusal(Shed(.full, predictedWait: .zero))
        #expect(field("x-sluice-predicted-wait-ms", none) == "0")
    }

    @Test func `an answer to HEAD has the length of a body and no body`() {
        let text = answer(Refusal(Shed(.full)), isHead: true)
        #expect(text.hasSuffix("\r\n\r\n") && text.contains("content-length: "))
    }

    @Test func `what a client wrote cannot break out of the error object`() {
        let text = answer(.unknownModel("a\"b\\c\n", known: []))
        #expect(text.contains(#"`a\"b\\c `"#), "\(text)")
    }
}
