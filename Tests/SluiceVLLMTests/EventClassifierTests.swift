import SluiceBytes
import SluiceTelemetry
import SluiceVLLM
import Testing

/// Events that leave a classifier in as many states as there are.
private let before = [
    #"data: {"choices":[{"delta":{"content":"a"}}]}"# + "\n\n", #"data: {"error":{"mess"#,
    "data: [DON", ": comm", #"data: {"type":"response.compl"#,
    #"data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9"#, "eve", "data:",
    #"data: {"x":[{"y":"\ud83d"#, "data: nonsense",
]

/// Classifies whole events, each fed in two parts cut at `cut`; by a classifier that has seen another
/// stream, if that is odd.
private func kinds(_ route: Route, _ events: [String], cut: Int) -> ([EventKind], TokenUsage) {
    var classifier = EventClassifier(route: cut.isMultiple(of: 2) ? route : .responses)
    if !cut.isMultiple(of: 2) {
        let bytes = Array(before[cut / 2 % before.count].utf8)
        if cut.isMultiple(of: 3) {
            _ = classifier.take(bytes.span)
        } else {
            classifier.feed(bytes.span)
        }
        classifier.restart(route: route)
    }
    var kinds: [EventKind] = []
    for event in events {
        let bytes = Array(event.utf8)
        let middle = min(cut, bytes.count)
        classifier.feed(bytes.span.extracting(0..<middle))
        classifier.feed(bytes.span.extracting(middle..<bytes.count))
        kinds.append(classifier.endOfEvent())
    }
    return (kinds, classifier.usage)
}

@Suite struct EventClassifierTests {
    private static let chat: [(String, EventKind)] = [
        (
            #"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"# + "\n\n",
            .prelude
        ),
        (#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"# + "\n\n", .content),
        (#"data: {"choices":[{"delta":{"reasoning":"hm"}}]}"# + "\n\n", .content),
        (
            #"data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}"#
                + "\n\n", .content
        ),
        (#"data: {"choices":[{"delta":{"content":"\"error\": [DONE]"}}]}"# + "\n\n", .content),
        (
            #"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":2}}}"#
                + "\n\n", .usage
        ),
        (": keep-alive\n\n", .comment),
        (#"data: {"error": {"message": "EngineCore"}}"# + "\n\n", .error),
        ("data: [DONE]\n\n", .terminal),
        ("data: [DONE\n\n", .other),
        ("data: nonsense\n\n", .other),
        ("event: x\r\ndata: [DONE]\r\n\r\n", .terminal),
    ]

    @Test func `chat events are told apart at every cut, and usage is read`() {
        for cut in 0...120 {
            let (found, usage) = kinds(.chatCompletions, Self.chat.map(\.0), cut: cut)
            #expect(found == Self.chat.map(\.1))
            #expect(usage.prompt == 3 && usage.completion == 5 && usage.cached == 2)
        }
    }

    @Test(arguments: [
        (Route.completions, #"data: {"choices":[{"text":"a"}]}"#, EventKind.content),
        (.completions, #"data: {"choices":[{"text":""}]}"#, .prelude),
        (.responses, #"data: {"type":"response.output_text.delta","delta":"a"}"#, .content),
        (.responses, #"data: {"type":"response.completed","response":{}}"#, .terminal),
        (.responses, #"data: {"type":"response.incomplete","response":{}}"#, .terminal),
        (.responses, #"data: {"type":"response.failed","response":{}}"#, .error),
        (.responses, #"data: {"type":"response.created"}"#, .prelude),
        (.messages, #"data: {"type":"content_block_delta"}"#, .content),
        (.messages, #"data: {"type":"message_stop"}"#, .terminal),
        (.embeddings, "data: x", .content),
    ])
    func `every route has its own words`(route: Route, line: String, kind: EventKind) {
        for cut in 0...60 {
            let (found, _) = kinds(route, ["event: any\n" + line + "\n\n"], cut: cut)
            #expect(found == [kind])
        }
    }
}
