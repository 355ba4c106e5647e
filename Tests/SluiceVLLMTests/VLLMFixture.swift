import FixtureTestSupport
import Foundation
import Testing

/// Bytes captured from a real vLLM 0.23 (see Fixtures/README.md).
enum VLLMFixture {
    /// A file of the folder.
    static func bytes(_ name: String) throws -> [UInt8] { try fixture(name) }

    /// The body of a captured answer with a Content-Length.
    static func body(_ name: String) throws -> [UInt8] {
        let text = String(decoding: try bytes(name), as: UTF8.self)
        let end = try #require(text.range(of: "\r\n\r\n"))
        return Array(text[end.upperBound...].utf8)
    }
}
