import SluiceTime
import SluiceTraffic
import Testing

@Suite struct SustainedRateTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: 1) + .seconds(seconds) }

    @Test func `a rate counts once it has lasted, and the highest stays`() {
        var rate = SustainedRate()
        rate.take(100, now: at(0))
        rate.take(1_100, now: at(9))
        #expect(rate.highest == nil)
        rate.take(1_100, now: at(10))
        #expect(rate.highest == 100)
        rate.take(1_200, now: at(20))
        #expect(rate.highest == 100)
        rate.take(3_200, now: at(30))
        #expect(rate.highest == 200)
    }

    @Test func `a restarted counter begins anew and loses nothing`() {
        var rate = SustainedRate()
        rate.take(0, now: at(0))
        rate.take(1_000, now: at(10))
        rate.take(5, now: at(11))
        rate.take(500, now: at(20))
        #expect(rate.highest == 100)
        rate.take(5_005, now: at(21))
        #expect(rate.highest == 500)
    }

    @Test func `what is no count is ignored`() {
        var rate = SustainedRate()
        rate.take(0, now: at(0))
        for value in [Double.nan, .infinity, -1] { rate.take(value, now: at(10)) }
        #expect(rate.highest == nil)
    }
}
