import SluiceBytes
import SluiceVLLM
import Testing

@Suite struct VersionReplyTests {
    static func version(_ text: String) -> String? { VersionReply(Array(text.utf8).span)?.version }

    @Test func `a real answer names the version`() throws {
        let body = try VLLMFixture.body("version.http")
        #expect(VersionReply(body.span)?.version == "0.23.0")
    }

    @Test func `anything else names none`() {
        let long = String(repeating: "1", count: 257)
        for text in [
            "", "0.23.0", "\"0.23.0\"", "{}", #"{"version":1}"#, #"{"version":""}"#,
            #"{"version":"1""#, #"{"x":{"version":"1"}}"#, #"["version"]"#,
            #"{"version":"\#(long)"}"#,
        ] { #expect(Self.version(text) == nil, "\(text)") }
        let padding = String(repeating: " ", count: VersionReply.bytesMax - 15)
        #expect(Self.version(#"{"version":"1"}"# + padding) == "1")
        #expect(Self.version(#"{"version":"1"}"# + padding + " ") == nil)
    }
}
