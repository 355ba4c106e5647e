import SluiceExchange
import SluiceProxy
import Testing

extension GatewayTests {
    /// vLLM's own admin routes on the client listener, where the operator has asked for that.
    @Suite(.serialized) struct AdminRouteTests {
        private func run(_ body: (GatewayUnderTest, ScriptedUpstream) throws -> Void) throws {
            let upstream = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    peer.answer(request.line.hasPrefix("HEAD") ? "" : "done")
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.allowsAdminRoutes = true }) {
                try body($0, upstream)
            }
        }

        /// vLLM takes these without a body; clients frame that in three ways.
        @Test(arguments: ["", "content-length: 0\r\n", "transfer-encoding: chunked\r\n"])
        func `a POST without a body is forwarded as one`(fields: String) throws {
            let end = fields.contains("chunked") ? "0\r\n\r\n" : ""
            let paths = [
                "/sleep?level=1", "/wake_up", "/reset_prefix_cache", "/start_profile",
                "/stop_profile",
            ]
            try run { gateway, upstream in
                for path in paths {
                    let answer = try gateway.ask(
                        "POST \(path) HTTP/1.1\r\nhost: a\r\n\(fields)\r\n\(end)")
                    #expect(answer.status == 200 && answer.text == "done", "\(path)")
                }
                #expect(upstream.requests.map(\.line) == paths.map { "POST \($0) HTTP/1.1" })
                #expect(upstream.requests.allSatisfy { $0.values("content-length") == ["0"] })
            }
        }

        @Test func `a body is forwarded as it is, and is refused where it is cut short`() throws {
            let body = #"{"lora_name":"a","lora_path":"/a"}"#
            func post(_ body: String) -> String {
                "POST /v1/load_lora_adapter HTTP/1.1\r\nhost: a\r\n"
                    + "content-type: application/json\r\n"
                    + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
            }
            try run { gateway, upstream in
                let (whole, cut) = (
                    try gateway.ask(post(body)), try gateway.ask(post(String(body.dropLast())))
                )
                #expect(whole.status == 200 && cut.status == 400)
                #expect(upstream.requests.map(\.text) == [body])
            }
        }

        @Test func `what only reads is asked with GET or HEAD, anything else is refused`() throws {
            try run { gateway, upstream in
                for method in ["GET", "HEAD"] {
                    let answer = try gateway.ask(
                        "\(method) /is_sleeping HTTP/1.1\r\nhost: a\r\n\r\n",
                        isHead: method == "HEAD")
                    #expect(answer.status == 200, "\(method)")
                }
                let count = upstream.requests.count
                for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
                    let answer = try gateway.ask("\(method) /sleep HTTP/1.1\r\nhost: a\r\n\r\n")
                    #expect(answer.status == 405, "\(method)")
                    #expect(answer["allow"] == "GET, HEAD, POST", "\(method)")
                }
                #expect(upstream.requests.count == count)
            }
        }

        @Test func `an empty body of another route is still no request`() throws {
            try run { gateway, upstream in
                let answer = try gateway.ask(chat(""))
                #expect(answer.status == 400)
                #expect(upstream.requests == [])
            }
        }
    }
}
