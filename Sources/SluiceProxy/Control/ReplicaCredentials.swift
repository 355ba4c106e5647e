import SluiceExchange
import SluiceReactor

/// What we show a replica, and whom we believe to be it: from files read at the start and at each
/// reload.
struct ReplicaCredentials {
    /// `Bearer …` of the API key; nil lets the client's own through.
    let authorization: [UInt8]?
    /// Nil where neither the API nor the metrics page is reached by TLS.
    let tls: TLSClientContext?

    /// - Parameter urls: of the API and of the metrics page.
    /// - Throws: ``GatewayError`` that names the file.
    init(
        apiKeyFile: String?, caFile: String?, urls: [String?], contexts: inout ClientContexts
    ) throws(GatewayError) {
        authorization = try apiKeyFile.map(Self.readKey)
        let isTLS = urls.contains { $0?.hasPrefix("https:") ?? false }
        do throws(TLSError) {
            tls = isTLS ? try contexts.context(authorityFile: caFile) : nil
        } catch {
            throw .tls(error)
        }
    }

    private static func readKey(_ path: String) throws(GatewayError) -> [UInt8] {
        guard let text = TextFile.read(path) else {
            throw .file(key: "api_key_file", path: path, reason: "cannot be read")
        }
        let key = text.split { $0.isWhitespace }.first.map(String.init) ?? ""
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .file(key: "api_key_file", path: path, reason: "holds no key")
        }
        return Array("Bearer \(key)".utf8)
    }
}

/// The credentials of one pool.
struct PoolCredentials {
    /// Of each configured replica, in order; its own files, else the pool's.
    let replicas: [ReplicaCredentials]
    /// Of every replica found by the pool's name.
    let found: ReplicaCredentials

    init(_ pool: PoolSettings, contexts: inout ClientContexts) throws(GatewayError) {
        var list: [ReplicaCredentials] = []
        for replica in pool.replicas {
            list.append(
                try ReplicaCredentials(
                    apiKeyFile: replica.apiKeyFile ?? pool.apiKeyFile,
                    caFile: replica.caFile ?? pool.caFile, urls: replica.urls,
                    contexts: &contexts))
        }
        replicas = list
        found = try ReplicaCredentials(
            apiKeyFile: pool.apiKeyFile, caFile: pool.caFile, urls: [pool.replicaDNS],
            contexts: &contexts)
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
