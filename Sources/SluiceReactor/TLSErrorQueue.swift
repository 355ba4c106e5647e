import COpenSSL

/// This thread's OpenSSL error queue, read right after a call failed. Source: ERR_peek_error(3).
enum TLSErrorQueue {
    /// One error: the oldest of the queue, which is the cause of the others.
    struct Entry {
        let isSSL: Bool
        let isPEM: Bool
        let isX509: Bool
        /// SSL_R_…, PEM_R_… or X509_R_…; 0 without an error.
        let reason: Int32
        /// OpenSSL's words.
        let text: String

        /// Whether the reason is an alert that the peer sent.
        var isAlert: Bool { isSSL && reason >= sluice_tls_alert_base() }
    }

    /// The oldest error; the queue is empty afterwards.
    static func take() -> Entry {
        let code = sluice_tls_error()
        let library = sluice_tls_error_library(code)
        // Safety: the strings are constants of the library.
        let words = unsafe ERR_reason_error_string(code)
        let text = unsafe words.map { unsafe String(cString: $0) }
        let entry = Entry(
            isSSL: library == ERR_LIB_SSL, isPEM: library == ERR_LIB_PEM,
            isX509: library == ERR_LIB_X509, reason: sluice_tls_error_reason(code),
            text: text ?? "unknown error \(code)")
        ERR_clear_error()
        return entry
    }
}
