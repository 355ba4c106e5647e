import SluiceTime
import Testing

@testable import SluiceSimulation

/// What may stand behind the flags of `sluice simulate`.
@Suite struct PlanTextTests {
    private static func span(_ text: String) -> Nanoseconds? {
        text.hasSuffix("s") ? Int64(text.dropLast()).map { .seconds($0) } : nil
    }

    @Test func `a load is a multiple or a rate`() throws {
        #expect(try PlannedLoad("2x") == .multiple(2))
        #expect(try PlannedLoad("0.5x") == .multiple(0.5))
        #expect(try PlannedLoad("50/s") == .perSecond(50))
        #expect(try PlannedLoad("0.25/s").description == "0.25/s")
        #expect(try PlannedLoad("1.5x").description == "1.5x")
    }

    @Test(arguments: [
        "", "2", "x", "/s", "0x", "-1x", "101x", "0/s", "nanx", "inf/s", "2 x", "2x ",
    ])
    func `another load is refused with its value and the range`(text: String) {
        let error = #expect(throws: PlanTextError.self) { try PlannedLoad(text) }
        #expect(error?.description.contains("\"\(text)\"") == true)
        #expect(error?.description.contains("0.01x … 100x") == true)
    }

    @Test func `replicas are lost or slow, all the time or from a moment on`() throws {
        #expect(
            try Misfortune.loss("2", span: Self.span)
                == Misfortune(count: 2, slowFactor: nil, at: nil))
        #expect(
            try Misfortune.loss("1@40s", span: Self.span)
                == Misfortune(count: 1, slowFactor: nil, at: .seconds(40)))
        #expect(
            try Misfortune.slow("1:2.5@9s", span: Self.span)
                == Misfortune(count: 1, slowFactor: 2.5, at: .seconds(9)))
        for text in ["", "0", "-1", "1@", "1@40", "1@4s@5s", "x"] {
            #expect(throws: PlanTextError.self) { try Misfortune.loss(text, span: Self.span) }
        }
        for text in ["1", "1:", "1:0.5", "1:101", "0:2", "1:2:3", "1:2@x"] {
            #expect(throws: PlanTextError.self) { try Misfortune.slow(text, span: Self.span) }
        }
    }

    @Test func `lengths that are not said are the usual ones, the longest scaled`() throws {
        let usual = LognormalLengths(median: 600, sigma: 1, tokensMax: 8_000)
        #expect(
            try PlanText.lengths("1200", usual: usual)
                == LognormalLengths(median: 1_200, sigma: 1, tokensMax: 16_000))
        #expect(
            try PlanText.lengths("300:0.5", usual: usual)
                == LognormalLengths(median: 300, sigma: 0.5, tokensMax: 4_000))
        #expect(
            try PlanText.lengths("300:0:500", usual: usual)
                == LognormalLengths(median: 300, sigma: 0, tokensMax: 500))
        for text in ["", "0", "a", "600:", "600:4", "600:1:0", "600:1:8000:1", "2000000"] {
            #expect(throws: PlanTextError.self) { try PlanText.lengths(text, usual: usual) }
        }
    }

    @Test func `shares are named once and sum to one`() throws {
        let shares = try PlanText.shares("critical=50,batch=150")
        #expect(shares.map(\.name) == ["critical", "batch"])
        #expect(shares.map(\.share) == [0.25, 0.75])
        for text in ["", "a", "a=", "=1", "a=0", "a=-1", "a=1,a=2", "a=1,", "a=nan"] {
            #expect(throws: PlanTextError.self) { try PlanText.shares(text) }
        }
    }

    @Test func `numbers are written as short as they are`() {
        #expect(
            [2, 0.5, 1.25, -0.125, 1_000, 0.0004].map(PlanText.short) == [
                "2", "0.5", "1.25", "-0.125", "1000", "0",
            ])
        #expect(PlanText.short(.nan) == "–")
    }
}
