import SluiceTime
import Testing

@Suite struct NanosecondsTests {
    @Test(arguments: [
        (Double.nan, Int64(0)), (.infinity, .max), (-.infinity, .min), (1e308, .max),
        (0.25, 250_000_000),
    ])
    func `seconds from outside never trap`(seconds: Double, expected: Int64) {
        #expect(Nanoseconds.seconds(clamping: seconds).count == expected)
    }

    @Test func `arithmetic saturates at the ends of the range`() {
        #expect(Nanoseconds(.max) + Nanoseconds(1) == Nanoseconds(.max))
        #expect(Nanoseconds(.min) - Nanoseconds(1) == Nanoseconds(.min))
        #expect(Nanoseconds(.max) * -2 == Nanoseconds(.min))
        #expect(Instant.never + .seconds(1) == .never)
        #expect(Instant.never - Instant.unset == Nanoseconds(.max))
    }

    @Test(arguments: [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (-5, 0)])
    func `waits are rounded up to whole milliseconds`(nanoseconds: Int64, milliseconds: Int64) {
        #expect(Nanoseconds(nanoseconds).wholeMillisecondsRoundedUp == milliseconds)
    }
}
