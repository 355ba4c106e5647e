import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct GatewayClaimTests {
    private func claim(_ isFull: Bool?, refused: Double, seconds: Int64) -> GatewayClaim {
        var claim = GatewayClaim()
        for tenth in 0..<(seconds * 10) {
            claim.renew(
                inflight: 100, isFull: isFull, refused: refused,
                now: Instant(nanoseconds: 1_000_000_000 + tenth * 100_000_000))
        }
        return claim
    }

    @Test func `alone, nothing is bounded`() {
        #expect(claim(nil, refused: 0.5, seconds: 10).requests == .infinity)
    }

    @Test func `in a full fleet who refuses nobody yields, down to one request`() {
        #expect(claim(true, refused: 0, seconds: 5).requests < 100)
        #expect(claim(true, refused: 0, seconds: 600).requests == 1)
    }

    @Test func `in a full fleet who refuses more keeps more`() {
        let few = claim(true, refused: 0.1, seconds: 5).requests
        let many = claim(true, refused: 0.6, seconds: 5).requests
        #expect(many > few)
    }

    @Test func `in a fleet with room a claim grows`() {
        var claim = claim(true, refused: 0, seconds: 5)
        let before = claim.requests
        claim.renew(
            inflight: 50, isFull: false, refused: 0, now: Instant(nanoseconds: 7_000_000_000))
        #expect(claim.requests > before)
    }
}
