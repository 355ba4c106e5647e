import COpenSSL
import Glibc

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
            "\(file): certificate expired at \(Self.date(at)); clients will refuse it: renew it"
        case .notYetValid(let file, let from):
            "\(file): certificate not valid before \(Self.date(from)); is this clock right?"
        }
    }

    /// Seconds since 1970 as `2026-01-31 12:00:00 UTC`.
    private static func date(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        // Safety: both pointers are to locals; the zone's name, a pointer, is not read.
        var parts = unsafe tm()
        guard unsafe gmtime_r(&time, &parts) != nil else { return "\(seconds) (unix seconds)" }
        let day = unsafe [parts.tm_year + 1_900, parts.tm_mon + 1, parts.tm_mday]
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec]
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + "\(number)" }
        return day.map(two).joined(separator: "-") + " "
            + clock.map(two).joined(separator: ":") + " UTC"
    }
}

extension TLSErrorQueue.Entry {
    fileprivate var isKeyMismatch: Bool {
        isX509 && (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
    }
}
