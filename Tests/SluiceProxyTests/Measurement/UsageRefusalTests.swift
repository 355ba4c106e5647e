import SluiceExchange
import Testing

extension GatewayTests {
    /// Engines that do not know the field with which usage is asked for.
    @Suite(.serialized) struct UsageRefusalTests {
        /// Answers 400 to bodies that hold `fault`, a short stream to others.
        private func upstream(refusing fault: String) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    if request.text.contains(fault) {
                        peer.answer(#"{"error":{"message":"no"}}"#, status: 400)
                    } else {
                        peer.send(streamHead + chunk(token("a") + done) + "0\r\n\r\n")
                    }
                }
            }
        }

        @Test(arguments: [
            #"{"model":"tiny","stream":true,"messages":[]}"#,
            #"{"model":"tiny","stream_options":null,"stream":true,"messages":[]}"#,
            #"{"model":"tiny","stream_options":{},"stream":true,"messages":[]}"#,
            #"{"model":"tiny","stream_options":{"include_usage":false},"stream":true}"#,
            #"{"model":"tiny","stream":true,"stream_options":{"include_usage":null}}"#,
        ])
        func `a 400 on the field is sent again as the client wrote it, and remembered`(body: String)
            throws
        {
            let upstream = try upstream(refusing: #""include_usage":true"#)
            try GatewayUnderTest.run([upstream], change: { $0.pools[0].usage = .inject }) {
                gateway in
                for _ in 0..<2 {
                    let answer = try gateway.ask(chat(body))
                    #expect(answer.status == 200)
                    #expect(answer.text == token("a") + done)
                }
                #expect(gateway.sees("ok", 2))
                let repeated = gateway.metrics()?.sum(
                    "sluice_retries_total", "\"upstream_status\"", "result=\"ok\"")
                #expect(repeated == 1)
            }
            #expect(upstream.requests.map(\.text).dropFirst() == [body, body])
            #expect(upstream.requests[0].text.contains(#""include_usage":true"#))
        }

        @Test
        func `a client's own mistake is asked twice until a stream has been taken, then once`()
            throws
        {
            let upstream = try upstream(refusing: "mistake")
            try GatewayUnderTest.run([upstream], change: { $0.pools[0].usage = .inject }) {
                gateway in
                let mistake = chat(#"{"model":"tiny","stream":true,"messages":["mistake"]}"#)
                func ask(_ request: String, _ status: Int) throws {
                    let answer = try gateway.ask(request)
                    #expect(answer.status == status)
                    #expect(answer.isWhole)
                }
                try ask(mistake, 400)
                #expect(upstream.requests.count == 2)
                try ask(streamingChat, 200)
                try ask(mistake, 400)
                #expect(upstream.requests.count == 4)
                #expect(gateway.sees("upstream_client_error", 2))
                // It has not been taken for one that knows no usage.
                try ask(streamingChat, 200)
                #expect(upstream.requests.last?.text.contains("include_usage") == true)
            }
        }
    }
}
