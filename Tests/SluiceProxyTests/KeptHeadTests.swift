import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceTelemetry
import Testing

@Suite struct KeptHeadTests {
    private struct Kept: Equatable {
        var text: String
        var counts: [Int]
    }

    /// What a head comes to, by itself or after those that `memory` and `head` have seen.
    private static func keep(
        _ text: String, _ client: String, _ trusts: Bool, _ isTLS: Bool, _ memory: inout KeptHead,
        _ head: inout RequestHead
    ) throws -> Kept {
        let bytes = Array(text.utf8)
        var parser = RequestParser(limits: HeadLimits())
        guard case .complete = parser.parse(bytes.span, into: &head) else {
            throw Unreadable()
        }
        var request = ByteBuffer()
        var counts = (0, 0, 0)
        memory.keep(
            &head, bytes.span, client: InlineText(client), trusts: trusts, isTLS: isTLS,
            replacing: .none, in: &request, targetCount: &counts.0,
            authorizationCount: &counts.1, fieldsCount: &counts.2)
        return Kept(text: request.text(), counts: [counts.0, counts.1, counts.2])
    }

    private struct Unreadable: Error {}

    @Test func `a head is kept as if it were the first, whatever head and peer came before`() throws
    {
        let heads = [
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n"
                + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: ftp\r\nX-Own: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n",
        ]
        var memory = KeptHead()
        var head = RequestHead()
        var cases: [(String, String, Bool, Bool)] = []
        for text in heads {
            for client in ["127.0.0.1", "127.0.0.2", "::1"] {
                for trusts in [false, true] { cases.append((text, client, trusts, !trusts)) }
                cases.append((text, client, true, true))
            }
        }
        for first in cases {
            for second in cases {
                for (text, client, trusts, isTLS) in [first, second, second] {
                    let found = try Self.keep(text, client, trusts, isTLS, &memory, &head)
                    var freshMemory = KeptHead()
                    var freshHead = RequestHead()
                    let expected = try Self.keep(
                        text, client, trusts, isTLS, &freshMemory, &freshHead)
                    if found != expected { #expect(found == expected) }
                }
            }
        }
        let last = try Self.keep(heads[2], "::1", true, true, &memory, &head)
        #expect(last.text.contains("x-forwarded-for: 192.0.2.1, ::1\r\n"))
        #expect(last.counts == [15, 25, last.text.utf8.count - 40])
    }
}
