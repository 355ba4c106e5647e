/// Which prompt prefixes are still in the KV cache: least recently used out first.
///
/// Bounded twice: by tokens, and by `entriesMax` because the search for the oldest is linear.
struct PrefixCache {
    /// Enough for the prefix groups of every test; bounds the linear search.
    static let entriesMax = 4_096

    private struct Entry {
        var tokens: Int
        var lastUse: UInt64
    }

    private let tokensMax: Int
    private let blockTokens: Int
    private var entries: [UInt64: Entry] = [:]
    private var uses: UInt64 = 0
    /// Tokens held, at most `tokensMax`.
    private(set) var tokens = 0

    init(tokensMax: Int, blockTokens: Int) {
        self.tokensMax = tokensMax
        self.blockTokens = blockTokens
    }

    /// Whether the cache remembers anything at all.
    var isOn: Bool { tokensMax > 0 }

    /// Tokens of the longest known prefix, in whole blocks, less than `promptTokens`: the last
    /// token is always computed, or there would be no logits.
    mutating func cachedTokens(of prefixes: [PrefixLink], promptTokens: Int) -> Int {
        guard isOn else { return 0 }
        var longest = 0
        for prefix in prefixes {
            guard entries[prefix.key] != nil else { break }
            uses &+= 1
            entries[prefix.key]?.lastUse = uses
            longest = max(longest, prefix.tokens)
        }
        return min(longest, promptTokens - 1) / blockTokens * blockTokens
    }

    /// Remembers every prefix of a prompt that has just been computed.
    mutating func insert(_ prefixes: [PrefixLink]) {
        guard isOn else { return }
        var before = 0
        for prefix in prefixes {
            uses &+= 1
            let added = max(0, prefix.tokens - before)
            before = max(before, prefix.tokens)
            if entries[prefix.key] != nil {
                entries[prefix.key]?.lastUse = uses
                continue
            }
            guard added <= tokensMax else { return }
            while tokens + added > tokensMax || entries.count >= Self.entriesMax { evictOldest() }
            entries[prefix.key] = Entry(tokens: added, lastUse: uses)
            tokens += added
        }
    }

    private mutating func evictOldest() {
        guard let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
        tokens -= oldest.value.tokens
        entries[oldest.key] = nil
    }
}
