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
    /// - Throws: ``GatewayError`` that names the first file that cannot be used.
    package static func check(_ settings: GatewaySettings) throws(GatewayError) -> [String] {
        var contexts = ClientContexts()
        for pool in settings.pools { _ = try PoolCredentials(pool, contexts: &contexts) }
        _ = try TraceTarget(settings.tracing)
        guard let tls = settings.tls else { return [] }
        do throws(TLSError) {
            let context = try TLSServerContext(
                certificateFile: tls.certificateFile, keyFile: tls.keyFile)
            let seconds = MonotonicClock.realtimeNanoseconds() / 1_000_000_000
            return context.warning(at: seconds).map { ["\($0)"] } ?? []
        } catch {
            throw .tls(error)
        }
    }
}
