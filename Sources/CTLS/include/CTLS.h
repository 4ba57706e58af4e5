// What the data plane needs of OpenSSL's TLS: certificates, contexts, and sessions that read and write memory only; whose
// bytes go to which socket is the caller's affair. OpenSSL's own face is raw pointers, callbacks, macros and a queue of
// errors, which would need unsafe code at every use in Swift.
//
// Pointers are borrowed for the call unless it says "takes". `why` gets a short text, NUL-terminated, never a secret.
// Nothing here leaves an error on OpenSSL's queue.
#ifndef CTLS_H
#define CTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/// Why something was not taken.
enum {
    CTLS_FINE,
    CTLS_NO_MEMORY,
    /// No certificate in the PEM text.
    CTLS_NO_CERTIFICATE,
    /// Something in it begins as a certificate and is none.
    CTLS_BAD_CERTIFICATE,
    /// Certificates, but none of an authority.
    CTLS_NO_AUTHORITY,
    CTLS_NO_KEY,
    CTLS_ENCRYPTED_KEY,
    CTLS_BAD_KEY,
    CTLS_KEY_MISMATCH,
    /// RSA of less than 2048 bits, or a curve of less than 224.
    CTLS_WEAK_KEY,
    /// A kind of key that is not spoken.
    CTLS_UNKNOWN_KEY,
    CTLS_NO_CRL,
    CTLS_BAD_CRL,
    /// No OCSP response.
    CTLS_BAD_STAPLE,
    /// The responder did not answer the question.
    CTLS_UNSUCCESSFUL_STAPLE,
    /// About another certificate.
    CTLS_FOREIGN_STAPLE,
    CTLS_EXPIRED_STAPLE,
    CTLS_REVOKED_STAPLE,
    /// OpenSSL does not know one of the names.
    CTLS_BAD_CIPHERS,
    CTLS_BAD_GROUPS,
    CTLS_REFUSED,
};

// MARK: Certificates

/// A certificate with those of its issuers, and its key. Read-only once made.
typedef struct ctls_identity ctls_identity;
ctls_identity *ctls_identity_make(
    const uint8_t *chain, size_t chain_size, const uint8_t *key, size_t key_size, int *problem, char *why, size_t why_size);
/// Lends it an OCSP response (DER). Before it is added to a context.
int ctls_identity_staple(ctls_identity *identity, const uint8_t *response, size_t size);
/// Sections of what the certificate says: one byte of kind, four of length (little-endian), and the value.
enum {
    CTLS_SUBJECT = 1, CTLS_ISSUER, CTLS_COMMON_NAME, CTLS_ORGANIZATION, CTLS_URI, CTLS_DNS, CTLS_IP, CTLS_EMAIL, CTLS_OID,
    CTLS_SERIAL, CTLS_FINGERPRINT,
    // Eight bytes, seconds since 1970, little-endian.
    CTLS_NOT_BEFORE, CTLS_NOT_AFTER,
    CTLS_PEM, CTLS_CHAIN_PEM,
};
/// To be freed with `ctls_free`. NULL without memory.
uint8_t *ctls_identity_describe(const ctls_identity *identity, size_t *size);
void ctls_identity_free(ctls_identity *identity);
void ctls_free(uint8_t *bytes);

// MARK: Ticket keys

/// Keys of session tickets. Safe to use from any thread; counted, as contexts share them.
typedef struct ctls_tickets ctls_tickets;
/// Random keys: after `interval` seconds a new one makes tickets, and two before it still open them.
ctls_tickets *ctls_tickets_make(uint64_t interval);
/// Keys of 48 or 80 bytes each, as nginx lays them out; the first makes tickets. NULL when there are none or more than 16.
ctls_tickets *ctls_tickets_from(const uint8_t *keys, const size_t *sizes, size_t count);
void ctls_tickets_release(ctls_tickets *tickets);
/// Makes a new key now, as after an interval.
void ctls_tickets_rotate(ctls_tickets *tickets);
/// As if so many seconds had passed; for tests.
void ctls_tickets_age(ctls_tickets *tickets, uint64_t seconds);

// MARK: Contexts

/// What all connections of a listener or a cluster share. Once set up it is only read, by any number of threads.
typedef struct ctls_context ctls_context;
/// Whether the names of a certificate, described, are among those that `names` stands for.
typedef bool (*ctls_names_check)(void *names, const uint8_t *description, size_t size);
enum { CTLS_TLS12 = 0x0303, CTLS_TLS13 = 0x0304 };
/// `ciphers` (of TLS 1.2) and `groups` separated by colons.
ctls_context *ctls_context_make(
    bool is_server, int min_version, int max_version, const char *ciphers, const char *groups, ctls_names_check check,
    int *problem);
void ctls_context_free(ctls_context *context);
/// Takes `identity`; its number is how many there were. The first is the default of a server and the one of a client.
int ctls_context_add(ctls_context *context, ctls_identity *identity);
/// The identity answers to `name`: lower case, `*.` in front for one label. The first of each kind of key counts.
int ctls_context_name(ctls_context *context, int identity, const char *name);
/// Which of the identities answers to the name that a client asks for, before its kinds of key are known. -1: none.
int ctls_context_picked(ctls_context *context, const char *name);
/// Peers' certificates must lead to one of these (PEM). A certificate here is trusted without its own issuer.
int ctls_context_trust(ctls_context *context, const uint8_t *pem, size_t size);
int ctls_context_trust_system(ctls_context *context);
int ctls_context_revoke(ctls_context *context, const uint8_t *pem, size_t size);
enum { CTLS_ASK_NOTHING, CTLS_ASK, CTLS_REQUIRE };
void ctls_context_verify(ctls_context *context, int mode);
/// Protocols in the form of RFC 7301 section 3.1. A server picks the first that the client has; none in common is fatal.
int ctls_context_alpn(ctls_context *context, const uint8_t *list, size_t size);
/// Session tickets with these keys for `lifetime` seconds, for sessions of the same `scope` only. NULL, as at first: none.
int ctls_context_tickets(
    ctls_context *context, ctls_tickets *tickets, long lifetime, const uint8_t *scope, size_t scope_size);

// MARK: Sessions

/// One connection. Belongs to one thread.
typedef struct ctls_session ctls_session;
enum {
    CTLS_GO_ON,   // all that was asked for is done
    CTLS_HUNGRY,  // more ciphertext is needed
    CTLS_ENDED,   // the peer has said close_notify
    CTLS_FAILED,  // and an alert may wait to be sent
};
typedef struct ctls_step {
    int outcome;
    /// Bytes of the input that were used, and of the output that were made.
    size_t taken, made;
} ctls_step;

/// `names`, given to the context's check, must live as long as the session; NULL: any name will do. `server_name`: what a
/// client asks for, NULL for nothing. `offers`: whether a client offers the context's protocols. NULL without memory.
ctls_session *ctls_session_make(ctls_context *context, void *names, const char *server_name, bool offers);
void ctls_session_free(ctls_session *session);
/// CTLS_GO_ON when the handshake is over.
ctls_step ctls_session_handshake(ctls_session *session, const void *in, size_t size);
/// Opens records until `out` is full or the input used up.
ctls_step ctls_session_read(ctls_session *session, const void *in, size_t size, void *out, size_t capacity);
/// Opened bytes, or the end or a failure behind them, that wait for the next read.
bool ctls_session_has_pending(const ctls_session *session);
/// Seals as much of the pieces as fits, in records as large as can be.
ctls_step ctls_session_write(
    ctls_session *session, const struct iovec *pieces, int count, void *out, size_t capacity);
/// TLS 1.3: asks the peer for new keys; what tests flood it with. False before the end of the handshake.
bool ctls_session_update_keys(ctls_session *session);
/// Says close_notify, once.
void ctls_session_close(ctls_session *session);
/// What the session has to say besides: handshakes, alerts, tickets. How much waits, and up to `capacity` bytes of it.
size_t ctls_session_unsent(const ctls_session *session);
size_t ctls_session_take(ctls_session *session, void *out, size_t capacity);

/// Why it failed.
enum {
    CTLS_FAULT_PROTOCOL,
    /// The peer said so.
    CTLS_FAULT_ALERT,
    CTLS_FAULT_NO_CERTIFICATE,
    CTLS_FAULT_UNTRUSTED,
    CTLS_FAULT_WRONG_NAME,
    CTLS_FAULT_NO_COMMON_PROTOCOL,
};
int ctls_session_fault(const ctls_session *session, char *why, size_t why_size);

/// What the handshake settled. Pointers live until the next call with this session.
typedef struct ctls_facts {
    int version;
    uint16_t suite;
    bool is_resumed, has_peer, is_validated;
    /// Number of our certificate; -1: none.
    int identity;
    const char *suite_name;
    /// NULL: none.
    const char *server_name;
    const uint8_t *alpn, *id;
    size_t alpn_size, id_size;
} ctls_facts;
ctls_facts ctls_session_facts(ctls_session *session);
/// As `ctls_identity_describe`, of the peer's certificate; NULL when there is none.
uint8_t *ctls_session_describe_peer(ctls_session *session, size_t *size);

/// A session of a client's that can be taken up again. Counted; only read once made.
typedef struct ssl_session_st ctls_resumption;
/// The newest that the server has offered since the last call; NULL: none.
ctls_resumption *ctls_session_resumption(ctls_session *session);
void ctls_resumption_free(ctls_resumption *resumption);
/// Before the handshake. False when it is of no use.
bool ctls_session_resume(ctls_session *session, ctls_resumption *resumption);

#endif
