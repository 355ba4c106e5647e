import SluiceBytes

/// A fast random generator per worker: ties, ids, jitter; nothing secret.
///
/// xoshiro256**. Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.
struct Xoshiro: RandomNumberGenerator {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// - Parameter seed: spread over the state by SplitMix64, as the authors advise.
    init(seed: UInt64) {
        var words = SplitMix64(seed: seed)
        state = (words.next(), words.next(), words.next(), words.next())
    }

    @inline(__always) mutating func next() -> UInt64 {
        let scrambled = state.1 &* 5
        let result = (scrambled << 7 | scrambled >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }
}
