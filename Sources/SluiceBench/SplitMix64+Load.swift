import Glibc
import SluiceBytes

/// What the times and lengths of a load are drawn from.
extension SplitMix64 {
    /// Exponential with mean 1: the gaps of a Poisson process. 1 − u is never 0.
    package mutating func exponential() -> Double { -log(1 - nextUnit()) }

    /// Standard normal. Source: Box and Muller.
    package mutating func normal() -> Double {
        (-2 * log(1 - nextUnit())).squareRoot() * cos(2 * Double.pi * nextUnit())
    }
}
