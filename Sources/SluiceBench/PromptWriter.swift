import SluiceBytes

/// Writes the bodies of requests.
///
/// Prompts are random words of three letters, about a token each with its space, so that no two
/// share a prefix and no prefix cache flatters the endpoint.
package struct PromptWriter: Sendable {
    /// Everything of the body that is the same each time.
    private let head: [UInt8]
    private let tail: [UInt8]
    private let plan: LoadPlan

    /// Prompts longer than this are cut: bytes of one body, 8 MB.
    static let wordsMax = 2_000_000

    private static let words: [[UInt8]] = [
        "ant", "bay", "cat", "dog", "ear", "fig", "gem", "hat", "ice", "jam", "key", "log", "map",
        "net", "oak", "pen", "ray", "sea", "tea", "urn", "van", "wax", "yak", "zoo", "arm", "bus",
        "cup", "dew", "egg", "fox", "gum", "hen",
    ].map { (word: String) in Array(word.utf8) + [0x20] }

    package init(plan: LoadPlan) {
        self.plan = plan
        head = Array(
            #"{"model":\#(JSON.text(plan.model)),"messages":[{"role":"user","content":""#.utf8)
        tail = Array(
            (plan.streams ? #","stream":true,"stream_options":{"include_usage":true}}"# : "}").utf8)
    }

    /// Draws the next body.
    ///
    /// - Returns: the body and how many tokens its answer may have.
    package func next(_ random: inout SplitMix64) -> (body: [UInt8], outputTokens: Int) {
        let words = min(plan.promptTokens.sample(&random), Self.wordsMax)
        let output = plan.outputTokens.sample(&random)
        var body: [UInt8] = []
        body.reserveCapacity(head.count + tail.count + words * 4 + 64)
        body += head
        for _ in 0..<words { body += Self.words[Int(random.next() >> 59)] }
        body += Array(#""}],"max_tokens":\#(output)"#.utf8)
        body += tail
        return (body, output)
    }
}
