import CSluiceLinux
import Glibc
import SluiceTime

/// A named POSIX thread that is joined, or let go, before it is forgotten.
package struct WorkerThread: ~Copyable {
    private let handle: pthread_t

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread that runs `body`; names are cut to 15 bytes. Source: pthread_create(3).
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let start = unsafe Unmanaged.passRetained(
            Start(name: String(name.prefix(15)), body: body))
        var handle = pthread_t()
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                // Safety: the argument is the retained Start made above; taken exactly once.
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe sluice_name_thread(start.name)
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
