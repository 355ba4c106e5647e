import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

@Suite struct `Events of a stream end` {
    /// Ends with every single cut and byte by byte. A blank line's CR that ends a read ends the event
    /// there, so an end may lie one byte before that of the whole, on the CR of its CR LF.
    private func ends(_ text: String, _ location: SourceLocation = #_sourceLocation) -> [Int] {
        let input = octets(text)
        if let problem = eventEndsProblem(input, readings: Cuts.all(input.count)) {
            Issue.record("\(problem)", sourceLocation: location)
        }
        return eventEnds(input)
    }

    @Test func `at a blank line, in LF, CR LF and CR`() {
        #expect(ends("data: a\n\ndata: b\n\n") == [9, 18])
        #expect(ends("data: a\r\n\r\ndata: b\r\n\r\n") == [11, 22])
        #expect(ends("data: a\r\rdata: b\r\r") == [9, 18])
        #expect(ends("data: a\n\r\ndata: b\r\n\n") == [10, 20])
    }

    @Test func `once, however many blank lines follow`() {
        #expect(ends("data: a\n\n\n\n\ndata: b\n\n") == [9, 21])
        #expect(ends("\n\n\ndata: a\n\n") == [12])
        #expect(ends("\r\n\r\ndata: a\r\n\r\n\r\n") == [15])
    }

    @Test func `with all their lines, comments too`() {
        #expect(ends("event: x\nid: 1\ndata: a\ndata: b\n\n: keep-alive\n\n") == [32, 46])
        #expect(ends(":\n\n") == [3])
        #expect(ends("data\n\n") == [6])
    }

    @Test func `behind a byte order mark as without one`() {
        #expect(ends("\u{EF}\u{BB}\u{BF}data: a\n\ndata: b\n\n") == [12, 21])
    }

    @Test func `not before their blank line has come`() {
        #expect(ends("") == [])
        #expect(ends("data: a") == [])
        #expect(ends("data: a\n") == [])
        #expect(ends("data: a\r\n") == [])
        var scanner = EventStreamScanner()
        let input = octets("data: a\n")
        _ = scanner.next(input.span, in: 0..<input.count)
        #expect(scanner.isInsideEvent)
        let blank = octets("\n")
        let step = scanner.next(blank.span, in: 0..<1)
        #expect(step == .event(end: 1))
        #expect(!scanner.isInsideEvent)
    }

    @Test func `whatever other bytes their lines hold`() {
        let odd =
            "data: \t\0\u{01}\u{0B}\u{0C}\u{80}\u{FF} "
            + String(repeating: "\u{8A}\u{8D}x", count: 20)
        #expect(
            ends(odd + "\n\n" + odd + "\r\n\r\n") == [
                odd.unicodeScalars.count + 2, 2 * odd.unicodeScalars.count + 6,
            ])
    }

    @Test func `at every length of line, from any offset`() {
        for length in 0..<70 {
            let event = "data:" + String(repeating: "x", count: length) + "\n\n"
            #expect(eventEnds(octets(event + event)) == [length + 7, 2 * length + 14])
            #expect(
                eventEnds(octets(event + event), cuts: [length]) == [length + 7, 2 * length + 14])
        }
    }
}
