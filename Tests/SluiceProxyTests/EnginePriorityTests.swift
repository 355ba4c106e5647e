import SluiceExchange
import SluiceProxy
import SluiceTraffic
import Testing

extension GatewayTests {
    /// What replicas read of a request's class.
    @Suite(.serialized) struct EnginePriorityTests {
        /// The bodies that reach a replica.
        private func bodies(
            of requests: [String], change: @escaping (inout GatewaySettings) -> Void
        ) throws -> [String] {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.classes = ["critical", "standard", "batch"].map { ClassPolicy(name: $0) }
                    change(&$0)
                }
            ) { gateway in
                for request in requests {
                    let answer = try gateway.ask(request)
                    #expect(answer.status == 200)
                }
            }
            return upstream.requests.map(\.text)
        }

        private let body = #"{"model":"tiny","messages":[]}"#
        private let own = #"{"model":"tiny","priority":-5,"messages":[]}"#

        @Test func `the class is the priority, whatever the client wrote`() throws {
            let bodies = try bodies(of: [
                chat(body, fields: "x-sluice-class: critical\r\n"), chat(body),
                chat(own, fields: "x-sluice-class: batch\r\n"),
            ]) { $0.pools[0].enginePriority = true }
            #expect(
                bodies == [
                    #"{"priority":0,"model":"tiny","messages":[]}"#,
                    #"{"priority":1,"model":"tiny","messages":[]}"#,
                    #"{"model":"tiny","priority":2,"messages":[]}"#,
                ])
        }

        @Test func `a stream asks for usage besides`() throws {
            let stream = #"{"model":"tiny","stream":true,"messages":[],"priority":77}"#
            let bodies = try bodies(of: [chat(stream)]) {
                $0.pools[0].enginePriority = true
                $0.pools[0].usage = .inject
            }
            #expect(
                bodies == [
                    #"{"stream_options":{"include_usage":true},"#
                        + #""model":"tiny","stream":true,"messages":[],"priority":1}"#
                ])
        }

        @Test func `without the key, and on routes that do not know it, no byte changes`() throws {
            let fields = "x-sluice-class: batch\r\n"
            #expect(
                try bodies(of: [chat(body), chat(own, fields: fields)]) { _ in } == [body, own])
            let tokenize = chat(own).replacingOccurrences("/v1/chat/completions", "/tokenize")
            let messages = chat(own).replacingOccurrences("/v1/chat/completions", "/v1/messages")
            let sent = try bodies(of: [tokenize, messages]) { $0.pools[0].enginePriority = true }
            #expect(sent == [own, own])
        }
    }
}

extension String {
    fileprivate func replacingOccurrences(_ old: String, _ new: String) -> String {
        split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
}
