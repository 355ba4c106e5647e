import SluiceExchange
import SluiceReactor

/// Certificates, keys and CAs that settings name, opened as the gateway opens them at its start.
///
/// A configuration can name files that are there and look right and that OpenSSL refuses all the
/// same: a key of another certificate, one with a passphrase, a damaged CA.
package enum GatewayFiles {
    /// Reads all of them and keeps none.
    ///
    /// - Returns: what an operator should know and the gateway starts with nevertheless.
    /// - Throws: ``FileFaults`` with every file that cannot be used.
    package static func check(_ settings: GatewaySettings) throws(FileFaults) -> [String] {
        var found = FileFaults()
        func note(_ read: () throws(FileFault) -> Void) {
            do throws(FileFault) { try read() } catch { found.add(error) }
        }
        var warnings: [String] = []
        if let tls = settings.tls {
            let errors = TLSServerContext.errors(
                certificateFile: tls.certificateFile, keyFile: tls.keyFile)
            for error in errors { found.add(fault(of: tls, error)) }
            note { () throws(FileFault) in
                guard errors.isEmpty else { return }
                let seconds = MonotonicClock.realtimeNanoseconds() / 1_000_000_000
                if let warning = try serverContext(tls).warning(at: seconds) {
                    warnings.append("\(warning)")
                }
            }
        }
        if let url = settings.tracing.endpoint {
            note { () throws(FileFault) in _ = try TraceTarget.fields(settings.tracing) }
            note { () throws(FileFault) in
                guard url.hasPrefix("https:") else { return }
                _ = try TraceTarget.context(settings.tracing)
            }
        }
        var contexts = ClientContexts()
        for (index, pool) in settings.pools.enumerated() {
            for files in CredentialFiles.all(of: pool, path: "pools[\(index)]") {
                note { () throws(FileFault) in _ = try files.authorization() }
                note { () throws(FileFault) in _ = try files.context(&contexts) }
            }
        }
        guard found.faults.isEmpty else { throw found }
        return warnings
    }

    /// What the data listener answers TLS with.
    static func serverContext(
        _ files: GatewaySettings.ListenerTLS
    ) throws(FileFault) -> TLSServerContext {
        do throws(TLSError) {
            return try TLSServerContext(
                certificateFile: files.certificateFile, keyFile: files.keyFile)
        } catch {
            throw fault(of: files, error)
        }
    }

    private static func fault(of files: GatewaySettings.ListenerTLS, _ error: TLSError) -> FileFault
    {
        guard case .file(let path, let problem) = error else { return FileFault("tls", error) }
        // Both may be one file; then the problem tells which part of it is meant.
        let isKey =
            files.keyFile == files.certificateFile ? problem.isOfKey : path == files.keyFile
        return FileFault(isKey ? "tls.key_file" : "tls.cert_file", error)
    }
}
