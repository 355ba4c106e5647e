/// Why TLS does not work: whose fault, what probably caused it, what to do.
///
/// Files are ours to mend and never worth a retry; a certificate or handshake is the peer's, and
/// nothing has been sent when it fails, so that another replica may be tried.
package enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file named in the configuration cannot be used.
    case file(path: String, FileProblem)
    /// The certificate that `host` presented was not accepted.
    case certificate(host: String, CertificateProblem)
    /// The handshake with `host` (nil: a client of ours) failed.
    case handshake(host: String?, HandshakeProblem)
    /// The connection broke after the handshake.
    case connection(ConnectionProblem)
    /// OpenSSL refused what should always work: out of memory, or a system policy forbids TLS 1.2.
    case library(String)

    /// What is wrong with a file.
    package enum FileProblem: Equatable, Sendable {
        case missing
        /// open(2) or read(2) failed; the reason.
        case unreadable(String)
        case notRegular
        case tooLarge
        /// No PEM certificate in it. `looksLikeKey`: it holds a private key.
        case notCertificate(looksLikeKey: Bool)
        /// No PEM private key in it. `looksLikeCertificate`: it holds a certificate.
        case notKey(looksLikeCertificate: Bool)
        case keyEncrypted
        /// The key belongs to another certificate than the one in `certificateFile`.
        case keyMismatch(certificateFile: String)
        /// OpenSSL's own words.
        case rejected(String)
    }

    /// What is wrong with a peer's certificate.
    package enum CertificateProblem: Equatable, Sendable {
        case selfSigned
        case unknownAuthority
        case expired
        case notYetValid
        case wrongName
        /// OpenSSL's own words.
        case rejected(String)
    }

    /// Why a handshake failed.
    package enum HandshakeProblem: Equatable, Sendable {
        /// A client spoke HTTP without TLS.
        case plainHTTP
        /// What came is no TLS.
        case notTLS
        case noCommonVersion
        case noCommonCipher
        case noCommonProtocol
        /// The peer closed before the handshake was finished.
        case closed
        /// The peer sent an alert; OpenSSL's name of it.
        case refused(String)
        /// The system's reason: reset, timed out.
        case system(String)
        /// OpenSSL's own words.
        case malformed(String)
    }

    /// How an established connection broke.
    package enum ConnectionProblem: Equatable, Sendable {
        /// FIN without close_notify: what came may not be all. Source: RFC 8446 §6.1.
        case truncated
        /// The system's reason: reset, timed out.
        case system(String)
        /// The peer sent a fatal alert, or a record that does not decrypt; OpenSSL's words.
        case broken(String)
    }

    package var description: String {
        switch self {
        case .file(let path, let problem): "\(path): \(problem.text)"
        case .certificate(let host, let problem): "certificate of \(host): \(problem.text)"
        case .handshake(.some(let host), let problem):
            "TLS handshake with \(host): \(problem.text(isServer: false))"
        case .handshake(.none, let problem):
            "TLS handshake with a client: \(problem.text(isServer: true))"
        case .connection(.truncated):
            "the peer closed without TLS close_notify: what it sent may be cut short"
        case .connection(.system(let reason)): "TLS connection: \(reason)"
        case .connection(.broken(let reason)): "TLS connection broken: \(reason)"
        case .library(let reason):
            "OpenSSL: \(reason); does openssl.cnf forbid TLS 1.2, or is memory short?"
        }
    }
}

extension TLSError.FileProblem {
    /// Whether it is what only a private key can have.
    package var isOfKey: Bool {
        switch self {
        case .notKey, .keyEncrypted, .keyMismatch: true
        case .missing, .unreadable, .notRegular, .tooLarge, .notCertificate, .rejected: false
        }
    }

    /// What is wrong, without the name of the file.
    package var text: String {
        switch self {
        case .missing: "no such file"
        case .unreadable(let reason): "cannot be read: \(reason)"
        case .notRegular: "not a regular file"
        case .tooLarge: "larger than \(TLSFile.bytesMax) bytes: not a PEM file"
        case .notCertificate(looksLikeKey: true):
            "holds a private key, not a certificate; are certificate and key file exchanged?"
        case .notCertificate(looksLikeKey: false):
            "holds no PEM certificate (-----BEGIN CERTIFICATE-----); "
                + "convert DER with: openssl x509 -inform der -in FILE"
        case .notKey(looksLikeCertificate: true):
            "holds a certificate, not a private key; are certificate and key file exchanged?"
        case .notKey(looksLikeCertificate: false):
            "holds no PEM private key (-----BEGIN PRIVATE KEY-----)"
        case .keyEncrypted:
            "the private key is encrypted; give one without a passphrase: openssl pkey -in FILE"
        case .keyMismatch(let certificateFile):
            "the private key does not belong to the first certificate of \(certificateFile)"
        case .rejected(let reason) where reason.contains("key too small"):
            "OpenSSL finds its key too weak (\(reason)); make one of 2048 bits (RSA) or 256 (EC)"
        case .rejected(let reason):
            "OpenSSL cannot use it (\(reason)); openssl x509 or pkey -noout -text -in FILE shows more"
        }
    }
}

extension TLSError.CertificateProblem {
    fileprivate var text: String {
        switch self {
        case .selfSigned:
            "self-signed certificate in chain; if it is yours, give its CA with ca_file (doctor, bench: --ca-file)"
        case .unknownAuthority:
            "signed by an unknown CA; give the CA with ca_file (doctor, bench: --ca-file), "
                + "or let the server send its intermediate certificates"
        case .expired: "expired; renew it"
        case .notYetValid: "not valid yet; is a clock wrong?"
        case .wrongName:
            "made out for other names; use a name of the certificate in the replica's URL"
        case .rejected(let reason): reason
        }
    }
}

extension TLSError.HandshakeProblem {
    fileprivate func text(isServer: Bool) -> String {
        switch self {
        case .plainHTTP: "it speaks plain HTTP; this port takes https:// only"
        case .notTLS:
            isServer
                ? "what it sent is not TLS"
                : "what it answered is not TLS; is it an http:// server?"
        case .noCommonVersion: "no common version; TLS 1.2 is the oldest accepted"
        case .noCommonCipher: "no common cipher suite"
        case .noCommonProtocol: "no common protocol; http/1.1 is the only one"
        case .closed:
            isServer
                ? "it closed before the handshake was finished"
                : "it closed before the handshake was finished; does the port speak TLS?"
        case .refused(let alert): "it refused: \(alert)"
        case .system(let reason), .malformed(let reason): reason
        }
    }
}
