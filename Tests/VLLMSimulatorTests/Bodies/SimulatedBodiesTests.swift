import SluiceBytes
import SluiceSimulation
import Testing

@testable import VLLMSimulator

/// Pages, heads and errors against the captures.
@Suite struct SimulatedBodiesTests {
    /// The wall clock of most captures: 2026-11-21 02:19:38 UTC.
    static let unixSeconds = 1_795_227_578

    static func head(_ head: SimulatedHead) -> String {
        var buffer = ByteBuffer()
        head.append(unixSeconds: unixSeconds, to: &buffer)
        return buffer.text()
    }

    static func error(_ error: VLLMError) -> String {
        var buffer = ByteBuffer()
        error.append(to: &buffer)
        return buffer.text()
    }

    @Test func `models, version and load have the captures' bodies`() throws {
        var generator = SplitMix64(seed: 1)
        var buffer = ByteBuffer()
        SimulatedBodies.appendModels(
            ["tiny"], modelLengthMax: 2_048, created: 1, generator: &generator, to: &buffer)
        let models = try Fixture("models.http")
        #expect(Fixture.normalised(buffer.text()) == Fixture.normalised(models.body))
        buffer.removeAll()
        SimulatedBodies.appendVersion(to: &buffer)
        let version = try Fixture("version.http")
        #expect(buffer.text() == version.body)
        buffer.removeAll()
        SimulatedBodies.appendLoad(0, to: &buffer)
        let load = try Fixture("load.http")
        #expect(buffer.text() == load.body)
    }

    @Test func `adapters name the base model as their parent`() {
        var generator = SplitMix64(seed: 1)
        var buffer = ByteBuffer()
        SimulatedBodies.appendModels(
            ["base", "adapter"], modelLengthMax: 10, created: 1, generator: &generator, to: &buffer)
        #expect(buffer.text().contains(#""id":"adapter""#))
        #expect(buffer.text().contains(#""parent":"base","max_model_len":null"#))
    }

    @Test(arguments: [
        "health.http", "ping.http", "version.http", "models.http", "chat.http",
        "chat-load-header-json.http", "chat-load-header-text.http", "chat-request-id.http",
        "stream-chat.http", "error-404-model.http", "error-404-path.http",
        "error-405-method.http", "error-400-bad-json.http", "error-500-engine-died.http",
    ])
    func `a head has the capture's lines in the capture's order`(file: String) throws {
        let fixture = try Fixture(file)
        let status = try #require(Int(fixture.head.dropFirst(9).prefix(3)))
        let isStream = fixture.head.contains("chunked")
        var head = SimulatedHead(
            status: status, body: isStream ? .eventStream : .json(fixture.body.utf8.count))
        if status == 405 { head.allow = "POST" }
        if file.contains("request-id") { head.requestID = "abc-123" }
        if file.contains("load-header") {
            head.loadMetrics = SimulatedBodies.loadHeader(
                format: file.contains("json") ? "json" : "TEXT", snapshot: EngineSnapshot())
        }
        let ours = Self.head(head)
        #expect(Fixture.normalised(ours) == Fixture.normalised(fixture.head + "\r\n\r\n"))
        // The length, which was taken out, is right too.
        if !isStream {
            #expect(ours.contains("content-length: \(fixture.body.utf8.count)\r\n"))
        }
    }

    @Test(arguments: [500, 32_768, 32_769, 300_000])
    func `an oversized head has the size asked for`(bytes: Int) {
        var buffer = ByteBuffer()
        SimulatedHead.appendOversized(bytes: bytes, to: &buffer)
        #expect(buffer.count == bytes)
        #expect(buffer.text().hasSuffix("a\r\n\r\n"))
    }

    @Test func `the load field shows the gauges, and an unknown format none`() {
        let snapshot = EngineSnapshot(running: 4, waiting: 12, cacheUsage: 0.25)
        #expect(
            SimulatedBodies.loadHeader(format: "JSON", snapshot: snapshot)
                == #"JSON {"named_metrics": {"num_requests_waiting": 12.0, "kv_cache_usage_perc": 0.25}}"#
        )
        #expect(SimulatedBodies.loadHeader(format: "xml", snapshot: snapshot) == nil)
    }

    @Test func `chunks are framed as in the capture`() throws {
        let fixture = try Fixture("stream-chat.http")
        var framed = ByteBuffer()
        for chunk in fixture.chunks {
            let bytes = Array(chunk.utf8)
            SimulatedBodies.appendChunk(bytes.span, to: &framed)
        }
        let empty: [UInt8] = []
        SimulatedBodies.appendChunk(empty.span, to: &framed)
        SimulatedBodies.appendLastChunk(to: &framed)
        let text = try Fixture.text("stream-chat.http")
        #expect(text == fixture.head + "\r\n\r\n" + framed.text())
    }

    @Test func `every error has a JSON body of its own, with its status`() throws {
        let errors: [VLLMError] = [
            .modelNotFound("a\"b"), .invalidValue(message: "m", parameter: "p", value: "v"),
            .queueFull(bound: 3), .unauthorized, .pathNotFound, .methodNotAllowed(allow: "GET"),
        ]
        #expect(errors.map(\.status) == [404, 400, 503, 401, 404, 405])
        #expect(Self.error(errors[0]).contains(#"`a\"b`"#))
        #expect(
            Self.error(errors[2]).contains(
                #""type":"ServiceUnavailableError","param":null,"code":503"#))
        #expect(Self.error(errors[3]) == #"{"error":"Unauthorized"}"#)
        #expect(errors[5].allow == "GET")
        let path = try Fixture("error-404-path.http")
        #expect(Self.error(.pathNotFound) == path.body)
        let method = try Fixture("error-405-method.http")
        #expect(Self.error(.methodNotAllowed(allow: "POST")) == method.body)
    }
}
