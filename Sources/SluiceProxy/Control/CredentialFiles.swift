import SluiceExchange
import SluiceReactor

/// A file and the key path of the setting that names it.
struct NamedFile {
    let key: String
    let path: String
}

/// The files of one replica: its own, else its pool's.
struct CredentialFiles {
    /// With the key that the replica wants.
    let apiKey: NamedFile?
    /// With the CAs that its certificate is verified against.
    let authority: NamedFile?
    /// Whether the API or the metrics page is reached by TLS.
    let usesTLS: Bool
    /// Key path of the replica or pool.
    private let owner: String

    /// Those of each configured replica, in order.
    ///
    /// - Parameter path: the pool's key path, such as `pools[0]`.
    static func replicas(of pool: PoolSettings, path: String) -> [CredentialFiles] {
        pool.replicas.enumerated().map { index, replica in
            let below = "\(path).replicas[\(index)]"
            return CredentialFiles(
                apiKey: file("api_key_file", replica.apiKeyFile, below, pool.apiKeyFile, path),
                authority: file("ca_file", replica.caFile, below, pool.caFile, path),
                usesTLS: replica.usesTLS, owner: below)
        }
    }

    /// Those of every replica found by the pool's name.
    static func found(of pool: PoolSettings, path: String) -> CredentialFiles {
        CredentialFiles(
            apiKey: pool.apiKeyFile.map { NamedFile(key: "\(path).api_key_file", path: $0) },
            authority: pool.caFile.map { NamedFile(key: "\(path).ca_file", path: $0) },
            usesTLS: pool.replicaDNS?.hasPrefix("https:") ?? false, owner: path)
    }

    /// Those of its replicas, configured and found.
    static func all(of pool: PoolSettings, path: String) -> [CredentialFiles] {
        replicas(of: pool, path: path) + [found(of: pool, path: path)]
    }

    /// The configuration has given the pool's file to replicas without one: it is the pool's then.
    private static func file(
        _ name: String, _ own: String?, _ ownPath: String, _ shared: String?, _ sharedPath: String
    ) -> NamedFile? {
        if let own, own != shared { return NamedFile(key: "\(ownPath).\(name)", path: own) }
        return shared.map { NamedFile(key: "\(sharedPath).\(name)", path: $0) }
    }

    /// `Bearer …` of the API key; nil without one.
    func authorization() throws(FileFault) -> [UInt8]? {
        guard let apiKey else { return nil }
        guard let text = TextFile.read(apiKey.path) else {
            throw FileFault(apiKey.key, path: apiKey.path, "cannot be read")
        }
        let key = text.split { $0.isWhitespace }.first.map(String.init) ?? ""
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw FileFault(apiKey.key, path: apiKey.path, "holds no key")
        }
        return Array("Bearer \(key)".utf8)
    }

    /// Whom to believe; nil without TLS.
    func context(_ contexts: inout ClientContexts) throws(FileFault) -> TLSClientContext? {
        guard usesTLS else { return nil }
        do throws(TLSError) {
            return try contexts.context(authorityFile: authority?.path)
        } catch {
            throw FileFault(authority?.key ?? owner, error)
        }
    }
}
