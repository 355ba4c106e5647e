import Foundation
import SluiceBytes
import Testing

@testable import VLLMSimulator

/// Generated text: repeatable, and safe inside a JSON string as it is.
@Suite struct TextSourceTests {
    private func text(seed: UInt64, choice: Int = 0, tokens: Int) -> String {
        var buffer = ByteBuffer()
        TextSource(seed: seed).choice(choice).appendTokens(tokens, to: &buffer)
        return buffer.text()
    }

    @Test func `a seed names its text, a choice another`() {
        #expect(text(seed: 3, tokens: 20) == text(seed: 3, tokens: 20))
        #expect(text(seed: 3, tokens: 20) != text(seed: 4, tokens: 20))
        #expect(text(seed: 3, choice: 1, tokens: 20) != text(seed: 3, tokens: 20))
        #expect(text(seed: 3, tokens: 20).hasPrefix(text(seed: 3, tokens: 10) + " "))
    }

    @Test func `a thousand tokens are valid inside a JSON string`() throws {
        let quoted = "[\"\(text(seed: 1, tokens: 1_000))\"]"
        let value = try JSONSerialization.jsonObject(with: Data(quoted.utf8))
        let words = try #require((value as? [String])?.first)
        #expect(words.contains("東京"))
        #expect(words.contains("\n"))
    }
}
