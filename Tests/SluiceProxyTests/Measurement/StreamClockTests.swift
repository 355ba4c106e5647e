import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Every time the gateway tells of a stream, held against a replica with known delays.
    @Suite(.serialized) struct StreamClockTests {
        private static let role =
            #"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"# + "\n\n"
        private static let comment = ": keep-alive\n\n"
        private static let usage =
            #"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":12}}"# + "\n\n"

        /// Head at 12 ms, prelude at 40, comments, first content at 300, gaps of 20 and one of 500.
        private static func script(usage: String = "") -> TimedAnswer {
            TimedAnswer([
                (12, streamHead), (40, chunk(role)), (100, chunk(comment)), (200, chunk(comment)),
                (300, chunk(token("w0"))), (320, chunk(token("w1"))), (330, chunk(comment)),
                (340, chunk(token("w2"))), (600, chunk(comment)), (840, chunk(token("w3"))),
                (860, chunk(token("w4"))), (880, chunk(token("w5"))),
                (900, chunk(usage + done) + "0\r\n\r\n"),
            ])
        }

        private static func play(
            _ answer: TimedAnswer, change: (inout GatewaySettings) -> Void = { _ in }
        ) throws -> (Measured, TimedClient) {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { answer.play(peer) }
            }
            var client: TimedClient?
            let measured = try Measured.run([upstream], change: change) { gateway in
                client = try TimedClient(gateway, streamingChat)
                client?.read()
            }
            return (measured, try #require(client))
        }

        @Test func `the first token and its stages are those of the script`() throws {
            let answer = Self.script()
            let (measured, client) = try Self.play(answer)
            let seen = answer.seen
            // t1, t2 and t3 lie between the client's first byte and the replica's whole request.
            let sent: Window = client.asked...seen.arrived
            let delivered = try measured.delivery(of: "w0", from: answer, to: client)
            measured.agree(
                "sluice_time_to_first_token_seconds", field: "ttft_ms", between(sent, delivered))
            measured.agree(
                "sluice_first_token_wait_seconds", "result=\"delivered\"", field: "ttft_ms",
                between(sent, delivered))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"queue\"", field: "queue_ms",
                between(sent, sent))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"connect\"", field: "connect_ms",
                between(sent, sent))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"engine\"", field: "engine_ms",
                between(sent, delivered))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"deliver\"", field: nil,
                0...between(delivered, delivered).upperBound)
            let parts = measured.page.sum("sluice_ttft_stage_seconds_sum")
            let whole = measured.page.sum("sluice_time_to_first_token_seconds_sum")
            #expect(abs(parts - whole) < 0.000_001)
            measured.agree(
                "sluice_upstream_latency_seconds", "stage=\"first_token\"", field: "engine_ms",
                between(sent, delivered))
            // The head waits in the gateway for the first event, the prelude 28 ms later: no end sees
            // when it came.
            measured.agree(
                "sluice_upstream_latency_seconds", "stage=\"head\"", field: nil,
                between(sent, seen.sent[0]...(seen.sent[0] + .milliseconds(20))))
            measured.agree(
                "sluice_request_duration_seconds", "stream=\"true\"", "result=\"served\"",
                field: "duration_ms", between(sent, seen.sent[12]...measured.told))
            #expect(measured.observed("sluice_downstream_rtt_seconds") ?? 1 < clockTolerance)
            #expect(measured.page.sum("sluice_response_seconds_count") == 0)
            #expect(measured.page.sum("sluice_downstream_blocked_seconds_count") == 0)
            #expect(measured.line["blocked_ms"] == nil)
            #expect(measured.judgedBy == [.availability, .ttft, .tpot, .completeness])
        }

        @Test func `gaps lie between content events, and comments make none`() throws {
            let answer = Self.script()
            let (measured, client) = try Self.play(answer)
            let first = try measured.delivery(of: "w0", from: answer, to: client)
            let last = try measured.delivery(of: "w5", from: answer, to: client)
            let name = "sluice_inter_token_latency_seconds"
            #expect(measured.page.sum(name + "_count") == 5)
            #expect(between(first, last).contains(measured.page.sum(name + "_sum")))
            // The one of 500 ms, and no other.
            #expect(measured.page.sum(name + "_bucket", "le=\"0.4\"") == 4)
            #expect(measured.page.sum(name + "_bucket", "le=\"0.75\"") == 5)
            #expect(measured.page.sum("sluice_content_events_total") == 6)
            #expect(measured.line["events"] as? Int == 6)
            // Nobody counted tokens: events stand for them.
            let span = between(first, last)
            measured.agree(
                "sluice_time_per_output_token_seconds", "source=\"events\"", field: nil,
                (span.lowerBound / 5)...(span.upperBound / 5))
            #expect(
                measured.page.sum("sluice_request_generation_tokens_sum", "source=\"events\"") == 6)
        }

        @Test func `tokens are those of usage, asked for and taken out again`() throws {
            let answer = Self.script(usage: Self.usage)
            let (measured, client) = try Self.play(answer) { $0.pools[0].usage = .inject }
            #expect(!client.connection.all.holds("usage"))
            let first = try measured.delivery(of: "w0", from: answer, to: client)
            let last = try measured.delivery(of: "w5", from: answer, to: client)
            let span = between(first, last)
            measured.agree(
                "sluice_time_per_output_token_seconds", "source=\"usage\"", field: nil,
                (span.lowerBound / 11)...(span.upperBound / 11))
            let page = measured.page
            #expect(page.sum("sluice_prompt_tokens_total") == 7)
            #expect(page.sum("sluice_generation_tokens_total") == 12)
            #expect(page.sum("sluice_request_prompt_tokens_sum", "source=\"usage\"") == 7)
            #expect(page.sum("sluice_request_generation_tokens_sum", "source=\"usage\"") == 12)
            #expect(page.sum("sluice_wasted_tokens_total") == 0)
            #expect(measured.line["prompt_tokens"] as? Int == 7)
            #expect(measured.line["generation_tokens"] as? Int == 12)
            #expect(measured.line["events"] as? Int == 6)
        }

        @Test func `what is no stream has a response time and no first token`() throws {
            let answer = TimedAnswer([
                (12, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"),
                (40, "content-length: 2\r\n\r\n"), (150, "{"), (250, "}"),
            ])
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { answer.play(peer) }
            }
            var client: TimedClient?
            let measured = try Measured.run([upstream]) { gateway in
                client = try TimedClient(gateway, chat())
                client?.read()
            }
            let ended = try #require(client)
            let sent: Window = ended.asked...answer.seen.arrived
            let finished: Window = answer.seen.sent[3]...measured.told
            measured.agree(
                "sluice_response_seconds", field: "duration_ms", between(sent, finished))
            measured.agree(
                "sluice_request_duration_seconds", "stream=\"false\"", field: "duration_ms",
                between(sent, finished))
            // The second part of the head made it whole.
            measured.agree(
                "sluice_upstream_latency_seconds", "stage=\"head\"", field: nil,
                between(sent, answer.seen.sent[1]...answer.seen.sent[2]))
            for absent in [
                "time_to_first_token", "first_token_wait", "ttft_stage", "inter_token_latency",
                "time_per_output_token",
            ] {
                #expect(measured.page.sum("sluice_\(absent)_seconds_count") == 0, "\(absent)")
            }
            #expect(measured.line["ttft_ms"] == nil)
            #expect(measured.line["stream"] as? Bool == false)
            #expect(measured.judgedBy == [.availability, .response, .completeness])
        }

        /// In the head, and in the body.
        @Test(arguments: [20, streamingChat.utf8.count - 5])
        func `time in which the client sent its request is no part of its wait`(cut: Int) throws {
            let answer = TimedAnswer([(50, streamHead + chunk(token("w0") + done) + "0\r\n\r\n")])
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { answer.play(peer) }
            }
            let whole = Array(streamingChat.utf8)
            var (client, second): (TimedClient?, Instant) = (nil, .unset)
            let measured = try Measured.run([upstream]) { gateway in
                client = try TimedClient(
                    gateway, String(decoding: whole.prefix(cut), as: UTF8.self))
                pause(.milliseconds(180))
                second = MonotonicClock.now()
                client?.connection.send(Array(whole.dropFirst(cut)))
                client?.read()
            }
            let ended = try #require(client)
            let received: Window = second...answer.seen.arrived
            // What the client began with may have come at any time before it went on.
            measured.agree(
                "sluice_request_receive_seconds", field: "receive_ms",
                clockTolerance...between(ended.asked...ended.asked, received).upperBound)
            #expect(measured.observed("sluice_request_receive_seconds") ?? 0 > 0.1)
            // The log's time is that of the first byte, in whole milliseconds.
            let asked =
                Date().timeIntervalSince1970 - (MonotonicClock.now() - ended.asked).seconds
            let time = measured.loggedTime?.timeIntervalSince1970 ?? 0
            #expect((asked - 0.006...asked + 0.1).contains(time))
            let delivered = try measured.delivery(of: "w0", from: answer, to: ended)
            measured.agree(
                "sluice_time_to_first_token_seconds", field: "ttft_ms",
                between(received, delivered))
        }

        @Test func `the wait for a slot is the queue's, an attempt that failed the connection's`()
            throws
        {
            let refusal = TimedAnswer([
                (90, "HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n")
            ])
            let answer = TimedAnswer([(60, streamHead + chunk(token("w0") + done) + "0\r\n\r\n")])
            let upstreams = try (0..<2).map { _ in
                // Whoever is asked first refuses.
                try ScriptedUpstream { peer in
                    while peer.nextRequest() != nil {
                        (refusal.seen.arrived.isSet ? answer : refusal).play(peer)
                    }
                }
            }
            var client: TimedClient?
            let measured = try Measured.run(upstreams) { gateway in
                client = try TimedClient(gateway, streamingChat)
                client?.read()
            }
            let ended = try #require(client)
            let bound: Window = ended.asked...refusal.seen.arrived
            let sent: Window = refusal.seen.sent[0]...answer.seen.arrived
            let delivered = try measured.delivery(of: "w0", from: answer, to: ended)
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"connect\"", field: "connect_ms",
                between(bound, sent))
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"engine\"", field: "engine_ms",
                between(sent, delivered))
            measured.agree(
                "sluice_time_to_first_token_seconds", field: "ttft_ms", between(bound, delivered))
            #expect(measured.line["retries"] as? Int == 1)
        }

        @Test func `a request that waits for a slot shows how long`() throws {
            let holding = TimedAnswer([(200, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")])
            let answer = TimedAnswer([(30, streamHead + chunk(token("w0") + done) + "0\r\n\r\n")])
            let upstream = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    (request.text.contains("stream") ? answer : holding).play(peer)
                }
            }
            var client: TimedClient?
            let measured = try Measured.run(
                [upstream], count: 2, change: { $0.pools[0].replicaInflightMax = 1 }
            ) { gateway in
                let first = try gateway.connect()
                first.send(chat())
                #expect(eventually { holding.seen.arrived.isSet })
                client = try TimedClient(gateway, streamingChat)
                client?.read()
                #expect(first.readAnswer()?.status == 200)
            }
            let ended = try #require(client)
            // No end sees when it began to wait, but it was soon.
            let received: Window = ended.asked...(ended.asked + .milliseconds(20))
            let bound: Window = holding.seen.sent[0]...answer.seen.arrived
            measured.agree(
                "sluice_ttft_stage_seconds", "stage=\"queue\"", field: "queue_ms",
                between(received, bound))
            #expect(measured.page.sum("sluice_ttft_stage_seconds_sum", "stage=\"queue\"") > 0.1)
        }
    }
}
