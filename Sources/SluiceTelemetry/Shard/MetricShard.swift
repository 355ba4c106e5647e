import SluiceTime
import Synchronization

// One shard per worker (and one for the control thread). Only its owner writes; the control thread
// reads at any time. All cells are relaxed single-writer atomics: load, add, store, no locked
// instruction. What needs an order has release stores and acquire loads, which are the same plain
// moves on x86: a key is published after its value, and the four families that make up "in flight"
// are read in the opposite order of writing (see MetricSnapshot+Shards.swift).

/// The counters and histograms of one thread, in memory that never grows.
///
/// Series are made on first use in a table of fixed size, so a peer can never create more than
/// ``seriesMax``; observations beyond are counted in ``lost``. About 0.9 MB.
package final class MetricShard: Sendable {
    /// Label combinations at most, of all families together.
    package static let seriesMax = 4_096
    /// Offered and finished requests may go this far with their labels reduced, so that received
    /// minus finished stays exact after ``seriesMax`` has been reached.
    static let seriesHardMax = 7_168
    /// Slots of the table: a power of two, so never fuller than seven eighths.
    static let slotsMax = 8_192
    /// Cells of all histograms: of each the sum, where its native cells begin (plus one, 0: it has
    /// none), then its buckets, the infinite one last.
    static let cellsMax = 32_768
    /// Native cells of all histograms; those for which no room is left do without.
    static let nativeCellsMax = 65_536

    /// The bounds of the histograms.
    package let scales: BucketScales

    private let keys = InlineArray<8_192, Atomic<UInt64>> { _ in Atomic(0) }
    /// Of a counter its value, of a histogram the index of its first cell.
    private let values = InlineArray<8_192, Atomic<UInt64>> { _ in Atomic(0) }
    private let cells = InlineArray<32_768, Atomic<UInt64>> { _ in Atomic(0) }
    private let nativeCells = InlineArray<65_536, Atomic<UInt64>> { _ in Atomic(0) }
    private let bounds: ShardBounds
    private let nativeBuckets = NativeBuckets()
    /// Traces behind latencies; only exchanges that came with one touch it.
    let exemplars = ExemplarStore()
    private let seriesUsed = Atomic<Int>(0)
    private let cellsUsed = Atomic<Int>(0)
    private let nativeUsed = Atomic<Int>(0)
    private let lostCount = Atomic<UInt64>(0)
    private let plain = InlineArray<8, Atomic<UInt64>> { _ in Atomic(0) }
    /// Content events by model, outside the table because they are counted for every token.
    private let events = InlineArray<65, Atomic<UInt64>> { _ in Atomic(0) }
    /// First cell of each model's histogram of gaps plus one; 0 before its first gap.
    private let gapCells = InlineArray<65, Atomic<Int>> { _ in Atomic(0) }

    /// An empty shard.
    package init(scales: BucketScales = BucketScales()) {
        self.scales = scales
        bounds = ShardBounds(scales)
    }

    /// Label combinations in use.
    package var seriesCount: Int { seriesUsed.load(ordering: .relaxed) }
    /// Observations given up because a bound was reached.
    package var lost: UInt64 { lostCount.load(ordering: .relaxed) }

    // MARK: Writing, by the owner only

    // A key mostly stands where it is looked for first; the search for others, in functions of its
    // own, costs that case nothing.

    /// Adds to a counter.
    @inline(__always)
    func count(_ key: SeriesKey, _ n: UInt64 = 1) {
        let slot = Self.firstSlot(key)
        guard keys[slot].load(ordering: .relaxed) == key.word else {
            return countElsewhere(key, n)
        }
        bump(values[slot], n)
    }

    @inline(never)
    private func countElsewhere(_ key: SeriesKey, _ n: UInt64) {
        let slot = find(key, nil, max: Self.seriesMax)
        if slot < 0 { return bump(lostCount) }
        bump(values[slot], n)
    }

    /// Adds to a counter even beyond ``seriesMax``, under `reduced` labels.
    @inline(__always)
    func count(_ key: SeriesKey, orReduced reduced: SeriesKey) {
        let slot = Self.firstSlot(key)
        guard keys[slot].load(ordering: .relaxed) == key.word else {
            return countElsewhere(key, orReduced: reduced)
        }
        bump(values[slot])
    }

    @inline(never)
    private func countElsewhere(_ key: SeriesKey, orReduced reduced: SeriesKey) {
        var slot = find(key, nil, max: Self.seriesMax)
        if slot < 0 { slot = find(reduced, nil, max: Self.seriesHardMax) }
        if slot < 0 { return bump(lostCount) }
        bump(values[slot])
    }

    /// Adds a value to a histogram.
    @inline(never)
    func observe(_ key: SeriesKey, _ scale: ScaleName, _ value: UInt64) {
        let slot = Self.firstSlot(key)
        guard keys[slot].load(ordering: .relaxed) == key.word else {
            return observeElsewhere(key, scale, value)
        }
        observe(at: Int(truncatingIfNeeded: values[slot].load(ordering: .relaxed)), scale, value)
    }

    @inline(never)
    private func observeElsewhere(_ key: SeriesKey, _ scale: ScaleName, _ value: UInt64) {
        let slot = find(key, scale, max: Self.seriesMax)
        if slot < 0 { return bump(lostCount) }
        observe(at: Int(truncatingIfNeeded: values[slot].load(ordering: .relaxed)), scale, value)
    }

    /// Adds a time to a histogram; a negative one counts as zero.
    @inline(__always)
    func observe(_ key: SeriesKey, _ scale: ScaleName, _ time: Nanoseconds) {
        observe(key, scale, UInt64(max(0, time.count)))
    }

    @inline(__always)
    private func observe(at base: Int, _ scale: ScaleName, _ value: UInt64) {
        bump(cells[base], value)
        bump(cells[base &+ 2 &+ bounds.index(of: value, in: scale)])
        let native = cells[base &+ 1].load(ordering: .relaxed)
        if native != 0 {
            bump(
                nativeCells[
                    Int(truncatingIfNeeded: native) &- 1 &+ nativeBuckets.cell(of: value)])
        }
    }

    /// Adds to a counter without labels.
    func count(_ counter: PlainCounter, _ n: UInt64 = 1) {
        bump(plain[Int(counter.rawValue)], n)
    }

    /// Counts a content event written for `model`; cheap enough for every token.
    package func contentEvent(model: UInt16) {
        bump(events[Int(min(model, ModelTable.other))])
    }

    /// Counts the gap between two content events written for `model`, during which the client's
    /// socket was writable; cheap enough for every token.
    package func observeGap(model: UInt16, _ gap: Nanoseconds) {
        let index = Int(min(model, ModelTable.other))
        let known = gapCells[index].load(ordering: .relaxed)
        let base = known != 0 ? known &- 1 : makeGapCells(index)
        if base < 0 { return bump(lostCount) }
        observe(at: base, .token, UInt64(max(0, gap.count)))
    }

    @inline(never)
    private func makeGapCells(_ model: Int) -> Int {
        let slot = find(SeriesKey(.gap, UInt16(model)), .token, max: Self.seriesMax)
        if slot < 0 { return -1 }
        let base = Int(truncatingIfNeeded: values[slot].load(ordering: .relaxed))
        gapCells[model].store(base &+ 1, ordering: .relaxed)
        return base
    }

    /// Where `key` is looked for first.
    @inline(__always)
    private static func firstSlot(_ key: SeriesKey) -> Int {
        Int(truncatingIfNeeded: (key.word &* 0x9E37_79B9_7F4A_7C15) >> 51)
    }

    /// The slot of `key`, made if need be, with a histogram of `scale`; -1 if there is no room.
    @inline(__always)
    private func find(_ key: SeriesKey, _ scale: ScaleName?, max: Int) -> Int {
        var slot = Self.firstSlot(key)
        while true {
            let found = keys[slot].load(ordering: .relaxed)
            if found == key.word { return slot }
            if found == 0 { return insert(key, at: slot, scale, max: max) }
            slot = (slot &+ 1) & (Self.slotsMax &- 1)
        }
    }

    @inline(never)
    private func insert(
        _ key: SeriesKey, at slot: Int, _ scale: ScaleName?, max: Int
    ) -> Int {
        let used = seriesUsed.load(ordering: .relaxed)
        let base = cellsUsed.load(ordering: .relaxed)
        let n = scale.map { bounds.count($0) &+ 3 } ?? 0
        guard used < max, base &+ n <= Self.cellsMax else { return -1 }
        if n > 0 {
            cellsUsed.store(base &+ n, ordering: .relaxed)
            values[slot].store(UInt64(base), ordering: .relaxed)
            let native = nativeUsed.load(ordering: .relaxed)
            if scale?.isNative ?? false, native &+ NativeBuckets.cells <= Self.nativeCellsMax {
                nativeUsed.store(native &+ NativeBuckets.cells, ordering: .relaxed)
                cells[base &+ 1].store(UInt64(native &+ 1), ordering: .relaxed)
            }
        }
        seriesUsed.store(used &+ 1, ordering: .relaxed)
        keys[slot].store(key.word, ordering: .releasing)
        return slot
    }

    /// Sets all counters of a replica to zero, so that its index may name another one.
    ///
    /// The owner calls this when a replica has been gone for ten minutes.
    package func forget(replica: UInt16) {
        for slot in 0..<Self.slotsMax {
            let key = SeriesKey(word: keys[slot].load(ordering: .relaxed))
            guard let series = key.series, series.isOfReplica, key.a == replica else { continue }
            if let scale = series.scale {
                // None of a replica's is native.
                let base = Int(values[slot].load(ordering: .relaxed))
                for cell in base..<(base + scales[scale].count + 3) {
                    cells[cell].store(0, ordering: .relaxed)
                }
            } else {
                values[slot].store(0, ordering: .relaxed)
            }
        }
    }

    // MARK: Reading, by anyone

    /// Calls `body` with the key and slot of every series whose family is in `families`.
    func visit(_ families: Set<ShardSeries>, _ body: (SeriesKey, Int) -> Void) {
        for slot in 0..<Self.slotsMax {
            let key = SeriesKey(word: keys[slot].load(ordering: .acquiring))
            if let series = key.series, families.contains(series) { body(key, slot) }
        }
    }

    /// The value of the counter in `slot`.
    func counter(_ slot: Int) -> UInt64 { values[slot].load(ordering: .acquiring) }

    /// The value of a counter without labels.
    func counter(_ counter: PlainCounter) -> UInt64 {
        plain[Int(counter.rawValue)].load(ordering: .relaxed)
    }

    /// Content events written for `model`.
    func contentEvents(model: Int) -> UInt64 { events[model].load(ordering: .relaxed) }

    /// Adds the histogram in `slot` to `histogram`, which has the same bounds.
    ///
    /// - Parameter native: whether its native cells are wanted too.
    func addHistogram(_ slot: Int, native: Bool = false, to histogram: inout HistogramValue) {
        let base = Int(truncatingIfNeeded: values[slot].load(ordering: .relaxed))
        let count = histogram.scale.count
        let buckets = (0...count).map { cells[base + 2 + $0].load(ordering: .acquiring) }
        let first = Int(truncatingIfNeeded: cells[base + 1].load(ordering: .relaxed)) - 1
        let fine =
            native && first >= 0
            ? (0..<NativeBuckets.cells).map { nativeCells[first + $0].load(ordering: .acquiring) }
            : nil
        histogram.add(buckets, sum: cells[base].load(ordering: .relaxed), native: fine)
    }
}

/// Counters without labels.
enum PlainCounter: UInt8, CaseIterable {
    case logDropped, acceptPausedNanoseconds, dnsErrors, leakedPermits
}

extension ShardSeries {
    /// Whether the first label of the family is a replica.
    var isOfReplica: Bool {
        self == .upstreamRequests || self == .upstreamLatency || self == .connectErrors
            || self == .upstreamTimeouts || self == .staleKeepalive || self == .routing
    }
}

/// Adds to a cell that only the calling thread writes.
@inline(__always)
private func bump(_ cell: borrowing Atomic<UInt64>, _ n: UInt64 = 1) {
    cell.store(cell.load(ordering: .relaxed) &+ n, ordering: .releasing)
}

/// All bounds of a shard in flat tables behind one reference.
///
/// Not the scales themselves: taking one out of a struct copies its 400 bytes, twenty times the
/// cost of an observation (measured).
final class ShardBounds: Sendable {
    /// Of each scale, ``stride`` apart, its bounds, then at least one that is above every value.
    private let bounds: InlineArray<512, UInt64>
    /// Of each scale, by the place of a value's highest bit: where the search for it begins.
    private let starts: InlineArray<512, UInt8>
    private let counts: InlineArray<8, Int>
    /// A power of two, so that places need no check: they are masked. More than
    /// ``BucketScale/boundsMax``.
    private static let stride = 64

    init(_ scales: BucketScales) {
        var bounds = InlineArray<512, UInt64>(repeating: .max)
        var starts = InlineArray<512, UInt8>(repeating: 0)
        var counts = InlineArray<8, Int>(repeating: 0)
        for name in ScaleName.allCases {
            let scale = scales[name]
            let index = Int(name.rawValue)
            counts[index] = scale.count
            for bound in 0..<scale.count {
                bounds[index * Self.stride + bound] = scale.rawBound(bound)
            }
            for bit in 0..<64 {
                // 0 is looked for as 1 is.
                starts[index * Self.stride + bit] = UInt8(scale.start(bits: bit == 0 ? 0 : bit + 1))
            }
        }
        self.bounds = bounds
        self.starts = starts
        self.counts = counts
    }

    @inline(__always)
    func count(_ scale: ScaleName) -> Int { counts[Int(scale.rawValue)] }

    /// The same as ``BucketScale/index(of:)``; in none is a bound the largest number there is.
    @inline(__always)
    func index(of value: UInt64, in scale: ScaleName) -> Int {
        let start = (Int(scale.rawValue) & 7) &* Self.stride
        let highestBit = 63 &- (value | 1).leadingZeroBitCount
        var place = start &+ Int(starts[start | highestBit])
        while value > bounds[place & 511] { place &+= 1 }
        return place &- start
    }
}
