import SluiceTime
import Testing

@testable import SluiceConfig

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("2s", 2_000_000_000), ("500ms", 500_000_000), ("1m30s", 90_000_000_000),
            ("1h", 3_600_000_000_000), ("1.5s", 1_500_000_000), ("0", 0), ("0s", 0),
            ("250us", 250_000),
            ("1d", 86_400_000_000_000), ("1h0m1s", 3_601_000_000_000), ("0.000001ms", 1),
        ] as [(String, Int64)])
    func `spans are a number with a unit`(text: String, nanoseconds: Int64) throws {
        #expect(try DurationText.parse(text) == Nanoseconds(nanoseconds))
    }

    @Test(arguments: [
        "", "s", "1", "-1s", "1 s", "1x", "1s1m", "1s1s", "1.s", ".5s", "1e3s", "+1s", "1m30",
        "9999999999999999999s", "9223372036854775807h", "٣s", "1.0000000000s", "1S", "1s ",
    ])
    func `anything else is refused`(text: String) {
        #expect(throws: ValueProblem.self) { try DurationText.parse(text) }
    }

    @Test func `a missing unit is named`() throws {
        do throws(ValueProblem) {
            _ = try DurationText.parse("30")
            Issue.record("accepted")
        } catch {
            #expect(error.problem == "`30` has no unit")
            #expect(error.advice == "Write 30s or 30ms.")
        }
    }

    @Test(arguments: ["0s", "1m30s", "24h", "500ms", "1s500ms", "250us"])
    func `a span is written as it was read`(text: String) throws {
        #expect(DurationText.text(try DurationText.parse(text)) == text)
    }
}
