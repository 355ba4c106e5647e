import Foundation
import SluiceTime
import Testing

@testable import SluiceTelemetry

@Suite struct NativeBucketsTests {
    private let buckets = NativeBuckets()

    /// By the definition: the least index whose upper bound, 2^(i/8) s, is not below the time.
    private func expected(_ value: UInt64) -> Int {
        let index = (NativeBuckets.first - 1...NativeBuckets.last).first { index in
            value <= UInt64(exp2(Double(index) / 8) * 1e9)
        }
        return min(index ?? NativeBuckets.last, NativeBuckets.last) - NativeBuckets.first + 1
    }

    @Test func `a time is in the bucket that the schema says, at every bound and around it`() {
        for index in NativeBuckets.first - 3...NativeBuckets.last + 3 {
            let bound = UInt64(exp2(Double(index) / 8) * 1e9)
            for value in [bound - 1, bound, bound + 1] {
                #expect(buckets.cell(of: value) == expected(value), "\(value) ns")
            }
        }
        for value: UInt64 in [0, 1, 7, 8, 9, 15, 16, .max - 1, .max] {
            #expect(buckets.cell(of: value) == expected(value), "\(value) ns")
        }
    }

    @Test func `a time is in the bucket that the schema says, wherever it lies`() {
        var value: UInt64 = 1
        while value < 1 << 45 {
            #expect(buckets.cell(of: value) == expected(value), "\(value) ns")
            value += max(1, value / 37)
        }
    }

    @Test func `empty buckets are left out, and short gaps are not`() {
        var cells = [UInt64](repeating: 0, count: NativeBuckets.cells)
        #expect(NativeBuckets.sparse(cells) == ([], []))
        // The zero bucket stands elsewhere.
        cells[0] = 9
        cells[1] = 2
        cells[2] = 5
        cells[5] = 1
        cells[20] = 4
        cells[NativeBuckets.cells - 1] = 3
        let (spans, deltas) = NativeBuckets.sparse(cells)
        #expect(
            spans == [
                NativeBuckets.Span(offset: -106, length: 5),
                NativeBuckets.Span(offset: 14, length: 1),
                NativeBuckets.Span(offset: 190, length: 1),
            ])
        #expect(deltas == [2, 3, -5, 0, 1, 3, -1])
    }

    @Test func `a shard's native cells hold what its buckets do`() {
        let shard = MetricShard()
        for place in 0..<Int64(1_000) {
            shard.observeGap(model: 1, Nanoseconds(place * 7_777_777 % 2_000_000_000))
        }
        var snapshot = MetricSnapshot(native: true)
        snapshot.add([shard, MetricShard()], names: NameTables())
        let gaps = snapshot.histogram(.interTokenLatency, [NameTables().models.name(1)])
        #expect(gaps?.counts.reduce(0, +) == 1_000)
        #expect(gaps?.native?.reduce(0, +) == 1_000)
        // Not wanted, and so not read.
        snapshot = MetricSnapshot()
        snapshot.add([shard], names: NameTables())
        #expect(
            snapshot.histogram(.interTokenLatency, [NameTables().models.name(1)])?.native == nil)
    }

    @Test func `what some shard has no room for is not shown as if it were whole`() {
        var whole = HistogramValue(BucketScales().token)
        whole.add([UInt64](repeating: 1, count: whole.counts.count), sum: 5, native: [1, 2])
        #expect(whole.native == [1, 2])
        var more = whole
        more.add(whole)
        #expect(more.native == [2, 4])
        var other = HistogramValue(BucketScales().token)
        other.observe(3)
        more.add(other)
        #expect(more.native == nil)
    }

    @Test func `histograms beyond the room for native cells are classic ones`() {
        let shard = MetricShard()
        for model in 0..<UInt16(64) {
            for kind in 0..<UInt16(8) {
                shard.observe(SeriesKey(.firstToken, model, kind), .firstToken, Nanoseconds(5))
            }
        }
        var counts = (native: 0, classic: 0)
        shard.visit([.firstToken]) { _, slot in
            var value = HistogramValue(shard.scales.firstToken)
            shard.addHistogram(slot, native: true, to: &value)
            #expect(value.counts.reduce(0, +) == 1)
            if value.native == nil { counts.classic += 1 } else { counts.native += 1 }
        }
        #expect(counts.native == MetricShard.nativeCellsMax / NativeBuckets.cells)
        #expect(counts.native + counts.classic == 512)
        #expect(shard.lost == 0)
    }

    @Test func `labels come back as they were, escaped or not`() {
        let values = ["a", "", "q\"b", "back\\slash", "line\nbreak", "x,y=\"z\"", "ü"]
        var snapshot = MetricSnapshot()
        for value in values { snapshot.add(.promptTokens, [value], count: 1) }
        let found = snapshot.families[Int(Metric.promptTokens.rawValue)].keys.flatMap {
            ProtobufExposition.pairs($0)
        }
        #expect(Set(found.map(\.value)) == Set(values))
        #expect(Set(found.map(\.name)) == ["model_name"])
        #expect(ProtobufExposition.pairs("").isEmpty)
        #expect(ProtobufExposition.pairs("a=\"1\",b=\"2\"").map(\.value) == ["1", "2"])
    }
}
