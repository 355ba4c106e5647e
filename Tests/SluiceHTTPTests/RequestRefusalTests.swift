import HTTPTestSupport
import Testing

@testable import SluiceHTTP

/// One kind of malformed request in one spelling.
struct RequestCase: Sendable, CustomTestStringConvertible {
    var row: Int
    var what: String
    var input: String
    var error: RequestError

    init(_ row: Int, _ what: String, _ input: String, _ error: RequestError) {
        self.row = row
        self.what = what
        self.input = input
        self.error = error
    }

    var testDescription: String { "row \(row): \(what)" }
}

/// A POST with these field lines behind its Host.
private func post(_ fields: String) -> String {
    "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n\(fields)\r\n"
}

/// A GET of this target.
private func get(_ target: String) -> String {
    "GET \(target) HTTP/1.1\r\nHost: gateway\r\n\r\n"
}

private let framing: [RequestCase] = [
    .init(
        1, "Content-Length before Transfer-Encoding",
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        .contentLengthWithTransferEncoding),
    .init(
        2, "Transfer-Encoding before Content-Length",
        post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        .contentLengthWithTransferEncoding),
    .init(
        3, "two different lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n"),
        .repeatedContentLength),
    .init(
        4, "the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n"),
        .repeatedContentLength),
    .init(4, "the same length in a list", post("Content-Length: 5, 5\r\n"), .badContentLength),
    .init(5, "two lengths in a list", post("Content-Length: 5, 6\r\n"), .badContentLength),
    .init(6, "plus sign", post("Content-Length: +5\r\n"), .badContentLength),
    .init(6, "minus sign", post("Content-Length: -1\r\n"), .badContentLength),
    .init(6, "minus zero", post("Content-Length: -0\r\n"), .badContentLength),
    .init(7, "hexadecimal", post("Content-Length: 0x5\r\n"), .badContentLength),
    .init(7, "underscore", post("Content-Length: 1_0\r\n"), .badContentLength),
    .init(7, "inner space", post("Content-Length: 1 0\r\n"), .badContentLength),
    .init(8, "empty length", post("Content-Length:\r\n"), .badContentLength),
    .init(8, "blank length", post("Content-Length: \t \r\n"), .badContentLength),
    .init(9, "vertical tab", post("Content-Length: 5\u{0B}\r\n"), .badValueByte),
    .init(9, "semicolon", post("Content-Length: 5;\r\n"), .badContentLength),
    .init(9, "point", post("Content-Length: 5.0\r\n"), .badContentLength),
    .init(9, "letters", post("Content-Length: five\r\n"), .badContentLength),
    .init(9, "no-break space", post("Content-Length: 5\u{A0}\r\n"), .badContentLength),
    .init(10, "2^64", post("Content-Length: 18446744073709551616\r\n"), .badContentLength),
    .init(10, "2^64 + 5", post("Content-Length: 18446744073709551621\r\n"), .badContentLength),
    .init(10, "2^63", post("Content-Length: 9223372036854775808\r\n"), .badContentLength),
    .init(10, "nineteen nines", post("Content-Length: 9999999999999999999\r\n"), .badContentLength),
    .init(
        10, "thirty digits", post("Content-Length: 111111111122222222223333333333\r\n"),
        .badContentLength),
    .init(11, "leading zero", post("Content-Length: 05\r\n"), .badContentLength),
    .init(11, "two zeros", post("Content-Length: 00\r\n"), .badContentLength),
    .init(12, "2^63 - 1", post("Content-Length: 9223372036854775807\r\n"), .contentTooLarge),
    .init(12, "10^18", post("Content-Length: 1000000000000000000\r\n"), .contentTooLarge),
    .init(13, "xchunked", post("Transfer-Encoding: xchunked\r\n"), .badTransferEncoding),
    .init(13, "cow", post("Transfer-Encoding: cow\r\n"), .badTransferEncoding),
    .init(
        13, "cow and a length", post("Transfer-Encoding: cow\r\nContent-Length: 5\r\n"),
        .contentLengthWithTransferEncoding),
    .init(
        14, "chunked not last", post("Transfer-Encoding: chunked, gzip\r\n"), .badTransferEncoding),
    .init(14, "identity", post("Transfer-Encoding: identity\r\n"), .badTransferEncoding),
    .init(15, "gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), .codingNotImplemented),
    .init(16, "leading comma", post("Transfer-Encoding: , chunked\r\n"), .badTransferEncoding),
    .init(16, "trailing comma", post("Transfer-Encoding: chunked,\r\n"), .badTransferEncoding),
    .init(17, "parameter", post("Transfer-Encoding: chunked;q=1\r\n"), .badTransferEncoding),
    .init(18, "vertical tab", post("Transfer-Encoding: \u{0B}chunked\r\n"), .badValueByte),
    .init(18, "form feed", post("Transfer-Encoding: chunked\u{0C}\r\n"), .badValueByte),
    .init(18, "quotes", post("Transfer-Encoding: \"chunked\"\r\n"), .badTransferEncoding),
    .init(18, "NUL", post("Transfer-Encoding: chunked\0\r\n"), .badValueByte),
    .init(18, "0xA0", post("Transfer-Encoding: \u{A0}chunked\r\n"), .badTransferEncoding),
    .init(
        18, "Kelvin-like byte", post("Transfer-Encoding: chun\u{AA}ed\r\n"), .badTransferEncoding),
    .init(19, "empty coding", post("Transfer-Encoding:\r\n"), .badTransferEncoding),
    .init(
        19, "twice by space", post("Transfer-Encoding: chunked chunked\r\n"), .badTransferEncoding),
    .init(
        19, "twice by comma", post("Transfer-Encoding: chunked, chunked\r\n"), .badTransferEncoding),
    .init(
        19, "twice by line",
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), .badTransferEncoding),
    .init(
        20, "two lines", post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
        .badTransferEncoding),
    .init(20, "space before the colon", post("Transfer-Encoding : chunked\r\n"), .spaceBeforeColon),
    .init(20, "tab before the colon", post("Transfer-Encoding\t: chunked\r\n"), .spaceBeforeColon),
    .init(
        21, "behind a bare CR", post("X: y\rTransfer-Encoding: chunked\r\n"), .bareCarriageReturn),
    .init(21, "behind a bare LF", post("X: y\nTransfer-Encoding: chunked\r\n"), .bareLineFeed),
    .init(21, "folded value", post("Transfer-Encoding:\r\n chunked\r\n"), .obsoleteFold),
    .init(
        21, "folded behind another", post("X: y\r\n\tTransfer-Encoding: chunked\r\n"), .obsoleteFold
    ),
    .init(
        22, "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .chunkedInHTTP10),
]

private let fieldLines: [RequestCase] = [
    .init(
        24, "270-byte name",
        post("Content-Length" + String(repeating: "a", count: 256) + ": 5\r\n"), .fieldNameTooLong),
    .init(41, "space before the colon", post("X-A : b\r\n"), .spaceBeforeColon),
    .init(
        41, "space before the colon of Host", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        .spaceBeforeColon),
    .init(42, "no colon", post("X-A\r\n"), .missingColon),
    .init(42, "space in a name", post("X A: b\r\n"), .badNameByte),
    .init(43, "empty name", post(": b\r\n"), .emptyName),
    .init(43, "empty name hiding others", post(": b\r\nContent-Length: 5\r\n"), .emptyName),
    .init(44, "folded line", post("X: a\r\n b\r\n"), .obsoleteFold),
    .init(
        44, "white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        .obsoleteFold),
    .init(44, "blank line of spaces", post("X: a\r\n  \r\n"), .obsoleteFold),
    .init(45, "NUL in a value", post("X: a\0b\r\n"), .badValueByte),
    .init(45, "bare CR in a value", post("X: a\rb\r\n"), .bareCarriageReturn),
    .init(45, "two CRs", post("X: a\r\r\n"), .bareCarriageReturn),
    .init(45, "NUL in Host", "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", .badValueByte),
    .init(45, "bare CR in Host", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .bareCarriageReturn),
    .init(46, "bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
    .init(46, "bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
    .init(46, "bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
    .init(46, "bare LF after a name", post("X\n"), .bareLineFeed),
    .init(47, "control in a value", post("X: a\u{01}\r\n"), .badValueByte),
    .init(47, "DEL in a value", post("X: a\u{7F}\r\n"), .badValueByte),
    .init(
        47, "escape in a long value", post("X: 0123456789abcdef0123456789abcdef\u{1B}[0m\r\n"),
        .badValueByte),
    .init(47, "control in a name", post("X\u{01}: a\r\n"), .badNameByte),
    .init(47, "NUL in a name", post("X\0: a\r\n"), .badNameByte),
    .init(47, "non-ASCII name", post("Contént-Length: 5\r\n"), .badNameByte),
    .init(47, "separator in a name", post("X(y): a\r\n"), .badNameByte),
    .init(47, "slash in a name", post("X/y: a\r\n"), .badNameByte),
    .init(47, "CR in a name", post("X\ry: a\r\n"), .bareCarriageReturn),
    .init(48, "no Host", "GET / HTTP/1.1\r\n\r\n", .missingHost),
    .init(48, "two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .repeatedHost),
    .init(48, "the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .repeatedHost),
    .init(48, "two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .repeatedHost),
    .init(
        56, "two Authorization fields",
        post("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), .repeatedAuthorization),
    .init(68, "unknown expectation", post("Expect: 200-ok\r\n"), .unknownExpectation),
    .init(68, "obfuscated expectation", post("Expect: 100-continue, x\r\n"), .unknownExpectation),
    .init(
        68, "expectation twice", post("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        .unknownExpectation),
]

private let hosts: [RequestCase] = [
    "", "a b", "a/b", "user@a", "a,b", "a\\b", "[::1", "::1", "a:", "a:b", "a:70000", "a:99999",
    "a:-1", "a:+1", "a:8:8", "a:000080", "[]", "[::1]x", "[fe80::1%25eth0]", "a#b", "a?b", "<a>",
    "a\u{FF}",
    "a%00", "{a}", "a;b", ":80",
].map { host in
    RequestCase(49, "Host “\(host)”", "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n", .badHost)
}

private let startLines: [RequestCase] = [
    .init(57, "no version", "GET /\r\nHost: a\r\n\r\n", .badRequestLine),
    .init(57, "no version, with space", "GET / \r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", .versionNotSupported),
    .init(57, "9.9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", .versionNotSupported),
    .init(57, "0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", .versionNotSupported),
    .init(57, "1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", .versionNotSupported),
    .init(57, "1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "1.1x", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "1,1", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "major only", "GET / HTTP/1\r\nHost: a\r\n\r\n", .badVersion),
    .init(57, "other protocol", "GET / ICAP/1.0\r\nHost: a\r\n\r\n", .badVersion),
    .init(
        58, "two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine),
    .init(58, "two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .badVersion),
    .init(58, "space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badVersion),
    .init(58, "tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(58, "tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine),
    .init(58, "space in the target", get("/a b"), .badVersion),
    .init(59, "control in the target", get("/a\u{01}"), .badTarget),
    .init(59, "tab in the target", get("/a\tb"), .badTarget),
    .init(59, "NUL in the target", get("/a\0b"), .badTarget),
    .init(59, "DEL in the target", get("/a\u{7F}"), .badTarget),
    .init(59, "0xFF in the target", get("/a\u{FF}"), .badTarget),
    .init(59, "0x80 in the target", get("/\u{80}a"), .badTarget),
    .init(59, "fragment", get("/v1/models#/admin"), .badTarget),
    .init(59, "fragment far behind", get("/v1/chat/completions?a=b&cccccccc#"), .badTarget),
    .init(59, "backslash", get("/a\\b"), .badTarget),
    .init(60, "no leading slash", get("v1/models"), .badTarget),
    .init(60, "GET *", get("*"), .badTarget),
    .init(60, "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
    .init(60, "only a query", get("?a"), .badTarget),
    .init(61, "lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(61, "mixed-case method", "Get / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(61, "empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(61, "bracketed method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(61, "NUL in the method", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(61, "quoted method", "\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(
        62, "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nbytes behind it",
        .connectRefused),
    .init(62, "CONNECT of a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", .connectRefused),
    .init(63, "TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", .traceRefused),
    .init(64, "absolute form, other host", get("http://other/v1/models"), .authorityMismatch),
    .init(64, "absolute form, other port", get("http://gateway:81/v1/models"), .authorityMismatch),
    .init(64, "absolute form, user", get("http://user@gateway/v1/models"), .authorityMismatch),
    .init(64, "absolute form, no authority", get("http:///v1/models"), .authorityMismatch),
    .init(64, "absolute form, no path", get("http://gateway"), .badTarget),
    .init(
        64, "absolute form, 1.0 without Host", "GET http://a/ HTTP/1.0\r\n\r\n", .authorityMismatch),
    .init(64, "other scheme", get("ftp://gateway/a"), .badTarget),
    .init(64, "data scheme", get("javascript:alert(1)"), .badTarget),
    .init(
        65, "bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        .bareCarriageReturn),
    .init(65, "CR line ends", "GET / HTTP/1.1\rHost: a\r\r\n", .bareCarriageReturn),
    .init(
        66, "TLS hello", "\u{16}\u{03}\u{01}\u{02}\0\u{01}\0\u{01}\u{FC}\u{03}\u{03}", .tlsHandshake
    ),
    .init(66, "noise", "\u{FF}\u{FE}\u{00}\u{80}\u{81}", .badMethod),
    .init(66, "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .versionNotSupported),
    .init(
        66, "PROXY line", "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\nGET / HTTP/1.1\r\n",
        .badVersion),
    .init(66, "PROXY v2", "\r\n\r\n\0\r\nQUIT\n", .badMethod),
    .init(
        66, "a lone CR LF before the request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    .init(66, "lone CR LFs", "\r\n\r\n\r\n\r\n", .badMethod),
    .init(66, "lone LF", "\n", .badMethod),
]

@Suite struct `A request head that two parsers could read differently is refused` {
    @Test(arguments: framing) func `by its framing`(_ row: RequestCase) { check(row) }
    @Test(arguments: fieldLines) func `by its field lines`(_ row: RequestCase) { check(row) }
    @Test(arguments: hosts) func `by its Host`(_ row: RequestCase) { check(row) }
    @Test(arguments: startLines) func `by its request line`(_ row: RequestCase) { check(row) }

    private func check(_ row: RequestCase) {
        let verdict = requestEverywhere(octets(row.input))
        #expect(verdict.failure == row.error)
    }

    @Test func `with a status, a sentence and a label of its own`() {
        let labels = Set(RequestError.allCases.map { $0.label.description })
        #expect(labels.count == RequestError.allCases.count)
        for error in RequestError.allCases {
            #expect([400, 405, 413, 414, 417, 431, 501, 505].contains(error.status))
            #expect(error.reason.description.hasSuffix("."))
        }
        #expect(RequestError.contentTooLarge.status == 413)
        #expect(RequestError.codingNotImplemented.status == 501)
        #expect(RequestError.connectRefused.status == 405)
        #expect(RequestError.traceRefused.status == 405)
        #expect(RequestError.versionNotSupported.status == 505)
        #expect(RequestError.unknownExpectation.status == 417)
    }

    @Test func `at its first bytes where it is no HTTP`() {
        #expect(request(octets("\u{16}")).failure == .tlsHandshake)
        #expect(request(octets("GEt")).failure == .badMethod)
        #expect(request(octets("GET / HTTP/3.0\r\n")).failure == .versionNotSupported)
        #expect(request(octets("GET / HTTP/1.1\r\nHost: a\r\nX: y\n")).failure == .bareLineFeed)
        #expect(request(octets("GET / HTTP/1.1\r\nHost : a\r\n")).failure == .spaceBeforeColon)
    }
}
