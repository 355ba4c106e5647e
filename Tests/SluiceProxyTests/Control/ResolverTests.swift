import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTime
import Synchronization
import Testing

@testable import SluiceProxy

@Suite struct ResolverTests {
    /// A name server that never answers for names that begin with `dead`, until it is told to.
    private final class Server: Sendable {
        private let answersAll = Atomic<Bool>(false)
        private let asked = Guarded<[String]>([])
        let address: SocketAddress

        init() throws { address = try #require(SocketAddress(host: "10.0.0.1", port: 80)) }

        var names: [String] { asked.withLock { $0.sorted() } }
        func answerAll() { answersAll.store(true, ordering: .relaxed) }

        var lookup: NameLookup {
            { [self] host, _ in
                asked.withLock { $0.append(host) }
                while host.hasPrefix("dead"), !answersAll.load(ordering: .relaxed) {
                    pause(.milliseconds(2))
                }
                return .success([address])
            }
        }
    }

    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private let interval = Nanoseconds.seconds(30)

    private func resolver(_ names: [String], _ server: Server) throws -> Resolver {
        try Resolver(
            names: names.map {
                Resolver.Name(url: try HTTPURL("http://\($0)"), interval: interval)
            },
            lookup: server.lookup, now: start)
    }

    /// The names that answers come for until there are `count`.
    private func answers(_ resolver: Resolver, _ count: Int, now: Instant) -> [String] {
        var hosts: [String] = []
        _ = eventually {
            for answer in resolver.take(now: now) {
                if case .success = answer.result { hosts.append(answer.name.url.host) }
            }
            return hosts.count >= count
        }
        return hosts.sorted()
    }

    @Test func `a dead name does not hold up the others, and its late answer still counts`() throws
    {
        let server = try Server()
        let resolver = try resolver(["dead", "a", "b"], server)
        #expect(resolver.tick(now: start).isEmpty)
        #expect(answers(resolver, 2, now: start) == ["a", "b"])
        let limit = start + Resolver.lookupMax
        #expect(resolver.tick(now: limit - Nanoseconds(1)).isEmpty)
        let late = resolver.tick(now: limit)
        #expect(late.map(\.name.url.host) == ["dead"])
        guard case .failure(let error)? = late.first?.result else {
            Issue.record("a late look-up is a failure")
            return
        }
        #expect(error.description == "dead: no answer within 5 s")
        #expect(resolver.tick(now: limit + .seconds(5)).isEmpty, "it is told once")
        server.answerAll()
        #expect(answers(resolver, 1, now: limit) == ["dead"])
    }

    @Test func `four are looked up at once, late ones make room, up to sixteen threads`() throws {
        let server = try Server()
        let names = (10..<30).map { "dead\($0)" }
        let resolver = try resolver(names, server)
        for round in 0..<8 {
            let now = start + Resolver.lookupMax * Int64(round)
            _ = resolver.tick(now: now)
            _ = resolver.tick(now: now)
            let count = min((round + 1) * 4, 16)
            #expect(eventually { server.names.count == count })
        }
        #expect(server.names == names.prefix(16).sorted(), "in their order, none twice")
        server.answerAll()
        #expect(answers(resolver, 16, now: start).count == 16)
        _ = resolver.tick(now: start)
        #expect(answers(resolver, 4, now: start) == names.suffix(4))
    }

    @Test func `a name is looked up again after its interval, not before`() throws {
        let server = try Server()
        let resolver = try resolver(["a"], server)
        _ = resolver.tick(now: start)
        #expect(answers(resolver, 1, now: start) == ["a"])
        _ = resolver.tick(now: start + interval - Nanoseconds(1))
        #expect(server.names == ["a"])
        _ = resolver.tick(now: start + interval)
        #expect(answers(resolver, 1, now: start + interval) == ["a"])
        #expect(server.names == ["a", "a"])
    }

    private func name(_ host: String) throws -> Resolver.Name {
        Resolver.Name(url: try HTTPURL("http://\(host)"), interval: interval)
    }

    @Test func `other names: new ones are looked up at once, the rest when they are due`() throws {
        let server = try Server()
        let resolver = try resolver(["a", "b"], server)
        _ = resolver.tick(now: start)
        #expect(answers(resolver, 2, now: start) == ["a", "b"])
        let later = start + .seconds(1)
        resolver.resolve([try name("c"), try name("a")], now: later)
        _ = resolver.tick(now: later)
        #expect(answers(resolver, 1, now: later) == ["c"])
        _ = resolver.tick(now: start + interval)
        #expect(answers(resolver, 1, now: start + interval) == ["a"])
        #expect(server.names == ["a", "a", "b", "c"])
    }

    @Test func `the answer for a name that is wanted no more is dropped`() throws {
        let server = try Server()
        let resolver = try resolver(["dead"], server)
        _ = resolver.tick(now: start)
        #expect(eventually { server.names == ["dead"] })
        resolver.resolve([try name("a")], now: start)
        #expect(resolver.tick(now: start + Resolver.lookupMax).isEmpty, "nobody waits for it")
        #expect(answers(resolver, 1, now: start) == ["a"])
        server.answerAll()
        let isHeard = eventually(within: .milliseconds(300)) { !resolver.take(now: start).isEmpty }
        #expect(!isHeard)
    }

    @Test func `a name that comes back while it is looked up is not asked for twice`() throws {
        let server = try Server()
        let resolver = try resolver(["dead"], server)
        _ = resolver.tick(now: start)
        #expect(eventually { server.names == ["dead"] })
        resolver.resolve([], now: start)
        resolver.resolve([try name("dead")], now: start)
        _ = resolver.tick(now: start)
        server.answerAll()
        #expect(answers(resolver, 1, now: start) == ["dead"])
        #expect(server.names == ["dead"])
    }
}
