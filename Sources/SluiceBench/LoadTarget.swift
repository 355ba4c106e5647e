import SluiceHTTP
import SluiceReactor

/// The endpoint of a load test or an examination: an URL, split and looked up.
package struct LoadTarget: Sendable {
    /// Why there is none; says what to do.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
    }

    private let split: HTTPURL
    /// What stands before `/v1/…`; empty, or with a leading slash and none at the end.
    package let prefix: String
    package private(set) var address: SocketAddress
    package private(set) var tls: TLSClientContext?

    /// Whether a text is such an URL, without looking its name up.
    package static func check(_ url: String) throws(Problem) { _ = try read(url) }

    private static func read(_ url: String) throws(Problem) -> (split: HTTPURL, prefix: String) {
        let split: HTTPURL
        do throws(HTTPURLError) {
            split = try HTTPURL(url)
        } catch .credentials {
            throw Problem(
                description:
                    "the URL \(HTTPURLError.credentials) (not shown); write http://HOST:PORT")
        } catch {
            throw Problem(description: "'\(url)' \(error); write http://HOST:PORT")
        }
        var path = Substring(split.path)
        if path.contains("?") {
            throw Problem(description: "'\(url)' has a query; write http://HOST:PORT")
        }
        while path.hasSuffix("/") { path = path.dropLast() }
        if path.hasSuffix("/v1") { path = path.dropLast(3) }
        return (split, String(path))
    }

    /// Reads the URL and looks the name up, which blocks: not on a loop that serves.
    ///
    /// A trailing `/v1` is dropped: people paste the base URL of their client library.
    package init(url: String, authorityFile: String? = nil) throws(Problem) {
        (split, prefix) = try Self.read(url)
        switch SocketAddress.resolve(host: split.host, port: split.port) {
        case .success(let found):
            guard let first = found.first else {
                throw Problem(description: "\(split.host) has no address")
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

    package var isTLS: Bool { split.isTLS }
    package var host: String { split.host }
    package var port: UInt16 { split.port }
    /// `host:port` as a `Host` field.
    package var authority: String { split.authority }
    /// The URL, as it is understood.
    package var url: String { split.origin + prefix }
}
