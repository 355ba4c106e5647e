/// The KV cache of an engine, in tokens: what its sequences hold and, where prefixes are cached, what
/// they have left behind.
///
/// As in vLLM: what a sequence leaves stays until the room is needed, and goes in the order in which
/// it was left, of one sequence its end first. A prompt that begins like it takes the beginning back,
/// and a beginning that several hold is there once. What is left behind keeps nobody out. Other than
/// in vLLM a beginning goes as a whole, not block by block.
///
/// Source: vLLM, `v1/core/block_pool.py` (`touch`, `free_blocks`, `get_new_blocks`).
struct KVCache {
    /// A beginning of prompts, in whole blocks.
    private struct Beginning {
        var tokens: Int
        /// Sequences that hold it.
        var holders: Int
        /// Number of its place in `leavings` while nobody does.
        var left: UInt64 = 0
    }

    /// What was left behind: a beginning, or what nobody will ask for again.
    private struct Leaving {
        let number: UInt64
        /// Of the beginning; nil where it is the rest of a sequence.
        let key: UInt64?
        let tokens: Int
    }

    private let tokensMax: Int
    private let blockTokens: Int
    private let keepsPrefixes: Bool
    /// Tokens that sequences hold, at most `tokensMax`.
    private(set) var held = 0
    /// Tokens left behind; with those held at most `tokensMax`.
    private(set) var left = 0
    private var beginnings: [UInt64: Beginning] = [:]
    /// Oldest first, from `oldest` on; some have been taken back.
    private var leavings: [Leaving] = []
    private var oldest = 0
    private var lastNumber: UInt64 = 0

    init(tokensMax: Int, blockTokens: Int, keepsPrefixes: Bool) {
        self.tokensMax = tokensMax
        self.blockTokens = blockTokens
        self.keepsPrefixes = keepsPrefixes
    }

    /// Whether one token more has room.
    var hasRoom: Bool { held < tokensMax }

    /// Takes room for a sequence that is admitted: for all that it has to compute, and the beginnings
    /// that are there.
    ///
    /// - Returns: the tokens found, in whole blocks and less than all, for the last token is always
    ///   computed, or there would be no logits; nil where there is no room.
    mutating func admit(_ sequence: inout EngineSequence) -> Int? {
        let target = sequence.prefillTarget
        let links = sequence.request.prefixes
        var (count, found, unheld) = (0, 0, 0)
        if keepsPrefixes {
            for link in links {
                guard let beginning = beginnings[link.key] else { break }
                count += 1
                found += beginning.tokens
                if beginning.holders == 0 { unheld += beginning.tokens }
            }
            found = min(found, (target - 1) / blockTokens * blockTokens)
        }
        guard held + unheld + target - found <= tokensMax else { return nil }
        for link in links.prefix(count) { takeBack(link.key) }
        sequence.beginnings = count
        sequence.allocated = target - found
        held += target - found
        makeRoom()
        return found
    }

    /// A decoding sequence grows by a token; the caller has asked whether there is room.
    mutating func grow(_ sequence: inout EngineSequence) {
        sequence.allocated += 1
        held += 1
        makeRoom()
    }

    /// A sequence's prompt has been computed: its beginnings are there for others.
    mutating func share(_ sequence: inout EngineSequence) {
        guard keepsPrefixes else { return }
        var before = 0
        for (index, link) in sequence.request.prefixes.enumerated() {
            let added = whole(link.tokens) - before
            before += max(0, added)
            if index < sequence.beginnings { continue }
            // One that another has computed meanwhile stays there twice, as in vLLM.
            guard added > 0, link.tokens <= sequence.request.promptTokens,
                beginnings[link.key] == nil
            else { return }
            beginnings[link.key] = Beginning(tokens: added, holders: 1)
            sequence.allocated -= added
            sequence.beginnings += 1
        }
    }

    /// A sequence ends or is preempted: it gives back what it held.
    mutating func release(_ sequence: inout EngineSequence) {
        held -= sequence.allocated
        if keepsPrefixes { leave(nil, sequence.allocated) }
        sequence.allocated = 0
        for link in sequence.request.prefixes.prefix(sequence.beginnings).reversed() {
            guard var beginning = beginnings[link.key] else { continue }
            beginning.holders -= 1
            if beginning.holders == 0 {
                held -= beginning.tokens
                leave(link.key, beginning.tokens)
                beginning.left = lastNumber
            }
            beginnings[link.key] = beginning
        }
        sequence.beginnings = 0
    }

    // MARK: What is left behind

    private func whole(_ tokens: Int) -> Int { tokens / blockTokens * blockTokens }

    private mutating func leave(_ key: UInt64?, _ tokens: Int) {
        lastNumber &+= 1
        guard tokens > 0 else { return }
        leavings.append(Leaving(number: lastNumber, key: key, tokens: tokens))
        left += tokens
    }

    private mutating func takeBack(_ key: UInt64) {
        guard var beginning = beginnings[key] else { return }
        if beginning.holders == 0 {
            held += beginning.tokens
            left -= beginning.tokens
        }
        beginning.holders += 1
        beginnings[key] = beginning
    }

    private mutating func makeRoom() {
        while held + left > tokensMax, oldest < leavings.count {
            let leaving = leavings[oldest]
            oldest += 1
            if let key = leaving.key {
                guard let beginning = beginnings[key], beginning.holders == 0,
                    beginning.left == leaving.number
                else { continue }
                beginnings[key] = nil
            }
            left -= leaving.tokens
        }
        if oldest > 1_024, oldest * 2 > leavings.count {
            leavings.removeFirst(oldest)
            oldest = 0
        }
    }
}
