import SluiceBytes
import SluiceVLLM
import Testing

@Suite struct UsagePeekTests {
    /// Reads a body in pieces; small ones with a peek that has read half of another body.
    static func usage(_ body: [UInt8], cutEvery size: Int = .max) -> TokenUsage {
        var peek = UsagePeek()
        if size < .max {
            let before = Array(#"{"a":[{"b":"c"}],"usage":{"prompt_tokens":77,"input_to"#.utf8)
            peek.feed(before.span.extracting(0..<min(before.count, 7 * size)))
            peek.restart()
        }
        var start = 0
        while start < body.count {
            let end = start + min(size, body.count - start)
            peek.feed(body.span.extracting(start..<end))
            start = end
        }
        return peek.usage
    }

    /// Reads a body from its end, known to be whole.
    static func usageOfWhole(_ body: [UInt8]) -> TokenUsage {
        var peek = UsagePeek()
        peek.feed(body.span, isLast: true)
        return peek.usage
    }

    /// Reads a body in one piece, both from its beginning and from its end.
    static func usage(_ body: String) -> TokenUsage {
        let bytes = Array(body.utf8)
        let usage = usage(bytes)
        #expect(usageOfWhole(bytes) == usage, "\(body) from its end")
        return usage
    }

    static func tokens(_ prompt: Int32, _ completion: Int32, _ cached: Int32 = -1) -> TokenUsage {
        var usage = TokenUsage()
        usage.prompt = prompt
        usage.completion = completion
        usage.cached = cached
        return usage
    }

    @Test(
        arguments: [("chat.http", 19, 12), ("completion.http", 3, 8)] as [(String, Int32, Int32)])
    func `a real answer's usage is found at every cut`(
        name: String, prompt: Int32, completion: Int32
    ) throws {
        let body = try VLLMFixture.body(name)
        let expected = Self.tokens(prompt, completion)
        #expect(Self.usage(body) == expected)
        #expect(Self.usage(body, cutEvery: 1) == expected)
        #expect(Self.usageOfWhole(body) == expected)
        for cut in 0...body.count {
            var peek = UsagePeek()
            peek.feed(body.span.extracting(0..<cut))
            peek.feed(body.span.extracting(cut..<body.count))
            #expect(peek.usage == expected, "cut at \(cut)")
        }
    }

    @Test func `cached tokens stand in the details`() {
        let chat = #"""
            {"usage":{"prompt_tokens":100,"total_tokens":107,"completion_tokens":7,
            "prompt_tokens_details":{"audio_tokens":3,"cached_tokens":64},"x":{"cached_tokens":1}}}
            """#
        #expect(Self.usage(chat) == Self.tokens(100, 7, 64))
        #expect(Self.usage(Array(chat.utf8), cutEvery: 1) == Self.tokens(100, 7, 64))
    }

    @Test func `responses count input and output`() {
        let body = #"""
            {"id":"resp_1","output":[{"content":[{"text":"hi"}]}],"usage":{"input_tokens":36,
            "input_tokens_details":{"cached_tokens":32,"input_tokens_per_turn":[]},
            "output_tokens":87,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":123}}
            """#
        #expect(Self.usage(body) == Self.tokens(36, 87, 32))
    }

    @Test func `only the top-level member is usage`() {
        let inside = #"""
            {"choices":[{"usage":{"prompt_tokens":1,"completion_tokens":2},
            "message":{"content":"\"usage\":{\"prompt_tokens\":3}"}}],
            "x":{"usage":{"prompt_tokens":4}},"prompt_tokens":5}
            """#
        #expect(Self.usage(inside) == TokenUsage())
        #expect(Self.usage(#"[{"usage":{"prompt_tokens":1}}]"#) == TokenUsage())
        #expect(Self.usage(#"{"usage":[{"prompt_tokens":1}]}"#) == TokenUsage())
        #expect(Self.usage(#"{"usage":{"prompt_tokens":[1]}}"#) == TokenUsage())
        #expect(Self.usage(#"{"usage":{"y":{"prompt_tokens":1}}}"#) == TokenUsage())
        #expect(
            Self.usage(#"{"usage":{"prompt_tokens_details":[{"cached_tokens":1}]}}"#)
                == TokenUsage())
        #expect(
            Self.usage(#"{"usage":{"prompt_tokens_details":{}},"z":{"a":{"cached_tokens":1}}}"#)
                == TokenUsage())
        #expect(Self.usage(#"{"usage":null}"#) == TokenUsage())
        let twice = #"{"usage":{"prompt_tokens":1},"usage":[7],"usage":{"prompt_tokens":2}}"#
        #expect(Self.usage(twice) == Self.tokens(2, -1))
        let emptied = #"{"usage":{"prompt_tokens":1},"usage":[7],"usage":{"a":[{"b":8}]}}"#
        #expect(Self.usage(emptied) == TokenUsage())
    }

    @Test func `a text that says usage is no key`() {
        for body in [
            #"{"usage","prompt_tokens":1}"#, #"{"x":"usage","y":{"prompt_tokens":1}}"#,
            #"{"usages":{"prompt_tokens":1},"usag":{"prompt_tokens":1}}"#,
            #"{"a":"usage\"","usage\"":{"prompt_tokens":1}}"#,
            #"{"usage":"{\"prompt_tokens\":1}"}"#,
            #"{"usage":7,"u":{"prompt_tokens":1}}"#,
        ] {
            #expect(Self.usage(body) == TokenUsage(), "\(body)")
            #expect(Self.usage(Array(body.utf8), cutEvery: 1) == TokenUsage(), "\(body)")
        }
        let spaced = "\n{ \"x\" : \"usage\" , \"usage\" :\r\n\t{ \"prompt_tokens\" : 4 } }"
        #expect(Self.usage(spaced) == Self.tokens(4, -1))
        #expect(Self.usage(Array(spaced.utf8), cutEvery: 1) == Self.tokens(4, -1))
    }

    @Test func `escaped keys are the keys they spell, and the last of two counts`() {
        let body = #"{"usage":{"prompt_\u0074okens":1,"prompt_tokens":2}}"#
        #expect(Self.usage(body) == Self.tokens(2, -1))
        // No engine escapes this one, and the walk to it compares bytes.
        #expect(Self.usage(#"{"\u0075sage":{"prompt_tokens":1}}"#) == TokenUsage())
    }

    @Test(arguments: [
        "-1", "1.5", "1e3", "2147483648", "99999999999999999999", "1e308", "null", "\"7\"", "true",
    ])
    func `what is no number of tokens stays unknown`(value: String) {
        let usage = Self.usage(#"{"usage":{"prompt_tokens":\#(value),"completion_tokens":3}}"#)
        #expect(usage == Self.tokens(-1, 3))
    }

    @Test func `the largest number of tokens is kept`() {
        #expect(Self.usage(#"{"usage":{"prompt_tokens":2147483647}}"#) == Self.tokens(.max, -1))
    }

    @Test func `bodies that are not JSON say nothing`() {
        #expect(Self.usage(#"Error {"usage":{"prompt_tokens":1}}"#) == TokenUsage())
        for body in ["", "Internal Server Error", "\u{1F}\u{8B}", "{\"usage\":", "{]", "7"] {
            #expect(Self.usage(body) == TokenUsage())
        }
        #expect(Self.usage(String(repeating: "[", count: 100_000)) == TokenUsage())
        let two = Array("{} {\"usage\":{\"prompt_tokens\":1}}".utf8)
        #expect(Self.usage(two) == TokenUsage())
    }

    @Test func `a long text is passed over on the way`() {
        for length in [0, 1, 7, 8, 9, 255, 256, 257, 100_000] {
            let text = String(repeating: "x", count: length) + #"\" é \\"#
            let body = #"{"text":"\#(text)","usage":{"prompt_tokens":9,"completion_tokens":8}}"#
            #expect(Self.usage(body) == Self.tokens(9, 8))
            #expect(Self.usage(Array(body.utf8), cutEvery: 13) == Self.tokens(9, 8))
        }
    }

    @Test func `a quote behind backslashes ends no string read from its end`() {
        let usage = #""usage":{"prompt_tokens":6,"completion_tokens":5}"#
        for count in 0...9 {
            let run = String(repeating: #"\\"#, count: count)
            for text in [run, run + #"\""#, #"\""# + run, #"\",\"usage\":{},\""# + run] {
                #expect(Self.usage(#"{"a":"\#(text)",\#(usage)}"#) == Self.tokens(6, 5))
                #expect(Self.usage(#"{\#(usage),"a":["\#(text)",{"b":1}]}"#) == Self.tokens(6, 5))
                let inside = #"{"usage":{"x":"\#(text)","prompt_tokens":2}}"#
                #expect(Self.usage(inside) == Self.tokens(2, -1))
            }
        }
    }

    @Test func `from either end, random JSON says the same`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3_000 {
            let bytes = Array(Self.randomObject(depth: 0, &random).utf8)
            let fromFront = Self.usage(bytes, cutEvery: 5)
            #expect(Self.usageOfWhole(bytes) == fromFront, "\(bytes.span.text())")
        }
    }

    private static func randomObject(depth: Int, _ random: inout some RandomNumberGenerator)
        -> String
    {
        let names = [
            "usage", "usage", "prompt_tokens", "completion_tokens", "total_tokens", "x",
            #"\"usage\":{"#, #"a\\"#, #"a\"usage"#, #"a\\\"usage"#, "usag", "prompt_tokens_details",
            "cached_tokens",
        ]
        var members: [String] = []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let value =
                switch Int.random(in: 0...(depth < 4 ? 7 : 4), using: &random) {
                case 0: "\(Int.random(in: 0...99, using: &random))"
                case 1: "null"
                case 2: "\"\(names[Int.random(in: 0..<names.count, using: &random)])\""
                case 3: "-1.5e3"
                case 4: #"{"prompt_tokens":1,"total_tokens":2,"completion_tokens":3}"#
                case 5: "[\(randomObject(depth: depth + 1, &random)),[]]"
                default: randomObject(depth: depth + 1, &random)
                }
            let name = names[Int.random(in: 0..<names.count, using: &random)]
            let space = Int.random(in: 0...3, using: &random) == 0 ? " " : ""
            members.append("\(space)\"\(name)\"\(space):\(space)\(value)\(space)")
        }
        return "{\(members.joined(separator: ","))}"
    }

    @Test(arguments: [
        "0", "7", "123456789", "1234567890", "00", "01", "-1", "1.5", "", " 7", "7 ", "null",
    ])
    func `usage as vLLM writes it is what its numbers say`(number: String) {
        for tail in ["}", #","prompt_tokens_details":null}"#, #","prompt_tokens_details":nul}"#] {
            let counts = #""prompt_tokens":\#(number),"total_tokens":9,"completion_tokens":3"#
            let bytes = Array("{\"usage\":{\(counts)\(tail)}".utf8)
            let whole = Self.usage(bytes)
            #expect(whole == Self.usage(bytes, cutEvery: 1), "\(number)\(tail)")
            #expect(whole == Self.usageOfWhole(bytes), "\(number)\(tail)")
        }
    }
}
