import FixtureTestSupport
import Foundation
import SluiceBytes
import Testing

/// Bytes captured from a real vLLM 0.23 (see Fixtures/README.md).
struct Fixture {
    /// The head without its last empty line.
    let head: String
    /// The body without chunk framing.
    let body: String
    /// The chunks, for a chunked body.
    let chunks: [String]

    init(_ name: String) throws {
        let text = try Self.text(name)
        let end = try #require(text.range(of: "\r\n\r\n"))
        head = String(text[..<end.lowerBound])
        let rest = Array(text[end.upperBound...].utf8)
        guard head.contains("transfer-encoding: chunked") else {
            body = String(decoding: rest, as: UTF8.self)
            chunks = []
            return
        }
        chunks = try Self.chunks(of: rest)
        body = chunks.joined()
    }

    /// A file of the folder, as text.
    static func text(_ name: String) throws -> String {
        String(decoding: try fixture(name), as: UTF8.self)
    }

    /// Undoes chunked framing; traps on anything else, for tests only.
    static func chunks(of bytes: [UInt8]) throws -> [String] {
        var chunks: [String] = []
        var rest = bytes[...]
        while let line = rest.firstIndex(of: 0x0D) {
            let size = try #require(
                Int(String(decoding: rest[rest.startIndex..<line], as: UTF8.self), radix: 16))
            if size == 0 { break }
            rest = rest[(line + 2)...]
            chunks.append(String(decoding: rest.prefix(size), as: UTF8.self))
            rest = rest.dropFirst(size + 2)
        }
        return chunks
    }

    /// Ids, times, generated text and folders replaced, so that what is left is the shape.
    static func normalised(_ text: String) -> String {
        var text = text
        text.replace(#/(chatcmpl|cmpl|modelperm)-[0-9a-f]{16}/#) { "\($0.output.1)-ID" }
        text.replace(#/"created":\d+/#, with: #""created":0"#)
        text.replace(#/"(content|text)":"(?:[^"\\]|\\.)*"/#) { "\"\($0.output.1)\":\"TEXT\"" }
        text.replace(#/"root":"[^"]*"/#, with: #""root":"ROOT""#)
        text.replace(#/(date|content-length): [^\r]*/#) { "\($0.output.1): X" }
        return text
    }
}
