import COpenSSL

// Made by the control thread, then read by all workers, as TLSServerContext is.

/// Whom we believe when we connect with TLS: 1.2 and up, chain and name always verified.
package final class TLSClientContext: Sendable {
    let context: TLSContext

    /// - Parameter authorityFile: PEM file of the CAs to believe, instead of the system's
    ///   (`SSL_CERT_FILE` and `SSL_CERT_DIR` choose those: SSL_CTX_set_default_verify_paths(3)).
    /// - Throws: ``TLSError`` that names the file and says why.
    package init(authorityFile: String? = nil) throws(TLSError) {
        if let authorityFile { try TLSFile(authorityFile).requireCertificate() }
        let context = try TLSContext(isServer: false)
        if let authorityFile {
            guard unsafe SSL_CTX_load_verify_locations(context.pointer, authorityFile, nil) == 1
            else { throw .file(path: authorityFile, .rejected(TLSErrorQueue.take().text)) }
        } else {
            guard unsafe SSL_CTX_set_default_verify_paths(context.pointer) == 1
            else { throw .library(TLSErrorQueue.take().text) }
        }
        guard unsafe sluice_tls_offer_http11(context.pointer) == 1
        else { throw .library(TLSErrorQueue.take().text) }
        unsafe SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        self.context = context
    }
}
