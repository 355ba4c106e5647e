import COpenSSL
import Glibc

/// A PEM file, looked at before OpenSSL is, whose own errors do not tell a missing file from a bad one.
struct TLSFile {
    let path: String
    private let text: String

    /// Bytes at most: a bundle of all public CAs has some 230 KB.
    static let bytesMax = 4 << 20

    /// - Throws: ``TLSError`` when the file is missing, unreadable, no regular file or too large.
    init(_ path: String) throws(TLSError) {
        self.path = path
        // O_NONBLOCK: opening a FIFO must not wait for its writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .file(
                path: path, errno == ENOENT ? .missing : .unreadable(SystemError(call: "").reason))
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .file(path: path, .notRegular)
        }
        guard status.st_size <= Self.bytesMax else { throw .file(path: path, .tooLarge) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        // Safety: read writes at most the array's own count of bytes.
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe read(descriptor, $0.baseAddress, $0.count)
        }
        guard count >= 0 else {
            throw .file(path: path, .unreadable(SystemError(call: "").reason))
        }
        text = String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Whether a PEM certificate begins in the file.
    var hasCertificate: Bool {
        text.contains("-----BEGIN CERTIFICATE-----")
            || text.contains("-----BEGIN TRUSTED CERTIFICATE-----")
    }

    /// Whether a PEM private key of any form begins in the file.
    var hasKey: Bool { text.contains("PRIVATE KEY-----") }

    /// - Throws: ``TLSError`` unless the file holds a certificate.
    func requireCertificate() throws(TLSError) {
        guard hasCertificate else {
            throw .file(path: path, .notCertificate(looksLikeKey: hasKey))
        }
    }

    /// - Throws: ``TLSError`` unless the file holds a private key that needs no passphrase.
    func requireKey() throws(TLSError) {
        guard hasKey else {
            throw .file(path: path, .notKey(looksLikeCertificate: hasCertificate))
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.contains("Proc-Type: 4,ENCRYPTED")
        {
            throw .file(path: path, .keyEncrypted)
        }
    }
}
