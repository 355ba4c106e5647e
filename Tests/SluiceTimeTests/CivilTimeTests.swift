import SluiceTime
import Testing

@Suite struct CivilTimeTests {
    @Test(arguments: [
        (0, [1970, 1, 1, 4, 0, 0, 0]), (951_782_399, [2000, 2, 28, 1, 23, 59, 59]),
        (951_782_400, [2000, 2, 29, 2, 0, 0, 0]), (951_868_800, [2000, 3, 1, 3, 0, 0, 0]),
        (1_795_227_578, [2026, 11, 21, 6, 2, 19, 38]),
        (4_107_542_399, [2100, 2, 28, 0, 23, 59, 59]),
        (4_107_542_400, [2100, 3, 1, 1, 0, 0, 0]),
        (253_402_300_799, [9999, 12, 31, 5, 23, 59, 59]),
    ])
    func `a second has a date and a time of day`(seconds: Int, parts: [Int]) {
        let time = CivilTime(unixSeconds: seconds)
        #expect(
            [
                time.year, time.month, time.day, time.weekday, time.hour, time.minute, time.second,
            ] == parts)
    }

    @Test func `what is out of bounds is the nearest that is not`() {
        #expect(CivilTime(unixSeconds: -5) == CivilTime(unixSeconds: 0))
        #expect(CivilTime(unixSeconds: .min) == CivilTime(unixSeconds: 0))
        #expect(CivilTime(unixSeconds: .max) == CivilTime(unixSeconds: 253_402_300_799))
    }
}
