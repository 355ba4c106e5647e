import SluiceBytes
import SluiceTime

/// What became of a request in the gateway, for a client that asked with `x-sluice-explain: 1`.
package struct Explanation: Sendable, Equatable {
    /// Name of the replica; nil where none has been asked.
    package var replica: String?
    /// From the last byte of the request to a replica's slot, or to the refusal.
    package var queue: Nanoseconds
    /// The class after all rules.
    package var className: String
    /// The tenant; nil where none are told apart.
    package var tenant: String?

    package init(replica: String?, queue: Nanoseconds, className: String, tenant: String?) {
        self.replica = replica
        self.queue = queue
        self.className = className
        self.tenant = tenant
    }

    /// Appends one line for each; names are checked when they are configured and cannot end a line.
    package func append(to output: inout ByteBuffer) {
        if let replica {
            output.append("x-sluice-replica: ")
            output.append(Array(replica.utf8).span)
            output.append("\r\n")
        }
        let microseconds = Int(max(0, queue.count) / 1_000)
        output.append("x-sluice-queue-ms: ")
        output.appendDecimal(microseconds / 1_000)
        output.append(".")
        let fraction = microseconds % 1_000
        if fraction < 100 { output.append("0") }
        if fraction < 10 { output.append("0") }
        output.appendDecimal(fraction)
        output.append("\r\nx-sluice-class: ")
        output.append(Array(className.utf8).span)
        if let tenant {
            output.append("\r\nx-sluice-tenant: ")
            output.append(Array(tenant.utf8).span)
        }
        output.append("\r\n")
    }
}
