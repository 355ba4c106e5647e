import SluiceBytes
import SluiceHTTP
import Testing

@Suite struct AnswerStartTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_795_227_578, "Sat, 21 Nov 2026 02:19:38 GMT"),
        (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ])
    func `dates are those of HTTP`(seconds: Int, text: String) {
        var buffer = ByteBuffer()
        AnswerStart.appendDate(seconds, to: &buffer)
        #expect(String(decoding: buffer.array(), as: UTF8.self) == text)
    }

    @Test(arguments: [(503, "503 Service Unavailable"), (599, "599 ")])
    func `an answer says what it is, and when`(status: Int, line: String) {
        var buffer = ByteBuffer()
        AnswerStart.append(status, unixSeconds: 0, to: &buffer)
        #expect(
            String(decoding: buffer.array(), as: UTF8.self)
                == "HTTP/1.1 \(line)\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
    }
}
