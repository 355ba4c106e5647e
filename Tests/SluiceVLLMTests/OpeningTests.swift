import SluiceBytes
import Testing

@testable import SluiceVLLM

/// Where a body's messages up to the first of the user are found.
@Suite struct OpeningTests {
    private let long = String(repeating: "long \\n text ", count: 120)

    /// The opening of a body that comes in two parts, cut at `cut`; empty where there is none.
    private func opening(_ text: String, cut: Int = 0) -> String {
        let body = Array(text.utf8)
        var peek = RequestPeek(route: .chatCompletions)
        peek.feed(body.span.extracting(0..<cut))
        peek.feed(body.span.extracting(cut..<body.count))
        peek.finish()
        return Self.text(body, &peek)
    }

    private static func text(_ body: [UInt8], _ peek: inout RequestPeek) -> String {
        let range = peek.facts.opening
        return String(
            decoding: body[Int(range.lowerBound)..<Int(range.upperBound)], as: UTF8.self)
    }

    @Test(arguments: [
        #"{"role":"system","content":"s"},{"role":"user","content":"u"}"#,
        #"{"content":"u","role":"user"}"#,
        #" {"role":"user","content":[{"type":"text","text":"u"}]}"#,
        #"{"role":"system","content":"user"} , {"r\u006fle":"us\u0065r","content":null}"#,
        #"{"role":"assistant","tool":{"role":"user"}},{"role":"user"}"#,
        #"{"role":["user"]},{"role":"user"}"#,
    ])
    func `it ends with the first message of the user, at every cut`(messages: String) {
        for rest in ["", #",{"role":"assistant","content":"a"},{"role":"user","content":"b"}"#] {
            let body = #"{"model":"m","messages":[\#(messages)\#(rest)],"n":1}"#
            for cut in 0...body.utf8.count { #expect(opening(body, cut: cut) == messages) }
        }
    }

    @Test(arguments: [
        #"{"messages":[]}"#, #"{"messages":[{"role":"system","content":"user"}]}"#,
        #"{"prompt":"user","user":"user"}"#, #"{"metadata":[{"role":"user"}],"messages":[]}"#,
        #"{"messages":[[{"role":"user"}]]}"#, #"{"messages":[{"content":{"role":"user"}}]}"#,
    ])
    func `without a message of the user there is none`(body: String) {
        for cut in 0...body.utf8.count { #expect(opening(body, cut: cut).isEmpty) }
    }

    @Test func `a whole body that is short is not searched`() {
        var template = RequestTemplate()
        for (text, isFound) in [("short", false), (long, true), ("short", false)] {
            let body = Array(#"{"messages":[{"role":"user","content":"\#(text)"}]}"#.utf8)
            var peek = RequestPeek(route: .chatCompletions)
            peek.feed(body.span, isLast: true, like: &template)
            #expect(!peek.facts.opening.isEmpty == isFound)
        }
    }

    @Test func `in a body like the last it is where a full reading finds it`() {
        var template = RequestTemplate()
        var sizes: Set<Int> = []
        for text in ["short", long, long + "er", "x", long + long, "short again", long] {
            for head in ["", #"{"role":"system","content":"be brief"},"#] {
                let messages = #"\#(head){"role":"user","content":"\#(text)"}"#
                let body = Array(#"{"n":1,"messages":[\#(messages)],"stream":true}"#.utf8)
                var peek = RequestPeek(route: .chatCompletions)
                peek.feed(body.span, isLast: true, like: &template)
                guard body.count >= RequestPeek.openingMin else { continue }
                #expect(Self.text(body, &peek) == messages)
                sizes.insert(body.count)
            }
        }
        #expect(sizes.count == 6)
    }

    @Test func `a longer last text moves it only where it is in it`() {
        var template = RequestTemplate()
        let first = #"{"role":"user","content":"\#(long)"}"#
        for text in ["a", "b, longer", long] {
            let body = Array(
                #"{"messages":[\#(first),{"role":"user","content":"\#(text)"}]}"#.utf8)
            var peek = RequestPeek(route: .chatCompletions)
            peek.feed(body.span, isLast: true, like: &template)
            #expect(Self.text(body, &peek) == first)
        }
    }
}
