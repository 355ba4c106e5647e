/// Why a text is no ``HTTPURL``.
///
/// ``description`` continues a sentence that begins with the text, except where that must not be
/// repeated; callers add what they expect instead.
package enum HTTPURLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A user name or password stands before the host: the text is a secret.
    case credentials
    case noScheme
    case otherScheme(String)
    case fragment
    /// A space, a control character or one beyond ASCII.
    case badPath
    case badPort
    case badIPv6
    case badIPv4
    case noHost
    case badName

    package var description: String {
        switch self {
        case .credentials: "holds a user name or password"
        case .noScheme: "has no scheme"
        case .otherScheme(let scheme): "has scheme `\(scheme)`"
        case .fragment: "has a fragment"
        case .badPath: "has a space or control character in its path"
        case .badPort: "has no valid port (1 … 65535)"
        case .badIPv6: "has no valid IPv6 address"
        case .badIPv4: "has no valid IPv4 address"
        case .noHost: "has no host"
        case .badName: "has no valid host name"
        }
    }
}

/// `http://host[:port][/path]` or `https://…` of a server, taken apart without resolving the name.
///
/// Source: RFC 3986 §3, RFC 9110 §4.2; stricter: lower-case scheme, no empty port, no user name.
package struct HTTPURL: Sendable, Equatable {
    package let isTLS: Bool
    /// Name or address, without brackets.
    package let host: String
    /// 1 … 65535; the scheme's own where none is given.
    package let port: UInt16
    /// Path with query as given; empty where there is none.
    package let path: String

    /// The schemes and what follows them.
    package static let form = "http://HOST:PORT or https://HOST:PORT"

    package init(_ text: String) throws(HTTPURLError) {
        // Userinfo is a password, wherever it stands: found before anything is said of the text.
        let afterScheme = text.firstRange(of: "://")?.upperBound ?? text.startIndex
        if text[afterScheme...].prefix(while: Self.isAuthority).contains("@") {
            throw .credentials
        }
        let rest: Substring
        if text.hasPrefix("http://") {
            isTLS = false
            rest = text.dropFirst(7)
        } else if text.hasPrefix("https://") {
            isTLS = true
            rest = text.dropFirst(8)
        } else if let scheme = text.firstRange(of: "://") {
            throw .otherScheme(String(text[..<scheme.lowerBound]))
        } else {
            throw .noScheme
        }
        let authority = rest.prefix(while: Self.isAuthority)
        let path = rest.dropFirst(authority.count)
        if path.contains("#") { throw .fragment }
        guard path.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { throw .badPath }
        self.path = String(path)
        var host = authority
        var port: UInt16 = isTLS ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            let digits = authority[authority.index(after: colon)...]
            // UInt16 takes a leading plus.
            guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt16(digits),
                number > 0
            else { throw .badPort }
            port = number
            host = authority[..<colon]
        }
        self.port = port
        self.host = try Self.host(host)
    }

    private static func isAuthority(_ character: Character) -> Bool {
        character != "/" && character != "?" && character != "#"
    }

    private static func host(_ host: Substring) throws(HTTPURLError) -> String {
        if host.hasPrefix("[") || host.contains(":") {
            guard host.hasPrefix("["), host.hasSuffix("]"),
                let six = AddressText(host.dropFirst().dropLast()), six.isIPv6
            else { throw .badIPv6 }
            return String(host.dropFirst().dropLast())
        }
        if host.isEmpty { throw .noHost }
        guard isName(host) else { throw .badName }
        if host.allSatisfy({ $0 == "." || $0.isNumber }), AddressText(host) == nil {
            throw .badIPv4
        }
        return String(host)
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

    /// `host:port` as a `Host` field and as a replica's default name.
    package var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    /// Scheme, host and port.
    package var origin: String { "\(isTLS ? "https" : "http")://\(authority)" }
    /// The path as a request's target: it begins with a slash.
    package var target: String { path.hasPrefix("/") ? path : "/\(path)" }
}
