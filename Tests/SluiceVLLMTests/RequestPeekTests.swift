import SluiceBytes
import SluiceTelemetry
import SluiceVLLM
import Testing

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
    "prompt_cache_key":"k","messages":[{"content":[{"type":"image_url","text":"abc"}]}]}
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
    var seen = Seen()
    seen.error = peek.error
    guard peek.error == nil else { return seen }
    seen.model = peek.model.text
    seen.isStream = peek.isStream
    seen.tokensMax = peek.outputTokensMax()
    seen.promptBytes = peek.promptBytes
    seen.asksUsage = peek.asksUsage
    seen.others = [
        peek.sequences, peek.priority ?? .min, peek.stores ? 1 : 0,
        Int(truncatingIfNeeded: peek.cacheKeyHash ?? 0), peek.promptTokens, peek.mediaParts,
        peek.isModelCut ? 1 : 0,
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
        (#"{"model":null}"#, .wrongType(.model)),
        (#"{"stream":"yes"}"#, .wrongType(.stream)),
        (#"{"max_tokens":"9"}"#, .wrongType(.maxTokens)),
        (#"{"max_tokens":1.5}"#, .wrongType(.maxTokens)),
        (#"{"n":-1}"#, .outOfRange(.n)),
        (#"{"messages":{}}"#, .wrongType(.messages)),
        (#"{"stream_options":[]}"#, .wrongType(.streamOptions)),
        (#"[{"model":"a"}]"#, .notAnObject),
        (#""model""#, .notAnObject),
        ("", .truncated),
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
}
