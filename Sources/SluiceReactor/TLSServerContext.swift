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
        let context = try TLSContext(isServer: true)
        try Self.use(certificateFile: certificateFile, in: context)
        try Self.use(keyFile: keyFile, of: certificateFile, in: context)
        unsafe sluice_tls_select_http11(context.pointer)
        validFrom = unsafe sluice_tls_certificate_time(context.pointer, 0)
        expiry = unsafe sluice_tls_certificate_time(context.pointer, 1)
        self.context = context
        self.certificateFile = certificateFile
    }

    /// Everything wrong with the two files; empty where `init` would not throw.
    package static func errors(certificateFile: String, keyFile: String) -> [TLSError] {
        let context: TLSContext
        do throws(TLSError) { context = try TLSContext(isServer: true) } catch { return [error] }
        var errors: [TLSError] = []
        do throws(TLSError) {
            try use(certificateFile: certificateFile, in: context)
        } catch {
            errors.append(error)
        }
        do throws(TLSError) {
            // Without its certificate a key can be read, and not compared.
            try use(keyFile: keyFile, of: errors.isEmpty ? certificateFile : nil, in: context)
        } catch {
            errors.append(error)
        }
        return errors
    }

    private static func use(
        certificateFile: String, in context: TLSContext
    ) throws(TLSError) {
        try TLSFile(certificateFile).requireCertificate()
        // Safety: OpenSSL copies what it reads from the file; `context` keeps the pointer alive.
        guard unsafe SSL_CTX_use_certificate_chain_file(context.pointer, certificateFile) == 1
        else { throw .file(path: certificateFile, .rejected(TLSErrorQueue.take().text)) }
    }

    private static func use(
        keyFile: String, of certificateFile: String?, in context: TLSContext
    ) throws(TLSError) {
        try TLSFile(keyFile).requireKey()
        let type = SSL_FILETYPE_PEM
        // Safety: as above, here and below.
        var isUsed = unsafe SSL_CTX_use_PrivateKey_file(context.pointer, keyFile, type) == 1
        if isUsed, certificateFile != nil {
            isUsed = unsafe SSL_CTX_check_private_key(context.pointer) == 1
        }
        guard !isUsed else { return }
        let error = TLSErrorQueue.take()
        if let certificateFile, error.isKeyMismatch {
            throw .file(path: keyFile, .keyMismatch(certificateFile: certificateFile))
        }
        throw .file(path: keyFile, .rejected(error.text))
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
