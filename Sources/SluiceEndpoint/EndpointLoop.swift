import SluiceBytes
import SluiceReactor
import SluiceTime

// One thread runs a loop and touches everything registered with it; nothing here is shared.

/// An event loop for everything that is not the relay path: admin pages, probes, the simulator, load.
///
/// Handlers are closures: convenient and slower than the workers' tables, which is the point of
/// having both.
package final class EndpointLoop {
    /// A registered descriptor.
    package struct Watch: Sendable {
        let token: Token
    }

    /// A scheduled closure.
    package struct Timer: Sendable {
        let token: Token
    }

    private struct Watcher {
        let body: (PollEvent) -> Void
        /// Goes on in the next turn.
        var isContinued = false
    }

    private struct Continuation {
        let token: Token
        let body: () -> Void
    }

    private struct Scheduled {
        var id = TimerWheel.none
        let body: () -> Void
    }

    package let pool = BufferPool()
    /// The instant of the present turn.
    package private(set) var now = MonotonicClock.now()
    private let poller: Poller
    private let timers: Pinned<TimerWheel>
    private let watchers: SlotTable<Watcher>
    private let scheduled: SlotTable<Scheduled>
    /// At most one for each descriptor.
    private var continuations: [Continuation] = []
    /// Tells one turn from another.
    private(set) var turnNumber: UInt64 = 0
    private var isStopping = false

    /// Descriptors and timers at once, each.
    package static let entriesMax = 65_536

    /// - Throws: ``SystemError`` when the process has no descriptor left.
    package init() throws(SystemError) {
        poller = try Poller()
        timers = Pinned(TimerWheel(now: now))
        watchers = SlotTable(capacity: Self.entriesMax)
        scheduled = SlotTable(capacity: Self.entriesMax)
    }

    /// Calls `body` with each event of a descriptor.
    package func watch(
        _ descriptor: Int32, _ interest: Interest, _ body: @escaping (PollEvent) -> Void
    ) throws(SystemError) -> Watch {
        guard !watchers.isFull else { throw SystemError(call: "watch", code: 24) }
        let slot = watchers.insert(Watcher(body: body))
        let token = watchers.token(.client, slot)
        do throws(SystemError) {
            try poller.add(descriptor, interest, token)
        } catch {
            _ = watchers.remove(slot)
            throw error
        }
        return Watch(token: token)
    }

    /// Changes what a descriptor is watched for.
    package func change(_ watch: Watch, _ descriptor: Int32, _ interest: Interest) {
        poller.modify(descriptor, interest, watch.token)
    }

    /// Forgets a descriptor, which the caller then closes.
    package func unwatch(_ watch: Watch, _ descriptor: Int32) {
        guard watchers.holds(watch.token) else { return }
        poller.remove(descriptor)
        _ = watchers.remove(watch.token.slot)
    }

    /// Calls `body` in the next turn, after its events and timers, unless the descriptor is forgotten
    /// before; once, however often this is asked.
    ///
    /// For who has not read all there is: an edge will not tell of it again.
    func goOn(_ watch: Watch, _ body: @escaping () -> Void) {
        guard watchers.holds(watch.token), !watchers[watch.token.slot].isContinued else { return }
        watchers[watch.token.slot].isContinued = true
        continuations.append(Continuation(token: watch.token, body: body))
    }

    /// Calls `body` once, after `delay`.
    @discardableResult
    package func after(_ delay: Nanoseconds, _ body: @escaping () -> Void) -> Timer? {
        at(now + delay, body)
    }

    /// Calls `body` once, at `instant`; nil when there are too many timers.
    @discardableResult
    package func at(_ instant: Instant, _ body: @escaping () -> Void) -> Timer? {
        guard !scheduled.isFull else { return nil }
        let slot = scheduled.insert(Scheduled(body: body))
        let token = scheduled.token(.timer, slot)
        scheduled[slot].id = timers.value.schedule(token, at: instant)
        return Timer(token: token)
    }

    /// Cancels a timer that may have fired already.
    package func cancel(_ timer: inout Timer?) {
        defer { timer = nil }
        guard let timer, scheduled.holds(timer.token) else { return }
        timers.value.cancel(&scheduled[timer.token.slot].id)
        _ = scheduled.remove(timer.token.slot)
    }

    /// Takes what has happened, waiting at most `maxWait`, and what is due.
    package func turn(maxWait: Nanoseconds) {
        turnNumber += 1
        let continued = continuations
        continuations = []
        now = MonotonicClock.now()
        let sleep =
            continued.isEmpty ? min(maxWait, timers.value.sleep(now: now) ?? maxWait) : .zero
        let count = poller.wait(timeout: sleep)
        now = MonotonicClock.now()
        for i in 0..<count {
            let event = poller.event(i)
            guard watchers.holds(event.token) else { continue }
            let body = watchers[event.token.slot].body
            body(event)
        }
        while let token = timers.value.popExpired(now: now) {
            guard scheduled.holds(token) else { continue }
            scheduled.remove(token.slot).body()
        }
        for continuation in continued {
            guard watchers.holds(continuation.token) else { continue }
            watchers[continuation.token.slot].isContinued = false
            continuation.body()
        }
    }

    /// Turns until ``stop()``.
    package func run() {
        while !isStopping { turn(maxWait: .seconds(1)) }
    }

    /// Ends ``run()`` after the present turn.
    package func stop() { isStopping = true }

    /// Descriptors, timers and buffers in use; all zero when everything has been given back.
    package var inUse: (watches: Int, timers: Int, buffers: Int) {
        (watchers.count, scheduled.count, pool.blocksOut)
    }
}
