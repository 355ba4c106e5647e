#ifndef SLUICE_COPENSSL_H
#define SLUICE_COPENSSL_H

// OpenSSL 3 for Swift: the headers, and as functions what they offer as macros or what needs a C
// callback. Nothing here keeps state. Source: ssl(7), man pages of the functions named.

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

// ---- Digests -----------------------------------------------------------------------------------

/// SHA-256 of bytes; 1 on success. Source: EVP_Digest(3).
static inline int sluice_sha256(const void *bytes, size_t size, unsigned char out[32]) {
    unsigned written = 0;
    return EVP_Digest(bytes, size, out, &written, EVP_sha256(), NULL) == 1 && written == 32;
}

// ---- Contexts ----------------------------------------------------------------------------------

// Stands in for OpenSSL's prompt on the terminal, at which a service would hang.
static inline int sluice_no_passphrase(char *out, int size, int writing, void *user) {
    (void)out, (void)size, (void)writing, (void)user;
    return -1;
}

/// What both sides share: TLS 1.2 and up, no compression, no renegotiation, no session cache,
/// partial writes from a buffer that may move, buffers given back while idle, reads as long as the
/// buffer. NULL when the library refuses.
static inline SSL_CTX *sluice_tls_context(int is_server) {
    SSL_CTX *context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) return NULL;
    // SSL_write knows no MSG_NOSIGNAL: a peer that is gone would end the process.
    signal(SIGPIPE, SIG_IGN);
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE;
#ifdef SSL_OP_ENABLE_KTLS
    // Clients stay without: bytes acknowledged upstream are compared with bytes written, and the
    // kernel's records would not be counted (`sluice_tls_wire_bytes_written`).
    if (is_server) options |= SSL_OP_ENABLE_KTLS;
#endif
    SSL_CTX_set_options(context, options);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    // Header and body of a record with one system call instead of two.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_default_passwd_cb(context, sluice_no_passphrase);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

// RFC 7301 section 3.2: a client that names protocols, but none of ours, gets the fatal alert
// no_application_protocol; one that names none is served.
static inline int sluice_select_http11(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                                       const unsigned char *in, unsigned in_length, void *user) {
    static const unsigned char name[] = "http/1.1";
    (void)ssl, (void)user;
    for (unsigned at = 0; at < in_length;) {
        unsigned length = in[at];
        if (length > in_length - at - 1) break;
        if (length == sizeof name - 1 && memcmp(in + at + 1, name, length) == 0) {
            *out = name;
            *out_length = sizeof name - 1;
            return SSL_TLSEXT_ERR_OK;
        }
        at += 1 + length;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// Answers ALPN with http/1.1.
static inline void sluice_tls_select_http11(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, sluice_select_http11, NULL);
}

/// Offers http/1.1 by ALPN; 1 on success.
static inline int sluice_tls_offer_http11(SSL_CTX *context) {
    static const unsigned char list[] = "\x08http/1.1";
    return SSL_CTX_set_alpn_protos(context, list, sizeof list - 1) == 0;
}

/// Seconds since 1970 at which the context's certificate begins (which = 0) or ends to be valid;
/// 0 when there is none.
static inline int64_t sluice_tls_certificate_time(const SSL_CTX *context, int end) {
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    struct tm time;
    if (certificate == NULL) return 0;
    const ASN1_TIME *bound = end ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate);
    return ASN1_TIME_to_tm(bound, &time) == 1 ? (int64_t)timegm(&time) : 0;
}

// ---- Sessions ----------------------------------------------------------------------------------

/// Has the peer's certificate checked against `host`, a DNS name or (is_address) an address; sends
/// SNI for names. 1 on success. Source: RFC 6066 section 3 (no addresses in SNI).
static inline int sluice_tls_expect_host(SSL *ssl, const char *host, int is_address) {
    if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/// Copies the host given to `sluice_tls_expect_host` into `out`, cut to fit; empty for a server.
static inline void sluice_tls_expected_host(SSL *ssl, char *out, size_t size) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    const char *name = X509_VERIFY_PARAM_get0_host(parameters, 0);
    char *address = name == NULL ? X509_VERIFY_PARAM_get1_ip_asc(parameters) : NULL;
    const char *host = name != NULL ? name : address != NULL ? address : "";
    if (size > 0) {
        size_t length = strnlen(host, size - 1);
        memcpy(out, host, length);
        out[length] = 0;
    }
    OPENSSL_free(address);
}

// The error queue is per thread and must be empty before each call, or SSL_get_error reports what
// another connection left there. Peeking first makes the usual case two loads.
static inline void sluice_tls_prepare(void) {
    if (ERR_peek_error() != 0) ERR_clear_error();
    errno = 0;
}

static inline int sluice_tls_outcome(const SSL *ssl, int result) {
    return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

/// SSL_do_handshake; an SSL_ERROR_ code.
static inline int sluice_tls_handshake(SSL *ssl) {
    sluice_tls_prepare();
    return sluice_tls_outcome(ssl, SSL_do_handshake(ssl));
}

/// SSL_read_ex; an SSL_ERROR_ code.
static inline int sluice_tls_read(SSL *ssl, void *out, size_t size, size_t *count) {
    sluice_tls_prepare();
    *count = 0;
    return sluice_tls_outcome(ssl, SSL_read_ex(ssl, out, size, count));
}

/// SSL_peek_ex of one byte; an SSL_ERROR_ code.
static inline int sluice_tls_peek(SSL *ssl) {
    unsigned char byte;
    size_t count = 0;
    sluice_tls_prepare();
    return sluice_tls_outcome(ssl, SSL_peek_ex(ssl, &byte, 1, &count));
}

/// SSL_write_ex; an SSL_ERROR_ code. `count`: at most one record's bytes.
static inline int sluice_tls_write(SSL *ssl, const void *bytes, size_t size, size_t *count) {
    sluice_tls_prepare();
    *count = 0;
    return sluice_tls_outcome(ssl, SSL_write_ex(ssl, bytes, size, count));
}

/// Writes the first record's worth of two pieces as one record, hence with one system call.
static inline int sluice_tls_write_joined(SSL *ssl, const void *first, size_t first_size,
                                          const void *second, size_t second_size, size_t *count) {
    unsigned char joined[SSL3_RT_MAX_PLAIN_LENGTH];
    size_t room = sizeof joined;
    size_t a = first_size < room ? first_size : room;
    size_t b = second_size < room - a ? second_size : room - a;
    memcpy(joined, first, a);
    memcpy(joined + a, second, b);
    return sluice_tls_write(ssl, joined, a + b, count);
}

/// SSL_shutdown: sends close_notify; negative when the socket did not take it.
static inline int sluice_tls_close_notify(SSL *ssl) {
    sluice_tls_prepare();
    int result = SSL_shutdown(ssl);
    ERR_clear_error();
    return result;
}

/// Bytes written to the socket so far, handshake and record overhead included.
static inline uint64_t sluice_tls_wire_bytes_written(const SSL *ssl) {
    BIO *bio = SSL_get_wbio(ssl);
    return bio == NULL ? 0 : BIO_number_written(bio);
}

// ---- Errors ------------------------------------------------------------------------------------

/// The oldest error of this thread's queue; 0 when there is none.
static inline unsigned long sluice_tls_error(void) { return ERR_peek_error(); }
/// Its library and reason number.
static inline int sluice_tls_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int sluice_tls_error_reason(unsigned long error) { return ERR_GET_REASON(error); }
/// Reason numbers of the SSL library from here on are alerts that the peer sent.
static inline int sluice_tls_alert_base(void) { return SSL_AD_REASON_OFFSET; }

#endif
