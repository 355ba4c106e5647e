import SluiceTime
import Testing

@testable import SluiceTelemetry

@Suite struct BucketScaleTests {
    @Test func `a value lies in the first bucket whose bound is not below it`() {
        let scales = BucketScales(firstTokenObjectives: [.milliseconds(800), .milliseconds(500)])
        for scale in [
            scales.firstToken, scales.duration, scales.short, scales.token, scales.tokens,
        ] {
            for index in 0..<scale.count {
                let bound = UInt64((scale.bound(index) * scale.divisor).rounded())
                #expect(scale.index(of: bound) == index)
                #expect(scale.index(of: bound + 1) == index + 1)
            }
            #expect(scale.index(of: 0) == 0)
            #expect(scale.index(of: .max) == scale.count)
        }
    }

    @Test func `a shard finds the same bucket in its flat tables`() {
        // As many objectives as there is room for: no bound of a scale may be read as another's.
        let objectives = (1...20).map { Nanoseconds.milliseconds(501 + $0) }
        let scales = BucketScales(firstTokenObjectives: objectives, responseObjectives: objectives)
        let bounds = ShardBounds(scales)
        for name in ScaleName.allCases {
            let scale = scales[name]
            var values: [UInt64] = [0, 1, 2, 3, .max, .max - 1, 1 << 63]
            for bit in 0..<64 { values += [1 << UInt64(bit), (1 << UInt64(bit)) &- 1] }
            for index in 0..<scale.count {
                let bound = scale.rawBound(index)
                values += [bound - 1, bound, bound + 1]
            }
            #expect(bounds.count(name) == scale.count)
            for value in values where bounds.index(of: value, in: name) != scale.index(of: value) {
                Issue.record("\(name): \(value) in \(bounds.index(of: value, in: name))")
            }
        }
    }

    @Test func `objectives become bounds once, beside vLLM's`() {
        let plain = BucketScales()
        let scales = BucketScales(
            firstTokenObjectives: [.milliseconds(800), .milliseconds(500), .zero, Nanoseconds(-5)])
        #expect(plain.firstToken.count == 22)
        #expect(scales.firstToken.count == 23)
        #expect((0..<23).map { scales.firstToken.bound($0) }.contains(0.8))
    }

    @Test func `too many objectives are cut, not written past the end`() {
        let many = (1...100).map { Nanoseconds.milliseconds($0 * 7) }
        #expect(BucketScales(firstTokenObjectives: many).firstToken.count <= 40)
        #expect(BucketScale((0..<200).map { UInt64($0) }).count == 40)
    }
}
