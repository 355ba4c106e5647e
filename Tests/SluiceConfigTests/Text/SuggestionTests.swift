import Testing

@testable import SluiceConfig

@Suite struct SuggestionTests {
    private let known = ["listen", "status", "admin", "head_bytes_max", "fields_max"]

    @Test(arguments: [
        ("listn", "listen"), ("lsiten", "listen"), ("headBytesMax", "head_bytes_max"),
        ("head-bytes-max", "head_bytes_max"), ("Status", "status"), ("field_max", "fields_max"),
    ])
    func `near misses are found`(word: String, near: String) {
        #expect(Suggestion.nearest(to: word, among: known) == near)
    }

    @Test(arguments: ["", "x", "banana", "timeouts"])
    func `what is near to nothing suggests nothing`(word: String) {
        #expect(Suggestion.nearest(to: word, among: known) == nil)
    }

    @Test func `long words cost nothing`() {
        #expect(Suggestion.nearest(to: String(repeating: "a", count: 100_000), among: known) == nil)
    }
}
