import FixtureTestSupport
import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

private let names = [
    "chat-load-header-json", "chat-load-header-text", "chat-request-id", "chat", "completion",
    "error-400-bad-json", "error-400-content-type", "error-400-max-tokens", "error-400-no-messages",
    "error-400-prompt-too-long", "error-400-temperature", "error-404-model", "error-404-path",
    "error-405-method", "error-500-engine-died", "health", "load", "models", "ping",
    "stream-chat-continuous-usage", "stream-chat-engine-died", "stream-chat-no-usage",
    "stream-chat",
    "stream-completion", "version",
]

@Suite struct `What a real vLLM said` {
    @Test(arguments: names) func `is read, whatever the cut`(_ name: String) throws {
        let input = try fixture("\(name).http")
        let facts = try #require(responseEverywhere(input).facts)
        let content = Array(input[facts.byteCount...])
        let decoded = bodyEverywhere(content, facts.framing)
        #expect(decoded.end == .ended(at: content.count))
        #expect(decoded.mayEndHere)
        #expect(facts.lines.contains { $0.known == .server && $0.value == "uvicorn" })
        #expect(facts.isEventStream == name.hasPrefix("stream-"))
        if name.hasPrefix("error-") {
            #expect("\(facts.status)" == name.dropFirst(6).prefix(3))
        } else {
            #expect(facts.status == 200)
        }
    }

    @Test(arguments: names.filter { $0.hasPrefix("stream-") })
    func `as a stream is one event a blank line`(_ name: String) throws {
        let input = try fixture("\(name).http")
        let facts = try #require(response(input).facts)
        let stream = body(Array(input[facts.byteCount...]), facts.framing).data
        let blanks = stream.indices.dropLast().filter {
            stream[$0] == 0x0A && stream[$0 + 1] == 0x0A
        }
        #expect(!blanks.isEmpty)
        for cuts in Cuts.all(stream.count) {
            let ends = eventEnds(stream, cuts: cuts)
            if ends != blanks.map({ $0 + 2 }) {
                #expect(ends == blanks.map { $0 + 2 }, "cut at \(cuts.prefix(3))")
                break
            }
        }
    }
}
