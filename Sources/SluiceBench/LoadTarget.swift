import SluiceReactor

/// The endpoint of a load test or an examination: an URL, split and looked up.
package struct LoadTarget: Sendable {
    /// Why there is none; says what to do.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
    }

    package let isTLS: Bool
    package let host: String
    package let port: UInt16
    /// What stands before `/v1/…`; empty, or with a leading slash and none at the end.
    package let prefix: String
    package private(set) var address: SocketAddress
    package private(set) var tls: TLSClientContext?

    /// Reads the URL and looks the name up, which blocks: not on a loop that serves.
    ///
    /// A trailing `/v1` is dropped: people paste the base URL of their client library.
    package init(url: String, authorityFile: String? = nil) throws(Problem) {
        var rest = Substring(url)
        if rest.hasPrefix("https://") {
            isTLS = true
            rest = rest.dropFirst(8)
        } else if rest.hasPrefix("http://") {
            isTLS = false
            rest = rest.dropFirst(7)
        } else {
            throw Problem(description: "'\(url)' is not a URL; write http://HOST:PORT")
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        var path = rest[slash...]
        while path.hasSuffix("/") { path = path.dropLast() }
        if path.hasSuffix("/v1") { path = path.dropLast(3) }
        prefix = String(path)
        var name = authority
        var port: UInt16 = isTLS ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0
            else { throw Problem(description: "'\(url)' has no valid port; ports are 1 … 65535") }
            port = number
            name = authority[..<colon]
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        let isClean = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        guard !name.isEmpty, !name.contains("@"), isClean, !path.contains("?") else {
            throw Problem(description: "'\(url)' is not a URL of the form http://HOST:PORT")
        }
        host = String(name)
        self.port = port
        switch SocketAddress.resolve(host: host, port: port) {
        case .success(let found):
            guard let first = found.first else {
                throw Problem(description: "\(host) has no address")
            }
            address = first
        case .failure(let error):
            throw Problem(description: "cannot look up \(error); is the name right?")
        }
        if isTLS {
            do throws(TLSError) {
                tls = try TLSClientContext(authorityFile: authorityFile)
            } catch {
                throw Problem(description: "TLS: \(error)")
            }
        }
    }

    /// The same name at another of its addresses.
    package func at(_ address: SocketAddress) -> LoadTarget {
        var copy = self
        copy.address = address
        return copy
    }

    /// `host:port` as a `Host` field.
    package var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    /// The URL, as it is understood.
    package var url: String { "\(isTLS ? "https" : "http")://\(authority)\(prefix)" }
}
