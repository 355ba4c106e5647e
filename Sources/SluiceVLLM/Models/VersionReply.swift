import SluiceBytes

/// The answer to `GET /version`: `{"version":"0.23.0"}`.
package struct VersionReply: Equatable, Sendable {
    /// Bytes of an answer at most.
    package static let bytesMax = 65_536

    /// The version as written, 1 … 256 bytes.
    package let version: String

    /// Reads the body of an answer; nil if it is too long, not JSON, or names no version.
    package init?(_ body: Span<UInt8>) {
        guard body.count <= Self.bytesMax else { return nil }
        var scanner = JSONScanner<256>()
        var isVersionNext = false
        var found: String?
        var offset = 0
        reading: while true {
            switch scanner.next(body, from: offset) {
            case .token(let token, let end):
                if token == .key, scanner.depth == 1 {
                    isVersionNext = scanner.textEquals("version")
                } else if token == .string, scanner.depth == 1, isVersionNext, !scanner.isTextCut {
                    found = scanner.text.text()
                }
                // A list at the top has no keys, so nothing in it is taken.
                offset = end
            case .end: break reading
            case .needMore, .lineEnd, .failed: return nil
            }
        }
        guard let found, !found.isEmpty else { return nil }
        version = found
    }
}
