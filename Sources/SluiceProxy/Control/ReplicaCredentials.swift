import SluiceExchange
import SluiceReactor

/// What we show a replica, and whom we believe to be it: from files read at the start and at each
/// reload.
struct ReplicaCredentials {
    /// `Bearer …` of the API key; nil lets the client's own through.
    let authorization: [UInt8]?
    /// Nil where neither the API nor the metrics page is reached by TLS.
    let tls: TLSClientContext?

    init(_ files: CredentialFiles, contexts: inout ClientContexts) throws(FileFault) {
        authorization = try files.authorization()
        tls = try files.context(&contexts)
    }
}

/// The credentials of one pool.
struct PoolCredentials {
    /// Of each configured replica, in order; its own files, else the pool's.
    let replicas: [ReplicaCredentials]
    /// Of every replica found by the pool's name.
    let found: ReplicaCredentials

    /// - Parameter path: the pool's key path, such as `pools[0]`.
    init(
        _ pool: PoolSettings, path: String, contexts: inout ClientContexts
    ) throws(FileFault) {
        var list: [ReplicaCredentials] = []
        for files in CredentialFiles.replicas(of: pool, path: path) {
            list.append(try ReplicaCredentials(files, contexts: &contexts))
        }
        replicas = list
        found = try ReplicaCredentials(
            CredentialFiles.found(of: pool, path: path), contexts: &contexts)
    }
}

/// Contexts by what their CA file holds, empty for the system's: one for all that believe the same,
/// and after a reload the same one as before where nothing has changed, so that connections stay.
struct ClientContexts {
    private var made: [String: TLSClientContext] = [:]
    private var earlier: [String: TLSClientContext] = [:]

    init() {}

    /// For reading everything again.
    init(reusing old: ClientContexts) { earlier = old.made }

    mutating func context(authorityFile: String?) throws(TLSError) -> TLSClientContext {
        let content = authorityFile.map { TextFile.read($0) ?? "unreadable: \($0)" } ?? ""
        if let known = made[content] ?? earlier[content] {
            made[content] = known
            return known
        }
        let context = try TLSClientContext(authorityFile: authorityFile)
        made[content] = context
        return context
    }
}
