import CSluiceLinux
import Glibc
import SluiceTime

/// A named POSIX thread that is joined, or let go, before it is forgotten.
package struct WorkerThread: ~Copyable {
    private let handle: pthread_t

    /// How a thread shares a core with others; a wish that older kernels do not grant.
    package enum Urgency: Sendable {
        case usual
        /// Runs at once when it wakes: somebody waits for it.
        case prompt
        /// Takes the core from nobody.
        case background
    }

    private final class Start: Sendable {
        let name: String
        let urgency: Urgency
        let body: @Sendable () -> Void
        init(name: String, urgency: Urgency, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.urgency = urgency
            self.body = body
        }
    }

    /// Starts a thread that runs `body`; names are cut to 15 bytes. Source: pthread_create(3).
    package init(
        name: String, urgency: Urgency = .usual, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let start = unsafe Unmanaged.passRetained(
            Start(name: String(name.prefix(15)), urgency: urgency, body: body))
        var handle = pthread_t()
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                // Safety: the argument is the retained Start made above; taken exactly once.
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe sluice_name_thread(start.name)
                switch start.urgency {
                case .usual: break
                case .prompt: sluice_schedule_promptly()
                case .background: sluice_schedule_in_background()
                }
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            unsafe start.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        self.handle = handle
    }

    /// Waits until the thread has ended.
    package consuming func join() { pthread_join(handle, nil) }

    /// Lets it end by itself: for what may be stuck in a call that cannot be ended. Source:
    /// pthread_detach(3).
    package consuming func detach() { pthread_detach(handle) }

    /// Waits so long for the end; a thread that has not ended then is left to itself.
    ///
    /// - Returns: whether it has ended. Source: pthread_timedjoin_np(3).
    @discardableResult
    package consuming func join(within limit: Nanoseconds) -> Bool {
        sluice_join_thread(handle, limit.count) == 0
    }

    /// CPUs that the process may use: sched_getaffinity(2).
    package static var cpuCount: Int { Int(sluice_cpu_count()) }
}
