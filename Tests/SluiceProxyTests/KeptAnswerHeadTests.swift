import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct KeptAnswerHeadTests {
    /// A replica's head, and all else that decides about the client's.
    private struct Case {
        var text: String
        var isHead = false
        var isHTTP11 = true
        var closes = false
        var isExplained = false
    }

    private struct Written: Equatable {
        var text: String
        var framing: AnswerFraming
        var closes: Bool
    }

    private struct Unreadable: Error {}

    /// What the client is written, by itself or after what `memory` and `head` have seen.
    private static func write(
        _ answer: Case, id: String, _ memory: inout KeptAnswerHead, _ head: inout ResponseHead
    ) throws -> Written {
        let bytes = Array(answer.text.utf8)
        var parser = ResponseParser(limits: HeadLimits())
        let step = parser.parse(
            bytes.span, into: &head, requestMethod: answer.isHead ? .head : .post)
        guard case .complete = step else { throw Unreadable() }
        var explanation: Explanation?
        if answer.isExplained {
            explanation = Explanation(
                replica: "a", queue: .zero, className: "standard", tenant: nil)
        }
        var output = ByteBuffer()
        // What stands before it in the buffer is none of its business.
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
        var closes = answer.closes
        let framing = memory.append(
            of: &head, bytes.span, requestID: Array(id.utf8).span, isHead: answer.isHead,
            isHTTP11: answer.isHTTP11, explanation: explanation, closes: &closes, into: &output)
        return Written(text: output.text(), framing: framing, closes: closes)
    }

    @Test func `an answer's head is written as if it were the first, whatever came before`() throws
    {
        let heads = [
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                + "transfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: theirs\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: \(String(repeating: "x", count: 9_000))\r\n"
                + "content-length: 1\r\n\r\n",
        ]
        var cases: [Case] = []
        for text in heads {
            cases.append(Case(text: text))
            cases.append(Case(text: text, isHead: true))
            cases.append(Case(text: text, isHTTP11: false))
            cases.append(Case(text: text, closes: true))
            cases.append(Case(text: text, isExplained: true))
        }
        var memory = KeptAnswerHead()
        var head = ResponseHead()
        for first in cases {
            for second in cases {
                for (answer, id) in [(first, "one"), (second, "another-one"), (second, "a")] {
                    let found = try Self.write(answer, id: id, &memory, &head)
                    var freshMemory = KeptAnswerHead()
                    var freshHead = ResponseHead()
                    let expected = try Self.write(answer, id: id, &freshMemory, &freshHead)
                    if found != expected { #expect(found == expected) }
                }
            }
        }
        let last = try Self.write(cases[0], id: "an-id", &memory, &head)
        #expect(last.text.contains("\r\nx-request-id: an-id\r\nvia: 1.1 sluice\r\n"))
        #expect(last.text.hasSuffix("content-length: 5\r\n\r\n"))
        #expect(last.framing == .length && !last.closes)
    }
}
