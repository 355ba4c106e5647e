import SluiceTime

/// Hashes of bodies that were in flight on two replicas that died; refused for five minutes.
///
/// Bounded: beyond ``countMax`` the oldest is forgotten.
package struct PoisonMemory: Sendable {
    /// Hashes at most; a fleet with more distinct queries of death has other problems.
    package static let countMax = 256
    /// How long a hash is refused.
    package static let lifetime = Nanoseconds.seconds(300)

    private struct Entry {
        var hash: UInt64
        var until: Instant
    }

    private var entries: [Entry] = []
    private var oldest = 0

    package init() {}

    /// Remembers a hash, or renews it.
    package mutating func insert(_ hash: UInt64, now: Instant) {
        let entry = Entry(hash: hash, until: now + Self.lifetime)
        if let index = entries.firstIndex(where: { $0.hash == hash }) {
            entries[index] = entry
        } else if let index = entries.firstIndex(where: { $0.until <= now }) {
            entries[index] = entry
        } else if entries.count < Self.countMax {
            entries.append(entry)
        } else {
            entries[oldest] = entry
            oldest = (oldest + 1) % Self.countMax
        }
    }

    /// Whether a body of this hash is refused now.
    package func contains(_ hash: UInt64, now: Instant) -> Bool {
        entries.contains { $0.hash == hash && $0.until > now }
    }
}
