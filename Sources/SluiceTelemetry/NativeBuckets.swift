import Foundation

/// The buckets of Prometheus' native histograms for times: eight to a factor of two, so that a
/// quantile is off by at most 4.5 %, wherever it lies.
///
/// Schema 3: bucket `i` holds times above 2^((i-1)/8) s, up to and with 2^(i/8) s. Kept are those from
/// 94 µs to 8,192 s; shorter times are in the zero bucket, longer ones in the last. In cells: the zero
/// bucket, then the others.
///
/// Source: Prometheus, "Native histograms" specification, *Exponential schemas*, *Zero bucket*.
package final class NativeBuckets: Sendable {
    package static let schema = 3
    /// The index of the first and the last bucket.
    static let first = -106
    static let last = 104
    /// Cells of a histogram.
    static let cells = last - first + 2
    /// Seconds; what is no longer is in the zero bucket.
    package static let zeroThreshold = bound(0)

    /// Of each cell the longest time, nanoseconds.
    private let bounds: InlineArray<256, UInt64>
    /// By the place of a time's highest bit and the three bits below it: where to begin.
    private let starts: InlineArray<512, UInt8>

    package init() {
        var bounds = InlineArray<256, UInt64>(repeating: .max)
        for cell in 0..<Self.cells - 1 {
            bounds[cell] = UInt64(Self.bound(cell) * 1e9)
        }
        var starts = InlineArray<512, UInt8>(repeating: 0)
        var cell = 0
        for place in 0..<512 {
            let bit = UInt64(place >> 3)
            // Times of fewer than four bits are all in the zero bucket.
            guard bit >= 3 else { continue }
            let least = UInt64(8 | place & 7) << (bit - 3)
            while least > bounds[cell] { cell += 1 }
            starts[place] = UInt8(cell)
        }
        self.bounds = bounds
        self.starts = starts
    }

    /// The cell of a time in nanoseconds.
    @inline(__always)
    func cell(of value: UInt64) -> Int {
        let bit = UInt64(truncatingIfNeeded: 63 &- (value | 8).leadingZeroBitCount)
        let place = Int(truncatingIfNeeded: bit << 3 | value >> (bit &- 3) & 7)
        var cell = Int(starts[place & 511])
        while value > bounds[cell & 255] { cell &+= 1 }
        return cell
    }

    /// The longest time of a cell, seconds; of the last the longest that is certain.
    static func bound(_ cell: Int) -> Double { exp2(Double(first - 1 + min(cell, cells - 2)) / 8) }

    /// What of a histogram is not empty, as the exposition wants it: spans of buckets with the gap
    /// before each, and of each bucket how many more it has than the one before.
    static func sparse(_ cells: [UInt64]) -> (spans: [Span], deltas: [Int64]) {
        var spans: [Span] = []
        var deltas: [Int64] = []
        var previous: Int64 = 0
        // One past the last bucket that is in a span.
        var end = 0
        for (place, count) in cells.dropFirst().enumerated() where count > 0 {
            let index = first + place
            let gap = index - end
            // A gap of one or two empty buckets is shorter than a span of its own.
            if !spans.isEmpty, gap <= 2 {
                for _ in 0..<gap {
                    deltas.append(-previous)
                    previous = 0
                }
                spans[spans.count - 1].length += gap + 1
            } else {
                spans.append(Span(offset: gap, length: 1))
            }
            let count = Int64(clamping: count)
            deltas.append(count - previous)
            previous = count
            end = index + 1
        }
        return (spans, deltas)
    }

    /// Buckets next to each other.
    struct Span: Equatable {
        /// Of the first: its index; of the others: empty buckets between the one before and this.
        var offset: Int
        var length: Int
    }
}
