import COpenSSL

/// One reference to an SSL_CTX, given back when the last user drops it, also by a throw half-way.
///
/// Changed only by the `init` that makes it; then shared by all workers: SSL_new(3) is safe there.
@safe final class TLSContext: Sendable {
    nonisolated(unsafe) let pointer: OpaquePointer

    /// - Throws: ``TLSError/library(_:)``.
    init(isServer: Bool) throws(TLSError) {
        guard let pointer = unsafe sluice_tls_context(isServer ? 1 : 0) else {
            throw .library(TLSErrorQueue.take().text)
        }
        unsafe self.pointer = pointer
    }

    deinit { unsafe SSL_CTX_free(pointer) }
}
