import SluiceTime

/// What a request turned out to take, told when its permit ends; negative where not known.
package struct Service: Sendable, Equatable {
    /// Prompt tokens by `usage`.
    package var promptTokens = -1
    /// Those found in the replica's prefix cache.
    package var cachedTokens = -1
    /// Generated tokens by `usage`, else content events of a stream.
    package var outputTokens = -1
    /// Content events of a stream.
    package var contentEvents = -1
    /// Time per output token of a stream that its client read as it came; zero where not known.
    package var timePerToken = Nanoseconds.zero

    package init(
        promptTokens: Int = -1, cachedTokens: Int = -1, outputTokens: Int = -1,
        contentEvents: Int = -1, timePerToken: Nanoseconds = .zero
    ) {
        self.promptTokens = promptTokens
        self.cachedTokens = cachedTokens
        self.outputTokens = outputTokens
        self.contentEvents = contentEvents
        self.timePerToken = timePerToken
    }

    /// Nothing is known, or it ended before it was served.
    package static var unknown: Service { Service() }
}
