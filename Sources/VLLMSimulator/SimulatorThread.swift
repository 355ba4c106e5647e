import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Synchronization

/// A simulated replica on a thread of its own, for the demo and for tests.
package final class SimulatorThread {
    /// Where it listens.
    package let address: SocketAddress
    private let stopBox: Mailbox<Bool>
    private var thread: WorkerThread?

    /// Listens when it returns. - Throws: ``SystemError``: the address is in use, and the like.
    package init(
        _ configuration: SimulatedReplica.Configuration, listen: SocketAddress,
        keepAlive: Nanoseconds = .seconds(5)
    ) throws(SystemError) {
        let box = try Mailbox<Bool>()
        let started = try Mailbox<Result<SocketAddress, SystemError>>()
        thread = try WorkerThread(name: "vllm-sim") {
            do throws(SystemError) {
                let loop = try EndpointLoop()
                let server = try SimulatorServer(
                    configuration, listen: listen, on: loop, keepAlive: keepAlive)
                let watch = try loop.watch(box.descriptor, .read) { _ in
                    if box.take().contains(true) { loop.stop() }
                }
                started.post(.success(server.address ?? listen))
                loop.run()
                server.close()
                loop.unwatch(watch, box.descriptor)
            } catch {
                started.post(.failure(error))
            }
        }
        stopBox = box
        let poller = try Poller()
        try poller.add(started.descriptor, .read, Token(kind: .mailbox, slot: 0, generation: 0))
        var answer: Result<SocketAddress, SystemError>?
        while answer == nil {
            _ = poller.wait(timeout: .seconds(1))
            answer = started.take().first
        }
        switch answer {
        case .success(let bound): address = bound
        case .failure(let error):
            thread.take()?.join()
            throw error
        case nil: throw SystemError(call: "vllm-sim", code: 0)
        }
    }

    /// Closes every connection and waits for the thread.
    package func stop() {
        stopBox.post(true)
        thread.take()?.join()
    }

    deinit { if thread != nil { stop() } }
}
