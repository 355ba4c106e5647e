import SluiceTime

/// How many of a replica's recent whole answers were server errors (5xx).
///
/// Two spans of ``span`` are kept, the present and the one before, so that the share is that of the
/// last 30 to 60 s and nothing need be remembered of single answers.
struct ServerErrorShare: Sendable {
    /// Fewer answers than this count as this many, so that the first error of a quiet replica is
    /// no share of 100 %.
    static let answersMin: UInt64 = 20
    /// A share counts above this many times the pool's median.
    static let medianFactor: UInt64 = 5
    /// A median below 1 in this many counts as that: five times nothing is nothing.
    static let medianFloorDivisor: UInt64 = 100
    private static let span = Nanoseconds.seconds(30)

    private struct Counts: Sendable {
        var answers: UInt32 = 0
        var errors: UInt32 = 0
    }

    private var present = Counts()
    private var before = Counts()
    private var presentSince = Instant.unset

    /// Counts an answer.
    mutating func record(isError: Bool, now: Instant) {
        advance(now)
        // Held here, so that no product of two sums overflows.
        guard present.answers < 1 << 28 else { return }
        present.answers &+= 1
        if isError { present.errors &+= 1 }
    }

    /// Whether there is nothing to compare others with.
    mutating func isEmpty(now: Instant) -> Bool {
        advance(now)
        return answers == 0
    }

    /// Whether the share is above 1 in ``medianFloorDivisor`` times ``medianFactor``.
    var isAboveFloor: Bool {
        errors * Self.medianFloorDivisor > Self.medianFactor * weight
    }

    /// Whether the share is more than ``medianFactor`` times that of `other`, which counts by the
    /// answers it really gave: one that has answered once, with an error, does no better.
    func isOutlier(beside other: ServerErrorShare) -> Bool {
        errors * other.answers > Self.medianFactor * other.errors * weight
    }

    private var answers: UInt64 { UInt64(present.answers) + UInt64(before.answers) }
    private var errors: UInt64 { UInt64(present.errors) + UInt64(before.errors) }
    /// The divisor of the share.
    private var weight: UInt64 { max(answers, Self.answersMin) }

    private mutating func advance(_ now: Instant) {
        guard presentSince.isSet else {
            presentSince = now
            return
        }
        let age = now - presentSince
        guard age >= Self.span else { return }
        before = age < Self.span * 2 ? present : Counts()
        present = Counts()
        presentSince = now
    }
}
