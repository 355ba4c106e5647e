import SluiceBytes
import Testing

@testable import SluiceVLLM

/// The body as it would be sent, cut at `cut` when it came; nil where nothing is edited.
private func edited(_ text: String, priority: Int, cut: Int, usage: Bool = false) -> String? {
    let body = Array(text.utf8)
    var peek = RequestPeek(route: .chatCompletions)
    peek.feed(body.span.extracting(0..<cut))
    peek.feed(body.span.extracting(cut..<body.count))
    peek.finish()
    guard let edit = PriorityInjection.edit(for: &peek, body: body.span, priority: priority)
    else { return nil }
    var result = body
    let inserted = Array(edit.text.description.utf8)
    result.replaceSubrange(edit.range, with: inserted)
    peek.edited(by: inserted.count - edit.range.count, end: edit.range.upperBound)
    if usage, let edit = UsageInjection.edit(for: &peek) {
        result.replaceSubrange(edit.range, with: Array(edit.text.description.utf8))
    }
    return String(decoding: result, as: UTF8.self)
}

@Suite struct PriorityInjectionTests {
    @Test(arguments: [
        (#"{"model":"a"}"#, #"{"priority":2,"model":"a"}"#),
        (#" { "n":1} "#, #" {"priority":2, "n":1} "#),
        (#"{"priority":5,"n":1}"#, #"{"priority":2,"n":1}"#),
        (#"{"n":1,"priority": -123456 }"#, #"{"n":1,"priority": 2 }"#),
        (#"{"priority":-0}"#, #"{"priority":2}"#),
        (#"{"priority":0,"n":1}"#, #"{"priority":2,"n":1}"#),
        (#"{"pri\u006frity":999999999999999999}"#, #"{"pri\u006frity":2}"#),
        (#"{"priority" : null ,"n":1}"#, #"{"priority" : 2 ,"n":1}"#),
        (#"{"x":{"priority":7}}"#, #"{"priority":2,"x":{"priority":7}}"#),
    ])
    func `the class takes the client's place, or is put first, at every cut`(
        text: String, expected: String
    ) {
        for cut in 0...text.utf8.count {
            #expect(edited(text, priority: 2, cut: cut) == expected)
        }
    }

    @Test(arguments: ["{}", "{ }", #"{"priority":1,"priority":2}"#, #"{"priority":"x"}"#, "[1]"])
    func `what is refused, or has no members, is left alone`(text: String) {
        #expect(edited(text, priority: 2, cut: 0) == nil)
    }

    @Test func `more classes than there are priorities share the last`() {
        #expect(edited(#"{"n":1}"#, priority: 9, cut: 0) == #"{"priority":7,"n":1}"#)
        #expect(edited(#"{"n":1}"#, priority: -1, cut: 0) == #"{"priority":0,"n":1}"#)
    }

    @Test(arguments: [
        (
            #"{"stream":true}"#,
            #"{"stream_options":{"include_usage":true},"priority":1,"stream":true}"#
        ),
        (
            #"{"priority":10,"stream":true,"stream_options":{"include_usage":false}}"#,
            #"{"priority":1,"stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"stream":true,"stream_options":{},"priority":-1}"#,
            #"{"stream":true,"stream_options":{"include_usage":true},"priority":1}"#
        ),
        (
            #"{"priority":10,"stream_options":null,"stream":true}"#,
            #"{"priority":1,"stream_options":{"include_usage":true},"stream":true}"#
        ),
    ])
    func `usage can be asked for in the same body`(text: String, expected: String) {
        for cut in 0...text.utf8.count {
            #expect(edited(text, priority: 1, cut: cut, usage: true) == expected)
        }
    }

    @Test func `a body like the last with a longer text has its priority further back`() {
        var template = RequestTemplate()
        for text in ["hi", "a longer text", "x"] {
            let body = Array(#"{"messages":[{"content":"\#(text)"}],"priority":31}"#.utf8)
            var peek = RequestPeek(route: .chatCompletions)
            peek.feed(body.span, isLast: true, like: &template)
            let range = peek.facts.priority
            let text = body[Int(range.lowerBound)..<Int(range.upperBound)]
            #expect(Array(text) == Array("31".utf8))
        }
    }
}
