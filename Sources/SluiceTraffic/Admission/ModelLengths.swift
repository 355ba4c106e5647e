/// How long the prompts and answers of one model are.
struct ModelLengths: Sendable {
    private static let bytesPerTokenRange = 1.0...8.0
    /// Answers at once that are counted at most.
    private static let sequencesMax = 128

    /// Output tokens of the average request.
    private(set) var outputTokens = 256.0
    private var outputSamples = 0
    private var bytesPerToken = 4.0

    /// Prompt tokens of a request.
    @inline(__always)
    func promptTokens(_ arrival: Arrival) -> Double {
        tokens(arrival.promptBytes) + Double(max(0, arrival.promptTokens))
    }

    /// Tokens that so many bytes of text are.
    @inline(__always)
    func tokens(_ bytes: Int) -> Double { Double(max(0, bytes)) / bytesPerToken }

    /// Output tokens to be expected of a request, all its sequences together.
    @inline(__always)
    func outputTokens(_ arrival: Arrival) -> Double {
        var tokens = outputTokens
        if arrival.outputTokensMax > 0 { tokens = min(tokens, Double(arrival.outputTokensMax)) }
        return tokens * Double(min(max(1, arrival.sequences), Self.sequencesMax))
    }

    /// A request has ended well.
    mutating func observe(promptBytes: Int, _ service: Service) {
        if service.outputTokens > 0 {
            // The mean of the first hundred, then one that forgets: a guess must not stay.
            outputSamples = min(outputSamples + 1, 100)
            let weight = 1 / Double(outputSamples)
            outputTokens += weight * (Double(service.outputTokens) - outputTokens)
            outputTokens = max(1, outputTokens)
        }
        if service.promptTokens > 8, promptBytes > 32 {
            let ratio = Double(promptBytes) / Double(service.promptTokens)
            bytesPerToken += 0.02 * (ratio - bytesPerToken)
            bytesPerToken = min(
                max(bytesPerToken, Self.bytesPerTokenRange.lowerBound),
                Self.bytesPerTokenRange.upperBound)
        }
    }
}
