/// IPv4 and IPv6 literals, without a resolver and without unsafe calls.
///
/// Text becomes the canonical eight groups, so that `::1` and `0:0:0:0:0:0:0:1` are one address.
package struct AddressText: Equatable, Sendable {
    /// Sixteen-bit groups: two for IPv4, eight for IPv6.
    package let groups: [UInt16]

    /// Whether it is of the newer kind.
    package var isIPv6: Bool { groups.count == 8 }
    /// `0.0.0.0` or `::`: every address of the machine.
    package var isWildcard: Bool { groups.allSatisfy { $0 == 0 } }
    /// `127.0.0.0/8` or `::1`.
    package var isLoopback: Bool {
        isIPv6 ? groups.dropLast().allSatisfy { $0 == 0 } && groups[7] == 1 : groups[0] >> 8 == 127
    }

    /// Nil for what is no literal. Source: RFC 3986 §3.2.2, RFC 4291 §2.2.
    package init?(_ text: some StringProtocol) {
        if text.contains(":") {
            guard let groups = Self.six(text) else { return nil }
            self.groups = groups
        } else {
            guard let groups = Self.four(text) else { return nil }
            self.groups = groups
        }
    }

    private static func four(_ text: some StringProtocol) -> [UInt16]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt16] = []
        for part in parts {
            // A leading zero is octal to some resolvers and decimal to others: refused.
            guard part.count <= 3, part.allSatisfy({ $0.isASCII && $0.isNumber }),
                part.count == 1 || part.first != "0", let byte = UInt8(part)
            else { return nil }
            bytes.append(UInt16(byte))
        }
        return [bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3]]
    }

    private static func six(_ text: some StringProtocol) -> [UInt16]? {
        guard text.count <= 45 else { return nil }
        let text = String(text)
        guard let gap = doubleColon(in: text) else {
            guard let groups = hexGroups(Substring(text)), groups.count == 8 else { return nil }
            return groups
        }
        let tail = text[text.index(gap, offsetBy: 2)...]
        guard doubleColon(in: String(tail)) == nil,
            let before = hexGroups(text[..<gap]), let after = hexGroups(tail),
            before.count + after.count <= 7
        else { return nil }
        return before + Array(repeating: 0, count: 8 - before.count - after.count) + after
    }

    private static func doubleColon(in text: String) -> String.Index? {
        text.indices.first { text[$0...].hasPrefix("::") }
    }

    private static func hexGroups(_ text: Substring) -> [UInt16]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let four = four(part) else { return nil }
                groups += four
            } else {
                guard (1...4).contains(part.count), part.allSatisfy(\.isHexDigit),
                    part.allSatisfy(\.isASCII), let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }
}
