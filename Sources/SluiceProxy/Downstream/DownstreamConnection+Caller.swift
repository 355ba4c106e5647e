import SluiceBytes
import SluiceHTTP

/// Whose request it is, and how urgent.
enum CallerVerdict {
    /// Indexes of the class and of the tenant.
    case known(priorityClass: UInt8, tenant: UInt16)
    /// `x-sluice-class` names no class; at most 64 bytes of it.
    case unknownClass(String)
}

extension DownstreamConnection {
    // `mutating` as is the head, because a borrow of either would be passed as a copy.

    /// Who sends the request in `head`, which lies at the front of the input.
    ///
    /// - Parameter trusts: whether the peer may say itself whose request it passes on.
    mutating func caller(
        _ head: inout RequestHead, _ callers: Callers, trusts: Bool
    ) -> CallerVerdict {
        var tenant: UInt16 = 0
        if callers.tellsTenants {
            if let line = head.first(.authorization) { tenant = owner(of: line.value, callers) }
            if trusts, let line = head.first(.gatewayFairnessID),
                let named = callers.tenant(named: input.bytes.extracting(line.value))
            {
                tenant = named
            }
        }
        var asked: UInt8?
        if let line = head.first(.xSluiceClass) {
            asked = callers.priorityClass(input.bytes.extracting(line.value))
            if asked == nil {
                let start = line.value.lowerBound
                return .unknownClass(
                    input.bytes.text(in: start..<min(line.value.upperBound, start + 64)))
            }
        } else if trusts, let line = head.first(.gatewayObjective) {
            asked = callers.priorityClass(input.bytes.extracting(line.value))
        }
        return .known(
            priorityClass: callers.priorityClass(of: tenant, asked: asked), tenant: tenant)
    }

    /// Whose key `Authorization` holds; anonymous where it is no bearer key. Source: RFC 6750 §2.1.
    private mutating func owner(of value: Range<Int>, _ callers: Callers) -> UInt16 {
        let scheme = value.lowerBound..<min(value.upperBound, value.lowerBound + 7)
        guard input.bytes.equalsIgnoringCase("bearer ", in: scheme) else { return 0 }
        var start = scheme.upperBound
        while start < value.upperBound, input[start] == 0x20 { start += 1 }
        guard start < value.upperBound else { return 0 }
        // Out of the connection, whose input the key is a part of.
        var last = LastKey()
        swap(&last, &lastKey)
        let tenant = last.tenant(of: input.bytes.extracting(start..<value.upperBound), callers)
        swap(&last, &lastKey)
        return tenant
    }

    /// Whether the client wants to know what becomes of its request.
    mutating func asksForExplanation(_ head: inout RequestHead) -> Bool {
        guard let line = head.first(.xSluiceExplain) else { return false }
        return line.value.count == 1 && input.bytes[line.value.lowerBound] == 0x31
    }
}
