import Foundation
import SluiceExchange
import SluiceTime
import Testing

/// Bytes captured from a real vLLM 0.23 (see Fixtures/README.md of VLLMSimulatorTests).
struct CapturedAnswer: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Fixtures")

    static let all: [CapturedAnswer] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".http") }.sorted().map { name in
            let data = (try? Data(contentsOf: folder.appending(path: name))) ?? Data()
            return CapturedAnswer(name: name, bytes: Array(data))
        }
    }()

    static var streams: [CapturedAnswer] { all.filter { $0.name.hasPrefix("stream") } }

    var answer: RawAnswer? { RawAnswer(bytes, isHead: false, isOver: true) }
    var path: String { name.contains("completion.") ? "/v1/completions" : "/v1/chat/completions" }

    func request(_ body: String, fields: String = "") -> String {
        "POST \(path) HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n\(fields)"
            + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    func request(fields: String = "") -> String {
        request(
            #"{"model":"tiny","stream":\#(name.hasPrefix("stream")),"messages":[],"prompt":"a"}"#,
            fields: fields)
    }
}

extension GatewayTests {
    @Suite(.serialized) struct FixtureTests {
        @Test func `there are captured answers to replay`() {
            #expect(CapturedAnswer.all.count >= 24)
            #expect(CapturedAnswer.streams.count >= 4)
        }

        @Test func `with usage off every captured answer arrives with its body unchanged`() throws {
            let all = CapturedAnswer.all
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    _ = peer.connection.send(all[peer.requestCount - 1].bytes)
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                for captured in all {
                    let sent = try #require(captured.answer)
                    let answer = try gateway.ask(captured.request())
                    #expect(answer.status == sent.status, "\(captured.name)")
                    #expect(answer.body == sent.body, "\(captured.name)")
                    #expect(answer.isWhole, "\(captured.name)")
                    #expect(answer["content-type"] == sent["content-type"], "\(captured.name)")
                }
            }
        }

        @Test func `an answer cut at every byte into two writes arrives the same`() throws {
            let captured = try #require(
                CapturedAnswer.all.first { $0.name == "stream-completion.http" })
            let body = try #require(captured.answer).body
            let upstream = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    guard let cut = request.values("x-cut").first.flatMap({ Int($0) }) else {
                        return
                    }
                    _ = peer.connection.send(Array(captured.bytes[..<cut]))
                    pause(.milliseconds(1))
                    _ = peer.connection.send(Array(captured.bytes[cut...]))
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                // Several at once, so that the time between the two writes passes for all of them.
                let clients = try (0..<16).map { _ in try gateway.connect() }
                for first in stride(from: 1, to: captured.bytes.count, by: clients.count) {
                    let cuts = first..<min(first + clients.count, captured.bytes.count)
                    for (client, cut) in zip(clients, cuts) {
                        client.send(captured.request(fields: "x-cut: \(cut)\r\n"))
                    }
                    for (client, cut) in zip(clients, cuts) {
                        let answer = client.readAnswer()
                        #expect(answer?.body == body && answer?.isWhole == true, "cut at \(cut)")
                    }
                }
                #expect(gateway.sees("ok", Double(captured.bytes.count - 1)))
            }
        }

        @Test func `with inject only the uninvited usage event is missing`() throws {
            let all = CapturedAnswer.streams
            let withoutUsage = ["stream-chat-engine-died.http", "stream-chat-no-usage.http"]
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    _ = peer.connection.send(all[(peer.requestCount - 1) / 2].bytes)
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.pools[0].usage = .inject }) {
                gateway in
                for captured in all {
                    let body = try #require(captured.answer).body
                    let events = String(decoding: body, as: UTF8.self)
                        .split(separator: "\n\n").map { $0 + "\n\n" }
                    let uninvited = try gateway.ask(captured.request())
                    let without = events.filter { !$0.contains(#""choices":[]"#) }
                    let missing = withoutUsage.contains(captured.name) ? 0 : 1
                    #expect(without.count == events.count - missing, "\(captured.name)")
                    #expect(uninvited.text == without.joined(), "\(captured.name)")
                    let invited = try gateway.ask(
                        captured.request(
                            #"{"model":"tiny","stream":true,"stream_options":{"include_usage":true}}"#
                        ))
                    #expect(invited.body == body, "\(captured.name)")
                }
                let sent = upstream.requests.map(\.text)
                #expect(sent.allSatisfy { $0.contains(#""include_usage":true"#) })
                let tokens = gateway.metrics()?.sum("sluice_generation_tokens_total")
                #expect((tokens ?? 0) > 0)
            }
        }
    }
}
