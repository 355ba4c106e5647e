import SluiceBytes
import Dispatch
import SluiceEndpoint
import SluiceReactor
import SluiceTime

// `stop` may be called from any thread; everything of the server belongs to the thread it starts.

/// A simulated replica on a thread of its own, for the demo and for tests.
package final class SimulatorThread: Sendable {
    /// The bound address, with the port the kernel chose where it was asked to.
    package let address: SocketAddress
    private let orders: Mailbox<Order>
    private let thread: Guarded<Joinable>

    private enum Order: Sendable { case stop }

    private struct Joinable: ~Copyable {
        var thread: WorkerThread?
    }

    /// How the start went, from the new thread to the one that waits for it.
    private final class Handover: Sendable {
        private let isGiven = DispatchSemaphore(value: 0)
        private let result = Guarded<Result<SocketAddress, SystemError>?>(nil)

        func give(_ result: Result<SocketAddress, SystemError>) {
            self.result.withLock { $0 = result }
            isGiven.signal()
        }

        func wait() -> Result<SocketAddress, SystemError> {
            isGiven.wait()
            return result.withLock { $0 } ?? .failure(SystemError(call: "start", code: 0))
        }
    }

    /// Starts one; it answers when this returns.
    ///
    /// - Throws: ``SystemError``: the address is in use, no descriptor is left, and the like.
    package init(
        _ configuration: SimulatedReplica.Configuration,
        listen: SocketAddress, keepAlive: Nanoseconds = .seconds(5)
    ) throws(SystemError) {
        let orders = try Mailbox<Order>()
        let started = Handover()
        let thread = try WorkerThread(name: "vllm-sim") {
            Self.run(configuration, listen, keepAlive, orders, started)
        }
        switch started.wait() {
        case .success(let bound): address = bound
        case .failure(let error):
            thread.join()
            throw error
        }
        self.orders = orders
        self.thread = Guarded(Joinable(thread: consume thread))
    }

    deinit { stop() }

    /// Closes every connection, stops listening and waits for the thread; later calls do nothing.
    package func stop() {
        orders.post(.stop)
        thread.withLock { joinable in
            if let thread = joinable.thread.take() { thread.join() }
        }
    }

    private static func run(
        _ configuration: SimulatedReplica.Configuration, _ listen: SocketAddress,
        _ keepAlive: Nanoseconds, _ orders: Mailbox<Order>, _ started: Handover
    ) {
        do throws(SystemError) {
            let loop = try EndpointLoop()
            let server = try SimulatorServer(
                configuration, listen: listen, keepAlive: keepAlive, on: loop)
            let watch = try loop.watch(orders.descriptor, .read) { _ in
                if !orders.take().isEmpty { loop.stop() }
            }
            started.give(.success(server.address))
            loop.run()
            loop.unwatch(watch, orders.descriptor)
            server.close()
        } catch {
            started.give(.failure(error))
        }
    }
}
