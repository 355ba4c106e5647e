import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceSimulation

/// Who holds what, what is left behind, and what goes first.
@Suite struct KVCacheTests {
    private static func sequence(
        _ prompt: Int, _ prefixes: [(key: UInt64, tokens: Int)] = []
    ) -> EngineSequence {
        var request = EngineRequest(promptTokens: prompt, outputTokens: 1)
        request.prefixes = prefixes.map { PrefixLink(key: $0.key, tokens: $0.tokens) }
        return EngineSequence(
            id: EngineRequestID(number: 1, slot: 0), request: request,
            arrival: Instant(nanoseconds: 1))
    }

    private static func cache(
        _ tokens: Int, block: Int = 1, keepsPrefixes: Bool = true
    ) -> KVCache {
        KVCache(tokensMax: tokens, blockTokens: block, keepsPrefixes: keepsPrefixes)
    }

    /// Admits a prompt, computes it and lets it end; the tokens that were found.
    private static func serve(
        _ cache: inout KVCache, _ prompt: Int, _ prefixes: [(key: UInt64, tokens: Int)]
    ) -> Int? {
        var sequence = sequence(prompt, prefixes)
        let found = cache.admit(&sequence)
        if found != nil { cache.share(&sequence) }
        cache.release(&sequence)
        return found
    }

    @Test func `what is left goes in the order it was left, and its own end before the beginning`()
    {
        var cache = Self.cache(300)
        for key in [1, 2] as [UInt64] {
            #expect(Self.serve(&cache, 150, [(key, 100)]) == 0)
        }
        #expect(cache.held == 0 && cache.left == 300)
        // 100 found, 50 computed in the room of the first one's end.
        #expect(Self.serve(&cache, 150, [(1, 100)]) == 100)
        // 150 more push out what the second has left, beginning and all, and not the first's.
        #expect(Self.serve(&cache, 150, []) == 0)
        #expect(Self.serve(&cache, 101, [(2, 100)]) == 0)
    }

    @Test func `a beginning in use is there once, and stays until the last has gone`() {
        var cache = Self.cache(1_000)
        var first = Self.sequence(500, [(7, 400)])
        var second = Self.sequence(500, [(7, 400)])
        #expect(cache.admit(&first) == 0)
        cache.share(&first)
        #expect(cache.admit(&second) == 400)
        cache.share(&second)
        #expect(cache.held == 600)
        cache.release(&first)
        #expect(cache.held == 500 && cache.left == 100)
        // Room for 500 more: what was left goes, what is in use does not.
        var third = Self.sequence(501)
        #expect(cache.admit(&third) == nil)
        third = Self.sequence(500)
        #expect(cache.admit(&third) == 0)
        #expect(cache.held == 1_000 && cache.left == 0 && !cache.hasRoom)
        cache.release(&second)
        #expect(cache.held == 500 && cache.left == 500)
    }

    @Test func `one that two compute at the same time is there twice, and is found afterwards`() {
        var cache = Self.cache(2_000)
        var first = Self.sequence(500, [(7, 400)])
        var second = Self.sequence(500, [(7, 400)])
        #expect(cache.admit(&first) == 0 && cache.admit(&second) == 0)
        cache.share(&first)
        cache.share(&second)
        #expect(cache.held == 1_000)
        cache.release(&first)
        cache.release(&second)
        #expect(cache.held == 0 && cache.left == 1_000)
        #expect(Self.serve(&cache, 500, [(7, 400)]) == 400)
    }

    @Test func `a hit is made of whole blocks and leaves the last token to compute`() {
        var cache = Self.cache(10_000, block: 16)
        #expect(Self.serve(&cache, 500, [(1, 100)]) == 0)
        #expect(Self.serve(&cache, 500, [(1, 100)]) == 96)
        #expect(Self.serve(&cache, 96, [(1, 100)]) == 80)
    }

    @Test func `of a chain what is known is found, and what is new is added to it`() {
        var cache = Self.cache(10_000)
        #expect(Self.serve(&cache, 1_000, [(1, 300), (2, 600)]) == 0)
        #expect(Self.serve(&cache, 1_000, [(1, 300), (3, 700)]) == 300)
        #expect(Self.serve(&cache, 1_000, [(1, 300), (3, 700)]) == 700)
        #expect(Self.serve(&cache, 1_000, [(1, 300), (2, 600)]) == 600)
        #expect(Self.serve(&cache, 1_000, [(9, 300), (2, 600)]) == 0)
    }

    @Test func `whatever comes, held and left stay within the cache`() {
        var cache = Self.cache(5_000, block: 16)
        var generator = SplitMix64(seed: 3)
        var running: [EngineSequence] = []
        for _ in 0..<20_000 {
            let draw = generator.next()
            switch draw % 4 {
            case 0, 1:
                let key = draw >> 8 % 40
                let shared = Int(key % 5) * 50
                let prompt = 1 + Int(draw >> 32 % 600)
                var sequence = Self.sequence(prompt, [(key, shared), (key &+ 100, shared + 64)])
                if cache.admit(&sequence) != nil {
                    cache.share(&sequence)
                    running.append(sequence)
                }
            case 2 where !running.isEmpty && cache.hasRoom:
                cache.grow(&running[Int(draw >> 8) % running.count])
            default:
                guard !running.isEmpty else { continue }
                var gone = running.remove(at: Int(draw >> 8) % running.count)
                cache.release(&gone)
            }
            #expect(cache.held + cache.left <= 5_000)
        }
        for index in running.indices { cache.release(&running[index]) }
        #expect(cache.held == 0)
    }

    @Test func `where prefixes are not kept, nothing is left`() {
        var cache = Self.cache(1_000, keepsPrefixes: false)
        #expect(Self.serve(&cache, 500, [(1, 400)]) == 0)
        #expect(cache.left == 0)
        #expect(Self.serve(&cache, 500, [(1, 400)]) == 0)
    }
}
