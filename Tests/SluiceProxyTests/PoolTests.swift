import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    @Suite(.serialized) struct PoolTests {
        /// Two pools of one replica each: the first serves `tiny`, the second `other` and `whisper`.
        private func run(
            _ body: (GatewayUnderTest, ScriptedUpstream, ScriptedUpstream) throws -> Void
        ) throws {
            let (first, second) = (try upstream(), try upstream())
            try GatewayUnderTest.run(
                [first, second],
                change: { settings in
                    var pool = PoolSettings(name: "second")
                    pool.models = ["other"]
                    pool.aliases = ["whisper"]
                    pool.usage = .off
                    pool.replicas = [settings.pools[0].replicas.removeLast()]
                    settings.pools.append(pool)
                }
            ) { try body($0, first, second) }
        }

        private func upstream() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
        }

        @Test func `the body's model chooses the pool`() throws {
            try run { gateway, first, second in
                for model in ["tiny", "other", "whisper"] {
                    let answer = try gateway.ask(chat("{\"model\":\"\(model)\",\"messages\":[]}"))
                    #expect(answer.status == 200)
                }
                #expect(first.requests.count == 1 && second.requests.count == 2)
            }
        }

        @Test func `each pool has a retry budget and a series of its own`() throws {
            try run { gateway, _, _ in
                let page = try #require(gateway.metrics())
                for pool in ["pool", "second"] {
                    #expect(
                        page.sum("sluice_retry_budget_remaining", "{pool=\"\(pool)\"}") == 30)
                }
                let names = page.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
                    .compactMap { $0.split(separator: " ").first }
                let isEachOnce = Set(names).count == names.count
                #expect(isEachOnce, "two series with the same labels make the page invalid")
            }
        }

        @Test func `an upload's model chooses the pool, and one without is refused`() throws {
            try run { gateway, first, second in
                let named =
                    "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--b--\r\n"
                let nameless = named.replacing("\"model\"", with: "\"language\"")
                func upload(_ body: String) -> String {
                    "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\n"
                        + "content-type: multipart/form-data; boundary=b\r\n"
                        + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
                }
                let served = try gateway.ask(upload(named))
                #expect(served.status == 200)
                #expect(first.requests.isEmpty && second.requests.count == 1)
                let refused = try gateway.ask(upload(nameless))
                #expect(refused.status == 400 && refused.text.contains("missing_model"))
            }
        }
    }
}
