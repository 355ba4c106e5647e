import Testing

@testable import SluiceSimulation

/// Which prefixes are remembered, and which go first.
@Suite struct PrefixCacheTests {
    @Test func `the least recently used prefix goes first, and the bound on tokens holds`() {
        var cache = PrefixCache(tokensMax: 300, blockTokens: 1)
        for key in [1, 2, 3] as [UInt64] { cache.insert([PrefixLink(key: key, tokens: 100)]) }
        let used = cache.cachedTokens(of: [PrefixLink(key: 1, tokens: 100)], promptTokens: 500)
        cache.insert([PrefixLink(key: 4, tokens: 100)])
        #expect(used == 100)
        #expect(cache.tokens == 300)
        let found = ([1, 2, 3, 4] as [UInt64]).map {
            cache.cachedTokens(of: [PrefixLink(key: $0, tokens: 100)], promptTokens: 500)
        }
        #expect(found == [100, 0, 100, 100])
    }

    @Test func `a prefix larger than the cache is not kept, and pushes nobody out`() {
        var cache = PrefixCache(tokensMax: 300, blockTokens: 1)
        cache.insert([PrefixLink(key: 1, tokens: 100)])
        cache.insert([PrefixLink(key: 2, tokens: 301)])
        #expect(cache.tokens == 100)
    }

    @Test func `a hit is made of whole blocks and leaves the last token to compute`() {
        var cache = PrefixCache(tokensMax: 300, blockTokens: 16)
        cache.insert([PrefixLink(key: 1, tokens: 100)])
        let hit96 = cache.cachedTokens(of: [PrefixLink(key: 1, tokens: 100)], promptTokens: 500)
        #expect(hit96 == 96)
        let hit80 = cache.cachedTokens(of: [PrefixLink(key: 1, tokens: 96)], promptTokens: 96)
        #expect(hit80 == 80)
    }

    @Test func `the number of entries is bounded too`() {
        var cache = PrefixCache(tokensMax: 1_000_000, blockTokens: 1)
        for key in 0..<UInt64(PrefixCache.entriesMax + 10) {
            cache.insert([PrefixLink(key: key, tokens: 1)])
        }
        #expect(cache.tokens == PrefixCache.entriesMax)
    }

    @Test func `switched off, it knows nothing`() {
        var cache = PrefixCache(tokensMax: 0, blockTokens: 16)
        cache.insert([PrefixLink(key: 1, tokens: 100)])
        let hit0 = cache.cachedTokens(of: [PrefixLink(key: 1, tokens: 100)], promptTokens: 500)
        #expect(hit0 == 0)
    }
}
