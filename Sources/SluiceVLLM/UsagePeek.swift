import SluiceBytes

/// placeholder
package struct UsagePeek: Sendable {
    package init() {}
    package mutating func feed(_ bytes: Span<UInt8>) {}
    package var usage = TokenUsage()
}
