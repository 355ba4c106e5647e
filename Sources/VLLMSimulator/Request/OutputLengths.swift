import Foundation

/// How many tokens an answer has when the client does not say: ADMISSION.md section 4's lognormal.
package struct OutputLengths: Equatable, Sendable {
    /// Median in tokens.
    package var median = 150.0
    /// Standard deviation of the logarithm.
    package var sigma = 0.9
    /// No answer is longer.
    package var tokensMax = 1_500

    package init() {}

    /// Draws one length, from 1 to `tokensMax`.
    package func sample(_ generator: inout SeededGenerator) -> Int {
        // Box–Muller; 1 − u is never 0, so the logarithm is finite.
        let radius = (-2 * log(1 - generator.nextUnit())).squareRoot()
        let normal = radius * cos(2 * Double.pi * generator.nextUnit())
        let length = median * exp(sigma * normal)
        return Int(min(max(1, length.rounded()), Double(max(1, tokensMax))))
    }
}
