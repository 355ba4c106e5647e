import SluiceExchange
import SluiceHTTP
import SluiceReactor

/// What names resolved to last; the last good answer stays, for a dead resolver is no dead replica.
struct KnownAddresses {
    private var all: [String: [SocketAddress]] = [:]
    private var chosen: [String: SocketAddress] = [:]

    /// Takes in an answer for `authority` (`host:port`); an empty one says nothing.
    ///
    /// - Returns: whether it differs from the last.
    mutating func take(_ addresses: [SocketAddress], for authority: String) -> Bool {
        guard let first = addresses.first else { return false }
        // Name servers rotate their answers: one that is still there is kept.
        if chosen[authority].map(addresses.contains) != true { chosen[authority] = first }
        let sorted = addresses.sorted { $0.description < $1.description }
        defer { all[authority] = sorted }
        return all[authority] != sorted
    }

    /// Forgets all names but these: lists may change for ever.
    mutating func keep(only authorities: Set<String>) {
        all = all.filter { authorities.contains($0.key) }
        chosen = chosen.filter { authorities.contains($0.key) }
    }

    /// Every address of a name whose addresses are replicas, in an order of their own.
    func all(of authority: String) -> [SocketAddress] { all[authority] ?? [] }

    /// The one address of a name that is one replica; stays as long as the name has it.
    func address(of authority: String) -> SocketAddress? { chosen[authority] }

    /// Where a replica is; nil while its name has no address.
    func place(
        of replica: ReplicaSettings
    ) -> (url: HTTPURL, address: SocketAddress, isLiteral: Bool)? {
        guard let url = try? HTTPURL(replica.url) else { return nil }
        if let literal = SocketAddress(host: url.host, port: url.port) {
            return (url, literal, true)
        }
        return address(of: url.authority).map { (url, $0, false) }
    }
}
