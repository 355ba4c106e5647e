import SluiceBytes
import SluiceSimulation
import Testing

@testable import VLLMSimulator

/// What is read from a request body, and what vLLM answers to a wrong one, byte for byte.
@Suite struct SimulatedRequestTests {
    static func parse(
        _ body: String, _ route: SimulatedRoute = .chatCompletions,
        contentType: String? = "application/json"
    ) throws(VLLMError) -> SimulatedRequest {
        let bytes = Array(body.utf8)
        return try SimulatedRequest.parse(
            bytes.span, contentType: contentType, route: route,
            server: SimulatedRequest.Server(models: ["tiny"], modelLengthMax: 2_048))
    }

    private static let message = #""messages":[{"role":"user","content":"Say hello"}]"#

    static let refused: [(String, String, String?)] = [
        ("error-404-model.http", #"{"model":"nope",\#(message)}"#, "application/json"),
        ("error-400-bad-json.http", #"{"model":"#, "application/json"),
        ("error-400-no-messages.http", #"{"model":"tiny"}"#, "application/json; charset=utf-8"),
        (
            "error-400-max-tokens.http", #"{"model":"tiny",\#(message),"max_tokens":99999}"#,
            "application/json"
        ),
        (
            "error-400-prompt-too-long.http",
            #"{"model":"tiny","max_tokens":5,"messages":[{"role":"user","content":"\#(String(repeating: "hello world ", count: 3_000))"}]}"#,
            "application/json"
        ),
        (
            "error-400-temperature.http", #"{"model":"tiny",\#(message),"temperature":-3}"#,
            "application/json"
        ),
        ("error-400-content-type.http", #"{"model":"tiny",\#(message)}"#, "text/plain"),
    ]

    @Test(arguments: refused)
    func `what vLLM refuses is refused with the capture's body and status`(
        file: String, body: String, contentType: String?
    ) throws {
        let fixture = try Fixture(file)
        let error = try #require(throws: VLLMError.self) {
            try Self.parse(body, contentType: contentType)
        }
        #expect(SimulatedBodiesTests.error(error) == fixture.body)
        #expect(fixture.head.hasPrefix("HTTP/1.1 \(error.status) "))
    }

    @Test func `all options of a chat are read`() throws {
        let request = try Self.parse(
            #"{"model":"tiny",\#(Self.message),"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true},"max_tokens":5,"max_completion_tokens":9,"n":2,"priority":-4,"seed":7,"ignore_eos":true}"#
        )
        #expect(request.isStream && request.includesUsage && request.hasContinuousUsage)
        #expect(request.maxTokens == 9)
        #expect(request.choices == 2)
        #expect(request.priority == -4)
        #expect(request.seed == 7)
        #expect(request.ignoresEndOfSequence)
        #expect(request.promptTokens == 3)
    }

    @Test func `null is as good as absent`() throws {
        let request = try Self.parse(
            #"{"model":null,\#(Self.message),"stream":null,"max_tokens":null,"n":null}"#)
        #expect(request.model == "tiny")
        #expect(!request.isStream)
        #expect(request.maxTokens == nil)
        #expect(request.choices == 1)
    }

    @Test(arguments: [#""max_tokens":0"#, #""n":0"#, #""n":17"#, #""dimensions":0"#])
    func `a member of a value that cannot be is a 400 with it as its parameter`(
        member: String
    ) throws {
        let name = try #require(member.split(separator: "\"").first)
        let error = try #require(throws: VLLMError.self) {
            try Self.parse(#"{\#(Self.message),\#(member)}"#)
        }
        #expect(error.status == 400)
        #expect(SimulatedBodiesTests.error(error).contains(#""param":"\#(name)""#))
    }

    @Test(arguments: [
        #""stream":1"#, #""stream":"yes""#, #""max_tokens":"5""#, #""max_tokens":1.5"#,
        #""max_tokens":true"#, #""max_tokens":1e300"#, #""model":7"#, #""temperature":"hot""#,
    ])
    func `a member of a wrong type is a 400 that names it in its message only`(
        member: String
    ) throws {
        let name = try #require(member.split(separator: "\"").first)
        let error = try #require(throws: VLLMError.self) {
            try Self.parse(#"{\#(Self.message),\#(member)}"#)
        }
        #expect(error.status == 400)
        #expect(error.message.contains("'loc': ('body', '\(name)')"))
        #expect(SimulatedBodiesTests.error(error).contains(#""param":null,"code":400"#))
    }

    @Test(arguments: ["", "null", "{\"a\":}", "\u{0}", "{\"messages\":"])
    func `what is no JSON is a 400`(body: String) throws {
        let error = try #require(throws: VLLMError.self) { try Self.parse(body) }
        #expect(error.status == 400)
    }

    /// As a running vLLM 0.23 does: it asks the value for members before it validates it.
    @Test(arguments: [
        ("[]", "list"), ("7", "int"), ("1.5", "float"), ("true", "bool"), ("\"x\"", "str"),
    ])
    func `JSON that is no object is a 500`(body: String, type: String) throws {
        let error = try #require(throws: VLLMError.self) { try Self.parse(body) }
        #expect(error == .notAnObject(pythonType: type))
        #expect(error.status == 500)
    }

    @Test(arguments: [
        (#""stream":"maybe""#, "bool_parsing", "'maybe'"), (#""stream":[]"#, "bool_type", "[]"),
        (#""max_tokens":"abc""#, "int_parsing", "'abc'"), (#""max_tokens":[1]"#, "int_type", "[1]"),
        (#""max_tokens":1.5"#, "int_from_float", "1.5"),
        (#""temperature":"x""#, "float_parsing", "'x'"), (#""model":5"#, "string_type", "5"),
    ])
    func `a member of a wrong type is named as pydantic does`(
        member: String, type: String, input: String
    ) throws {
        let error = try #require(throws: VLLMError.self) {
            try Self.parse(#"{"messages":[{"role":"user","content":"a"}],\#(member)}"#)
        }
        #expect(error.status == 400)
        #expect(error.message.contains("{'type': '\(type)', 'loc': ('body', '"))
        #expect(error.message.contains("'input': \(input)}"))
    }

    @Test func `a body nested without end is refused and not followed`() throws {
        let deep = String(repeating: "[", count: 100_000)
        let error = try #require(throws: VLLMError.self) {
            try Self.parse(#"{"messages":\#(deep)"#)
        }
        #expect(error.status == 400)
        let shallow = String(repeating: "[", count: 400) + String(repeating: "]", count: 400)
        #expect(throws: VLLMError.self) { try Self.parse(#"{"other":\#(shallow)}"#) }
    }

    @Test(arguments: [
        (SimulatedRoute.completions, #"{"prompt":"12345678"}"#, 2),
        (.completions, #"{"prompt":[1,2,3,4,5]}"#, 5), (.completions, #"{"prompt":""}"#, 1),
        (.completions, #"{"prompt":["1234","5678"]}"#, 2),
        (.responses, #"{"input":"123456789012"}"#, 3),
        (
            .responses,
            #"{"input":[{"role":"user","content":[{"type":"input_text","text":"1234"}]}]}"#, 2
        ),
        (
            .chatCompletions, #"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
            1_001
        ),
        (.embeddings, #"{"input":["1234","12345678"]}"#, 3),
        (.embeddings, #"{"input":[1,2,3]}"#, 3),
        (.embeddings, #"{"input":[[1,2],[3]]}"#, 3),
    ])
    func `prompts of every shape have a size`(route: SimulatedRoute, body: String, tokens: Int)
        throws
    {
        let request = try Self.parse(body, route)
        #expect(request.promptTokens == tokens)
    }

    @Test func `conversations with the same beginning share its prefixes and no more`() throws {
        func prefixes(_ last: String) throws -> [PrefixLink] {
            try Self.parse(
                #"{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"\#(last)"}]}"#
            ).prefixes
        }
        let (first, second) = (try prefixes("one"), try prefixes("two"))
        #expect(first.count == 2)
        #expect(first[0] == second[0])
        #expect(first[1].key != second[1].key)
    }

    @Test
    func `a bound is met exactly, ignore_eos fills the model, and otherwise a length is drawn`()
        throws
    {
        var generator = SplitMix64(seed: 1)
        func engineRequest(_ options: String) throws -> EngineRequest {
            try Self.parse("{\(Self.message)\(options)}").engineRequest(
                lengths: Study.outputs, modelLengthMax: 2_048, generator: &generator)
        }
        let bounded = try engineRequest(#","max_tokens":12"#)
        #expect(bounded.outputTokens == 12)
        #expect(bounded.finishReason == .length)
        let unending = try engineRequest(#","ignore_eos":true"#)
        #expect(unending.outputTokens == 2_045)
        let drawn = try engineRequest("")
        #expect(drawn.finishReason == .stop)
        #expect(drawn.maxTokens == 2_045)
        #expect((1...1_500).contains(drawn.outputTokens))
    }
}
