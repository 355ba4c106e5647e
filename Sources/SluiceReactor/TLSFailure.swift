import COpenSSL
import Glibc

/// What broke a TLS session: an object, so that a connection that is well pays one word for it.
final class TLSFailure: Sendable {
    let error: TLSError
    /// What reads and writes answer from then on: the system's errno; EPROTO for an end without
    /// close_notify; EBADMSG for everything else that TLS does not allow.
    let code: Int32

    /// Of an established session.
    init(_ outcome: Int32, _ entry: TLSErrorQueue.Entry, _ code: Int32) {
        if outcome == SSL_ERROR_SYSCALL && code != 0 {
            self.code = code
            error = .connection(.system(SystemError(call: "", code: code).reason))
        } else if outcome == SSL_ERROR_SYSCALL || entry.isEnd {
            self.code = EPROTO
            error = .connection(.truncated)
        } else {
            self.code = EBADMSG
            error = .connection(.broken(entry.text))
        }
    }

    /// Of a session that has not finished its handshake.
    init(
        handshake ssl: OpaquePointer, _ outcome: Int32, _ entry: TLSErrorQueue.Entry, _ code: Int32
    ) {
        let host = unsafe Self.expectedHost(ssl)
        if outcome == SSL_ERROR_SYSCALL && code != 0 {
            self.code = code
            error = .handshake(
                host: host, .system(SystemError(call: "", code: code).reason))
        } else if outcome == SSL_ERROR_SYSCALL || entry.isEnd || outcome == SSL_ERROR_ZERO_RETURN {
            self.code = EPROTO
            error = .handshake(host: host, .closed)
        } else if let host, entry.isSSL, entry.reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
            self.code = EBADMSG
            error = .certificate(host: host, .init(verifyResult: unsafe SSL_get_verify_result(ssl)))
        } else {
            self.code = EBADMSG
            error = .handshake(host: host, .init(entry))
        }
    }

    /// Whom a client's session expects; nil for a server's.
    private static func expectedHost(_ ssl: OpaquePointer) -> String? {
        guard unsafe SSL_is_server(ssl) == 0 else { return nil }
        // 253 bytes is the longest name: RFC 1035 §3.1.
        var name = [CChar](repeating: 0, count: 256)
        unsafe sluice_tls_expected_host(ssl, &name, name.count)
        let text = String(
            decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        // OpenSSL writes ::2 as 0:0:0:0:0:0:0:2.
        return SocketAddress(host: text, port: 0)?.host ?? text
    }
}

extension TLSErrorQueue.Entry {
    /// FIN where a record or close_notify was due.
    var isEnd: Bool { isSSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING }
}

extension TLSError.HandshakeProblem {
    fileprivate init(_ entry: TLSErrorQueue.Entry) {
        guard entry.isSSL else {
            self = .malformed(entry.text)
            return
        }
        switch entry.reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: self = .plainHTTP
        case SSL_R_WRONG_VERSION_NUMBER: self = .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            self = .noCommonVersion
        case SSL_R_NO_SHARED_CIPHER: self = .noCommonCipher
        case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
            self = .noCommonProtocol
        default: self = entry.isAlert ? .refused(entry.text) : .malformed(entry.text)
        }
    }
}

extension TLSError.CertificateProblem {
    /// - Parameter verifyResult: X509_V_ERR_…; source: X509_STORE_CTX_get_error(3).
    fileprivate init(verifyResult: Int) {
        switch Int32(truncatingIfNeeded: verifyResult) {
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            self = .selfSigned
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            self = .unknownAuthority
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: self = .wrongName
        default:
            // Safety: the strings are constants of the library.
            let words = unsafe X509_verify_cert_error_string(verifyResult)
            self = .rejected(
                unsafe words.map { unsafe String(cString: $0) } ?? "error \(verifyResult)")
        }
    }
}

/// A host as it stands in a URL, made what a certificate says: no brackets, no root dot.
struct TLSHostName {
    let text: String
    let isAddress: Bool

    init(_ host: String) {
        var name = host[...]
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        isAddress = SocketAddress(host: String(name), port: 0) != nil
        if !isAddress, name.hasSuffix(".") { name = name.dropLast() }
        text = String(name)
    }
}
