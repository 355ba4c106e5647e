import SluiceBytes
import Testing

@testable import VLLMSimulator

/// Streams and plain answers against the captures, with ids, times and text taken out.
@Suite struct SimulatedReplyTests {
    static func request(
        _ route: SimulatedRoute, prompt: Int = 19, stream: Bool = false, usage: Bool = false,
        continuous: Bool = false, choices: Int = 1
    ) -> SimulatedRequest {
        var request = SimulatedRequest(route: route)
        request.model = "tiny"
        request.promptTokens = prompt
        request.isStream = stream
        request.includesUsage = usage
        request.hasContinuousUsage = continuous
        request.choices = choices
        request.seed = 1
        return request
    }

    static func reply(
        _ request: SimulatedRequest, id: String = "0123456789abcdef", tokens: Int = 0
    ) -> SimulatedReply {
        var reply = SimulatedReply(request: request, requestID: id, created: 1_795_227_579, seed: 5)
        for index in 0..<tokens {
            reply.take(tokens: 1, finish: index == tokens - 1 ? .length : nil)
        }
        return reply
    }

    /// All events there are now.
    static func events(_ reply: inout SimulatedReply) -> [String] {
        var events: [String] = []
        var buffer = ByteBuffer()
        while reply.appendNextEvent(to: &buffer) {
            events.append(buffer.text())
            buffer.removeAll()
        }
        return events
    }

    static func body(_ reply: SimulatedReply) -> String {
        var buffer = ByteBuffer()
        reply.appendBody(to: &buffer)
        return buffer.text()
    }

    @Test(arguments: [
        ("stream-chat.http", SimulatedRoute.chatCompletions, 19, 12, true, false),
        ("stream-chat-no-usage.http", .chatCompletions, 19, 12, false, false),
        ("stream-chat-continuous-usage.http", .chatCompletions, 19, 4, true, true),
        ("stream-completion.http", .completions, 3, 8, true, false),
    ])
    func `a stream has the capture's events, one per chunk`(
        file: String, route: SimulatedRoute, prompt: Int, tokens: Int, usage: Bool, continuous: Bool
    ) throws {
        let fixture = try Fixture(file)
        let request = Self.request(
            route, prompt: prompt, stream: true, usage: usage, continuous: continuous)
        var reply = Self.reply(request, tokens: tokens)
        let events = Self.events(&reply)
        #expect(events.map(Fixture.normalised) == fixture.chunks.map(Fixture.normalised))
        #expect(reply.isOver)
        #expect(reply.eventsWritten == events.count)
    }

    @Test(arguments: [
        ("chat.http", SimulatedRoute.chatCompletions, 19, 12),
        ("completion.http", .completions, 3, 8),
        ("chat-load-header-json.http", .chatCompletions, 19, 4),
    ])
    func `a plain answer has the capture's body`(
        file: String, route: SimulatedRoute, prompt: Int, tokens: Int
    ) throws {
        let fixture = try Fixture(file)
        let reply = Self.reply(Self.request(route, prompt: prompt), tokens: tokens)
        #expect(reply.isWhole)
        #expect(Fixture.normalised(Self.body(reply)) == Fixture.normalised(fixture.body))
    }

    @Test func `the client's request id becomes the answer's, escaped`() throws {
        let fixture = try Fixture("chat-request-id.http")
        let request = Self.request(.chatCompletions)
        let body = Self.body(Self.reply(request, id: "abc-123", tokens: 4))
        #expect(body.hasPrefix(#"{"id":"chatcmpl-abc-123","object""#))
        #expect(Fixture.normalised(body) == Fixture.normalised(fixture.body))
        let quoted = Self.body(Self.reply(request, id: "a\"b", tokens: 1))
        #expect(quoted.hasPrefix(#"{"id":"chatcmpl-a\"b","#))
    }

    @Test func `a died engine ends a stream with its error and DONE, a plain answer with 500`()
        throws
    {
        let fixture = try Fixture("stream-chat-engine-died.http")
        var reply = Self.reply(Self.request(.chatCompletions, stream: true))
        reply.take(tokens: 3, finish: nil)
        var events = Self.events(&reply)
        reply.die()
        events += Self.events(&reply)
        #expect(events.map(Fixture.normalised) == fixture.chunks.map(Fixture.normalised))
        #expect(reply.isOver)
        let plain = try Fixture("error-500-engine-died.http")
        #expect(Self.body(reply) == plain.body)
    }

    @Test func `nothing is written before the first token, and then the role first`() {
        var reply = Self.reply(Self.request(.chatCompletions, stream: true))
        #expect(Self.events(&reply).isEmpty)
        reply.take(tokens: 1, finish: nil)
        let first = Self.events(&reply)
        #expect(first.count == 2)
        #expect(first[0].contains(#""role":"assistant""#))
        reply.take(tokens: 1, finish: nil)
        #expect(Self.events(&reply).count == 1)
        #expect(!reply.isOver)
    }

    @Test func `streamed text joined equals the plain answer's, for the same seed`() {
        var stream = Self.reply(Self.request(.completions, stream: true), tokens: 40)
        let deltas = Self.events(&stream).compactMap { event in
            event.firstMatch(of: #/"text":"((?:[^"\\]|\\.)*)"/#)?.output.1
        }
        let plain = Self.body(Self.reply(Self.request(.completions), tokens: 40))
        #expect(plain.contains("\"text\":\"\(deltas.joined())\""))
    }

    @Test func `several choices have an index each, a role each, and one end`() {
        var reply = Self.reply(
            Self.request(.chatCompletions, stream: true, usage: true, choices: 2))
        reply.take(choice: 0, tokens: 1, finish: nil)
        reply.take(choice: 1, tokens: 1, finish: .stop)
        reply.take(choice: 7, tokens: 1, finish: .stop)
        var events = Self.events(&reply)
        #expect(events.count == 4)
        #expect(!reply.isWhole)
        reply.take(choice: 0, tokens: 1, finish: .length)
        events += Self.events(&reply)
        #expect(events.count { $0.contains(#""index":1"#) } == 2)
        #expect(events.count { $0.contains(#""role""#) } == 2)
        #expect(events.last == "data: [DONE]\n\n")
        #expect(events.count == 7)
        #expect(events[5].contains(#""completion_tokens":3"#))
    }

    @Test func `embeddings come as numbers or as the base64 of the same floats`() throws {
        var request = Self.request(.embeddings, prompt: 7)
        request.inputTokens = [3, 4]
        request.dimensions = 5
        var reply = Self.reply(request)
        reply.take(tokens: 0, finish: .stop)
        let body = Self.body(reply)
        #expect(body.hasPrefix(#"{"id":"embd-0123456789abcdef","object":"list","created":"#))
        #expect(
            body.hasSuffix(
                #""usage":{"prompt_tokens":7,"total_tokens":7,"completion_tokens":0,"prompt_tokens_details":null}}"#
            ))
        let plain = try EmbeddingVectors(body, isBase64: false)
        request.isBase64 = true
        reply = Self.reply(request)
        reply.take(tokens: 0, finish: .stop)
        let encoded = try EmbeddingVectors(Self.body(reply), isBase64: true)
        #expect(plain.vectors.count == 2)
        #expect(plain.vectors.first?.count == 5)
        #expect(plain.vectors == encoded.vectors)
    }
}
