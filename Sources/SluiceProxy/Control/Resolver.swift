import SluiceHTTP
import SluiceReactor
import SluiceTime

// Control thread only, but for the look-ups: each has a thread that calls, posts and ends.

/// Looks up all addresses of a name; may block. ``SocketAddress/resolve(host:port:)`` but in tests.
package typealias NameLookup =
    @Sendable (_ host: String, _ port: UInt16) -> Result<[SocketAddress], ResolveError>

/// Resolves names off every loop, each again and again.
///
/// getaddrinfo(3) blocks for as long as it likes and cannot be ended. So each look-up has a thread
/// of its own and a limit; one that is late is told as a failure and makes room for others, and its
/// name is not looked up again before it has come back.
final class Resolver {
    struct Name: Sendable {
        let url: HTTPURL
        /// From the end of one look-up to the next.
        let interval: Nanoseconds
    }

    struct Answer: Sendable {
        let name: Name
        let result: Result<[SocketAddress], ResolveError>
    }

    /// Look-ups within their limit at most.
    static let lookupsMax = 4
    /// Threads at most, those of late look-ups included.
    static let threadsMax = 16
    /// A look-up that takes longer is late: the default of resolv.conf(5) for one server.
    static let lookupMax = Nanoseconds.seconds(5)

    private struct Entry {
        enum State {
            case resting(until: Instant)
            case asked(since: Instant)
            case late
        }
        let name: Name
        var state: State
    }

    private struct Reply: Sendable {
        let index: Int
        let result: Result<[SocketAddress], ResolveError>
    }

    private var entries: [Entry]
    private let lookup: NameLookup
    private let replies: Mailbox<Reply>

    /// - Throws: ``SystemError`` when the process has no descriptor left.
    init(names: [Name], lookup: @escaping NameLookup, now: Instant) throws(SystemError) {
        entries = names.map { Entry(name: $0, state: .resting(until: now)) }
        self.lookup = lookup
        replies = try Mailbox()
    }

    /// Readable when ``take(now:)`` has something.
    var descriptor: Int32 { replies.descriptor }

    /// What has come back, late or not; call it when ``descriptor`` is readable.
    func take(now: Instant) -> [Answer] {
        replies.take().map { reply in
            let name = entries[reply.index].name
            entries[reply.index].state = .resting(until: now + name.interval)
            return Answer(name: name, result: reply.result)
        }
    }

    /// Gives up waiting for what is late and begins what is due; call it every 100 ms or so.
    ///
    /// - Returns: a failure for each look-up that has just become late.
    func tick(now: Instant) -> [Answer] {
        var failures: [Answer] = []
        var (inTime, late) = (0, 0)
        for index in entries.indices {
            switch entries[index].state {
            case .resting: break
            case .asked(let since):
                guard now - since >= Self.lookupMax else {
                    inTime += 1
                    continue
                }
                entries[index].state = .late
                late += 1
                failures.append(
                    failure(index, "no answer within \(Int(Self.lookupMax.seconds)) s"))
            case .late: late += 1
            }
        }
        while inTime < Self.lookupsMax, inTime + late < Self.threadsMax, let index = due(now) {
            do throws(SystemError) {
                try ask(index)
                entries[index].state = .asked(since: now)
                inTime += 1
            } catch {
                entries[index].state = .resting(until: now + entries[index].name.interval)
                failures.append(failure(index, "\(error)"))
            }
        }
        return failures
    }

    /// The name that has been due for longest.
    private func due(_ now: Instant) -> Int? {
        var found: (index: Int, since: Instant)?
        for (index, entry) in entries.enumerated() {
            guard case .resting(let until) = entry.state, until <= now else { continue }
            if let best = found, best.since <= until { continue }
            found = (index, until)
        }
        return found?.index
    }

    private func ask(_ index: Int) throws(SystemError) {
        let (url, lookup, replies) = (entries[index].name.url, lookup, replies)
        // Nobody waits for its end: a dead name server takes many seconds.
        try WorkerThread(name: "sluice-dns") {
            replies.post(Reply(index: index, result: lookup(url.host, url.port)))
        }.detach()
    }

    private func failure(_ index: Int, _ reason: String) -> Answer {
        let name = entries[index].name
        return Answer(
            name: name, result: .failure(ResolveError(host: name.url.host, reason: reason)))
    }
}
