/// What `usage` says; -1 where it says nothing.
package struct TokenUsage: Equatable, Sendable {
    package var prompt: Int32 = -1
    package var completion: Int32 = -1
    package var cached: Int32 = -1
    package init() {}
}
