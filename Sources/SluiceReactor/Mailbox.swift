import SluiceBytes
import CSluiceLinux
import Glibc

// Written by any thread, read by the one that owns the loop the descriptor is registered with.

/// Messages to another thread's event loop; the eventfd is written only when the box was empty.
package final class Mailbox<Message: Sendable>: Sendable {
    /// Register this one for reading, level-triggered.
    package let descriptor: Int32
    private let messages = Guarded<[Message]>([])

    /// - Throws: ``SystemError`` when the process has no descriptor left.
    package init() throws(SystemError) {
        descriptor = sluice_eventfd()
        guard descriptor >= 0 else { throw SystemError(call: "eventfd") }
    }

    deinit { close(descriptor) }

    /// Leaves a message and wakes the owner if it may be asleep.
    package func post(_ message: Message) {
        let wasEmpty = messages.withLock { box in
            box.append(message)
            return box.count == 1
        }
        if wasEmpty { wake() }
    }

    /// Wakes the owner without a message. Source: eventfd(2).
    package func wake() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, 8)
    }

    /// Takes everything; called by the owner when the descriptor is readable.
    package func take() -> [Message] {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
        return messages.withLock { box in
            let taken = box
            box.removeAll(keepingCapacity: true)
            return taken
        }
    }
}

/// The signals that end the process, reload it or reopen its log, as a descriptor.
package final class SignalSource: Sendable {
    package let descriptor: Int32

    /// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 in this thread and all it starts later: call first.
    package init() throws(SystemError) {
        descriptor = sluice_signalfd()
        guard descriptor >= 0 else { throw SystemError(call: "signalfd") }
    }

    deinit { close(descriptor) }

    /// The next pending signal, or nil.
    package func next() -> Int32? {
        let signal = sluice_signalfd_read(descriptor)
        return signal == 0 ? nil : signal
    }
}
