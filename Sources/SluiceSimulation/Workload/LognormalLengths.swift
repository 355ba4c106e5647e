import SluiceBytes
import Foundation

/// How long prompts or answers are, in tokens: a lognormal cut at both ends.
package struct LognormalLengths: Equatable, Sendable {
    /// Median in tokens.
    package var median: Double
    /// Standard deviation of the logarithm.
    package var sigma: Double
    /// No length is greater: what the draw has beyond it is cut off, not drawn again.
    package var tokensMax: Int

    package init(median: Double, sigma: Double, tokensMax: Int) {
        self.median = median
        self.sigma = sigma
        self.tokensMax = tokensMax
    }

    /// Draws one length, from 1 to `tokensMax`.
    package func sample(_ generator: inout SplitMix64) -> Int {
        // Box–Muller; 1 − u is never 0, so the logarithm is finite.
        let radius = (-2 * log(1 - generator.nextUnit())).squareRoot()
        let normal = radius * cos(2 * Double.pi * generator.nextUnit())
        let length = median * exp(sigma * normal)
        return Int(min(max(1, length.rounded()), Double(max(1, tokensMax))))
    }

    /// The length that nine of ten do not exceed, before the cut.
    package var ninetiethPercentile: Double { median * exp(1.281_551_565_5 * sigma) }
}
