import SluiceTime

/// How often things of a few kinds happened lately: a ring of buckets with their sums.
struct RecentCounts: Sendable {
    private let bucketSpan: Nanoseconds
    private let bucketCount: Int
    private let kinds: Int
    /// `bucketCount` rows of `kinds`.
    private var counts: [UInt32]
    private var sums: [UInt32]
    private var newest: Int64 = 0

    /// - Parameters:
    ///   - span: how far back is counted, to within one bucket.
    ///   - kinds: at least 1.
    init(span: Nanoseconds, buckets: Int, kinds: Int) {
        bucketSpan = span / Int64(buckets)
        bucketCount = buckets
        self.kinds = kinds
        counts = [UInt32](repeating: 0, count: buckets * kinds)
        sums = [UInt32](repeating: 0, count: kinds)
    }

    /// Counts one.
    mutating func record(_ kind: Int, now: Instant) {
        advance(now)
        counts[row(newest) + kind] &+= 1
        sums[kind] &+= 1
    }

    /// Takes one back that was counted at `then`; what has left the ring is gone anyway.
    mutating func remove(_ kind: Int, then: Instant) {
        let bucket = then.nanoseconds / bucketSpan.count
        guard bucket <= newest, newest - bucket < Int64(bucketCount) else { return }
        let index = row(bucket) + kind
        guard counts[index] > 0 else { return }
        counts[index] &-= 1
        sums[kind] &-= 1
    }

    /// How many of a kind there were.
    mutating func count(_ kind: Int, now: Instant) -> Int {
        advance(now)
        return Int(sums[kind])
    }

    /// How many of the kinds in `range` there were.
    mutating func count(_ range: Range<Int>, now: Instant) -> Int {
        advance(now)
        var total = 0
        for kind in range { total &+= Int(sums[kind]) }
        return total
    }

    /// How many of all kinds there were.
    mutating func total(now: Instant) -> Int { count(0..<kinds, now: now) }

    private func row(_ bucket: Int64) -> Int { Int(bucket % Int64(bucketCount)) * kinds }

    /// Forgets what is too old.
    private mutating func advance(_ now: Instant) {
        let bucket = now.nanoseconds / bucketSpan.count
        guard bucket > newest else { return }
        let stale = min(bucket - newest, Int64(bucketCount))
        for step in 1...stale {
            let start = row(bucket - stale + step)
            for kind in 0..<kinds {
                sums[kind] &-= counts[start + kind]
                counts[start + kind] = 0
            }
        }
        newest = bucket
    }
}
