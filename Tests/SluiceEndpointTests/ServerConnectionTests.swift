import EndpointTestSupport
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing

@Suite struct ServerConnectionTests {
    private typealias Site = HTTPServerTests.Site

    private static let halfBody = "POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na"

    // MARK: Turns

    @Test func `sixteen requests of a connection are taken in a turn, the rest in the next ones`()
        throws
    {
        let site = try Site { _, responder in responder.respond(200, text: "x") }
        let peer = try site.peer()
        let count = 100
        peer.send(String(repeating: "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", count: count))
        var (before, most) = (0, 0)
        let answered = site.loop.turn {
            most = max(most, site.requests.count - before)
            before = site.requests.count
            return peer.text.ranges(of: "HTTP/1.1 200 ").count == count
        }
        #expect(answered)
        #expect(most == 16)
        site.expectClean(peer)
    }

    @Test func `a client that is never done keeps neither timers nor others waiting`() throws {
        let site = try Site { _, responder in responder.respond(200, text: "x") }
        let (greedy, probe) = (try site.peer(), try site.peer())
        let connected = site.loop.turn { site.server?.connectionCount == 2 }
        #expect(connected)
        greedy.send(String(repeating: "GET /greedy HTTP/1.1\r\nHost: h\r\n\r\n", count: 400))
        var seenByTimer: Int?
        site.loop.after(.zero) { seenByTimer = site.requests.count }
        probe.send("GET /probe HTTP/1.1\r\nHost: h\r\n\r\n")
        let answered = site.loop.turn { !probe.bytes.isEmpty && seenByTimer != nil }
        #expect(answered)
        #expect(site.requests.count < 400)
        #expect(try #require(seenByTimer) < 400)
        let all = site.loop.turn { site.requests.count == 401 }
        #expect(all)
        site.expectClean(greedy, probe)
    }

    @Test func `a connection that is closed has no next turn`() throws {
        let site = try Site { _, responder in responder.respond(200, text: "x") }
        let peer = try site.peer()
        peer.send(String(repeating: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", count: 100))
        let began = site.loop.turn { !site.requests.isEmpty }
        #expect(began)
        site.server?.close()
        let taken = site.requests.count
        for _ in 0..<3 { site.loop.turn(maxWait: .zero) }
        #expect(site.requests.count == taken)
        site.expectClean(peer)
    }

    // MARK: Time

    @Test(arguments: [
        "GET / HTTP/1.1\r\nx-", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n",
    ])
    func `a request that drips in has its time as a whole`(start: String) throws {
        var options = ServerOptions()
        options.requestMax = .milliseconds(60)
        let site = try Site(options: options)
        let peer = try site.peer()
        peer.send(start)
        let began = MonotonicClock.now()
        var sent = began
        let ended = site.loop.turn(within: .seconds(2)) {
            // One byte in 4 ms: far from the end of the request when its time is over.
            if MonotonicClock.now() - sent >= .milliseconds(4) {
                sent = MonotonicClock.now()
                peer.send("a")
            }
            return peer.ending != .open
        }
        #expect(ended)
        #expect(site.requests.isEmpty)
        #expect(MonotonicClock.now() - began >= .milliseconds(50))
        site.expectClean(peer)
    }

    @Test func `an answer that is read drop by drop has its time as a whole`() throws {
        var options = ServerOptions()
        options.answerMax = .milliseconds(60)
        let body = [UInt8](repeating: 0x61, count: 32 << 20)
        let site = try Site(options: options) { _, responder in
            responder.respond(200, body: body)
        }
        let peer = try site.peer()
        peer.reads = false
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        var taken = MonotonicClock.now()
        let ended = site.loop.turn(within: .seconds(2)) {
            if MonotonicClock.now() - taken >= .milliseconds(4) {
                taken = MonotonicClock.now()
                peer.take(atMost: 512 << 10)
            }
            return !site.requests.isEmpty && site.server?.connectionCount == 0
        }
        #expect(ended)
        #expect(!peer.bytes.isEmpty)
        site.expectClean(peer)
    }

    @Test func `a stream may last longer than the time for an answer`() throws {
        var options = ServerOptions()
        options.answerMax = .milliseconds(20)
        options.requestMax = .milliseconds(20)
        let site = try Site(options: options)
        let peer = try site.peer()
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let arrived = site.loop.turn { !site.pending.isEmpty }
        #expect(arrived)
        let responder = try #require(site.pending.first)
        let began = MonotonicClock.now()
        let lasted = site.loop.turn {
            responder.send { $0.append("x") }
            return !responder.isOpen || MonotonicClock.now() - began > .milliseconds(80)
        }
        #expect(lasted)
        #expect(responder.isOpen)
        site.expectClean(peer)
    }

    // MARK: Room

    private static func full(_ connections: Int) -> ServerOptions {
        var options = ServerOptions()
        options.connectionsMax = connections
        options.makesRoom = true
        return options
    }

    /// Answers all but what is kept in `pending`: paths that begin with `/wait`.
    private static func site(_ connections: Int, body: [UInt8] = []) throws -> Site {
        final class Kept { weak var site: Site? }
        let kept = Kept()
        let site = try Site(options: full(connections)) { request, responder in
            if request.path.hasPrefix("/wait") {
                kept.site?.pending.append(responder)
            } else {
                responder.respond(200, body: request.path == "/big" ? body : [])
            }
        }
        kept.site = site
        return site
    }

    @Test func `who holds half a body gives way to a probe, the oldest first`() throws {
        let site = try Self.site(3)
        var half: [RawPeer] = []
        for count in 1...3 {
            half.append(try site.peer())
            half[count - 1].send(Self.halfBody)
            let isOpen = site.loop.turn { site.server?.connectionCount == count }
            #expect(isOpen)
            // The next one is younger.
            site.loop.turn(maxWait: .milliseconds(2))
        }
        let probe = try site.peer()
        probe.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        let answered = site.loop.turn(within: .seconds(1)) { probe.text.hasPrefix("HTTP/1.1 200 ") }
        #expect(answered)
        let gone = site.loop.turn { half[0].ending != .open }
        #expect(gone)
        #expect(half[1].ending == .open)
        #expect(half[2].ending == .open)
        site.expectClean(half[0], half[1], half[2], probe)
    }

    @Test func `a probe whose head is on its way stays, while those with half a body come and go`()
        throws
    {
        let site = try Self.site(3)
        var half = [try site.peer(), try site.peer()]
        for peer in half { peer.send(Self.halfBody) }
        let two = site.loop.turn { site.server?.connectionCount == 2 }
        #expect(two)
        site.loop.turn(maxWait: .milliseconds(2))
        let probe = try site.peer()
        let three = site.loop.turn { site.server?.connectionCount == 3 }
        #expect(three)
        for gone in 1...2 {
            half.append(try site.peer())
            half.last?.send(Self.halfBody)
            let hasYielded = site.loop.turn(within: .seconds(1)) {
                half.count { $0.ending != .open } == gone
            }
            #expect(hasYielded)
        }
        probe.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        let answered = site.loop.turn(within: .seconds(1)) { probe.text.hasPrefix("HTTP/1.1 200 ") }
        #expect(answered)
        for peer in half { peer.close() }
        site.expectClean(probe)
    }

    @Test func `who does not read its answer gives way to a probe`() throws {
        let site = try Self.site(2, body: [UInt8](repeating: 0x61, count: 32 << 20))
        let readers = [try site.peer(), try site.peer()]
        for reader in readers {
            reader.reads = false
            reader.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        }
        let full = site.loop.turn { site.requests.count == 2 }
        #expect(full)
        let probe = try site.peer()
        probe.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        let answered = site.loop.turn(within: .seconds(1)) { probe.text.hasPrefix("HTTP/1.1 200 ") }
        #expect(answered)
        site.expectClean(readers[0], readers[1], probe)
    }

    @Test
    func `answers in the making give way before streams, and streams where there is no other`()
        throws
    {
        let site = try Self.site(3)
        var peers: [RawPeer] = []
        for count in 1...3 {
            peers.append(try site.peer())
            peers[count - 1].send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
            let isHeard = site.loop.turn { site.pending.count == count }
            #expect(isHeard)
            // The first and the last are streams, the oldest of all among them.
            if count != 2 { site.pending[count - 1].send { $0.append("x") } }
            site.loop.turn(maxWait: .milliseconds(2))
        }
        for (number, isOpen) in [(3, [true, false, true]), (4, [false, false, true])] {
            let next = try site.peer()
            next.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
            peers.append(next)
            let isHeard = site.loop.turn(within: .seconds(1)) { site.pending.count == number + 1 }
            #expect(isHeard)
            site.pending.last?.send { $0.append("x") }
            #expect(site.pending.prefix(3).map(\.isOpen) == isOpen)
            site.loop.turn(maxWait: .milliseconds(2))
        }
        for peer in peers { peer.close() }
        site.expectClean()
    }
}
