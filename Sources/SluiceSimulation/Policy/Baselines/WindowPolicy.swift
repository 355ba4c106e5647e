import SluiceTime

/// The baselines that hold requests back behind a static window per replica.
package final class WindowPolicy: GatewayPolicy {
    /// What becomes of those that wait.
    package enum Queueing: Sendable {
        /// First in, first out; who would come too late when its turn comes is dropped: when less
        /// time is left than its own prefill and this step beside it take.
        case deadlineDrop(step: Nanoseconds)
        /// Nobody waits: beyond the windows everyone is refused at once.
        case refuse
        /// First in, first out; dropped by the controlled-delay law (CoDel, RFC 8289).
        case controlledDelay(target: Nanoseconds, interval: Nanoseconds)
    }

    private struct Waiting {
        let request: PolicyRequest
        let since: Instant
    }

    /// A step of a full replica that decodes only, its cache two thirds full as it then is.
    ///
    /// It is what section 5.3 predicts beside the own prefill. The study does not say what its rule
    /// for dropping allowed, and everything hangs on it, for each request is admitted with just that
    /// much time left: at 3x the goodput is 16, 27, 42, 64, 86 and 94 % with 0, 10, 20, 30, 40 and
    /// 50 ms, and 0 to 6 % behind a window of slots + 2. Section 1 says 45 %.
    package static let fullStep = EngineParameters().stepSpan(
        decodes: Study.slots, prefillTokens: 0, cacheTokens: Study.cacheTokensMax * 2 / 3,
        slowFactor: 1)

    private let queueing: Queueing
    private let window: Int
    private let objectives: [ClassObjective]
    private var isUp: [Bool]
    private var own: [Int]
    /// First come first; from `head` on, some cancelled.
    private var queue: [Waiting] = []
    private var head = 0
    private var cancelled: Set<Int> = []
    private var delay: ControlledDelay

    /// - Parameter window: requests in flight per replica at most.
    package init(_ queueing: Queueing, window: Int, _ context: PolicyContext) {
        self.queueing = queueing
        self.window = window
        objectives = context.objectives
        isUp = Array(repeating: true, count: context.replicas)
        own = Array(repeating: 0, count: context.replicas)
        switch queueing {
        case .controlledDelay(let target, let interval):
            delay = ControlledDelay(target: target, interval: interval)
        case .deadlineDrop, .refuse:
            delay = ControlledDelay(target: .zero, interval: .seconds(1))
        }
    }

    package func arrive(
        _ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        if case .refuse = queueing, open() == nil {
            decisions.append(
                .refuse(token: request.token, .full, expired: false, retryAfter: .seconds(1)))
            return
        }
        queue.append(Waiting(request: request, since: now))
        pump(now, &decisions)
    }

    private func open() -> Int? {
        var best: Int?
        for replica in own.indices where isUp[replica] && own[replica] < window {
            if best.map({ own[replica] < own[$0] }) ?? true { best = replica }
        }
        return best
    }

    private func pump(_ now: Instant, _ decisions: inout [PolicyDecision]) {
        while head < queue.count, let replica = open() {
            let next = queue[head]
            head += 1
            if cancelled.remove(next.request.token) != nil { continue }
            if isTooLate(next, now) {
                decisions.append(
                    .refuse(
                        token: next.request.token, .expired, expired: true,
                        retryAfter: .seconds(1)))
                continue
            }
            own[replica] += 1
            decisions.append(.dispatch(token: next.request.token, replica: replica))
        }
        if head > 1_024 && head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
    }

    private func isTooLate(_ next: Waiting, _ now: Instant) -> Bool {
        let waited = now - next.since
        switch queueing {
        case .refuse:
            return false
        case .controlledDelay:
            return delay.drops(waited: waited, now: now)
        case .deadlineDrop(let step):
            guard let most = objectives[next.request.classIndex].firstToken else { return false }
            let prefill = Nanoseconds.seconds(
                clamping: Study.prefillTokenMilliseconds * Double(next.request.promptTokens) / 1_000
            )
            return waited + prefill + step > most
        }
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
        pump(now, &decisions)
    }

    package func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision]) {
        cancelled.insert(token)
    }

    package func scrapeSent(_ replica: Int, now: Instant) {}

    package func scraped(
        _ replica: Int, _ reading: ReplicaReading, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {}

    package func replica(
        _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        self.isUp[replica] = isUp
        pump(now, &decisions)
    }

    package func tick(now: Instant, into decisions: inout [PolicyDecision]) {
        pump(now, &decisions)
    }

    package func inFlight(at replica: Int) -> Int { own[replica] }

    package var waiting: Int { queue.count - head - cancelled.count }
}

/// When a queue whose delay stays above a target drops, and how much more often each time.
///
/// Source: RFC 8289 section 5.
struct ControlledDelay {
    let target: Nanoseconds
    let interval: Nanoseconds
    /// When the delay has been above the target for an interval; unset while it is below.
    private var aboveUntil = Instant.unset
    private var isDropping = false
    private var dropNext = Instant.unset
    private var count = 0

    init(target: Nanoseconds, interval: Nanoseconds) {
        self.target = target
        self.interval = interval
    }

    /// Whether the request at the head, which has waited so long, is dropped.
    mutating func drops(waited: Nanoseconds, now: Instant) -> Bool {
        guard waited >= target else {
            aboveUntil = .unset
            isDropping = false
            return false
        }
        guard aboveUntil.isSet else {
            aboveUntil = now + interval
            return false
        }
        if isDropping {
            guard now >= dropNext else { return false }
            count += 1
        } else {
            guard now >= aboveUntil else { return false }
            isDropping = true
            count = count > 2 && now - dropNext < interval * 16 ? count - 2 : 1
        }
        dropNext = now + .seconds(clamping: interval.seconds / Double(count).squareRoot())
        return true
    }
}
