/// What the `process_*` families say; the socket server may fill in its own from `/proc/self`.
package struct ProcessFigures: Equatable, Sendable {
    package var virtualBytes = 4_534_321_152.0
    package var residentBytes = 1_020_317_696.0
    /// Seconds since 1970.
    package var startSeconds = 0.0
    package var processorSeconds = 29.49
    package var openDescriptors = 35.0
    package var maxDescriptors = 20_000.0

    /// Figures of a freshly started vLLM on a CPU, started at `startSeconds` since 1970.
    package init(startSeconds: Double) { self.startSeconds = startSeconds }
}
