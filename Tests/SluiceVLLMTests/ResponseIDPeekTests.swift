import SluiceBytes
import SluiceVLLM
import Testing

@Suite struct ResponseIDPeekTests {
    /// The id found in a body that is cut at `cut`; empty where there is none.
    private func find(_ body: String, isStream: Bool = false, cut: Int = 0) -> String {
        let bytes = Array(body.utf8)
        var peek = ResponseIDPeek(isStream: isStream)
        peek.feed(bytes.span.extracting(0..<cut))
        peek.feed(bytes.span.extracting(cut..<bytes.count))
        return peek.id.text()
    }

    /// As vLLM writes it: ResponsesResponse and ResponseCreatedEvent of its protocol module.
    private let plain =
        #"{"id":"resp_0f9-a","created_at":1,"instructions":null,"model":"tiny","object":"response","output":[{"id":"msg_1","content":[]}]}"#
    private let stream =
        "event: response.created\n"
        + #"data: {"response":{"id":"resp_0f9-a","created_at":1,"output":[]},"sequence_number":0,"type":"response.created"}"#
        + "\n\nevent: response.output_item.added\n"
        + #"data: {"item":{"id":"msg_1"},"type":"response.output_item.added"}"# + "\n\n"

    @Test func `the id is found at every cut`() {
        for cut in 0...plain.utf8.count {
            #expect(find(plain, cut: cut) == "resp_0f9-a", "cut at \(cut)")
        }
        for cut in 0...stream.utf8.count {
            #expect(find(stream, isStream: true, cut: cut) == "resp_0f9-a", "cut at \(cut)")
        }
    }

    @Test func `only the response's own id counts, wherever it stands`() {
        let late =
            #"{"output":[{"id":"msg_1"}],"text":"\"id\":\"fake\"","metadata":{"id":"m"},"id":"mine"}"#
        #expect(find(late) == "mine")
        let other =
            ": comment\n\ndata: {\"item\":{\"id\":\"msg_1\"},\"id\":\"x\"}\r\n\r\n"
            + "data:{\"type\":\"t\",\"response\":{\"tools\":[{\"id\":\"t\"}],\"id\":\"mine\"}}\n\n"
        #expect(find(other, isStream: true) == "mine")
    }

    @Test(arguments: [
        "", "null", "[]", "{}", #"{"id":7}"#, #"{"id":null,"x":"y"}"#, #"{"id":""}"#,
        #"{"id":"a/b"}"#, #"{"id":"ä"}"#, "<html>", #"{"x":{"id":"deep"}}"#, #"["id","a"]"#,
    ])
    func `an answer without an id that a path could name gives none`(body: String) {
        #expect(find(body) == "")
        #expect(find("data: \(body)\n\ndata: [DONE]\n\n", isStream: true) == "")
    }

    @Test func `an id of 128 bytes is taken, one more is not`() {
        let longest = String(repeating: "a", count: 128)
        #expect(find("{\"id\":\"\(longest)\"}") == longest)
        #expect(find("{\"id\":\"\(longest)a\"}") == "")
    }

    @Test func `the search ends after its bound`() {
        let filler = String(repeating: " ", count: ResponseIDPeek.bytesMax - 9)
        #expect(find("{\(filler)\"id\":\"a\"}") == "a")
        #expect(find("{\(filler) \"id\":\"a\"}") == "")
        #expect(find(": \(filler)\(filler)\n" + stream, isStream: true) == "")
    }
}
