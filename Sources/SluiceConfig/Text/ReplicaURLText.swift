/// `http://host:port` or `https://host:port` of a replica, checked without resolving the name.
struct ReplicaURLText: Equatable {
    let isTLS: Bool
    /// Name or address, without brackets.
    let host: String
    let port: UInt16
    /// Path with query, or empty.
    let path: String

    /// `host:port`, a replica's default name.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    static let form = "http://HOST:PORT or https://HOST:PORT"

    /// Reads a URL.
    ///
    /// - Parameter allowsPath: metrics URLs have one, replicas do not: the client's path is used.
    init(_ text: String, allowsPath: Bool = false) throws(ValueProblem) {
        let advice = "Expected \(Self.form)\(allowsPath ? "/PATH" : "")."
        // Userinfo is a password: the value is not repeated, wherever it stands.
        let authorityStart = text.firstRange(of: "://")?.upperBound ?? text.startIndex
        let beforePath = text[authorityStart...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        if beforePath.contains("@") {
            throw ValueProblem(
                "the URL holds a user name or password (not shown)",
                advice: "Put vLLM's key into a file and name it in api_key_file.", hidesLine: true)
        }
        let rest: Substring
        if text.hasPrefix("http://") {
            isTLS = false
            rest = text.dropFirst(7)
        } else if text.hasPrefix("https://") {
            isTLS = true
            rest = text.dropFirst(8)
        } else if let scheme = text.firstRange(of: "://") {
            throw ValueProblem(
                "\(quoted(text)) has scheme \(quoted(String(text[..<scheme.lowerBound])))",
                advice: advice)
        } else if text.isEmpty {
            throw ValueProblem("is empty", advice: advice)
        } else {
            // vLLM's own port, where none is given: 80 is hardly ever meant.
            let hasPort = text.contains(":") || text.contains("/")
            throw ValueProblem(
                "\(quoted(text)) has no scheme",
                advice: "Did you mean http://\(text)\(hasPort ? "" : ":8000")?")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count)
        if path.contains("#") {
            throw ValueProblem("\(quoted(text)) has a fragment", advice: advice)
        }
        if !allowsPath, !path.isEmpty, path != "/" {
            let bare = text.dropLast(path.count)
            throw ValueProblem(
                "\(quoted(text)) has a path", advice: "The client's path is used: write \(bare).")
        }
        if allowsPath, !path.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) {
            throw ValueProblem("\(quoted(text)) has a space or control character in its path")
        }
        self.path = path == "/" && !allowsPath ? "" : String(path)
        var host = authority
        var port: UInt16 = isTLS ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            let digits = authority[authority.index(after: colon)...]
            guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt16(digits),
                number > 0
            else {
                throw ValueProblem(
                    "\(quoted(text)) has no valid port (1 … 65535)", advice: advice)
            }
            port = number
            host = authority[..<colon]
        }
        self.port = port
        if host.hasPrefix("[") || host.contains(":") {
            guard host.hasPrefix("["), host.hasSuffix("]"),
                let six = AddressText(host.dropFirst().dropLast()), six.isIPv6
            else {
                throw ValueProblem(
                    "\(quoted(text)) has no valid IPv6 address",
                    advice: "Write it as http://[::1]:8000.")
            }
            self.host = String(host.dropFirst().dropLast())
            return
        }
        guard !host.isEmpty else {
            throw ValueProblem("\(quoted(text)) has no host", advice: advice)
        }
        guard Self.isName(host) else {
            throw ValueProblem(
                "\(quoted(text)) has no valid host name",
                advice: "Allowed: letters, digits, -, _ and . ; labels of 1 … 63 characters.")
        }
        if host.allSatisfy({ $0 == "." || $0.isNumber }), AddressText(host) == nil {
            throw ValueProblem("\(quoted(text)) has no valid IPv4 address")
        }
        self.host = String(host)
    }

    /// Letters, digits, hyphens and underscores in labels; a last dot is allowed. Source: RFC 1123 §2.1.
    private static func isName(_ host: Substring) -> Bool {
        guard host.utf8.count <= 253 else { return false }
        let labels = (host.hasSuffix(".") ? host.dropLast() : host)
            .split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                        UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }
}
