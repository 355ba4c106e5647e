import SluiceExchange
import Testing

extension GatewayTests {
    /// No client makes a series: whatever it names that is not known is one and the same.
    @Suite(.serialized) struct SeriesBoundTests {
        private static func labelled(_ page: MetricsText) -> Set<Substring> {
            Set(
                page.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
                    .map { line in line[..<(line.lastIndex(of: " ") ?? line.startIndex)] })
        }

        /// Requests in which everything that a client chooses is new.
        private static func stranger(_ number: Int) -> [String] {
            let fields =
                "x-request-id: r\(number)\r\nauthorization: Bearer key\(number)\r\n"
                + "user-agent: u\(number)\r\nx-stainless-retry-count: \(number % 10)\r\n"
                + "x-sluice-session: s\(number)\r\n"
            return [
                chat(#"{"model":"m\#(number)","messages":[]}"#, fields: fields),
                chat(#"{"model":"tiny","messages":[],"user":"u\#(number)"}"#, fields: fields),
                chat(fields: fields + "x-sluice-class: c\(number)\r\n"),
                "GET /p\(number) HTTP/1.1\r\nhost: h\(number)\r\n\(fields)\r\n",
                "M\(number) /v1/models HTTP/1.1\r\nhost: a\r\n\r\n",
                "GET /v1/responses/resp_\(number) HTTP/1.1\r\nhost: a\r\n\r\n",
            ]
        }

        @Test func `strangers with new names in all places make no new series`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run(
                [upstream], change: { $0.tenants = [TenantSettings(name: "acme")] }
            ) { gateway in
                func ask(_ numbers: Range<Int>) throws {
                    for request in numbers.flatMap(Self.stranger) { _ = try gateway.ask(request) }
                }
                // All ten retry counts, and a hundred requests for those series that wait for them.
                try ask(0..<50)
                // Objectives look at them once in a while.
                #expect(
                    eventually {
                        gateway.metrics()?.text.contains("sluice_slo_local_burn_rate{") == true
                    })
                let few = Self.labelled(try #require(gateway.metrics()))
                try ask(50..<90)
                let many = Self.labelled(try #require(gateway.metrics()))
                #expect(many.subtracting(few) == [])
                #expect(gateway.metrics()?.sum("sluice_requests_total") == 540)
                let anonymous = gateway.metrics()?.sum(
                    "sluice_tenant_requests_total", "tenant=\"anonymous\"")
                #expect((anonymous ?? 0) > 100)
                let lost = gateway.metrics()?.sum("sluice_metrics_observations_lost_total")
                #expect(lost == 0)
            }
        }
    }
}
