import SluiceBytes
import SluiceTelemetry
import Testing

@testable import SluiceVLLM

/// Whole events go a shorter way than cut ones; both must come to the same.
@Suite struct TextTemplateTests {
    /// Contents that are easy, odd, and wrong, as they stand in the JSON.
    private static let contents = [
        "a", " token", "", #"\n"#, #"\""#, #"\\"#, #"\\\""#, #"a\"#, #"a\\"#, #"\u00e9"#,
        #"\uD83D"#,
        "é", "数", "🙂", "longer than a word by some", #"{"role":"x"}"#, #"","role":""#, #""}"#,
        "line\nfeed", "\u{1}", #"[DONE]"#, #"\q"#, #"é\"#, "x\u{7F}", #"","content":"y"#,
    ]

    private static func chunk(_ content: String, _ finish: String = "null") -> String {
        #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","#
            + #""choices":[{"index":0,"delta":{"content":"\#(content)"},"logprobs":null,"#
            + #""finish_reason":\#(finish),"token_ids":null}]}"# + "\n\n"
    }

    /// What a reader without any memory says of the event.
    private static func plain(_ route: Route, _ event: String) -> EventKind {
        var classifier = EventClassifier(route: route)
        classifier.feed(Array(event.utf8).span)
        return classifier.endOfEvent()
    }

    @Test func `every content after every other is what it is by itself`() {
        for first in Self.contents {
            var classifier = EventClassifier(route: .chatCompletions)
            for content in Self.contents {
                let taught = classifier.take(Array(Self.chunk(first).utf8).span)
                #expect(taught == Self.plain(.chatCompletions, Self.chunk(first)))
                let event = Self.chunk(content)
                let found = classifier.take(Array(event.utf8).span)
                #expect(found == Self.plain(.chatCompletions, event), "\(first) then \(content)")
            }
        }
    }

    @Test func `a change around the text is seen`() {
        let events = [
            Self.chunk("a"), Self.chunk("b", #""stop""#), Self.chunk("c"),
            Self.chunk("").replacing(#""content""#, with: #""role""#),
            Self.chunk("d").replacing(#""index":0"#, with: #""index":1"#),
            Self.chunk("e").replacing("\n\n", with: "\r\n\r\n"),
            #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"# + "\n\n",
            Self.chunk("f").replacing("}]}", with: #"}],"usage":{"prompt_tokens":5}}"#),
            Self.chunk("g").replacing("}]}", with: #"}],"usage":{"prompt_tokens":6}}"#),
            Self.chunk("h").replacing("data", with: "dato"), "data: [DONE]\n\n",
        ]
        var classifier = EventClassifier(route: .chatCompletions)
        for event in events + events {
            let found = classifier.take(Array(event.utf8).span)
            #expect(found == Self.plain(.chatCompletions, event), "\(event)")
        }
        #expect(classifier.usage.prompt == 6)
    }

    @Test func `learned events with one byte changed are read as they are`() {
        let learned = Array(Self.chunk("ab").utf8)
        for place in learned.indices {
            for byte in [UInt8(0x22), 0x5C, 0x7B, 0x30, 0x0A] {
                var classifier = EventClassifier(route: .chatCompletions)
                #expect(classifier.take(learned.span) == .content)
                var changed = learned
                changed[place] = byte
                var other = EventClassifier(route: .chatCompletions)
                other.feed(changed.span)
                let expected = other.endOfEvent()
                #expect(classifier.take(changed.span) == expected, "byte \(byte) at \(place)")
            }
        }
    }

    @Test func `an event with more around its text than fits is read in full each time`() {
        let long = String(repeating: "x", count: TextTemplate<448>.bytesMax)
        let event = Self.chunk("a").replacing("chatcmpl-1", with: long)
        var classifier = EventClassifier(route: .chatCompletions)
        for _ in 0..<3 { #expect(classifier.take(Array(event.utf8).span) == .content) }
    }

    @Test func `reasoning, tool calls and completions have templates of their own`() {
        let shapes = [
            #"data: {"choices":[{"delta":{"reasoning":"TEXT"}}]}"#,
            #"data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"TEXT"}}]}}]}"#,
            #"data: {"choices":[{"text":"TEXT","logprobs":{"tokens":["\"}]"]}}]}"#,
        ]
        var classifier = EventClassifier(route: .chatCompletions)
        for shape in shapes {
            for text in ["a", "bc", "", "d"] {
                let event = shape.replacing("TEXT", with: text) + "\n\n"
                let found = classifier.take(Array(event.utf8).span)
                #expect(found == (text.isEmpty ? .prelude : .content), "\(event)")
            }
        }
    }
}
