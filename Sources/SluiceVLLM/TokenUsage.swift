/// What `usage` says of one answer, in tokens; -1 where it says nothing.
package struct TokenUsage: Equatable, Sendable {
    /// Tokens of the prompt, cached ones included.
    package var prompt: Int32 = -1
    /// Tokens generated.
    package var completion: Int32 = -1
    /// Tokens of the prompt that were found in the prefix cache.
    package var cached: Int32 = -1

    /// Nothing known.
    package init() {}
}
