import SluiceExchange
import Testing

@testable import SluiceConfig

/// The section `tracing`.
@Suite struct TracingTests {
    @Test func `every key reaches the settings and is shown again`() throws {
        let files = try TemporaryDirectory([
            "h": "Authorization: Bearer x\n", "c.pem": certificateText,
        ])
        let read = try Configuration.read(
            """
            tracing:
              endpoint: https://collector:4318/otlp/v1/traces
              sample_ratio: 0.25
              service_name: gateway a
              queue_spans_max: 64
              headers_file: h
              ca_file: c.pem
            \(pool)
            """, name: "\(files.path)/s.yaml"
        ).settings
        var expected = GatewaySettings.Tracing()
        expected.endpoint = "https://collector:4318/otlp/v1/traces"
        expected.sampleRatio = 0.25
        expected.serviceName = "gateway a"
        expected.queueSpansMax = 64
        expected.headersFile = "\(files.path)/h"
        expected.caFile = "\(files.path)/c.pem"
        #expect(read.tracing == expected)
        let shown = Configuration.render(read)
        #expect(!shown.contains("Bearer"))
        #expect(try settings(shown) == read)
    }

    @Test func `without the section nothing is traced`() throws {
        #expect(try settings(pool).tracing.endpoint == nil)
        #expect(try settings("tracing: {endpoint: off}\n\(pool)") == settings(pool))
    }

    @Test func `the flag wins over the file and leaves the rest of the section`() throws {
        var flags = ServeFlags()
        flags.traceEndpoint = "http://127.0.0.1:4318"
        let read = try settings(
            "tracing: {endpoint: 'http://other', sample_ratio: 0}\n\(pool)", flags: flags)
        #expect(read.tracing.endpoint == "http://127.0.0.1:4318")
        #expect(read.tracing.sampleRatio == 0)
        flags.traceEndpoint = "127.0.0.1:4318"
        let text = onlyError(pool, flags: flags)
        #expect(text.hasPrefix("--otlp-endpoint: error: tracing.endpoint: `127.0.0.1:4318` has no"))
        #expect(text.contains("Did you mean http://127.0.0.1:4318?"))
    }

    @Test(arguments: [
        ("no colon here", "line 1 is not `name: value` in printable ASCII"),
        ("# fine\n\nx y: z", "line 3 is not `name: value` in printable ASCII"),
        ("x: \u{7F}", "line 1 is not `name: value` in printable ASCII"),
        ("Content-Length: 3", "`content-length` cannot be set"),
        (String(repeating: "a: b\n", count: 33), "has more than 32 lines"),
    ])
    func `a file of headers that cannot be sent is refused, and not repeated`(
        text: String, says: String
    ) throws {
        let files = try TemporaryDirectory(["h": text])
        let found = onlyError(
            "tracing: {endpoint: 'http://c', headers_file: h}\n\(pool)",
            name: "\(files.path)/s.yaml")
        #expect(found.contains(says), "\(found)")
    }

    @Test func `a CA is of no use over http`() throws {
        let files = try TemporaryDirectory(["c.pem": certificateText])
        let found = onlyError(
            "tracing: {endpoint: 'http://c', ca_file: c.pem}\n\(pool)",
            name: "\(files.path)/s.yaml")
        #expect(found.contains("is given for the http URL `http://c`"), "\(found)")
    }

    @Test func `tracing changes with a restart only`() throws {
        let old = try settings(pool)
        let new = try settings("tracing: {endpoint: 'http://c'}\n\(pool)")
        #expect(old.adopting(new).tracing.endpoint == nil)
        #expect(Configuration.changedKeys(from: old, to: new) == ["tracing.endpoint"])
    }
}
