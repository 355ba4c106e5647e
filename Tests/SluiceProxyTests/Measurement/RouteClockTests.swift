import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// What a content event is depends on the route; its clocks do not.
    @Suite(.serialized) struct RouteClockTests {
        /// One route's stream in its own words.
        struct Stream: Sendable, CustomTestStringConvertible {
            let path: String
            var type = "application/json"
            var body = #"{"model":"tiny","stream":true,"input":"a","prompt":"a","messages":[]}"#
            let prelude: String
            /// Content events; each holds its own word `w0` …
            let content: [String]
            let end: String
            /// By `usage`; nil where the route has none.
            var tokens: (prompt: Double, generation: Double)?
            /// Of an unknown stream only the first event counts.
            var countsFirstOnly = false
            var testDescription: String { path }

            var request: String {
                "POST \(path) HTTP/1.1\r\nhost: gw\r\ncontent-type: \(type)\r\n"
                    + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
            }

            var script: TimedAnswer {
                TimedAnswer([
                    (12, streamHead), (40, chunk(prelude)), (70, chunk(": ping\n\n")),
                    (120, chunk(content[0])), (140, chunk(content[1])),
                    (150, chunk(": ping\n\n")), (240, chunk(content[2])),
                    (260, chunk(end) + "0\r\n\r\n"),
                ])
            }
        }

        private static func words(_ event: (String) -> String) -> [String] {
            (0..<3).map { event("w\($0)") }
        }
        private static func data(_ json: String) -> String { "data: \(json)\n\n" }
        private static func named(_ type: String, _ rest: String = "") -> String {
            "event: \(type)\ndata: {\"type\":\"\(type)\"\(rest)}\n\n"
        }
        private static let parts = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n"
        private static let usage =
            #"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9}}"#

        static let streams = [
            Stream(
                path: "/v1/chat/completions",
                prelude: data(#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#),
                content: [
                    data(#"{"choices":[{"delta":{"reasoning":"w0"}}]}"#),
                    data(#"{"choices":[{"delta":{"content":"w1"}}]}"#),
                    data(
                        #"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"w2"}}]}}]}"#
                    ),
                ], end: data(usage) + done, tokens: (5, 9)),
            Stream(
                path: "/v1/completions", prelude: data(#"{"choices":[{"text":""}]}"#),
                content: words { data(#"{"choices":[{"text":"\#($0)"}]}"#) },
                end: data(usage) + done, tokens: (5, 9)),
            Stream(
                path: "/v1/responses",
                prelude: named("response.created", #","response":{"id":"resp_1"}"#),
                content: [
                    named("response.reasoning_text.delta", #","delta":"w0""#),
                    named("response.output_text.delta", #","delta":"w1""#),
                    named("response.function_call_arguments.delta", #","delta":"w2""#),
                ],
                end: named(
                    "response.completed",
                    #","response":{"usage":{"input_tokens":5,"output_tokens":9}}"#),
                tokens: (5, 9)),
            Stream(
                path: "/v1/messages",
                prelude: named(
                    "message_start", #","message":{"usage":{"input_tokens":5,"output_tokens":0}}"#),
                content: words { named("content_block_delta", #","delta":{"text":"\#($0)"}"#) },
                end: named("message_delta", #","usage":{"output_tokens":9}"#)
                    + named("message_stop"), tokens: (5, 9)),
            Stream(
                path: "/v1/audio/transcriptions", type: "multipart/form-data; boundary=b",
                body: parts + "tiny\r\n--b--\r\n", prelude: named("transcript.text.begin"),
                content: words { named("transcript.text.delta", #","delta":"\#($0)""#) },
                end: done),
            Stream(
                path: "/v1/audio/translations", type: "multipart/form-data; boundary=b",
                body: parts + "tiny\r\n--b--\r\n",
                prelude: data(#"{"choices":[{"delta":{"content":""}}]}"#),
                content: words { data(#"{"choices":[{"delta":{"content":"\#($0)"}}]}"#) },
                end: done),
            Stream(
                path: "/v1/score", prelude: ": nothing yet\n\n",
                content: words { data(#"{"score":"\#($0)"}"#) }, end: ": over\n\n",
                countsFirstOnly: true),
        ]

        @Test(arguments: streams)
        func `each route's first token, gaps and tokens are those of the script`(stream: Stream)
            throws
        {
            let answer = stream.script
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { answer.play(peer) }
            }
            var client: TimedClient?
            let measured = try Measured.run(
                [upstream], change: { $0.pools[0].usage = .inject }
            ) { gateway in
                client = try TimedClient(gateway, stream.request)
                client?.read()
            }
            let ended = try #require(client)
            let sent: Window = ended.asked...answer.seen.arrived
            let first = try measured.delivery(of: "w0", from: answer, to: ended)
            let last = try measured.delivery(of: "w2", from: answer, to: ended)
            measured.agree(
                "sluice_time_to_first_token_seconds", field: "ttft_ms", between(sent, first))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"engine\"", field: "engine_ms",
                between(sent, first))
            let events = stream.countsFirstOnly ? 1 : 3
            #expect(measured.line["events"] as? Int == events)
            // Events that one read brought have one time; apart are those sent after the one before was here.
            let apart = try (1..<events).count(where: {
                try answer.sent("w\($0)") > ended.got(stream.content[$0 - 1])
            })
            let gaps = "sluice_inter_token_latency_seconds"
            #expect(
                (Double(apart)...Double(events - 1)).contains(measured.page.sum(gaps + "_count")))
            if events > 1 {
                #expect(between(first, last).contains(measured.page.sum(gaps + "_sum")))
            }
            #expect(
                measured.page.sum("sluice_prompt_tokens_total") == stream.tokens?.prompt ?? 0)
            #expect(
                measured.page.sum("sluice_generation_tokens_total")
                    == stream.tokens?.generation ?? 0)
            let tokensAsSource = stream.tokens == nil ? "events" : "usage"
            let pace = "sluice_time_per_output_token_seconds_count"
            #expect(
                measured.page.sum(pace, "source=\"\(tokensAsSource)\"") == (events > 1 ? 1 : 0))
            #expect(
                measured.judgedBy
                    == (events > 1
                        ? [.availability, .ttft, .tpot, .completeness]
                        : [.availability, .ttft, .completeness]))
        }
    }
}
