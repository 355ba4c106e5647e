import SluiceBytes
import Glibc

/// How long prompts or answers are, in tokens.
package enum LengthDistribution: Equatable, Sendable, CustomStringConvertible {
    case fixed(Int)
    case uniform(ClosedRange<Int>)
    /// Median in tokens, and the standard deviation of the logarithm.
    case lognormal(median: Double, sigma: Double)

    /// No prompt and no answer asked for is longer.
    package static let tokensMax = 1_000_000
    /// What a message about a malformed one says.
    package static let form =
        "fixed:TOKENS, uniform:FROM-TO or lognormal:MEDIAN,SIGMA, such as fixed:200, "
        + "uniform:50-500 or lognormal:600,1.0; lengths are 1 … \(tokensMax)"

    /// Reads one as written on the command line; a bare number is fixed.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let allowed = 1...Self.tokensMax
        if parts.count == 1 {
            guard let count = Int(text), allowed.contains(count) else { return nil }
            self = .fixed(count)
            return
        }
        switch parts[0] {
        case "fixed":
            guard let count = Int(parts[1]), allowed.contains(count) else { return nil }
            self = .fixed(count)
        case "uniform":
            let ends = parts[1].split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let low = Int(ends[0]), let high = Int(ends[1]),
                allowed.contains(low), allowed.contains(high), low <= high
            else { return nil }
            self = .uniform(low...high)
        case "lognormal":
            let values = parts[1].split(separator: ",", omittingEmptySubsequences: false)
            guard values.count == 2, let median = Double(values[0]), let sigma = Double(values[1]),
                median >= 1, median <= Double(Self.tokensMax), sigma >= 0, sigma <= 5
            else { return nil }
            self = .lognormal(median: median, sigma: sigma)
        default: return nil
        }
    }

    /// Draws one length, 1 … ``tokensMax``.
    package func sample(_ random: inout SplitMix64) -> Int {
        switch self {
        case .fixed(let count): return count
        case .uniform(let range): return Int.random(in: range, using: &random)
        case .lognormal(let median, let sigma):
            let length = (median * exp(sigma * random.normal())).rounded()
            return Int(min(max(1, length), Double(Self.tokensMax)))
        }
    }

    package var description: String {
        switch self {
        case .fixed(let count): "fixed:\(count)"
        case .uniform(let range): "uniform:\(range.lowerBound)-\(range.upperBound)"
        case .lognormal(let median, let sigma): "lognormal:\(Figure.plain(median)),\(sigma)"
        }
    }
}
