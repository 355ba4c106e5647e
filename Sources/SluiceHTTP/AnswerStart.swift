import SluiceBytes
import SluiceTime

/// How an answer begins that is made here and is no replica's: its status line, and when it was made.
package enum AnswerStart {
    private static let weekdays: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Appends the status line and `date`, which an origin server with a clock sends with each answer.
    /// Source: RFC 9112 section 4, RFC 9110 section 6.6.1.
    ///
    /// - Parameter unixSeconds: the wall clock.
    package static func append(_ status: Int, unixSeconds: Int, to output: inout ByteBuffer) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(status)
        output.append(" ")
        output.append(StatusReason.phrase(status))
        output.append("\r\ndate: ")
        appendDate(unixSeconds, to: &output)
        output.append("\r\n")
    }

    /// Appends an IMF-fixdate. Source: RFC 9110 section 5.6.7.
    package static func appendDate(_ unixSeconds: Int, to output: inout ByteBuffer) {
        let time = CivilTime(unixSeconds: unixSeconds)
        output.append(weekdays[time.weekday])
        output.append(", ")
        appendTwoDigits(time.day, then: " ", to: &output)
        output.append(months[time.month - 1])
        output.append(" ")
        output.appendDecimal(time.year)
        output.append(" ")
        appendTwoDigits(time.hour, then: ":", to: &output)
        appendTwoDigits(time.minute, then: ":", to: &output)
        appendTwoDigits(time.second, then: " GMT", to: &output)
    }

    private static func appendTwoDigits(
        _ number: Int, then end: StaticString, to output: inout ByteBuffer
    ) {
        if number < 10 { output.append("0") }
        output.appendDecimal(number)
        output.append(end)
    }
}
