import SluiceHTTP

/// `host:port` of a listener: an address literal of this machine.
struct ListenAddress: Equatable {
    let address: AddressText
    /// 0 … 65535; 0 lets the kernel choose.
    let port: UInt16

    static let form = "IP:PORT, such as 0.0.0.0:8080, 127.0.0.1:9801 or [::]:8080"

    /// Reads `127.0.0.1:80`, `[::1]:80` or `:80` (every IPv4 address).
    init(_ text: String) throws(ValueProblem) {
        guard let colon = text.lastIndex(of: ":") else {
            if let port = UInt16(text) {
                throw ValueProblem(
                    "\(quoted(text)) is a port without an address",
                    advice: "Write 0.0.0.0:\(port) for every interface, or 127.0.0.1:\(port).")
            }
            throw ValueProblem("\(quoted(text)) has no port")
        }
        let portText = text[text.index(after: colon)...]
        guard portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText) else {
            throw ValueProblem("\(quoted(text)) has no valid port (0 … 65535)")
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
            throw ValueProblem("\(quoted(text)) is not an address of this machine")
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
            throw ValueProblem("\(quoted(text)) is not an address block")
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
