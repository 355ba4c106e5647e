/// IPv4 and IPv6 literals, without a resolver and without unsafe calls.
///
/// Text becomes the canonical eight groups, so that `::1` and `0:0:0:0:0:0:0:1` are one address.
struct AddressText: Equatable {
    /// Sixteen-bit groups: two for IPv4, eight for IPv6.
    let groups: [UInt16]

    var isIPv6: Bool { groups.count == 8 }
    /// `0.0.0.0` or `::`: every address of the machine.
    var isWildcard: Bool { groups.allSatisfy { $0 == 0 } }
    /// `127.0.0.0/8` or `::1`.
    var isLoopback: Bool {
        isIPv6 ? groups.dropLast().allSatisfy { $0 == 0 } && groups[7] == 1 : groups[0] >> 8 == 127
    }

    /// Nil for what is no literal. Source: RFC 3986 §3.2.2, RFC 4291 §2.2.
    init?(_ text: some StringProtocol) {
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

/// `host:port` of a listener: an address literal of this machine.
struct ListenAddress: Equatable {
    let address: AddressText
    /// 0 … 65535; 0 lets the kernel choose.
    let port: UInt16

    static let form = "IP:PORT, such as 0.0.0.0:8080, 127.0.0.1:9801 or [::]:8080"

    /// Reads `127.0.0.1:80`, `[::1]:80` or `:80` (every IPv4 address).
    init(_ text: String) throws(ValueProblem) {
        let advice = "Expected \(Self.form)."
        guard let colon = text.lastIndex(of: ":") else {
            if let port = UInt16(text) {
                throw ValueProblem(
                    "\(quoted(text)) is a port without an address",
                    advice: "Write 0.0.0.0:\(port) for every interface, or 127.0.0.1:\(port).")
            }
            throw ValueProblem("\(quoted(text)) has no port", advice: advice)
        }
        let portText = text[text.index(after: colon)...]
        guard portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText) else {
            throw ValueProblem("\(quoted(text)) has no valid port (0 … 65535)", advice: advice)
        }
        var host = text[..<colon]
        if host.isEmpty { host = "0.0.0.0" }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if let six = AddressText(host), six.isIPv6 {
            throw ValueProblem(
                "\(quoted(text)) is an IPv6 address without brackets",
                advice: "Write [\(host)]:\(port).")
        }
        guard let address = AddressText(host) else {
            if host == "localhost" {
                throw ValueProblem(
                    "\(quoted(text)) is a name; a listener needs an address",
                    advice: "Write 127.0.0.1:\(port) or [::1]:\(port).")
            }
            throw ValueProblem(
                "\(quoted(text)) is not an address of this machine", advice: advice)
        }
        self.address = address
        self.port = port
    }

    /// Whether both cannot be bound: SO_REUSEPORT would let them share connections silently.
    func collides(with other: ListenAddress) -> Bool {
        guard port == other.port, port != 0 else { return false }
        if address == other.address { return true }
        // `[::]` takes IPv4 too; `0.0.0.0` takes every IPv4 address.
        for (wildcard, one) in [(address, other.address), (other.address, address)]
        where wildcard.isWildcard {
            if wildcard.isIPv6 || !one.isIPv6 { return true }
        }
        return false
    }
}

/// A CIDR block: `10.0.0.0/8`, `fd00::/8`, or a single address.
enum AddressBlockText {
    static let form = "an IP address or CIDR block, such as 10.0.0.0/8 or fd00::/8"

    /// Refuses blocks with bits set beyond the prefix: `10.1.2.3/8` is mostly a mistyped `/32`.
    static func check(_ text: String) throws(ValueProblem) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = AddressText(first) else {
            throw ValueProblem(
                "\(quoted(text)) is not an address block", advice: "Expected \(form).")
        }
        guard parts.count == 2 else { return }
        let width = address.isIPv6 ? 128 : 32
        guard parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), let bits = Int(parts[1]),
            bits <= width
        else {
            throw ValueProblem(
                "\(quoted(text)) has no valid prefix length", advice: "Allowed: /0 … /\(width).")
        }
        for (index, group) in address.groups.enumerated() {
            let kept = min(16, max(0, bits - index * 16))
            if kept < 16, group << UInt16(kept) != 0 {
                throw ValueProblem(
                    "\(quoted(text)) has bits set beyond /\(bits)",
                    advice:
                        "Write \(first)/\(width) for the one address, or the block's first address."
                )
            }
        }
    }
}
