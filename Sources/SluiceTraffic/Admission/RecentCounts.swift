import SluiceTime

/// How often things of a few kinds happened lately: a ring of buckets with their sums.
struct RecentCounts: Sendable {
    private let bucketSpan: Nanoseconds
    private let bucketCount: Int
    private let kinds: Int
    /// A row of `kinds` with the sums, then `bucketCount` rows of which it is the sum.
    private var counts: [UInt32]
    /// The newest bucket, when it ends, and where its row begins.
    private var newest: Int64 = 0
    private var newestEnd = Instant.unset
    private var newestRow: Int

    /// - Parameters:
    ///   - span: how far back is counted, to within one bucket.
    ///   - kinds: at least 1.
    init(span: Nanoseconds, buckets: Int, kinds: Int) {
        bucketSpan = span / Int64(buckets)
        bucketCount = buckets
        self.kinds = kinds
        counts = [UInt32](repeating: 0, count: (buckets + 1) * kinds)
        newestRow = kinds
    }

    /// Counts one.
    mutating func record(_ kind: Int, now: Instant) {
        advance(now)
        let row = newestRow
        var counts = counts.mutableSpan
        counts[row &+ kind] &+= 1
        counts[kind] &+= 1
    }

    /// Takes one back that was counted at `then`; what has left the ring is gone anyway.
    mutating func remove(_ kind: Int, then: Instant) {
        let bucket = then.nanoseconds / bucketSpan.count
        guard bucket <= newest, newest - bucket < Int64(bucketCount) else { return }
        let index = row(bucket) + kind
        guard counts[index] > 0 else { return }
        counts[index] &-= 1
        counts[kind] &-= 1
    }

    /// How many of a kind there were.
    mutating func count(_ kind: Int, now: Instant) -> Int {
        advance(now)
        return Int(counts[kind])
    }

    /// How many of the kinds in `range` there were.
    mutating func count(_ range: Range<Int>, now: Instant) -> Int {
        advance(now)
        var total = 0
        for kind in range { total &+= Int(counts[kind]) }
        return total
    }

    /// How many of all kinds there were.
    mutating func total(now: Instant) -> Int { count(0..<kinds, now: now) }

    private func row(_ bucket: Int64) -> Int { (1 + Int(bucket % Int64(bucketCount))) * kinds }

    /// Forgets what is too old.
    @inline(__always)
    private mutating func advance(_ now: Instant) {
        if now >= newestEnd { begin(now.nanoseconds / bucketSpan.count) }
    }

    /// A bucket begins.
    @inline(never)
    private mutating func begin(_ bucket: Int64) {
        guard bucket > newest else { return }
        let stale = min(bucket - newest, Int64(bucketCount))
        for step in 1...stale {
            let start = row(bucket - stale + step)
            for kind in 0..<kinds {
                counts[kind] &-= counts[start + kind]
                counts[start + kind] = 0
            }
        }
        newest = bucket
        newestEnd = Instant(nanoseconds: (bucket &+ 1) &* bucketSpan.count)
        newestRow = row(bucket)
    }
}
