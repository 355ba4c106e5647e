import EndpointTestSupport
import Foundation
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing
import VLLMSimulator

@Suite struct SimulatorServerTests {
    /// A simulator and its loop, with clients on the same loop.
    final class Site {
        let loop: EndpointLoop
        let server: SimulatorServer

        init(
            keepAlive: Nanoseconds = .seconds(5),
            _ adjust: (inout SimulatedReplica.Configuration) -> Void = { _ in }
        ) throws {
            loop = try EndpointLoop()
            var configuration = SimulatedReplica.Configuration()
            configuration.models = ["tiny"]
            configuration.engine.speed = 20
            adjust(&configuration)
            server = try SimulatorServer(
                configuration, listen: try #require(SocketAddress("127.0.0.1:0")),
                keepAlive: keepAlive, on: loop)
        }

        func peer() throws -> RawPeer { try RawPeer(to: server.address, on: loop) }

        /// Sends a request on a connection of its own.
        func ask(
            _ method: String, _ path: String, _ body: String = "", fields: String = ""
        ) throws -> RawPeer {
            let peer = try peer()
            peer.send(
                "\(method) \(path) HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\(fields)content-length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return peer
        }

        /// The whole plain answer to a request.
        func answer(
            _ method: String, _ path: String, _ body: String = "", fields: String = ""
        ) throws -> String {
            let peer = try ask(method, path, body, fields: "connection: close\r\n" + fields)
            let ended = loop.turn { peer.ending != .open }
            #expect(ended)
            peer.close()
            return peer.text
        }

        func setFaults(_ json: String) throws {
            let answer = try answer("POST", "/sim/faults", json)
            #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
        }

        func expectClean(_ peers: RawPeer...) {
            for peer in peers { peer.close() }
            let emptied = loop.turn { server.connectionCount == 0 }
            #expect(emptied)
            #expect(server.replica.sequencesInside == 0)
            #expect(server.load == 0)
            server.close()
            let left = loop.inUse
            #expect(left == (0, 0, 0))
        }
    }

    private static func chat(stream: Bool, tokens: Int, _ more: String = "") -> String {
        #"{"model":"tiny","messages":[{"role":"user","content":"hi"}],"stream":\#(stream),"max_tokens":\#(tokens),"ignore_eos":true\#(more)}"#
    }

    /// What stays when ids, times and texts are taken out.
    private static func shape(_ text: String) -> String {
        text.replacing(/"id":"[^"]*"/, with: "ID")
            .replacing(/"created":[0-9]+/, with: "CREATED")
            .replacing(/"content":"(\\.|[^"\\])+"/, with: "TEXT")
            .replacing(/date: [^\r]*/, with: "DATE")
    }

    private static func parts(_ response: String) throws -> (head: String, body: [UInt8]) {
        let end = try #require(response.firstRange(of: "\r\n\r\n"))
        return (String(response[..<end.lowerBound]), Array(response[end.upperBound...].utf8))
    }

    @Test func `a stream over the socket has the captured head, chunks and events`() throws {
        let site = try Site()
        let captured = try Fixture("stream-chat.http")
        let peer = try site.ask(
            "POST", "/v1/chat/completions",
            Self.chat(
                stream: true, tokens: 16, #","stream_options":{"include_usage":true}"#))
        let ended = site.loop.turn { peer.text.hasSuffix("\r\n0\r\n\r\n") }
        #expect(ended)
        let (head, body) = try Self.parts(peer.text)
        #expect(Self.shape(head) == Self.shape(captured.head))
        let chunks = try Fixture.chunks(of: body)
        #expect(chunks.last == captured.chunks.last)
        // Role, tokens, usage, [DONE]: each event a chunk of its own.
        #expect(chunks.count == 1 + 16 + 1 + 1)
        #expect(Self.shape(chunks[0]) == Self.shape(captured.chunks[0]))
        #expect(Self.shape(chunks[1]) == Self.shape(captured.chunks[1]))
        #expect(peer.ending == .open, "the connection is kept")
        #expect(site.server.replica.metrics.finishedCount(.length) == 1)
        site.expectClean(peer)
    }

    @Test func `plain answers, models, health, version and load answer as captured`() throws {
        let site = try Site()
        for (path, fixture) in [
            ("/health", "health.http"), ("/ping", "ping.http"), ("/version", "version.http"),
            ("/load", "load.http"), ("/nowhere", "error-404-path.http"),
        ] {
            let peer = try site.ask("GET", path)
            let captured = try Fixture(fixture)
            let answered = site.loop.turn {
                peer.text.hasSuffix(captured.body) && !peer.bytes.isEmpty
            }
            #expect(answered, "\(path): \(peer.text)")
            #expect(Self.shape(try Self.parts(peer.text).head) == Self.shape(captured.head))
            peer.close()
        }
        let chat = try site.answer(
            "POST", "/v1/chat/completions", Self.chat(stream: false, tokens: 3))
        #expect(chat.contains(#""completion_tokens":3"#))
        #expect(try site.answer("GET", "/v1/models").contains(#""id":"tiny""#))
        #expect(
            try site.answer("GET", "/v1/completions").hasPrefix("HTTP/1.1 405 Method Not Allowed"))
        site.expectClean()
    }

    @Test func `a client that leaves aborts its sequences, as the metrics show`() throws {
        let site = try Site {
            $0.engine.pace = .fixed(timeToFirstToken: .milliseconds(4), gap: .milliseconds(4))
        }
        let peer = try site.ask(
            "POST", "/v1/chat/completions", Self.chat(stream: true, tokens: 16_000, #","n":3"#))
        let streams = site.loop.turn { peer.text.contains(#""index":2"#) }
        #expect(streams)
        #expect(
            try site.answer("GET", "/metrics").contains(
                #"vllm:num_requests_running{engine="0",model_name="tiny"} 3.0"#))
        peer.close()
        let aborted = site.loop.turn { site.server.replica.sequencesInside == 0 }
        #expect(aborted)
        let page = try site.answer("GET", "/metrics")
        #expect(page.contains(#"vllm:num_requests_running{engine="0",model_name="tiny"} 0.0"#))
        #expect(page.contains(#"finished_reason="length",model_name="tiny"} 0.0"#))
        site.expectClean()
    }

    @Test func `a plain request whose client leaves is aborted too`() throws {
        let site = try Site { $0.engine.speed = 1 }
        let peer = try site.ask(
            "POST", "/v1/chat/completions", Self.chat(stream: false, tokens: 16_000))
        let runs = site.loop.turn { site.server.replica.sequencesInside == 1 }
        #expect(runs)
        peer.reset()
        let aborted = site.loop.turn { site.server.replica.sequencesInside == 0 }
        #expect(aborted)
        site.expectClean()
    }

    @Test func `idle connections are closed after the keep-alive time, or as the fault says`()
        throws
    {
        let site = try Site(keepAlive: .milliseconds(60))
        let began = MonotonicClock.now()
        let peer = try site.ask("GET", "/health")
        let ended = site.loop.turn { peer.ending == .finished }
        #expect(ended)
        #expect(MonotonicClock.now() - began >= .milliseconds(55))
        #expect(!peer.text.contains("connection: close"))
        try site.setFaults(#"{"keep_alive_ms":60000}"#)
        let long = try site.ask("GET", "/health")
        let stays = !site.loop.turn(within: .milliseconds(150)) { long.ending != .open }
        #expect(stays)
        site.expectClean(peer, long)
    }

    @Test func `an API key guards v1 and nothing else`() throws {
        let site = try Site { $0.apiKey = "secret" }
        #expect(try site.answer("GET", "/v1/models").hasPrefix("HTTP/1.1 401 "))
        #expect(
            try site.answer("GET", "/v1/models", fields: "authorization: Bearer secret\r\n")
                .hasPrefix("HTTP/1.1 200 "))
        #expect(try site.answer("GET", "/metrics").hasPrefix("HTTP/1.1 200 "))
        site.expectClean()
    }

    @Test func `request id and load header come when asked for`() throws {
        let site = try Site { $0.echoesRequestID = true }
        let answer = try site.answer(
            "POST", "/v1/chat/completions", Self.chat(stream: false, tokens: 1),
            fields: "x-request-id: abc\r\nendpoint-load-metrics-format: json\r\n")
        #expect(answer.contains("x-request-id: abc\r\n"))
        #expect(answer.contains("chatcmpl-abc"))
        #expect(answer.contains("endpoint-load-metrics: JSON {\"named_metrics\""))
        site.expectClean()
    }

    @Test func `reset, garbage, oversized heads and refusals come as set`() throws {
        let site = try Site()
        let body = Self.chat(stream: true, tokens: 2)
        try site.setFaults(#"{"reset":true}"#)
        let reset = try site.ask("POST", "/v1/chat/completions", body)
        let isReset = site.loop.turn { reset.ending == .reset }
        #expect(isReset)
        try site.setFaults(#"{"reset_all":true,"garbage":true}"#)
        let garbage = try site.answer("POST", "/v1/chat/completions", body)
        #expect(garbage.contains("these bytes are no HTTP"))
        try site.setFaults(#"{"reset_all":true,"head_bytes":300000}"#)
        let oversized = try site.answer("POST", "/v1/chat/completions", body)
        #expect(oversized.utf8.count == 300_000)
        try site.setFaults(#"{"reset_all":true,"queue_full":true,"requests":1}"#)
        let full = try site.answer("POST", "/v1/chat/completions", body)
        #expect(full.hasPrefix("HTTP/1.1 503 "))
        let after = try site.answer("POST", "/v1/chat/completions", body)
        #expect(after.hasPrefix("HTTP/1.1 200 "))
        site.expectClean(reset)
    }

    @Test func `a hang says nothing and a stream fault strikes after its events`() throws {
        let site = try Site()
        let body = Self.chat(stream: true, tokens: 50)
        try site.setFaults(#"{"hang":true}"#)
        let hung = try site.ask("POST", "/v1/chat/completions", body)
        let spoke = site.loop.turn(within: .milliseconds(100)) {
            !hung.bytes.isEmpty || hung.ending != .open
        }
        #expect(!spoke)
        try site.setFaults(#"{"reset_all":true,"reset_after_events":3}"#)
        let cut = try site.ask("POST", "/v1/chat/completions", body)
        let isCut = site.loop.turn { cut.ending == .reset }
        #expect(isCut)
        #expect(cut.text.split(separator: "data: ").count - 1 <= 3)
        try site.setFaults(#"{"reset_all":true,"hang_after_events":2}"#)
        let silent = try site.ask("POST", "/v1/chat/completions", body)
        let twoEvents = site.loop.turn { silent.text.split(separator: "data: ").count - 1 == 2 }
        #expect(twoEvents)
        let goesOn = site.loop.turn(within: .milliseconds(100)) {
            silent.text.split(separator: "data: ").count - 1 > 2 || silent.ending != .open
        }
        #expect(!goesOn)
        site.expectClean(hung, cut, silent)
    }

    @Test func `an engine that dies ends streams politely, answers 500 and is unhealthy`() throws {
        let site = try Site {
            $0.engine.pace = .fixed(timeToFirstToken: .milliseconds(4), gap: .milliseconds(4))
        }
        let stream = try site.ask(
            "POST", "/v1/chat/completions", Self.chat(stream: true, tokens: 16_000))
        let plain = try site.ask(
            "POST", "/v1/chat/completions", Self.chat(stream: false, tokens: 16_000))
        let runs = site.loop.turn {
            stream.text.contains("data: ") && site.server.replica.sequencesInside == 2
        }
        #expect(runs)
        try site.setFaults(#"{"die":true}"#)
        let ended = site.loop.turn {
            stream.text.hasSuffix("0\r\n\r\n") && plain.text.hasSuffix("}}")
        }
        #expect(ended)
        #expect(stream.text.contains("EngineCore encountered an issue"))
        #expect(stream.text.contains("data: [DONE]"))
        #expect(plain.text.hasPrefix("HTTP/1.1 500 "))
        #expect(try site.answer("GET", "/health").hasPrefix("HTTP/1.1 503 "))
        let refused = try site.answer(
            "POST", "/v1/chat/completions", Self.chat(stream: true, tokens: 1))
        #expect(refused.hasPrefix("HTTP/1.1 500 "))
        #expect(try site.answer("DELETE", "/sim/faults").contains(#""die":false"#))
        #expect(try site.answer("GET", "/health").hasPrefix("HTTP/1.1 200 "))
        site.expectClean(stream, plain)
    }

    @Test func `a frozen engine goes on where it stood`() throws {
        let site = try Site()
        try site.setFaults(#"{"freeze":true}"#)
        let peer = try site.ask(
            "POST", "/v1/chat/completions", Self.chat(stream: true, tokens: 2))
        let spoke = site.loop.turn(within: .milliseconds(100)) { peer.text.contains("data: ") }
        #expect(!spoke)
        #expect(try site.answer("GET", "/health").hasPrefix("HTTP/1.1 200 "))
        try site.setFaults(#"{"freeze":false}"#)
        let ended = site.loop.turn { peer.text.hasSuffix("0\r\n\r\n") }
        #expect(ended)
        site.expectClean(peer)
    }

    @Test func `metrics can be slow, garbage, huge or dead, and models slow`() throws {
        let site = try Site()
        try site.setFaults(#"{"metrics":"slow","metrics_delay_ms":80,"models_delay_ms":80}"#)
        for path in ["/metrics", "/v1/models"] {
            let began = MonotonicClock.now()
            #expect(try site.answer("GET", path).hasPrefix("HTTP/1.1 200 "))
            #expect(MonotonicClock.now() - began >= .milliseconds(75))
            let impatient = try site.ask("GET", path)
            let taken = site.loop.turn { site.loop.inUse.timers == 1 }
            #expect(taken)
            impatient.close()
            let forgotten = site.loop.turn { site.loop.inUse.timers == 0 }
            #expect(forgotten)
        }
        try site.setFaults(#"{"metrics":"garbage"}"#)
        #expect(try site.answer("GET", "/metrics").contains("these bytes are no HTTP"))
        try site.setFaults(#"{"metrics":"huge","metrics_bytes":3000000}"#)
        #expect(try site.answer("GET", "/metrics").utf8.count > 3_000_000)
        try site.setFaults(#"{"metrics":"dead"}"#)
        #expect(try site.answer("GET", "/metrics") == "")
        site.expectClean()
    }

    @Test func `a wrong knob is refused with its name`() throws {
        let site = try Site()
        let answer = try site.answer("POST", "/sim/faults", #"{"hnag":true}"#)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("hnag"))
        #expect(try site.answer("GET", "/sim/faults").contains(#""hang":false"#))
        site.expectClean()
    }

    @Test func `a reader that stalls is held back and loses nothing`() throws {
        let site = try Site {
            $0.engine.pace = .fixed(timeToFirstToken: .milliseconds(1), gap: .microseconds(20))
            $0.engine.speed = 1
        }
        let peer = try site.peer()
        peer.reads = false
        let body = Self.chat(stream: true, tokens: 16_000)
        peer.send(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        let finished = site.loop.turn(within: .seconds(30)) {
            site.server.replica.metrics.finishedCount(.length) == 1
        }
        #expect(finished, "the engine does not wait for readers")
        peer.reads = true
        let whole = site.loop.turn(within: .seconds(30)) {
            peer.ending != .open
                || peer.bytes.suffix(7) == [0x0D, 0x0A, 0x30, 0x0D, 0x0A, 0x0D, 0x0A]
        }
        #expect(whole)
        let (_, bytes) = try Self.parts(peer.text)
        let chunks = try Fixture.chunks(of: bytes)
        #expect(chunks.count == 1 + 16_000 + 1)
        site.expectClean(peer)
    }
}
