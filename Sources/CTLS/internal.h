#ifndef CTLS_INTERNAL_H
#define CTLS_INTERNAL_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <time.h>

#include "include/CTLS.h"

/// Kinds of key that have a place of their own in OpenSSL, so that a connection can have a certificate of each.
enum { KIND_RSA, KIND_RSA_PSS, KIND_EC, KIND_ED25519, KIND_ED448, KINDS };

struct ctls_identity {
    X509 *certificate;
    STACK_OF(X509) *issuers;
    EVP_PKEY *key;
    int kind, number;
    uint8_t *staple;
    size_t staple_size;
    time_t staple_expires;
};

/// The certificates that answer to one name.
typedef struct ctls_name {
    char *name;
    struct ctls_identity *identities[KINDS];
} ctls_name;

struct ctls_context {
    SSL_CTX *ssl;
    bool is_server;
    ctls_names_check check;
    // Those that SSL_CTX has.
    struct ctls_identity *installed[KINDS];
    ctls_identity **identities;
    int count, capacity;
    // Open addressing, a power of two in size, at most half full. Written before the context is used.
    ctls_name *names;
    size_t name_slots, name_count;
    ctls_name fallback;
    uint8_t *alpn;
    size_t alpn_size;
    ctls_tickets *tickets;
};

struct ctls_session {
    SSL *ssl;
    ctls_context *context;
    void *names;
    // Lent for the call under way.
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_capacity, out_used;
    // What found no room there, from `spill_sent` on.
    uint8_t *spill;
    size_t spill_capacity, spill_size, spill_sent;
    /// CTLS_ENDED or CTLS_FAILED once it is.
    int end;
    int fault;
    /// Steps of handshakes, and alerts, since application data last came.
    unsigned steps;
    bool is_established, is_closed, is_wrong_name;
    SSL_SESSION *resumption;
    char why[160];
};

/// The session behind OpenSSL's object.
static inline ctls_session *ctls_session_of(const SSL *ssl) { return SSL_get_app_data(ssl); }

/// The certificates that the client's name stands for.
ctls_name *ctls_context_pick(ctls_context *context, const char *name);
void ctls_tickets_retain(ctls_tickets *tickets);
/// OpenSSL's callback.
int ctls_tickets_seal(
    SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing);
/// `rest`: the certificates behind it; NULL: not known.
uint8_t *ctls_describe(X509 *certificate, const STACK_OF(X509) *rest, bool with_pem, size_t *size);
/// Reads `size` bytes, which may be none at no address.
static inline BIO *ctls_text(const uint8_t *bytes, size_t size) {
    return BIO_new_mem_buf(size ? (const void *)bytes : "", (int)size);
}
/// The reason of OpenSSL's first error, and an empty queue.
unsigned long ctls_reason(char *why, size_t why_size);

#endif
