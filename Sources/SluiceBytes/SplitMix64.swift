/// A small, fast generator whose whole state is one word: the same seed gives the same sequence on
/// every machine. Nothing secret.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
@usableFromInline package struct SplitMix64: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    /// A generator that starts from `seed`; every seed is good, also 0.
    @inlinable package init(seed: UInt64) { state = seed }

    /// The next 64 random bits.
    @inlinable package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// A number in `0..<1`, with 53 random bits.
    @inlinable package mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// One word scattered over all its bits: a hash without state.
    @inlinable package static func mixed(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
