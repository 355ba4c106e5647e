import EndpointTestSupport
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing

@Suite struct HTTPServerTests {
    /// A loop with one server on it.
    final class Site {
        let loop: EndpointLoop
        var server: HTTPServer?
        let address: SocketAddress
        var requests: [ServerRequest] = []
        var pending: [Responder] = []

        /// - Parameter answers: nil keeps responders in `pending`.
        init(
            options: ServerOptions = ServerOptions(),
            answers: ((ServerRequest, Responder) -> Void)? = nil
        ) throws {
            loop = try EndpointLoop()
            let any = try #require(SocketAddress("127.0.0.1:0"))
            let entry = Entry()
            let server = try HTTPServer(any, on: loop, options: options) { request, responder in
                entry.site?.requests.append(request)
                if let answers {
                    answers(request, responder)
                } else {
                    entry.site?.pending.append(responder)
                }
            }
            self.server = server
            address = server.address
            entry.site = self
        }

        private final class Entry {
            weak var site: Site?
        }

        func peer() throws -> RawPeer { try RawPeer(to: address, on: loop) }

        /// Ends the test: nothing may be left.
        func expectClean(_ peers: RawPeer...) {
            for peer in peers { peer.close() }
            let emptied = loop.turn { server?.connectionCount == 0 }
            #expect(emptied, "a connection outlives its client")
            server?.close()
            server = nil
            pending = []
            let left = loop.inUse
            #expect(left == (0, 0, 0))
        }
    }

    private static func echo(_ request: ServerRequest, _ responder: Responder) {
        responder.respond(200, text: "\(request.methodName) \(request.path) \(request.body.count)")
    }

    @Test func `a request arrives whole, with path, query, fields and body`() throws {
        let site = try Site(answers: Self.echo)
        let peer = try site.peer()
        peer.send(
            "POST /a/b?x=1&y=2 HTTP/1.1\r\nHost: here\r\nX-One:  two \r\nContent-Length: 3\r\n\r\nabc"
        )
        let answered = site.loop.turn { peer.text.hasSuffix("POST /a/b 3") }
        #expect(answered)
        #expect(peer.text.hasPrefix("HTTP/1.1 200 "))
        let request = try #require(site.requests.first)
        #expect(request.method == .post)
        #expect(request.query == "x=1&y=2")
        #expect(request.parameter("y") == "2")
        #expect(request.parameter("z") == nil)
        #expect(request[field: "x-one"] == "two")
        #expect(request.body == Array("abc".utf8))
        site.expectClean(peer)
    }

    @Test func `a request cut at any byte is the same request`() throws {
        let site = try Site(answers: Self.echo)
        let peer = try site.peer()
        let request = Array(
            "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .utf8)
        for cut in 1..<request.count {
            peer.clear()
            peer.send(Array(request[..<cut]))
            // Each part is to arrive alone.
            site.loop.turn(maxWait: .milliseconds(50))
            peer.send(Array(request[cut...]))
            let answered = site.loop.turn { peer.text.hasSuffix("POST /p 3") }
            #expect(answered, "cut at \(cut)")
        }
        #expect(site.requests.count == request.count - 1)
        site.expectClean(peer)
    }

    @Test func `pipelined requests are answered in order, one at a time`() throws {
        let site = try Site()
        let peer = try site.peer()
        peer.send(
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        for number in 1...3 {
            let arrived = site.loop.turn { site.pending.count == number }
            #expect(arrived)
            #expect(site.requests.last?.path == "/\(number)")
            try #require(site.pending.last).respond(200, text: "answer \(number);")
        }
        let ended = site.loop.turn { peer.ending == .finished }
        #expect(ended)
        let first = try #require(peer.text.firstRange(of: "answer 1;"))
        let third = try #require(peer.text.firstRange(of: "answer 3;"))
        #expect(first.upperBound < third.lowerBound)
        #expect(peer.text.contains("connection: close"))
        site.expectClean(peer)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("\u{0}\u{1}\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
    ])
    func `malformed and oversized requests are refused and the connection ends`(
        request: String, status: Int
    ) throws {
        var options = ServerOptions()
        options.bodyBytesMax = 100
        let site = try Site(options: options, answers: Self.echo)
        let peer = try site.peer()
        peer.send(request)
        if status == 413 { peer.send(String(repeating: "x", count: 0x65)) }
        let ended = site.loop.turn { peer.ending == .finished }
        #expect(ended)
        #expect(peer.text.hasPrefix("HTTP/1.1 \(status) "), "\(peer.text)")
        #expect(site.requests.isEmpty)
        site.expectClean(peer)
    }

    @Test func `a refusal reaches a client that goes on sending`() throws {
        var options = ServerOptions()
        options.bodyBytesMax = 100
        let site = try Site(options: options, answers: Self.echo)
        let peer = try site.peer()
        peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n")
        peer.send([UInt8](repeating: 0x61, count: 4_000_000))
        let ended = site.loop.turn { peer.ending != .open }
        #expect(ended)
        #expect(peer.ending == .finished)
        #expect(peer.text.hasPrefix("HTTP/1.1 413 "))
        site.expectClean(peer)
    }

    @Test func `a client that expects 100-continue is told to go on`() throws {
        let site = try Site(answers: Self.echo)
        let peer = try site.peer()
        peer.send(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        let told = site.loop.turn { peer.text == "HTTP/1.1 100 Continue\r\n\r\n" }
        #expect(told)
        peer.send("ab")
        let answered = site.loop.turn { peer.text.hasSuffix("POST / 2") }
        #expect(answered)
        site.expectClean(peer)
    }

    @Test func `an idle connection is closed after the keep-alive time, an answered one too`()
        throws
    {
        var options = ServerOptions()
        options.keepAliveIdle = .milliseconds(60)
        let site = try Site(options: options, answers: Self.echo)
        let (fresh, used) = (try site.peer(), try site.peer())
        let began = MonotonicClock.now()
        used.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let ended = site.loop.turn { fresh.ending == .finished && used.ending == .finished }
        #expect(ended)
        #expect(MonotonicClock.now() - began >= .milliseconds(50))
        #expect(used.text.hasPrefix("HTTP/1.1 200 "))
        site.expectClean(fresh, used)
    }

    @Test func `a head or a body that does not come ends the connection`() throws {
        var options = ServerOptions()
        options.requestMax = .milliseconds(40)
        let site = try Site(options: options, answers: Self.echo)
        let (head, body) = (try site.peer(), try site.peer())
        head.send("GET / HT")
        body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na")
        let ended = site.loop.turn { head.ending != .open && body.ending != .open }
        #expect(ended)
        #expect(site.requests.isEmpty)
        site.expectClean(head, body)
    }

    @Test(arguments: [true, false])
    func `the handler hears once that its client has left`(resets: Bool) throws {
        let site = try Site()
        let peer = try site.peer()
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let arrived = site.loop.turn { !site.pending.isEmpty }
        #expect(arrived)
        let responder = try #require(site.pending.first)
        var calls = 0
        responder.onDisconnect = { calls += 1 }
        if resets { peer.reset() } else { peer.finish() }
        let heard = site.loop.turn { calls > 0 }
        #expect(heard)
        #expect(!responder.isOpen)
        responder.respond(200, text: "too late")
        #expect(calls == 1)
        site.expectClean(peer)
    }

    @Test func `a client that leaves together with its request is noticed`() throws {
        let site = try Site()
        let peer = try site.peer()
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        peer.close()
        let noticed = site.loop.turn { !site.pending.isEmpty && !site.pending[0].isOpen }
        #expect(noticed)
        site.expectClean(peer)
    }

    @Test func `a half-closed client still gets an answer that is given at once`() throws {
        let site = try Site { _, responder in
            responder.respond(200, body: [UInt8](repeating: 0x61, count: 3_000_000))
        }
        let peer = try site.peer()
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        peer.finish()
        let ended = site.loop.turn { peer.ending != .open }
        #expect(ended)
        #expect(peer.bytes.count > 3_000_000)
        site.expectClean(peer)
    }

    @Test func `a stream is held while the client does not read, and goes on when it does`() throws
    {
        let site = try Site()
        let peer = try site.peer()
        peer.reads = false
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let arrived = site.loop.turn { !site.pending.isEmpty }
        #expect(arrived)
        let responder = try #require(site.pending.first)
        var drained = 0
        responder.onDrained = { drained += 1 }
        let part = [UInt8](repeating: 0x61, count: 1 << 20)
        var parts = 0
        while responder.unsentBytes == 0, parts < 64 {
            responder.send { $0.append(part.span) }
            parts += 1
        }
        #expect(responder.unsentBytes > 0)
        #expect(drained == 0)
        peer.reads = true
        let gone = site.loop.turn { drained > 0 }
        #expect(gone)
        #expect(responder.unsentBytes == 0)
        responder.finish(closes: true)
        let ended = site.loop.turn { peer.ending == .finished }
        #expect(ended)
        #expect(peer.bytes.count == parts << 20)
        site.expectClean(peer)
    }

    @Test func `a client that never reads is given up, however much is written meanwhile`() throws {
        var options = ServerOptions()
        options.writeStallMax = .milliseconds(80)
        let site = try Site(options: options)
        let peer = try site.peer()
        peer.reads = false
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let arrived = site.loop.turn { !site.pending.isEmpty }
        #expect(arrived)
        let responder = try #require(site.pending.first)
        var hasLeft = false
        responder.onDisconnect = { hasLeft = true }
        let part = [UInt8](repeating: 0x61, count: 1 << 20)
        while responder.unsentBytes == 0 { responder.send { $0.append(part.span) } }
        let given = site.loop.turn {
            responder.send { $0.append("x") }
            return hasLeft
        }
        #expect(given)
        site.expectClean(peer)
    }

    @Test func `HEAD gets the length and no body`() throws {
        let site = try Site { _, responder in responder.respond(200, text: "hello") }
        let peer = try site.peer()
        peer.send("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let ended = site.loop.turn { peer.ending == .finished }
        #expect(ended)
        #expect(peer.text.contains("content-length: 5\r\n"))
        #expect(peer.text.hasSuffix("\r\n\r\n"))
        site.expectClean(peer)
    }

    @Test func `a server closes at its bound of connections and takes more when one has ended`()
        throws
    {
        var options = ServerOptions()
        options.connectionsMax = 2
        let site = try Site(options: options, answers: Self.echo)
        let (a, b, c) = (try site.peer(), try site.peer(), try site.peer())
        let full = site.loop.turn { site.server?.connectionCount == 2 }
        #expect(full)
        for peer in [a, b, c] { peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n") }
        let two = site.loop.turn { [a, b, c].count { !$0.bytes.isEmpty } == 2 }
        #expect(two)
        for peer in [a, b, c] where !peer.bytes.isEmpty { peer.close() }
        let third = site.loop.turn { [a, b, c].allSatisfy { !$0.bytes.isEmpty } }
        #expect(third)
        site.expectClean(a, b, c)
    }

    @Test
    func
        `at its bound a server that makes room closes who has waited longest, never who is served`()
        throws
    {
        var options = ServerOptions()
        options.connectionsMax = 3
        options.makesRoom = true
        let site = try Site(options: options)
        let served = try site.peer()
        served.send("GET /served HTTP/1.1\r\nHost: h\r\n\r\n")
        let isServed = site.loop.turn { site.pending.count == 1 }
        #expect(isServed)
        let silent = try site.peer()
        let second = site.loop.turn { site.server?.connectionCount == 2 }
        #expect(second)
        let slow = try site.peer()
        slow.send("GET /slow HT")
        let full = site.loop.turn { site.server?.connectionCount == 3 }
        #expect(full)
        let probe = try site.peer()
        probe.send("GET /probe HTTP/1.1\r\nHost: h\r\n\r\n")
        let isHeard = site.loop.turn { site.pending.count == 2 }
        #expect(isHeard)
        #expect(site.requests.map(\.path) == ["/served", "/probe"])
        let gone = site.loop.turn { silent.ending != .open }
        #expect(gone)
        #expect(slow.ending == .open)
        for responder in site.pending { responder.respond(200, text: "x") }
        let answered = site.loop.turn { !served.bytes.isEmpty && !probe.bytes.isEmpty }
        #expect(answered)
        site.expectClean(served, silent, slow, probe)
    }

    @Test func `a server that goes away closes its connections and gives everything back`() throws {
        let site = try Site()
        let (idle, waiting) = (try site.peer(), try site.peer())
        waiting.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let arrived = site.loop.turn {
            !site.pending.isEmpty && site.server?.connectionCount == 2
        }
        #expect(arrived)
        site.server = nil
        let ended = site.loop.turn { idle.ending != .open && waiting.ending != .open }
        #expect(ended)
        idle.close()
        waiting.close()
        let isClean = site.loop.isClean
        #expect(isClean)
    }

    @Test func `an address in use is an error that says so`() throws {
        let site = try Site(answers: Self.echo)
        let loop = site.loop
        let error = #expect(throws: SystemError.self) {
            try HTTPServer(site.address, on: loop) { _, _ in }
        }
        #expect(error?.isAddressInUse == true)
        site.expectClean()
    }
}
