import SluiceTime

/// Bounds of a pool that hold whatever the admission algorithm decides.
package struct AdmissionLimits: Sendable {
    /// Requests waiting at most; 1 … 1,048,576. Beyond, memory for bodies rules anyway.
    package var queueLengthMax = 1_024
    /// Bytes of waiting bodies at most.
    package var queueBytesMax = 256 << 20
    /// Longest wait; a client that waits longer has mostly given up.
    package var queueWaitMax = Nanoseconds.seconds(30)
    /// Requests in flight per replica at most; vLLM queues what exceeds its own slots.
    package var replicaInflightMax = 1_024

    package init() {}
}
