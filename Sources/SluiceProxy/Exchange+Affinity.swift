import SluiceBytes
import SluiceVLLM

extension Exchange {
    /// Finds out what the request's prompt begins like: its `prompt_cache_key`, the session that its
    /// head names, or its messages up to the first of the user (a system prompt alone must not send
    /// everybody to one replica). Requests that are alike in that go to one replica, where its prefix cache pays.
    ///
    /// A key says that requests belong together, not how much of them is alike: the whole prompt is
    /// taken to be, as it is when the next of a conversation comes; engines that report what they
    /// found correct the belief.
    ///
    /// - Parameter header: name of the session's field, in lower case; empty: not looked for.
    mutating func findAffinity(_ peek: inout RequestPeek, header: [UInt8]) {
        guard let key = affinityKey(&peek, header: header) else { return }
        // Zero is "none known".
        arrival.affinityKey = key == 0 ? 1 : key
        arrival.sharedBytes = arrival.promptBytes
    }

    /// What requests that belong together have in common; nil where nothing is known.
    mutating func affinityKey(_ peek: inout RequestPeek, header: [UInt8]) -> UInt64? {
        arrival.isKeyGuessed = false
        if let key = peek.facts.cacheKeyHash ?? sessionHash(header) { return key }
        let opening = peek.facts.opening
        guard opening.count >= RequestPeek.openingMin else { return nil }
        arrival.isKeyGuessed = true
        return openingHash(Int(opening.lowerBound)..<Int(opening.upperBound))
    }

    /// Of the messages at `range` in the body, which has not been edited: eight bytes a step.
    private mutating func openingHash(_ range: Range<Int>) -> UInt64? {
        let bytes = request.bytes
        var index = bodyStart + range.lowerBound
        let end = bodyStart + range.upperBound
        guard end <= bytes.count else { return nil }
        // Another start than the others': see there.
        var hash: UInt64 = 0x9AE1_6A3B_2F90_404F
        while index &+ 8 <= end {
            hash = (hash ^ bytes.word(at: index)) &* 0x0000_0100_0000_01B3
            // A product carries upwards only.
            hash = hash &<< 29 | hash &>> 35
            index &+= 8
        }
        while index < end {
            hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3
            index &+= 1
        }
        return hash
    }

    /// Hash of the session's value in the fields kept for the replica; nil where there is none.
    private mutating func sessionHash(_ header: [UInt8]) -> UInt64? {
        guard !header.isEmpty else { return nil }
        let bytes = request.bytes
        var line = targetCount + authorizationCount
        let end = line + fieldsCount
        while line < end {
            let lineEnd = bytes.firstIndex(of: 0x0A, from: line, to: end)
            if let value = Self.value(of: header, bytes, line..<lineEnd) {
                // Another start than a cache key's: the same text is not the same beginning.
                var hash = FNV1a()
                hash.add(0)
                for index in value { hash.add(bytes[index]) }
                return value.isEmpty ? nil : hash.value
            }
            line = lineEnd + 1
        }
        return nil
    }

    /// The value of a line `name: value`, if that is its name.
    private static func value(
        of name: [UInt8], _ bytes: Span<UInt8>, _ line: Range<Int>
    ) -> Range<Int>? {
        let colon = line.lowerBound + name.count
        guard colon < line.upperBound, bytes[colon] == 0x3A else { return nil }
        for index in name.indices {
            let byte = bytes[line.lowerBound + index]
            let isUpper = byte >= 0x41 && byte <= 0x5A
            guard (isUpper ? byte | 0x20 : byte) == name[index] else { return nil }
        }
        var start = colon + 1
        var end = line.upperBound
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] == 0x0D || bytes[end - 1] == 0x20 { end -= 1 }
        return start..<end
    }
}
