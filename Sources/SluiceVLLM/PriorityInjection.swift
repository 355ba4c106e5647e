import SluiceBytes

/// Says in the body how urgent the request is, for engines that queue by it.
///
/// vLLM serves a lower `priority` sooner, with `--scheduling-policy priority`. Source: VLLM.md,
/// *Semantics that bite a gateway*, 11.
package enum PriorityInjection {
    /// Priorities are below this.
    package static let priorityMax = 7

    /// The edit that gives the body this priority, whatever the client wrote; nil where it cannot.
    ///
    /// Changes nothing: a borrow of a value this large is passed as a copy of it.
    ///
    /// - Parameters:
    ///   - priority: 0 … ``priorityMax``; more is taken as the most.
    ///   - body: what was peeked at.
    package static func edit(
        for peek: inout RequestPeek, body: Span<UInt8>, priority: Int
    ) -> UsageInjection.Edit? {
        let place = min(max(0, priority), priorityMax)
        if peek.error != nil { return nil }
        let site = peek.facts.priority
        if !site.isEmpty {
            return UsageInjection.Edit(
                range: Int(site.lowerBound)..<Int(site.upperBound), text: values[place])
        }
        let start = peek.facts.objectStart
        guard start >= 0, hasMembers(body, from: start) else { return nil }
        return UsageInjection.Edit(range: start..<start, text: members[place])
    }

    /// Whether the object that is open at `start` has any member: one put before it needs a comma.
    private static func hasMembers(_ body: Span<UInt8>, from start: Int) -> Bool {
        for index in start..<body.count {
            switch body[index] {
            case 0x20, 0x09, 0x0A, 0x0D: continue
            case let byte: return byte == 0x22
            }
        }
        return false
    }

    private static let values: [8 of StaticString] = ["0", "1", "2", "3", "4", "5", "6", "7"]
    private static let members: [8 of StaticString] = [
        "\"priority\":0,", "\"priority\":1,", "\"priority\":2,", "\"priority\":3,",
        "\"priority\":4,", "\"priority\":5,", "\"priority\":6,", "\"priority\":7,",
    ]
}
