import SluiceTime

/// The upper bounds of a histogram's buckets: integers in nanoseconds, bytes or tokens.
///
/// Finding a bucket starts from a table by order of magnitude, so that it takes about four
/// comparisons wherever the value lies.
package struct BucketScale: Sendable {
    /// Bounds of one scale at most; vLLM's largest has 22, objectives add up to 16.
    package static let boundsMax = 40

    private var bounds = InlineArray<40, UInt64>(repeating: .max)
    /// The first bucket whose bound has as many significant bits as the index, or more.
    private var starts = InlineArray<65, UInt8>(repeating: 0)
    /// Bounds without the last, infinite one.
    package private(set) var count = 0
    /// What a bound is divided by to be in base units: 1e9 for times.
    package let divisor: Double

    /// A scale of whole numbers; sorted, without repetitions, cut at ``boundsMax``.
    package init(_ values: [UInt64], divisor: Double = 1) {
        self.divisor = divisor
        for value in Set(values).sorted().prefix(Self.boundsMax) {
            bounds[count] = value
            count += 1
        }
        for bits in 0...64 {
            var index = 0
            while index < count, 64 - bounds[index].leadingZeroBitCount < bits { index += 1 }
            starts[bits] = UInt8(index)
        }
    }

    /// A scale of times given in microseconds.
    init(microseconds: [UInt64], and objectives: [Nanoseconds] = []) {
        self.init(
            microseconds.map { $0 &* 1_000 }
                + objectives.filter { $0 > .zero }.map { UInt64($0.count) },
            divisor: 1e9)
    }

    /// The bucket of `value`: the first whose bound is not below it, `count` for the infinite one.
    package func index(of value: UInt64) -> Int {
        var index = Int(starts[64 &- value.leadingZeroBitCount])
        while index < count, value > bounds[index] { index &+= 1 }
        return index
    }

    /// The bound of bucket `index`, not divided.
    func rawBound(_ index: Int) -> UInt64 { bounds[index] }
    /// Where the search for a value of so many significant bits begins.
    func start(bits: Int) -> Int { Int(starts[bits]) }

    /// The bound of bucket `index` in base units; `index < count`.
    package func bound(_ index: Int) -> Double { Double(bounds[index]) / divisor }
}

/// The bounds of all histograms: the same on every series and every gateway of one configuration.
package struct BucketScales: Sendable {
    /// Time to first token: vLLM's bounds and all configured objectives.
    package let firstToken: BucketScale
    /// Whole requests: from a short embedding to a long answer, and all objectives.
    package let duration: BucketScale
    /// Times that may be far below a millisecond: stages, aborts, loop turns.
    package let short: BucketScale
    /// Gaps and time per token: vLLM's bounds and all configured objectives.
    package let token: BucketScale
    /// Per-replica latency: eight bounds, as there may be many replicas.
    package let coarse: BucketScale
    /// Numbers of tokens: vLLM's 1-2-5 series.
    package let tokens: BucketScale
    /// Body sizes.
    package let bytes: BucketScale

    /// - Parameters:
    ///   - firstTokenObjectives: objectives for time to first token, at most 16 are kept.
    ///   - responseObjectives: objectives for response time, at most 16 are kept.
    ///   - tokenObjectives: objectives for time per output token, at most 16 are kept.
    package init(
        firstTokenObjectives: [Nanoseconds] = [], responseObjectives: [Nanoseconds] = [],
        tokenObjectives: [Nanoseconds] = []
    ) {
        firstToken = BucketScale(
            microseconds: [
                1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000,
                750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 20_000_000,
                40_000_000, 80_000_000, 160_000_000, 640_000_000, 2_560_000_000,
            ], and: Array(firstTokenObjectives.prefix(16)))
        duration = BucketScale(
            microseconds: [
                5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 1_500_000,
                2_500_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000, 120_000_000,
                300_000_000, 600_000_000, 1_920_000_000, 7_680_000_000,
            ], and: Array(responseObjectives.prefix(16)))
        short = BucketScale(microseconds: [
            50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
            500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 120_000_000,
        ])
        token = BucketScale(
            microseconds: [
                10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000,
                500_000,
                750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 20_000_000,
                40_000_000, 80_000_000,
            ], and: Array(tokenObjectives.prefix(16)))
        coarse = BucketScale(microseconds: [
            10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
        ])
        tokens = BucketScale([
            1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000,
            100_000, 200_000, 500_000, 1_000_000,
        ])
        bytes = BucketScale([
            256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
            67_108_864,
        ])
    }
}

/// A histogram kept by one thread for itself, to be shown in a snapshot.
package struct HistogramValue: Sendable {
    /// The bounds.
    package let scale: BucketScale
    /// Observations by bucket, not cumulative; the last is the infinite one.
    package private(set) var counts: [UInt64]
    /// Sum of all observations, in the scale's integers.
    package private(set) var sum: UInt64 = 0
    /// The newest observation with a trace, by bucket; most buckets have none.
    package private(set) var exemplars: [Int: Exemplar] = [:]
    /// The same observations in the cells of ``NativeBuckets``, empty before the first; nil where some
    /// are not in them.
    private(set) var native: [UInt64]? = []

    /// An empty histogram.
    package init(_ scale: BucketScale) {
        self.scale = scale
        counts = Array(repeating: 0, count: scale.count + 1)
    }

    /// Counts one value.
    package mutating func observe(_ value: UInt64) {
        counts[scale.index(of: value)] &+= 1
        sum &+= value
        native = nil
    }

    /// Counts one time; a negative one as zero.
    package mutating func observe(_ time: Nanoseconds) { observe(UInt64(max(0, time.count))) }

    /// Sum of all observations in base units.
    package var total: Double { Double(sum) / scale.divisor }

    /// - Parameter native: nil where these observations are in no native cells.
    mutating func add(_ more: [UInt64], sum: UInt64, native cells: [UInt64]?) {
        for (index, count) in zip(counts.indices, more) { counts[index] &+= count }
        self.sum &+= sum
        guard let cells, let own = native else { return native = nil }
        guard !own.isEmpty else { return native = cells }
        for (index, count) in cells.enumerated() where count > 0 { native?[index] &+= count }
    }

    /// The native cells of what `now` has more than `earlier`, a reading of the same histogram.
    mutating func subtractNative(from now: HistogramValue, _ earlier: HistogramValue) {
        guard let cells = now.native, let before = earlier.native else { return native = nil }
        native = before.isEmpty ? cells : zip(cells, before).map { $0 > $1 ? $0 - $1 : 0 }
    }

    mutating func add(bucket: Int, _ count: UInt64) { counts[bucket] &+= count }
    mutating func add(sum more: UInt64) { sum &+= more }

    mutating func add(_ other: HistogramValue) {
        add(other.counts, sum: other.sum, native: other.native)
        for (bucket, exemplar) in other.exemplars { add(exemplar, bucket: bucket) }
    }

    /// Keeps the newest of each bucket.
    package mutating func add(_ exemplar: Exemplar, bucket: Int) {
        if let old = exemplars[bucket], old.unixNanoseconds > exemplar.unixNanoseconds { return }
        exemplars[bucket] = exemplar
    }
}
