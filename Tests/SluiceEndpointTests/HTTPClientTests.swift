import EndpointTestSupport
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing

@Suite struct HTTPClientTests {
    /// A listener whose connections a test answers byte by byte.
    final class Script {
        let loop: EndpointLoop
        let address: SocketAddress
        var peers: [RawPeer] = []
        private var listener: ListenerSocket?
        private var watch: EndpointLoop.Watch?

        init() throws {
            loop = try EndpointLoop()
            let socket = try ListenerSocket.open(
                try #require(SocketAddress("127.0.0.1:0")), sharesPort: false)
            address = socket.address
            let descriptor = socket.descriptor
            listener = consume socket
            watch = try loop.watch(descriptor, .read) { [weak self] _ in self?.accept() }
        }

        private func accept() {
            guard case .connection(let transport, _) = listener?.accept(),
                let peer = try? RawPeer(transport, on: loop)
            else { return }
            peers.append(peer)
        }

        /// Waits until `count` requests have come over all connections.
        func requests(_ count: Int) -> Bool {
            loop.turn {
                peers.reduce(0) { $0 + $1.text.split(separator: "\r\n\r\n").count } >= count
            }
        }

        func expectClean() {
            for peer in peers { peer.close() }
            if let watch, let descriptor = listener?.descriptor { loop.unwatch(watch, descriptor) }
            listener = nil
            let left = loop.inUse
            #expect(left == (0, 0, 0))
        }
    }

    /// What one exchange brought.
    final class Result {
        var status: Int?
        var fields: [(name: String, value: String)] = []
        var body: [UInt8] = []
        var ends = 0
        var failures: [ClientFailure] = []
        var text: String { String(decoding: body, as: UTF8.self) }
        var isOver: Bool { ends + failures.count > 0 }

        var handlers: ClientHandlers {
            var handlers = ClientHandlers()
            handlers.onHead = { status, fields in
                self.status = status
                self.fields = fields
            }
            handlers.onBody = { buffer, range in self.body += buffer.array(range) }
            handlers.onEnd = { self.ends += 1 }
            handlers.onFailure = { self.failures.append($0) }
            return handlers
        }
    }

    @Test func `a request is sent as asked and its answer comes in order`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        var request = ClientRequest(host: "there")
        request.method = .post
        request.target = "/x?y"
        request.fields = [("x-a", "b")]
        request.body = Array("body".utf8)
        let result = Result()
        client.send(request, to: script.address, result.handlers)
        let came = script.requests(2)
        #expect(came)
        #expect(
            script.peers[0].text
                == "POST /x?y HTTP/1.1\r\nhost: there\r\nx-a: b\r\ncontent-length: 4\r\n\r\nbody")
        script.peers[0].send("HTTP/1.1 201 Made\r\nX-Q: r\r\nContent-Length: 5\r\n\r\nhello")
        let over = script.loop.turn { result.isOver }
        #expect(over)
        #expect(result.status == 201)
        #expect(result.fields.first?.name == "x-q")
        #expect(result.text == "hello")
        #expect(result.ends == 1)
        #expect(result.failures == [])
        script.expectClean()
    }

    @Test func `an answer cut at any byte is the same answer`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop, idleMax: 1)
        let answer = Array(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
                .utf8)
        for cut in 1..<answer.count {
            let result = Result()
            client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
            let came = script.requests(1)
            #expect(came)
            script.peers[0].clear()
            script.peers[0].send(Array(answer[..<cut]))
            script.loop.turn(maxWait: .milliseconds(50))
            script.peers[0].send(Array(answer[cut...]))
            let over = script.loop.turn { result.isOver }
            #expect(over)
            #expect(result.text == "abc", "cut at \(cut)")
            #expect(result.ends == 1)
        }
        // One connection carried them all.
        #expect(script.peers.count == 1)
        client.closeIdle()
        script.expectClean()
    }

    @Test func `an interim answer is skipped, also when the final one comes with it`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let result = Result()
        client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send(
            "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let over = script.loop.turn { result.isOver }
        #expect(over)
        #expect(result.status == 200)
        #expect(result.text == "ok")
        script.expectClean()
    }

    @Test(arguments: [16, 17, 1_000])
    func `sixteen interim answers are skipped, one more is malformed`(count: Int) throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let result = Result()
        client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: count))
        if count == 16 { script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
        let over = script.loop.turn(within: .seconds(1)) { result.isOver }
        #expect(over)
        #expect(result.text == (count == 16 ? "ok" : ""))
        #expect(
            result.failures
                == (count == 16 ? [] : [.malformed("more than 16 interim answers")]))
        script.expectClean()
    }

    @Test func `each answer on a connection has sixteen interim answers of its own`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop, idleMax: 1)
        let interim = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 16)
        for _ in 0..<2 {
            let result = Result()
            client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
            let came = script.requests(1)
            #expect(came)
            script.peers[0].clear()
            script.peers[0].send(interim + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            let over = script.loop.turn { result.isOver }
            #expect(over)
            #expect(result.text == "ok")
        }
        #expect(script.peers.count == 1)
        client.closeIdle()
        script.expectClean()
    }

    @Test func `a server is read sixteen times a turn, and on in the next one`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let result = Result()
        var parts = 0
        var handlers = result.handlers
        let block = [UInt8](repeating: 0x61, count: 16_384)
        // With each part another comes, so that there is always more to read.
        handlers.onBody = { buffer, range in
            result.body += buffer.array(range)
            parts += 1
            if parts <= 100 { script.peers[0].send(block) }
        }
        client.send(ClientRequest(host: "h"), to: script.address, handlers)
        let came = script.requests(1)
        #expect(came)
        let length = block.count * 104
        script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
        for _ in 0..<4 { script.peers[0].send(block) }
        var (before, most) = (0, 0)
        let over = script.loop.turn {
            most = max(most, parts - before)
            before = parts
            return result.isOver
        }
        #expect(over)
        #expect(most == 16)
        #expect(result.ends == 1)
        #expect(result.body.count == length)
        script.expectClean()
    }

    @Test func `a server that sends without end cannot hold back its own deadline`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let result = Result()
        var request = ClientRequest(host: "h")
        request.totalMax = .milliseconds(80)
        request.bodyBytesMax = .max
        let block = [UInt8](repeating: 0x61, count: 16_384)
        let began = MonotonicClock.now()
        var handlers = result.handlers
        handlers.onBody = { _, _ in
            if MonotonicClock.now() - began < .seconds(2) { script.peers[0].send(block) }
        }
        client.send(request, to: script.address, handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        for _ in 0..<4 { script.peers[0].send(block) }
        let over = script.loop.turn { result.isOver }
        #expect(over)
        #expect(result.failures == [.timeout])
        #expect(MonotonicClock.now() - began < .seconds(1))
        script.expectClean()
    }

    @Test func `a body may end with the connection, and only then`() throws {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nabc", nil),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ClientFailure.closed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .closed),
            ("HTTP/1.1 200", .closed),
            ("", .closed),
        ] {
            let script = try Script()
            let client = HTTPClient(on: script.loop)
            let result = Result()
            client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
            let came = script.requests(1)
            #expect(came)
            script.peers[0].send(head)
            script.peers[0].finish()
            let over = script.loop.turn { result.isOver }
            #expect(over)
            #expect(result.failures.first == expected, "\(head)")
            #expect(result.ends == (expected == nil ? 1 : 0))
            script.expectClean()
        }
    }

    @Test func `garbage is malformed, too much is too large`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let (garbage, huge) = (Result(), Result())
        client.send(ClientRequest(host: "h"), to: script.address, garbage.handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send("\u{0}\u{1}\u{7F}these bytes are no HTTP\r\n\r\n<<<>>>")
        let over = script.loop.turn { garbage.isOver }
        #expect(over)
        guard case .malformed = garbage.failures.first else {
            Issue.record("\(garbage.failures)")
            return
        }
        var request = ClientRequest(host: "h")
        request.bodyBytesMax = 10
        client.send(request, to: script.address, huge.handlers)
        let second = script.requests(2)
        #expect(second)
        script.peers[1].send("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890")
        let tooLarge = script.loop.turn { huge.isOver }
        #expect(tooLarge)
        #expect(huge.failures == [.tooLarge])
        script.expectClean()
    }

    @Test func `a server that does not answer, or drips, is a timeout`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        var request = ClientRequest(host: "h")
        request.totalMax = .milliseconds(80)
        let (silent, slow) = (Result(), Result())
        client.send(request, to: script.address, silent.handlers)
        client.send(request, to: script.address, slow.handlers)
        let came = script.requests(2)
        #expect(came)
        script.peers[1].send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        let over = script.loop.turn {
            script.peers[1].send("x")
            return silent.isOver && slow.isOver
        }
        #expect(over)
        #expect(silent.failures == [.timeout])
        #expect(slow.failures == [.timeout])
        #expect(slow.status == 200)
        let seen = script.loop.turn { script.peers.allSatisfy { $0.ending != .open } }
        #expect(seen)
        script.expectClean()
    }

    @Test func `nobody there is a refusal, told from the loop and not from inside send`() throws {
        let script = try Script()
        let address: SocketAddress
        do {
            let closed = try ListenerSocket.open(
                try #require(SocketAddress("127.0.0.1:0")), sharesPort: false)
            address = closed.address
        }
        let client = HTTPClient(on: script.loop)
        let result = Result()
        client.send(ClientRequest(host: "h"), to: address, result.handlers)
        #expect(!result.isOver)
        let over = script.loop.turn { result.isOver }
        #expect(over)
        #expect(result.failures == [.refused])
        script.expectClean()
    }

    @Test func `an exchange may be cancelled at any time, from inside its handlers too`() throws {
        let script = try Script()
        let client = HTTPClient(on: script.loop)
        let result = Result()
        var exchange: ClientExchange?
        var handlers = result.handlers
        var parts = 0
        handlers.onBody = { _, _ in
            parts += 1
            exchange?.cancel()
        }
        exchange = client.send(ClientRequest(host: "h"), to: script.address, handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
        let seen = script.loop.turn { script.peers[0].ending != .open }
        #expect(seen)
        #expect(parts == 1)
        #expect(!result.isOver)
        let early = client.send(ClientRequest(host: "h"), to: script.address, result.handlers)
        early.cancel()
        let left = script.loop.turn { script.peers.count == 2 }
        #expect(left)
        #expect(!result.isOver)
        script.expectClean()
    }

    @Test func `cancelling an exchange that is over leaves the next one on its connection alone`()
        throws
    {
        let script = try Script()
        let client = HTTPClient(on: script.loop, idleMax: 1)
        let (first, second) = (Result(), Result())
        let old = client.send(ClientRequest(host: "h"), to: script.address, first.handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let over = script.loop.turn { first.isOver }
        #expect(over)
        client.send(ClientRequest(host: "h"), to: script.address, second.handlers)
        old.cancel()
        let again = script.requests(2)
        #expect(again)
        #expect(script.peers.count == 1)
        script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let done = script.loop.turn { second.isOver }
        #expect(done)
        #expect(second.text == "ok")
        client.closeIdle()
        script.expectClean()
    }

    @Test func `an idle connection that the server closes is not used again`() throws {
        let script = try Script()
        var client: HTTPClient? = HTTPClient(on: script.loop, idleMax: 1)
        let (first, second) = (Result(), Result())
        client?.send(ClientRequest(host: "h"), to: script.address, first.handlers)
        let came = script.requests(1)
        #expect(came)
        script.peers[0].send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let over = script.loop.turn { first.isOver }
        #expect(over)
        script.peers[0].close()
        client?.send(ClientRequest(host: "h"), to: script.address, second.handlers)
        let reached = script.loop.turn {
            script.peers.count == 2 && !script.peers[1].bytes.isEmpty
        }
        #expect(reached)
        script.peers[1].send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let done = script.loop.turn { second.isOver }
        #expect(done)
        #expect(second.ends == 1)
        // A client that goes away takes its idle connections along.
        client = nil
        script.expectClean()
    }
}
