import SluiceBytes
import SluiceTime

/// The baselines that send every request on at once; the queue is the engine's.
package final class ImmediatePolicy: GatewayPolicy {
    /// How the replica is chosen.
    package enum Choice: Sendable {
        /// One after the other.
        case roundRobin
        /// Least waiting + running of the last scrape; ties by chance.
        case leastScraped
        /// Least of the gateway's own exact count, and what the last scrape saw beyond it.
        case leastScrapedAndOwn
        /// The replica that the prompt's prefix hashes to (rendezvous); by turns without one.
        case prefixHash
    }

    private let choice: Choice
    private var generator: SplitMix64
    private var isUp: [Bool]
    private var own: [Int]
    private var ownAtScrape: [Int]
    /// Waiting + running, by the last scrape.
    private var scraped: [Int]
    private var turn = 0

    package init(_ choice: Choice, _ context: PolicyContext) {
        self.choice = choice
        generator = SplitMix64(seed: context.seed)
        isUp = Array(repeating: true, count: context.replicas)
        own = Array(repeating: 0, count: context.replicas)
        ownAtScrape = own
        scraped = own
    }

    package func arrive(
        _ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        guard let replica = choose(for: request) else {
            decisions.append(
                .refuse(
                    token: request.token, .noReplica, expired: false, retryAfter: .seconds(5)))
            return
        }
        own[replica] += 1
        decisions.append(.dispatch(token: request.token, replica: replica))
    }

    private func choose(for request: PolicyRequest) -> Int? {
        switch choice {
        case .roundRobin:
            return nextInTurn()
        case .prefixHash:
            guard let key = request.prefix?.key else { return nextInTurn() }
            return isUp.indices.filter { isUp[$0] }.max {
                Self.weight(key, $0) < Self.weight(key, $1)
            }
        case .leastScraped:
            return least { scraped[$0] }
        case .leastScrapedAndOwn:
            return least { own[$0] + max(0, scraped[$0] - ownAtScrape[$0]) }
        }
    }

    private static func weight(_ key: UInt64, _ replica: Int) -> UInt64 {
        SplitMix64.mixed(key ^ SplitMix64.mixed(UInt64(replica) &+ 1))
    }

    private func nextInTurn() -> Int? {
        for _ in isUp.indices {
            turn = (turn + 1) % isUp.count
            if isUp[turn] { return turn }
        }
        return nil
    }

    private func least(_ load: (Int) -> Int) -> Int? {
        var (best, bestLoad, ties) = (Int?.none, Int.max, UInt64(0))
        for replica in isUp.indices where isUp[replica] {
            let load = load(replica)
            if load < bestLoad { (best, bestLoad, ties) = (replica, load, 0) }
            guard load == bestLoad else { continue }
            ties += 1
            if generator.next() % ties == 0 { best = replica }
        }
        return best
    }

    package func firstOutput(
        _ token: Int, replica: Int, now: Instant, into decisions: inout [PolicyDecision]
    ) {}

    package func outputs(replica: Int, events: Int, gap: Nanoseconds?, now: Instant) {}

    package func end(
        _ token: Int, replica: Int, _ end: DispatchEnd, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        own[replica] -= 1
    }

    package func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision]) {}

    package func scrapeSent(_ replica: Int, now: Instant) { ownAtScrape[replica] = own[replica] }

    package func scraped(
        _ replica: Int, _ reading: ReplicaReading, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        scraped[replica] = reading.waiting + reading.running
    }

    package func replica(
        _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        self.isUp[replica] = isUp
    }

    package func tick(now: Instant, into decisions: inout [PolicyDecision]) {}

    package func inFlight(at replica: Int) -> Int { own[replica] }

    package var waiting: Int { 0 }
}
