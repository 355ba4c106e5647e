import SluiceInsight
import SluiceProxy
import SluiceSimulation
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// The gateway's own policy, with what its users see and what its scrapes say told to a diagnosis
/// every second, as the proxy does it.
final class WatchedPolicy: GatewayPolicy {
    /// Everything that was named, with the time since the start of the run.
    private(set) var named: [(at: Nanoseconds, finding: Finding)] = []

    private let policy: SluicePolicy
    private let objective: Double?
    private var diagnosis = Diagnosis()
    private var users = PoolFigures()
    private var heartbeats: [Double?]
    private var lastSecond = Int64(0)

    private struct Request {
        let arrived: Instant
        let promptTokens: Int
        var dispatched: Instant?
        var firstOutput: Instant?
    }
    private var requests: [Int: Request] = [:]

    init(_ context: PolicyContext) {
        policy = SluicePolicy(context)
        objective = context.objectives.first?.firstToken?.seconds
        heartbeats = Array(repeating: nil, count: context.replicas)
    }

    // MARK: What users see

    func arrive(_ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision]) {
        if request.lostOn == nil, !request.isRecalled {
            users.received += 1
            requests[request.token] = Request(
                arrived: request.arrived, promptTokens: request.promptTokens)
        }
        watched(now, &decisions) { policy.arrive(request, now: now, into: &$0) }
    }

    func firstOutput(
        _ token: Int, replica: Int, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        if let request = requests[token], request.firstOutput == nil {
            requests[token]?.firstOutput = now
            Self.add(&users.firstToken, (now - request.arrived).seconds)
            if let sent = request.dispatched { Self.add(&users.engine, (now - sent).seconds) }
            Self.add(&users.promptTokens, Double(request.promptTokens))
        }
        watched(now, &decisions) {
            policy.firstOutput(token, replica: replica, now: now, into: &$0)
        }
    }

    func outputs(replica: Int, events: Int, gap: Nanoseconds?, now: Instant) {
        if let gap {
            users.gap.sum += gap.seconds * Double(events)
            users.gap.count += Double(events)
        }
        policy.outputs(replica: replica, events: events, gap: gap, now: now)
    }

    func end(
        _ token: Int, replica: Int, _ end: DispatchEnd, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        switch end {
        case .finished(let generated, _):
            Self.add(&users.generatedTokens, Double(generated))
            finish(token, now)
        case .abandoned:
            if requests[token]?.firstOutput == nil { users.abandoned += 1 }
            finish(token, now)
        case .lost:
            // The fleet sends it again by the retry rule where nothing had come out.
            if requests[token]?.firstOutput != nil {
                users.failed += 1
                finish(token, now)
            }
        }
        watched(now, &decisions) {
            policy.end(token, replica: replica, end, now: now, into: &$0)
        }
    }

    func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision]) {
        users.abandoned += 1
        finish(token, now)
        watched(now, &decisions) { policy.cancel(token, now: now, into: &$0) }
    }

    private func watched(
        _ now: Instant, _ decisions: inout [PolicyDecision],
        _ call: (inout [PolicyDecision]) -> Void
    ) {
        let before = decisions.count
        call(&decisions)
        for decision in decisions[before...] {
            switch decision {
            case .dispatch(let token, _):
                guard let request = requests[token] else { continue }
                if request.dispatched == nil {
                    Self.add(&users.queueWait, (now - request.arrived).seconds)
                }
                requests[token]?.dispatched = now
            case .refuse(let token, _, _, _):
                users.shed += 1
                finish(token, now)
            case .recall: break
            }
        }
    }

    private func finish(_ token: Int, _ now: Instant) {
        guard let request = requests.removeValue(forKey: token) else { return }
        users.finished += 1
        Self.add(&users.duration, (now - request.arrived).seconds)
    }

    private static func add(_ totals: inout HistogramTotals, _ value: Double) {
        totals.sum += value
        totals.count += 1
    }

    // MARK: What replicas say

    func scrapeSent(_ replica: Int, now: Instant) { policy.scrapeSent(replica, now: now) }

    func scraped(
        _ replica: Int, _ reading: ReplicaReading, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        heartbeats[replica] = Double(reading.iterations)
        watched(now, &decisions) {
            policy.scraped(replica, reading, now: now, into: &$0)
        }
    }

    func replica(
        _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        watched(now, &decisions) { policy.replica(replica, isUp: isUp, now: now, into: &$0) }
    }

    func tick(now: Instant, into decisions: inout [PolicyDecision]) {
        watched(now, &decisions) { policy.tick(now: now, into: &$0) }
        let second = (now - Fleet.start).count / 1_000_000_000
        guard second > lastSecond else { return }
        lastSecond = second
        let snapshot = policy.snapshot(now: now)
        var figures = users
        let load = PoolFigures("simulated", snapshot)
        figures.name = load.name
        figures.queueLength = load.queueLength
        figures.inFlight = load.inFlight
        figures.capacity = load.capacity
        figures.firstTokenObjective = objective
        figures.replicas = snapshot.replicas.map {
            var replica = ReplicaFigures($0, interval: .seconds(1), now: now)
            replica.heartbeat = heartbeats[Int($0.id.slot)]
            return replica
        }
        named += diagnosis.advance(to: now, [figures]).begun.map { (now - Fleet.start, $0) }
    }

    // MARK: Accounts

    func inFlight(at replica: Int) -> Int { policy.inFlight(at: replica) }
    var waiting: Int { policy.waiting }
}
