import Foundation
import SluiceBytes
import Testing

@testable import VLLMSimulator

/// The Responses API: no capture exists, so the order of events and their members are stated here.
@Suite struct ResponsesBodiesTests {
    private func data(_ event: String) throws -> [String: Any] {
        let lines = event.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(event.hasSuffix("\n\n"))
        let object = try JSONSerialization.jsonObject(with: Data(lines[1].dropFirst(6).utf8))
        let members = try #require(object as? [String: Any])
        #expect(lines[0] == "event: \(members["type"] as? String ?? "")")
        return members
    }

    @Test func `a stream opens at once and goes from created to completed without DONE`() throws {
        var request = SimulatedReplyTests.request(.responses, prompt: 5, stream: true)
        request.maxTokens = 3
        var reply = SimulatedReplyTests.reply(request)
        var events = SimulatedReplyTests.events(&reply)
        #expect(events.count == 2)
        reply.take(tokens: 1, finish: nil)
        reply.take(tokens: 2, finish: .length)
        events += SimulatedReplyTests.events(&reply)
        #expect(reply.isOver)
        let members = try events.map(data)
        #expect(
            members.compactMap { $0["type"] as? String } == [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta",
                "response.output_text.delta", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done",
                "response.output_item.done", "response.completed",
            ])
        #expect(members.compactMap { $0["sequence_number"] as? Int } == Array(0..<11))
        let deltas = members.compactMap { $0["delta"] as? String }.joined()
        #expect(members[7]["text"] as? String == deltas)
        let final = try #require(members[10]["response"] as? [String: Any])
        #expect(final["status"] as? String == "incomplete")
        let usage = try #require(final["usage"] as? [String: Any])
        #expect(usage["total_tokens"] as? Int == 8)
    }

    @Test func `an answer that ends by itself is completed, streamed or not`() throws {
        var reply = SimulatedReplyTests.reply(SimulatedReplyTests.request(.responses))
        reply.take(tokens: 4, finish: .stop)
        let body = SimulatedReplyTests.body(reply)
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8))
        let members = try #require(object as? [String: Any])
        #expect(members["id"] as? String == "resp_0123456789abcdef")
        #expect(members["status"] as? String == "completed")
        #expect((members["output"] as? [Any])?.count == 1)
    }

    @Test func `a died engine fails the response`() throws {
        var reply = SimulatedReplyTests.reply(
            SimulatedReplyTests.request(.responses, stream: true))
        reply.take(tokens: 1, finish: nil)
        _ = SimulatedReplyTests.events(&reply)
        reply.die()
        let last = SimulatedReplyTests.events(&reply)
        #expect(last.count == 1)
        let members = try data(last[0])
        #expect(members["type"] as? String == "response.failed")
        #expect(reply.isOver)
    }
}
