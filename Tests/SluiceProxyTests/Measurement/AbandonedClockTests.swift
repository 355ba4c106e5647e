import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Waits that no replica sees the end of: abandoned, failed, held up by the client itself.
    @Suite(.serialized) struct AbandonedClockTests {
        @Test func `who leaves at 150 ms has waited 150 ms, and the replica knows at once`() throws
        {
            let answer = TimedAnswer([(12, streamHead)])
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                answer.play(peer)
                peer.waitForEnd()
            }
            var client: TimedClient?
            let measured = try Measured.run([upstream], outcome: "client_gone") { gateway in
                client = try TimedClient(gateway, streamingChat)
                #expect(eventually { answer.seen.ended.isSet })
                pause(.milliseconds(150))
                client?.leave()
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
            }
            let gone = try #require(client)
            let ending = try #require(upstream.state.withLock { $0.endings.first })
            let sent: Window = gone.asked...answer.seen.arrived
            let ended: Window = gone.left...ending
            measured.agree(
                "sluice_first_token_wait_seconds", "result=\"abandoned\"", field: "duration_ms",
                between(sent, ended))
            measured.agree(
                "sluice_request_duration_seconds", "stream=\"true\"", "result=\"abandoned\"",
                field: "duration_ms", between(sent, ended))
            // Not nothing: the clock of the turn in which it was seen stands still. It is read once the
            // connection is closed, which the replica may have seen by then.
            let abort = try #require(measured.observed("sluice_abort_propagation_seconds"))
            #expect(abort > 0 && abort < (measured.told - gone.left).seconds + clockTolerance)
            let page = measured.page
            // Whoever leaves after the threshold was kept waiting; before it nobody can say.
            #expect(measured.judgedBy == [.ttft])
            #expect(page.sum("sluice_slo_events_total", "result=\"bad\"") > 0)
            #expect(page.sum("sluice_slo_events_total", "result=\"good\"") == 0)
            #expect(page.sum("sluice_client_disconnects_total", "phase=\"relaying\"") == 1)
            #expect(page.sum("sluice_time_to_first_token_seconds_count") == 0)
            #expect(page.sum("sluice_ttft_stage_seconds_count") == 0)
            #expect(page.sum("sluice_wasted_tokens_total") == 0)
            // A prompt that nobody counted is in the workload's shape all the same.
            #expect(page.sum("sluice_request_prompt_tokens_count", "source=\"estimate\"") == 1)
            #expect(measured.line["status"] as? Int == 499)
            #expect(measured.line["phase"] as? String == "relaying")
            #expect(measured.line["ttft_ms"] == nil)
            let engine = measured.logged("engine_ms") ?? 0
            #expect(between(sent, ended).contains(engine))
        }

        @Test func `what was generated for who left is wasted`() throws {
            let answer = TimedAnswer([
                (10, streamHead + chunk(token("w0"))), (30, chunk(token("w1"))),
                (50, chunk(token("w2"))),
            ])
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                answer.play(peer)
                peer.waitForEnd()
            }
            let measured = try Measured.run([upstream], outcome: "client_gone") { gateway in
                let client = try TimedClient(gateway, streamingChat)
                client.read(until: token("w2"))
                client.leave()
            }
            let page = measured.page
            #expect(page.sum("sluice_wasted_tokens_total", "cause=\"client_gone\"") == 3)
            #expect(page.sum("sluice_time_to_first_token_seconds_count") == 1)
            #expect(page.sum("sluice_first_token_wait_seconds_count", "\"delivered\"") == 1)
            #expect(page.sum("sluice_first_token_wait_seconds_count") == 1)
            #expect(measured.line["events"] as? Int == 3)
        }

        @Test func `who leaves the queue has waited, and no replica is told`() throws {
            let isLost = Gate()
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.wait(for: isLost)
                peer.answer("{}")
                peer.waitForEnd()
            }
            var client: TimedClient?
            var (queued, lost) = (Instant.unset, Instant.unset)
            let measured = try Measured.run(
                [upstream], outcome: "client_gone",
                change: { $0.pools[0].replicaInflightMax = 1 }
            ) { gateway in
                let first = try gateway.connect()
                first.send(chat())
                #expect(eventually { upstream.requests.count == 1 })
                client = try TimedClient(gateway, streamingChat)
                #expect(gateway.queues(1))
                queued = MonotonicClock.now()
                pause(.milliseconds(100))
                client?.leave()
                #expect(gateway.hasLost(1, "queued"))
                lost = MonotonicClock.now()
                isLost.open()
                #expect(first.readAnswer()?.status == 200)
            }
            let gone = try #require(client)
            let range = between(gone.asked...queued, gone.left...lost)
            measured.agree(
                "sluice_first_token_wait_seconds", "result=\"abandoned\"", field: "queue_ms", range)
            measured.agree(
                "sluice_queue_wait_seconds", "result=\"abandoned\"", field: nil, range)
            #expect(measured.page.sum("sluice_abort_propagation_seconds_count") == 0)
            #expect(measured.line["engine_ms"] == nil)
        }

        @Test func `a stream refused by its replica has failed to begin, and was a stream`() throws
        {
            let answer = TimedAnswer([
                (
                    60,
                    "HTTP/1.1 500 X\r\ncontent-type: application/json\r\n"
                        + "content-length: 2\r\n\r\n{}"
                )
            ])
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { answer.play(peer) }
            }
            var client: TimedClient?
            let measured = try Measured.run([upstream], outcome: "upstream_failed") { gateway in
                client = try TimedClient(gateway, streamingChat)
                client?.read()
            }
            let ended = try #require(client)
            let sent: Window = ended.asked...answer.seen.arrived
            measured.agree(
                "sluice_first_token_wait_seconds", "result=\"failed\"", field: "duration_ms",
                between(sent, answer.seen.sent[0]...measured.told))
            #expect(measured.line["stream"] as? Bool == true)
            #expect(measured.page.sum("sluice_response_seconds_count") == 0)
            #expect(measured.judgedBy == [.availability])
        }

        /// Sends content as fast as it is taken; so many megabytes.
        private static func flood(_ peer: UpstreamPeer, megabytes: Int) {
            let piece = Array(chunk(token(String(repeating: "x", count: 8_000))).utf8)
            peer.send(streamHead)
            for _ in 0..<(megabytes << 20) / piece.count {
                guard peer.connection.send(piece, within: .seconds(10)) else { return }
            }
            peer.send(chunk(done) + "0\r\n\r\n")
        }

        // With the larger one the socket never takes all at once that waits for it.
        @Test(arguments: [65_536, 16 << 20])
        func `a slow reader makes time of its own, and no slow decode`(highWaterBytes: Int) throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                Self.flood(peer, megabytes: 24)
                peer.waitForEnd()
            }
            var (first, last) = (Instant.unset, Instant.unset)
            let measured = try Measured.run(
                [upstream], change: { $0.limits.relayHighWaterBytes = highWaterBytes }
            ) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                client.read(until: "xxx")
                first = MonotonicClock.now()
                pause(.milliseconds(300))
                // Ever again a little: no single stall is long.
                while !Array(client.all.suffix(16)).holds("0\r\n\r\n"), client.ending == nil {
                    for _ in 0..<8 { client.readSome(within: .milliseconds(50)) }
                    _ = client.take(client.received.count)
                    pause(.milliseconds(8))
                }
                last = MonotonicClock.now()
            }
            let whole = (last - first).seconds
            let blocked = try #require(measured.observed("sluice_downstream_blocked_seconds"))
            let gaps = measured.page.sum("sluice_inter_token_latency_seconds_sum")
            #expect(abs((measured.logged("blocked_ms") ?? 0) - blocked) < 0.000_002)
            // Its first 300 ms alone, less what the kernel's buffers took to fill.
            #expect(blocked > 0.2 && blocked < whole + clockTolerance)
            // No time is in both, however slow the machine is.
            #expect(gaps + blocked < whole + clockTolerance)
            #expect(measured.judgedBy == [.availability, .ttft, .tpot, .completeness])
        }

        @Test func `a client that stops reading was blocked until it was cut`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                Self.flood(peer, megabytes: 256)
                peer.waitForEnd()
            }
            let measured = try Measured.run(
                [upstream], outcome: "client_stalled",
                change: { $0.timeouts.writeStall = .milliseconds(600) }
            ) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(gateway.sees("client_stalled"))
                upstream.stop()
                #expect(client.readToEnd() != nil)
            }
            let blocked = try #require(measured.observed("sluice_downstream_blocked_seconds"))
            #expect(blocked >= 0.6 && blocked < 1.2)
            #expect(abs((measured.logged("blocked_ms") ?? 0) - blocked) < 0.000_002)
            #expect(measured.page.sum("sluice_wasted_tokens_total", "\"client_gone\"") > 0)
            // What it was sent came in time; how it read is nobody else's fault.
            #expect(measured.judgedBy == [.ttft])
        }
    }
}
