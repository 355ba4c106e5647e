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
        let id: UInt64
        var name: Name
        /// False for a name that is only kept until its look-up has come back.
        var isWanted = true
        var state: State
    }

    private struct Reply: Sendable {
        let id: UInt64
        let result: Result<[SocketAddress], ResolveError>
    }

    private var entries: [Entry] = []
    private var lastID: UInt64 = 0
    private let lookup: NameLookup
    private let replies: Mailbox<Reply>

    /// - Throws: ``SystemError`` when the process has no descriptor left.
    init(names: [Name], lookup: @escaping NameLookup, now: Instant) throws(SystemError) {
        self.lookup = lookup
        replies = try Mailbox()
        resolve(names, now: now)
    }

    /// Resolves these names from now on: what is new at once, the rest when it is due.
    func resolve(_ names: [Name], now: Instant) {
        var old = entries
        entries = names.map { name in
            guard let index = old.firstIndex(where: { $0.name.url.authority == name.url.authority })
            else {
                lastID &+= 1
                return Entry(id: lastID, name: name, state: .resting(until: now))
            }
            var entry = old.remove(at: index)
            entry.name = name
            entry.isWanted = true
            if case .resting(let until) = entry.state {
                entry.state = .resting(until: min(until, now + name.interval))
            }
            return entry
        }
        // Their threads still count; at most ``threadsMax``.
        for var entry in old {
            if case .resting = entry.state { continue }
            entry.isWanted = false
            entries.append(entry)
        }
    }

    /// Readable when ``take(now:)`` has something.
    var descriptor: Int32 { replies.descriptor }

    /// What has come back, late or not; call it when ``descriptor`` is readable.
    func take(now: Instant) -> [Answer] {
        replies.take().compactMap { reply in
            guard let index = entries.firstIndex(where: { $0.id == reply.id }) else { return nil }
            guard entries[index].isWanted else {
                entries.remove(at: index)
                return nil
            }
            let name = entries[index].name
            entries[index].state = .resting(until: now + name.interval)
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
                guard entries[index].isWanted else { continue }
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
        let (id, url, lookup, replies) = (
            entries[index].id, entries[index].name.url, lookup, replies
        )
        // Nobody waits for its end: a dead name server takes many seconds.
        try WorkerThread(name: "sluice-dns") {
            replies.post(Reply(id: id, result: lookup(url.host, url.port)))
        }.detach()
    }

    private func failure(_ index: Int, _ reason: String) -> Answer {
        let name = entries[index].name
        return Answer(
            name: name, result: .failure(ResolveError(host: name.url.host, reason: reason)))
    }
}
