import COpenSSL

// Made by the control thread, then read by all workers; nothing changes it after `init`.

/// Certificate and key with which a listener answers TLS: 1.2 and up, http/1.1 by ALPN.
package final class TLSServerContext: Sendable {
    let context: TLSContext
    private let certificateFile: String
    /// From when and until when the certificate is valid, in seconds since 1970.
    package let validFrom: Int64
    package let expiry: Int64

    /// Reads both files (PEM; the certificate file may hold the chain, leaf first).
    ///
    /// An expired certificate is not refused, as clients may not check: ``warning(at:)`` tells.
    /// - Throws: ``TLSError`` that names the file and says why.
    package init(certificateFile: String, keyFile: String) throws(TLSError) {
        let certificate = try TLSFile(certificateFile)
        try certificate.requireCertificate()
        let key = try TLSFile(keyFile)
        try key.requireKey()
        let context = try TLSContext(isServer: true)
        // Safety: OpenSSL copies what it reads from the files; `context` keeps the pointer alive.
        guard unsafe SSL_CTX_use_certificate_chain_file(context.pointer, certificateFile) == 1
        else { throw .file(path: certificateFile, .rejected(TLSErrorQueue.take().text)) }
        guard unsafe SSL_CTX_use_PrivateKey_file(context.pointer, keyFile, SSL_FILETYPE_PEM) == 1,
            unsafe SSL_CTX_check_private_key(context.pointer) == 1
        else {
            let error = TLSErrorQueue.take()
            throw .file(
                path: keyFile,
                error.isKeyMismatch
                    ? .keyMismatch(certificateFile: certificateFile) : .rejected(error.text))
        }
        unsafe sluice_tls_select_http11(context.pointer)
        validFrom = unsafe sluice_tls_certificate_time(context.pointer, 0)
        expiry = unsafe sluice_tls_certificate_time(context.pointer, 1)
        self.context = context
        self.certificateFile = certificateFile
    }

    /// What an operator should know about the certificate's dates; nil when they are fine.
    ///
    /// - Parameter now: seconds since 1970.
    package func warning(at now: Int64) -> TLSCertificateWarning? {
        if now >= expiry { return .expired(file: certificateFile, at: expiry) }
        if now < validFrom { return .notYetValid(file: certificateFile, from: validFrom) }
        return nil
    }
}

/// A certificate of ours that verifying clients will refuse, though it can be used.
package enum TLSCertificateWarning: Equatable, Sendable, CustomStringConvertible {
    /// Not valid any more since `at`, in seconds since 1970.
    case expired(file: String, at: Int64)
    /// Not valid before `from`, in seconds since 1970.
    case notYetValid(file: String, from: Int64)

    package var description: String {
        switch self {
        case .expired(let file, let at):
            "\(file): certificate expired at \(at) (unix seconds); clients will refuse it: renew it"
        case .notYetValid(let file, let from):
            "\(file): certificate not valid before \(from) (unix seconds); is this clock right?"
        }
    }
}

extension TLSErrorQueue.Entry {
    fileprivate var isKeyMismatch: Bool {
        isX509 && (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
    }
}
