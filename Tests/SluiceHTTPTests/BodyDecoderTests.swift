import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

/// One malformed chunked body.
struct BodyCase: Sendable, CustomTestStringConvertible {
    var row: Int
    var what: String
    var input: String
    var error: BodyError

    init(_ row: Int, _ what: String, _ input: String, _ error: BodyError) {
        self.row = row
        self.what = what
        self.input = input
        self.error = error
    }

    var testDescription: String { "row \(row): \(what)" }
}

private let malformed: [BodyCase] = [
    .init(28, "seventeen digits", "10000000000000005\r\nhello", .chunkSizeTooLarge),
    .init(28, "seventeen digits with zeros", "00000000000000005\r\nhello", .chunkSizeTooLarge),
    .init(28, "2^64 - 1", "ffffffffffffffff\r\nhello", .chunkSizeTooLarge),
    .init(28, "2^63 - 1", "7fffffffffffffff\r\nhello", .chunkSizeTooLarge),
    .init(29, "minus", "-5\r\nhello", .badChunkSize),
    .init(29, "plus", "+5\r\nhello", .badChunkSize),
    .init(29, "0x", "0x5\r\nhello", .badChunkSize),
    .init(29, "underscore", "1_0\r\nhello", .badChunkSize),
    .init(29, "letters", "5g\r\nhello", .badChunkSize),
    .init(29, "a letter", "x\r\nhello", .badChunkSize),
    .init(29, "empty", "\r\nhello", .badChunkSize),
    .init(29, "empty behind a chunk", "5\r\nhello\r\n\r\n", .badChunkSize),
    .init(29, "NUL", "5\0\r\nhello", .badChunkSize),
    .init(30, "space before the size", " 5\r\nhello", .badChunkSize),
    .init(30, "space after the size", "5 \r\nhello", .badChunkSize),
    .init(30, "tab after the size", "5\t\r\nhello", .badChunkSize),
    .init(30, "space before an extension", "5 ;a=b\r\nhello", .badChunkSize),
    .init(31, "size line ended by LF", "5\nhello\r\n0\r\n\r\n", .bareLineFeed),
    .init(31, "data ended by LF", "5\r\nhello\n0\r\n\r\n", .bareLineFeed),
    .init(31, "last size line ended by LF", "0\n\r\n", .bareLineFeed),
    .init(31, "last line ended by LF", "0\r\n\n", .bareLineFeed),
    .init(32, "size line ended by CR", "5\rhello\r\n", .badChunkExtension),
    .init(32, "two CRs", "5\r\r\nhello", .badChunkExtension),
    .init(33, "data longer than its size", "5\r\nhellos\r\n0\r\n\r\n", .badChunkEnd),
    .init(33, "no CR LF behind data", "5\r\nhello0\r\n\r\n", .badChunkEnd),
    .init(33, "CR without LF behind data", "5\r\nhello\r0\r\n\r\n", .badChunkEnd),
    .init(34, "LF in an extension", "5;a\nb\r\nhello", .bareLineFeed),
    .init(34, "CR in an extension", "5;a\rb\r\nhello", .badChunkExtension),
    .init(34, "CR before an extension", "5\r;a\r\nhello", .badChunkExtension),
    .init(34, "NUL in an extension", "5;a\0\r\nhello", .badChunkExtension),
    .init(34, "open quote", "5;a=\"b\r\nhello", .badChunkExtension),
    .init(34, "LF in quotes", "5;a=\"b\nc\"\r\nhello", .bareLineFeed),
    .init(34, "CR LF behind an escape", "5;a=\"b\\\r\n\"\r\nhello", .badChunkExtension),
    .init(34, "text behind quotes", "5;a=\"b\"c\r\nhello", .badChunkExtension),
    .init(34, "empty extension", "5;\r\nhello", .badChunkExtension),
    .init(34, "empty value", "5;a=\r\nhello", .badChunkExtension),
    .init(34, "space in an extension", "5; a\r\nhello", .badChunkExtension),
    .init(35, "LF in the trailer", "0\r\nA: b\n\r\n", .bareLineFeed),
    .init(35, "LF after a trailer name", "0\r\nA\n\r\n", .bareLineFeed),
    .init(35, "CR in the trailer", "0\r\nA: b\rC: d\r\n\r\n", .badTrailer),
    .init(35, "NUL in the trailer", "0\r\nA: b\0\r\n\r\n", .badTrailer),
    .init(35, "no colon in the trailer", "0\r\nA\r\n\r\n", .badTrailer),
    .init(35, "space before the trailer's colon", "0\r\nA : b\r\n\r\n", .badTrailer),
    .init(35, "folded trailer", "0\r\nA: b\r\n c\r\n\r\n", .badTrailer),
    .init(35, "empty trailer name", "0\r\n: b\r\n\r\n", .badTrailer),
    .init(35, "no LF at the end", "0\r\n\rX", .badTrailer),
    .init(35, "request for a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", .badTrailer),
    .init(
        36, "64 KiB trailer", "0\r\nA: " + String(repeating: "b", count: 65_536), .trailerTooLarge),
    .init(
        37, "4 MiB of extension", "5;" + String(repeating: "a", count: 4_194), .extensionsTooLarge),
    .init(
        37, "tiny chunks with big extensions",
        String(repeating: "1;" + String(repeating: "a", count: 60) + "\r\nx\r\n", count: 40),
        .extensionsTooLarge),
]

@Suite struct `A body is taken out of its framing` {
    private func facts(_ text: String, _ framing: BodyFraming) -> BodyFacts {
        bodyEverywhere(octets(text), framing)
    }

    @Test func `of a length, and no byte further (row 26)`() {
        let body = facts("helloGET / HTTP/1.1", .length(5))
        #expect(body == BodyFacts(data: octets("hello"), end: .ended(at: 5), mayEndHere: true))
        #expect(facts("hell", .length(5)) == BodyFacts(data: octets("hell")))
        #expect(facts("x", .none).end == .ended(at: 0))
        #expect(facts("x", .length(0)).end == .ended(at: 0))
        #expect(facts("x", .length(-5)).end == .ended(at: 0))
    }

    @Test func `until the close`() {
        let body = facts("hello", .untilClose)
        #expect(body == BodyFacts(data: octets("hello"), end: .open, mayEndHere: true))
    }

    @Test(arguments: [
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "00005\r\nhello\r\n0000000000006\r\n world\r\n000\r\n\r\n",
        "B\r\nhello world\r\n0\r\n\r\n",
        "b\r\nhello world\r\n0\r\n\r\n",
        "00000000b\r\nhello world\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n6;a=b;c=\"d;\\\" \\\\\te\";f\r\n world\r\n0;last\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\nX-A: b\r\nContent-Length:\t7\r\n\r\n",
    ]) func `of chunks`(_ text: String) {
        let body = facts(text + "GET /", .chunked)
        #expect(body.data == octets("hello world"))
        #expect(body.end == .ended(at: text.unicodeScalars.count))
        #expect(body.mayEndHere)
    }

    @Test func `of chunks, whatever the data are`() {
        let body = facts("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", .chunked)
        #expect(body.data == octets("\r\n0\r\n\r\n"))
        #expect(body.end == .ended(at: 17))
    }

    @Test func `of one empty chunk`() {
        #expect(facts("0\r\n\r\n", .chunked).end == .ended(at: 5))
    }

    @Test func `whose trailer is dropped, whatever it names (row 38)`() {
        let trailer =
            "Host: b\r\nTransfer-Encoding: chunked\r\nAuthorization: x\r\nX-Forwarded-For: y\r\n"
        let body = facts("1\r\na\r\n0\r\n\(trailer)\r\n", .chunked)
        #expect(body.data == octets("a"))
        #expect(body.mayEndHere)
    }

    @Test(arguments: malformed) func `unless it is malformed`(_ row: BodyCase) {
        #expect(facts(row.input, .chunked).end == .failed(row.error))
    }

    @Test func `and never counts as whole when it is cut off (rows 39, 79)`() {
        let whole = octets("5\r\nhello\r\n0\r\nA: b\r\n\r\n")
        for count in 0..<whole.count {
            let part = body(Array(whole[..<count]), .chunked)
            #expect(part.end == .open)
            #expect(!part.mayEndHere)
        }
        #expect(!body(octets("hell"), .length(5)).mayEndHere)
    }

    @Test func `and a failure is final`() {
        var decoder = BodyDecoder(framing: .chunked)
        let bad = octets("x")
        let good = octets("5\r\nhello\r\n0\r\n\r\n")
        let first = decoder.next(bad.span, from: 0)
        let second = decoder.next(good.span, from: 0)
        #expect(first == .failed(.badChunkSize))
        #expect(second == .failed(.badChunkSize))
        #expect(!decoder.isComplete)
    }

    @Test func `with the largest size that is a size`() {
        var decoder = BodyDecoder(framing: .chunked)
        let input = octets("fffffffffffffff\r\nab")
        let step = decoder.next(input.span, from: 0)
        #expect(step == .data(17..<19))
    }

    @Test func `with extensions up to their budget`() {
        let free = BodyDecoder.extensionBytesFree
        // The semicolon and what follows it up to the CR count.
        let fits = "1;" + String(repeating: "a", count: free - 1) + "\r\nx\r\n0\r\n\r\n"
        #expect(facts(fits, .chunked).mayEndHere)
        let more = "1;" + String(repeating: "a", count: free) + "\r\nx\r\n0\r\n\r\n"
        #expect(facts(more, .chunked).end == .failed(.extensionsTooLarge))
    }

    @Test func `with a trailer up to its limit`() {
        let max = BodyDecoder.trailerBytesMax
        for (extra, fits) in [(0, true), (1, false)] {
            // "A: " … CR LF CR LF
            let text = "0\r\nA: " + String(repeating: "b", count: max - 7 + extra) + "\r\n\r\n"
            let end = facts(text, .chunked).end
            #expect(end == (fits ? .ended(at: text.utf8.count) : .failed(.trailerTooLarge)))
        }
    }

    @Test func `with errors that have a status, a sentence and a label`() {
        let labels = Set(BodyError.allCases.map { $0.label.description })
        #expect(labels.count == BodyError.allCases.count)
        for error in BodyError.allCases {
            #expect([400, 431].contains(error.status))
            #expect(error.reason.description.hasSuffix("."))
        }
    }
}
