/// What a signal usually is, learned while nothing is wrong.
///
/// A mean and a mean absolute deviation, both forgetting with a time constant of ten minutes; the
/// first observations count alike. Once a second.
package struct HealthyRange: Equatable, Sendable {
    /// Seconds of traffic after which a range is used.
    package static let learnedAfter = 30
    private static let timeConstant = 600.0
    /// Mean deviations beyond the mean that are still usual: four were passed four times in a
    /// simulated hour of thirty requests in ten seconds.
    private static let deviations = 6.0

    package private(set) var mean = 0.0
    package private(set) var deviation = 0.0
    /// Seconds observed.
    package private(set) var seconds = 0

    package init() {}

    /// Whether enough has been seen.
    package var isLearned: Bool { seconds >= Self.learnedAfter }

    /// Takes in a second during which nothing was wrong.
    package mutating func observe(_ value: Double) {
        guard value.isFinite else { return }
        let weight = max(1 / Self.timeConstant, 1 / Double(seconds + 1))
        deviation += weight * (abs(value - mean) - deviation)
        if seconds == 0 { deviation = 0 }
        mean += weight * (value - mean)
        seconds += 1
    }

    /// The bound above which the signal is high.
    ///
    /// - Parameters:
    ///   - factor: a value within this multiple of the mean is never high.
    ///   - margin: nor one so little above it, in the signal's unit.
    package func upper(factor: Double, margin: Double = 0) -> Double? {
        guard isLearned else { return nil }
        return mean + max(Self.deviations * deviation, (factor - 1) * abs(mean), margin)
    }

    /// The bound below which it is low; the mirror of ``upper(factor:margin:)``.
    package func lower(factor: Double, margin: Double = 0) -> Double? {
        guard isLearned else { return nil }
        return mean - max(Self.deviations * deviation, (1 - 1 / factor) * abs(mean), margin)
    }

    /// As an aside: "usual: 20 ms, learned over 12 min"; empty where nothing is.
    func aside(_ unit: Unit) -> String {
        guard isLearned else { return "" }
        return "usual: \(unit.text(mean)), learned over \(Unit.seconds.text(Double(seconds)))"
    }
}
