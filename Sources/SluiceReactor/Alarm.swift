import CSluiceLinux
import Glibc
import SluiceTime

/// Ends the sleep of one thread's poller in time.
///
/// A timeout of epoll_wait(2) is started and cancelled by the kernel at every sleep, for a thirtieth of
/// the CPU that an event costs which comes alone. An alarm is set once and serves all sleeps until it goes
/// off; one that has become too early ends a sleep for nothing, once. Source: timerfd_create(2).
package final class Alarm {
    private let descriptor: Int32
    /// When the alarm set last goes off; in the past, it has.
    private var set = Instant(nanoseconds: 0)

    /// Registers it with the poller; its events need no answer.
    ///
    /// - Throws: ``SystemError`` when the process has no descriptor left.
    package init(waking poller: Poller, _ token: Token) throws(SystemError) {
        descriptor = sluice_timerfd()
        guard descriptor >= 0 else { throw SystemError(call: "timerfd_create") }
        // By edges: it goes off once, and nobody has to read how often.
        try poller.add(descriptor, [.read, .edgeTriggered], token)
    }

    deinit { close(descriptor) }

    /// Sees to it that a sleep ends at `due` or before.
    ///
    /// - Parameter now: read after the last sleep.
    package func ring(by due: Instant, now: Instant) {
        guard set <= now || due < set else { return }
        _ = sluice_timerfd_set(descriptor, due.nanoseconds)
        set = due
    }
}
