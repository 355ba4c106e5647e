import SluiceTime

/// The highest rate that a growing counter has kept up for ``span``, a value.
///
/// A restart of the counter begins a new span and keeps what was seen: the machine is the same.
package struct SustainedRate: Sendable {
    /// How long a rate must last to count; shorter bursts are one batch's luck.
    package static let span = Nanoseconds.seconds(10)

    /// Per second; nil until one span is over.
    package private(set) var highest: Double?
    private var start: (value: Double, at: Instant)?

    package init() {}

    /// Takes in the counter as it is now; not a number and negative values are ignored.
    package mutating func take(_ value: Double, now: Instant) {
        guard value.isFinite, value >= 0 else { return }
        guard let start, value >= start.value else {
            start = (value, now)
            return
        }
        let time = now - start.at
        guard time >= Self.span else { return }
        highest = max(highest ?? 0, (value - start.value) / time.seconds)
        self.start = (value, now)
    }
}
