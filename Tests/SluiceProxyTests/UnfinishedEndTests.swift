import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Answers that end before they are whole. For HTTP/1.0, where the connection's end is the answer's,
    /// only a reset says so; and the log has the bytes that went out, no more.
    @Suite(.serialized) struct UnfinishedEndTests {
        /// What ends the answer.
        enum Cause: CaseIterable, CustomTestStringConvertible {
            case replicaLost, replicaSilent, drainLimit

            var testDescription: String { "\(self)" }

            fileprivate var outcome: String {
                switch self {
                case .replicaLost: "truncated"
                case .replicaSilent: "stream_timeout"
                case .drainLimit: "drained"
                }
            }
        }

        @Test(arguments: Cause.allCases, [streamingChat, chat()])
        func `an answer that the connection's end would make whole is reset`(
            cause: Cause, request: String
        ) throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let isSeen = Gate()
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                peer.wait(for: isSeen)
                if cause == .replicaLost { return peer.connection.reset() }
                peer.waitForEnd()
            }
            var bytesOut = 0
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.accessLog = .file(path)
                    $0.timeouts.drainMax = .milliseconds(200)
                    $0.timeouts.streamIdle = .seconds(cause == .replicaSilent ? 1 : 60)
                }
            ) { gateway in
                let client = try gateway.connect()
                client.send(request.replacing("HTTP/1.1", with: "HTTP/1.0"))
                #expect(client.read(until: token("a")))
                isSeen.open()
                if cause == .drainLimit { gateway.drain() }
                #expect(client.readToEnd() == .reset)
                if cause == .drainLimit { #expect(eventually { gateway.hasEnded }) }
                bytesOut = client.all.count
            }
            let line = try String(contentsOfFile: path, encoding: .utf8)
            #expect(line.contains("\"outcome\":\"\(cause.outcome)\""))
            #expect(line.contains("\"bytes_out\":\(bytesOut),"))
        }

        /// In turns, with more than the kernel's buffers hold: most of it goes out as the client reads.
        @Test(arguments: [false, true])
        func `the log has every byte that a slow reader got`(isStream: Bool) throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let body = String(repeating: "y", count: 12 << 20)
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                guard isStream else { return peer.answer(body) }
                let piece = chunk(token(String(repeating: "y", count: 64 << 10)))
                peer.send(streamHead)
                for _ in 0..<192 { peer.send(piece) }
                peer.send(chunk(done) + "0\r\n\r\n")
            }
            var bytesOut = 0
            try GatewayUnderTest.run([upstream], change: { $0.accessLog = .file(path) }) {
                gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                pause(.milliseconds(200))
                #expect(client.readAnswer()?.isWhole == true)
                bytesOut = client.all.count
                #expect(gateway.sees("ok"))
            }
            #expect(bytesOut > body.utf8.count)
            let line = try String(contentsOfFile: path, encoding: .utf8)
            #expect(line.contains("\"bytes_out\":\(bytesOut),"))
        }

        @Test func `what told the client to send its body is none of the answer's bytes`() throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let parts = chat(fields: "expect: 100-continue\r\n").split(
                separator: "\r\n\r\n", maxSplits: 1)
            var counts: [Int] = []
            try GatewayUnderTest.run([upstream], change: { $0.accessLog = .file(path) }) {
                gateway in
                for model in ["tiny", "none"] {
                    let client = try gateway.connect()
                    client.send(parts[0] + "\r\n\r\n")
                    #expect(client.readAnswer()?.status == 100)
                    let before = client.all.count
                    client.send(String(parts[1]).replacing("tiny", with: model))
                    #expect(client.readAnswer()?.status == (model == "tiny" ? 200 : 404))
                    counts.append(client.all.count - before)
                }
            }
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 2)
            for (line, count) in zip(lines, counts) {
                #expect(line.contains("\"bytes_out\":\(count),"))
            }
        }
    }
}
