import SluiceTime
import Testing

@testable import SluiceProxy

@Suite struct SeenModelsTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    @Test func `a model is forgotten a day after it was last told of`() {
        var seen = SeenModels()
        seen.tell("a", pool: 0, label: 1, now: start)
        seen.tell("b", pool: 0, label: 2, now: start)
        seen.tell("a", pool: 0, label: 1, now: start + .seconds(1))
        seen.expire(now: start + SeenModels.ageMax)
        #expect(Set(seen.places.keys) == ["a"])
    }

    @Test func `a full memory takes no further models and renews those it has`() {
        var seen = SeenModels()
        for number in 0..<SeenModels.countMax {
            seen.tell("m\(number)", pool: 0, label: 1, now: start)
        }
        seen.tell("late", pool: 0, label: 1, now: start)
        seen.tell("m0", pool: 3, label: 1, now: start)
        #expect(seen.places.count == SeenModels.countMax)
        #expect(seen.places["late"] == nil && seen.places["m0"]?.pool == 3)
    }
}
