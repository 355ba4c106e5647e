import Foundation
import SluiceReactor
import SluiceTime
import Testing

/// Everything about the gateway as a whole. Each suite plays one test at a time: most of them wait,
/// and two suites that wait side by side disturb neither.
@Suite struct GatewayTests {}

extension GatewayTests {
    @Suite(.serialized) struct RelayTests {
        @Test func `a plain request is relayed and its answer comes back`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer(#"{"ok":1}"#) }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
                #expect(answer.text == #"{"ok":1}"#)
                #expect(upstream.requests.count == 1)
                #expect(upstream.requests[0].text == #"{"model":"tiny","messages":[]}"#)
                #expect(gateway.sees("ok"))
            }
        }

        @Test func `a stream is relayed event by event`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead)
                    for word in ["a", "b"] { peer.send(chunk(token(word))) }
                    peer.send(chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(streamingChat)
                #expect(answer.status == 200)
                #expect(answer.isWhole)
                #expect(answer.text == token("a") + token("b") + done)
                #expect(gateway.sees("ok"))
            }
        }
    }
}
