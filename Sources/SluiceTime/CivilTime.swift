/// Date and time of day in UTC, from the start of 1970 to the end of the year 9999.
///
/// Source of the arithmetic: Howard Hinnant, "chrono-compatible low-level date algorithms",
/// civil_from_days.
package struct CivilTime: Equatable, Sendable {
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int
    /// Days since Sunday, 0 to 6.
    package let weekday: Int
    package let hour: Int
    package let minute: Int
    package let second: Int

    /// - Parameter unixSeconds: seconds since 1970; those outside the bounds are the nearest inside.
    package init(unixSeconds: Int) {
        let seconds = min(max(0, unixSeconds), 253_402_300_799)
        let days = seconds / 86_400
        let shifted = days + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Years begin in March here, so that a leap day is the last of its year.
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + shifted / 146_097 * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        weekday = (days + 4) % 7
        hour = seconds % 86_400 / 3_600
        minute = seconds / 60 % 60
        second = seconds % 60
    }
}
