import SluiceBytes
import SluiceTelemetry
import Testing

@testable import SluiceVLLM

/// What a peek came to, as a comparable value.
private struct Seen: Equatable {
    var error: PeekError?
    var model = ""
    var isStream = false
    var tokensMax: Int?
    var promptBytes = 0
    var asksUsage = false
    var others: [Int] = []
    var edited: String?
}

/// Bodies that leave a peek in as many states as there are: whole, refused, in the middle of things.
private let before = [
    #"""
    {"model":"old","stream":true,"store":false,"stream_options":{"include_usage":true},"n":3,
    "max_tokens":7,"max_completion_tokens":8,"max_output_tokens":9,"best_of":4,"priority":-2,
    "prompt_cache_key":"k","previous_response_id":"r","messages":[{"content":[{"type":"image_url","text":"abc"}]}]}
    """#,
    #"{"model":"cut \ud83d"#, #"{"messages":[[[[{"type":"inp"#, #"{"model":"a","model":"b"}"#,
    "[1]",
    #"{"prompt":[1,2,3.5e"#, #"{"stream":tru"#, #"{"stream_options":{"include_usage":"#,
    #"{"a":"é\"#,
]

/// Feeds a body in two parts, cut at `cut`; to a peek that has read another one, if that is odd.
private func peek(_ body: [UInt8], cut: Int) -> Seen {
    var peek = RequestPeek(route: cut.isMultiple(of: 2) ? .chatCompletions : .responses)
    if !cut.isMultiple(of: 2) {
        peek.feed(Array(before[cut / 2 % before.count].utf8).span)
        if cut.isMultiple(of: 3) { peek.finish() }
    }
    peek.restart(route: .chatCompletions)
    peek.feed(body.span.extracting(0..<cut))
    peek.feed(body.span.extracting(cut..<body.count))
    peek.finish()
    return seen(&peek, body)
}

private func seen(_ peek: inout RequestPeek, _ body: [UInt8]) -> Seen {
    var seen = Seen()
    seen.error = peek.error
    guard peek.error == nil else { return seen }
    seen.model = peek.modelName.text()
    seen.isStream = peek.facts.isStream
    seen.tokensMax = peek.outputTokensMax()
    seen.promptBytes = peek.facts.promptBytes
    seen.asksUsage = peek.facts.asksUsage
    seen.others = [
        peek.facts.sequences, Int(peek.facts.priority.lowerBound), peek.facts.stores ? 1 : 0,
        Int(truncatingIfNeeded: peek.facts.cacheKeyHash ?? 0), peek.facts.promptTokens,
        peek.facts.mediaParts,
        peek.facts.isModelCut ? 1 : 0,
        peek.facts.previousResponse?.lowerBound ?? -1,
    ]
    if let edit = UsageInjection.edit(for: &peek) {
        var text = body
        let bytes = Array(edit.text.description.utf8)
        text.replaceSubrange(edit.range, with: bytes)
        seen.edited = String(decoding: text, as: UTF8.self)
    }
    return seen
}

@Suite struct RequestPeekTests {
    @Test func `a chat is read alike however its body is cut`() {
        let body = Array(
            #"{"model":"t\u0069ny","messages":[{"role":"user","content":"h\"i é"}],"stream":true,"max_tokens":12,"n":1}"#
                .utf8)
        let whole = peek(body, cut: 0)
        #expect(whole.error == nil && whole.model == "tiny" && whole.isStream)
        #expect(whole.tokensMax == 12 && whole.promptBytes == 11)
        for cut in 1...body.count { #expect(peek(body, cut: cut) == whole) }
    }

    @Test(arguments: [
        (#"{"model":"a","model":"b"}"#, PeekError.repeatedKey(.model)),
        (#"{"model":"a","mod\u0065l":"b"}"#, .repeatedKey(.model)),
        (#"{"model":3}"#, .wrongType(.model)),
        (#"{"model":null}"#, .null(.model)),
        (#"{"stream":"yes"}"#, .wrongType(.stream)),
        (#"{"max_tokens":"9"}"#, .wrongType(.maxTokens)),
        (#"{"max_tokens":1.5}"#, .wrongType(.maxTokens)),
        (#"{"n":-1}"#, .outOfRange(.n)),
        (#"{"messages":{}}"#, .wrongType(.messages)),
        (#"{"stream_options":[]}"#, .wrongType(.streamOptions)),
        (#"[{"model":"a"}]"#, .notAnObject),
        (#""model""#, .notAnObject),
        ("", .empty), (" \n", .empty),
        (#"{"model":"a""#, .truncated),
        (#"{"model":"a"} x"#, .notJSON(.trailingBytes)),
        (#"{"model":"a",}"#, .notJSON(.unexpectedByte)),
        (#"{"a":01}"#, .notJSON(.unexpectedByte)),
        (#"{"a":tru}"#, .notJSON(.badLiteral)),
        (#"{"a":"\q"}"#, .notJSON(.badEscape)),
        ("{\"a\":\"\u{0}\"}", .notJSON(.controlInString)),
    ])
    func `a body that two readers could read differently is refused, at every cut`(
        text: String, error: PeekError
    ) {
        let body = Array(text.utf8)
        for cut in 0...body.count { #expect(peek(body, cut: cut).error == error) }
    }

    @Test func `depth, digits and bad UTF-8 are bounded and never trap`() {
        let deep = [UInt8](repeating: 0x5B, count: 100_000)
        #expect(peek(Array(#"{"a":"#.utf8) + deep, cut: 50).error == .notJSON(.tooDeep))
        let digits = [UInt8](repeating: 0x39, count: 50_000)
        let many = Array(#"{"max_tokens":"#.utf8) + digits + [0x7D]
        #expect(peek(many, cut: 20).error == .outOfRange(.maxTokens))
        for bad: [UInt8] in [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
        ] {
            let body = Array(#"{"model":""#.utf8) + bad + Array(#""}"#.utf8)
            for cut in 0...body.count { #expect(peek(body, cut: cut).error == .notJSON(.badUTF8)) }
        }
    }

    @Test(arguments: [
        (#"{"stream":true}"#, #"{"stream_options":{"include_usage":true},"stream":true}"#),
        (
            #"{"stream":true,"stream_options":null}"#,
            #"{"stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"stream":true,"stream_options":{}}"#,
            #"{"stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"stream_options":{"a":1},"stream":true}"#,
            #"{"stream_options":{"include_usage":true,"a":1},"stream":true}"#
        ),
        (
            #"{"stream":true,"stream_options":{"include_usage":false}}"#,
            #"{"stream":true,"stream_options":{"include_usage":true}}"#
        ),
    ])
    func `usage is asked for by one edit, which asks for nothing the second time`(
        text: String, expected: String
    ) {
        let body = Array(text.utf8)
        for cut in 0...body.count { #expect(peek(body, cut: cut).edited == expected) }
        let again = peek(Array(expected.utf8), cut: 3)
        #expect(again.asksUsage && again.edited == nil)
    }

    @Test func `random damage gives the same verdict at every cut and never traps`() {
        var random = SystemRandomNumberGenerator()
        let seed = Array(
            #"{"model":"tiny","messages":[{"content":"é\n"}],"stream":true,"n":2}"#.utf8)
        for _ in 0..<400 {
            var body = seed
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                body[Int.random(in: 0..<body.count, using: &random)] = .random(
                    in: 0...255, using: &random)
            }
            let whole = peek(body, cut: 0)
            for cut in stride(from: 1, through: body.count, by: 3) {
                #expect(peek(body, cut: cut) == whole, "\(body)")
            }
        }
    }

    @Test func `the response that is continued is found in the body, at every cut`() throws {
        let body = Array(#"{"input":"é","previous_response_id":"resp_1-a","model":"m"}"#.utf8)
        for cut in 0...body.count {
            var peek = RequestPeek(route: .responses)
            peek.feed(body.span.extracting(0..<cut))
            peek.feed(body.span.extracting(cut..<body.count))
            peek.finish()
            let found = peek.facts.previousResponse
            let range = try #require(found)
            #expect(String(decoding: body[range], as: UTF8.self) == "resp_1-a")
        }
    }

    @Test(arguments: [
        (#"{"previous_response_id":null}"#, nil, nil),
        (#"{"a":{"previous_response_id":1}}"#, nil, nil),
        (#"{"previous_response_id":""}"#, nil, ""),
        (#"{"previous_response_id":3}"#, PeekError.wrongType(.previousResponseID), nil),
        (#"{"previous_response_id":["a"]}"#, .wrongType(.previousResponseID), nil),
        (
            #"{"previous_response_id":"a","previous_response_id":"b"}"#,
            .repeatedKey(.previousResponseID), "a"
        ),
    ])
    func `it is a string, null or absent, and given once`(
        text: String, error: PeekError?, id: String?
    ) {
        let body = Array(text.utf8)
        var peek = RequestPeek(route: .responses)
        peek.feed(body.span)
        peek.finish()
        let range = peek.facts.previousResponse
        let found = peek.error
        #expect(found == error)
        #expect(range.map { String(decoding: body[$0], as: UTF8.self) } == id)
    }

    @Test func `an id with escapes is within the body all the same`() {
        let body = Array(#"{"previous_response_id":"\u00e9\ud83d\ude00\n\\"}"#.utf8)
        for cut in 0...body.count {
            var peek = RequestPeek(route: .responses)
            peek.feed(body.span.extracting(0..<cut))
            peek.feed(body.span.extracting(cut..<body.count))
            peek.finish()
            let range = peek.facts.previousResponse
            #expect(
                range.map { body.indices.contains($0.lowerBound) && $0.upperBound < body.count }
                    == true)
        }
    }
}

@Suite struct `A body that follows another` {
    /// Texts that are easy, odd, and wrong, as they stand in the JSON.
    private static let texts = [
        "a", "a longer text, and more of it than a few words", "", #"\n"#, #"\""#, #"\\"#, #"a\"#,
        #"\u00e9"#, #"\uD83D"#, "é", "数", "🙂", #""}],"stream":true,"x":[{"y":""#, #"","n":"2"#,
        #"","type":"input_image"#, #"","role":""#, "line\nfeed", "\u{1}", #"\q"#, #"é\"#, #""}]}"#,
    ]

    private static let shapes: [@Sendable (String) -> String] = [
        { #"{"model":"m","stream":true,"messages":[{"role":"user","content":"\#($0)"}]}"# },
        {
            #"{"messages":[{"role":"user","content":"\#($0)"}],"stream_options":null,"#
                + #""model":"other","stream":true,"max_tokens":7,"previous_response_id":"r1"}"#
        },
        {
            #"{"stream_options":{},"previous_response_id":"r2","messages":[{"content":[{"type":"#
                + #""text","text":"\#($0)"},{"type":"image_url","image_url":{"url":"x"}}]}],"#
                + #""stream":true,"store":false,"priority":3,"n":2}"#
        },
        {
            #"{"prompt":"\#($0)","stream":true,"stream_options":{"include_usage":false},"best_of":4,"#
                + #""prompt_cache_key":"k","max_completion_tokens":9,"max_output_tokens":8}"#
        },
        { #"{"input":["a","\#($0)",[1,2]],"stream_options":{"x":"\#($0)"},"stream":true}"# },
        { #"{"messages":[{"type":"\#($0)","content":"b"}],"stream":true}"# },
        { #"{"messages":[{"role":"user","content":"\#($0)"}]"# },
        { #"{"messages":[{"role":"user","content":"\#($0)"}],"messages":[]}"# },
        { #"{"model":"\#($0)"}"# },
    ]

    private static let bodies = shapes.flatMap { shape in texts.map { Array(shape($0).utf8) } }

    @Test(arguments: [Route.chatCompletions, .responses, .completions])
    func `says what it says by itself`(route: Route) {
        var expected: [Seen] = []
        for body in Self.bodies {
            var peek = RequestPeek(route: route)
            peek.feed(body.span)
            peek.finish()
            expected.append(seen(&peek, body))
        }
        var template = RequestTemplate()
        var peek = RequestPeek(route: route)
        var found = 0
        for first in Self.bodies.indices {
            for second in [first] + Self.bodies.indices.filter({ ($0 + first) % 3 == 0 }) {
                for index in [first, second] {
                    let body = Self.bodies[index]
                    peek.restart(route: route)
                    peek.feed(body.span, isLast: true, like: &template)
                    peek.finish()
                    found += 1
                    let said = seen(&peek, body)
                    if said != expected[index] {
                        let text = String(decoding: body, as: UTF8.self)
                        #expect(said == expected[index], "\(text) after body \(first)")
                    }
                }
            }
        }
        #expect(found > 10_000)
    }

    /// The model and the bytes of prompt that a template tells; nil where it does not know the body.
    private func says(_ template: inout RequestTemplate, _ body: [UInt8]) -> String? {
        var model = InlineText<256>()
        var facts = RequestFacts()
        guard template.tell(of: body.span, &facts, model: &model) else { return nil }
        return "\(model.text), \(facts.promptBytes)"
    }

    @Test func `is told by its last text alone, and learned anew where more differs`() {
        var template = RequestTemplate()
        let first = Array(Self.shapes[0]("one").utf8)
        let next = Array(Self.shapes[0]("another one").utf8)
        let other = Array(Self.shapes[1]("one").utf8)
        var peek = RequestPeek(route: .chatCompletions)
        let before = says(&template, first)
        peek.feed(first.span, isLast: true, like: &template)
        let ofNext = says(&template, next)
        let ofOther = says(&template, other)
        #expect(before == nil && ofOther == nil)
        #expect(ofNext == "m, \("user".utf8.count + "another one".utf8.count)")
        peek.restart(route: .chatCompletions)
        peek.feed(other.span, isLast: true, like: &template)
        let ofFirst = says(&template, first)
        let known = says(&template, other)
        #expect(ofFirst == nil && known != nil)
    }

    @Test func `in pieces, or longer than is remembered around its text, is read in full`() {
        var template = RequestTemplate()
        let body = Array(Self.shapes[0]("one").utf8)
        var peek = RequestPeek(route: .chatCompletions)
        peek.feed(body.span.extracting(0..<9), isLast: false, like: &template)
        peek.feed(body.span.extracting(9..<body.count), isLast: true, like: &template)
        let inPieces = says(&template, body)
        #expect(inPieces == nil)
        let name = String(repeating: "m", count: RequestTemplate.bytesMax)
        let long = Array(#"{"model":"\#(name)","messages":[{"content":"a"}]}"#.utf8)
        peek.restart(route: .chatCompletions)
        peek.feed(long.span, isLast: true, like: &template)
        let tooLong = says(&template, long)
        #expect(tooLong == nil)
        let hasError = peek.error != nil
        #expect(!hasError)
    }
}
