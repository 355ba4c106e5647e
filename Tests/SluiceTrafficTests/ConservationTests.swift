import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ConservationTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `permits out equal the ledgers through 100000 random operations`(seed: UInt64) {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 8
        limits.queueLengthMax = 64
        let harness = PoolHarness(replicas: 5, workers: 4, limits: limits)
        var random = SplitMix64(seed: seed)
        var held: [Held] = []
        var tickets: [QueueTicket] = []
        var names = 5
        var arrivals = 0
        var refused = 0
        var expired = 0
        var cancelled = 0
        var released = 0
        for step in 0..<100_000 {
            harness.advance(.microseconds(Int64(random.next(upperBound: 20_000 as UInt64))))
            switch random.next(upperBound: 100 as UInt64) {
            case 0..<45:
                let retrying: ReplicaIDs? =
                    random.next(upperBound: 10 as UInt64) == 0
                    ? (held.last.map { ReplicaIDs($0.replica) } ?? ReplicaIDs()) : nil
                arrivals += 1
                let worker = Int(random.next(upperBound: 4 as UInt64))
                let deadline =
                    random.next(upperBound: 4 as UInt64) == 0
                    ? harness.now + .milliseconds(100) : Instant.never
                switch harness.arrive(
                    Arrival(bodyBytes: 10, deadline: deadline), worker: worker,
                    retrying: retrying)
                {
                case .held(let one): held.append(one)
                case .waits(let ticket, _): tickets.append(ticket)
                case .shed: refused += 1
                }
            case 45..<80:
                guard !held.isEmpty else { continue }
                let index = Int(random.next(upperBound: UInt64(held.count)))
                let one = held.remove(at: index)
                let end: PermitEnd =
                    switch random.next(upperBound: 10 as UInt64) {
                    case 0: .failed
                    case 1: .ignored
                    case 2: .serverError
                    default: .success
                    }
                one.release(end, now: harness.now)
                released += 1
            case 80..<85:
                guard !tickets.isEmpty else { continue }
                let ticket = tickets.remove(
                    at: Int(random.next(upperBound: UInt64(tickets.count))))
                switch harness.pool.cancel(ticket, now: harness.now).verdict {
                case .removed, .withdrawn: cancelled += 1
                case .alreadyDelivered: break
                }
            case 85..<93:
                let grants = harness.grants(worker: Int(random.next(upperBound: 4 as UInt64)))
                held += grants.granted.map(\.1)
                expired += grants.expired.count
            case 93..<97:
                guard let id = harness.ids.randomElement(using: &random) else { continue }
                let events: [ReplicaEvent] = [
                    .connectRefused, .connectFailed, .probe(.healthy), .probe(.healthy),
                    .probe(.unavailable), .probe(.timedOut), .cordon, .uncordon, .uncordon,
                    .scrape(LoadScrape(waiting: 3, running: 9, heartbeat: Double(step))),
                    .scrape(LoadScrape(waiting: .nan, running: -1)),
                ]
                guard let event = events.randomElement(using: &random) else { continue }
                if random.next() & 1 == 0 { harness.pool.scrapeSent(id) }
                _ = harness.pool.observe(id, event, now: harness.now)
            case 97..<98:
                names = 1 + Int(random.next(upperBound: 6 as UInt64))
                harness.update(names)
            default:
                _ = harness.pool.tick(now: harness.now)
            }
            if step % 97 == 0 {
                let snapshot = harness.snapshot
                #expect(snapshot.inflight == snapshot.replicas.reduce(0) { $0 + $1.inflight })
                #expect(snapshot.dispatched - snapshot.finished == UInt64(snapshot.inflight))
                #expect(snapshot.inflight >= held.count)
                #expect(snapshot.queueLength <= 64)
                #expect(snapshot.queueBytes == snapshot.queueLength * 10)
                #expect(snapshot.replicas.allSatisfy { $0.inflight <= 8 })
            }
        }
        harness.advance(.seconds(60))
        for _ in 0..<10_000 {
            _ = harness.pool.tick(now: harness.now)
            for worker in 0..<4 {
                let grants = harness.grants(worker: worker)
                held += grants.granted.map(\.1)
                expired += grants.expired.count
            }
            if held.isEmpty { break }
            for one in held { one.release(now: harness.now) }
            released += held.count
            held.removeAll()
        }
        let snapshot = harness.snapshot
        #expect(snapshot.inflight == 0)
        #expect(snapshot.queueLength == 0)
        #expect(snapshot.leakedPermits == 0)
        #expect(arrivals > 40_000)
        // Each arrival ended in exactly one way.
        #expect(released + refused + expired + cancelled == arrivals)
    }
}
