// Whom to trust: authorities, revocations, and the names that a peer may have.
#include "internal.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static int add_authority(ctls_context *context, X509 *certificate, bool *is_authority) {
    if (X509_check_ca(certificate) > 0) *is_authority = true;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context->ssl), certificate) != 1) return CTLS_NO_MEMORY;
    // The list that a client is shown, to pick its certificate by.
    if (context->is_server && SSL_CTX_add_client_CA(context->ssl, certificate) != 1) return CTLS_NO_MEMORY;
    return CTLS_FINE;
}

int ctls_context_trust(ctls_context *context, const uint8_t *pem, size_t size) {
    BIO *bio = ctls_text(pem, size);
    if (!bio) return CTLS_NO_MEMORY;
    int found = 0, problem = CTLS_FINE;
    bool is_authority = false;
    for (X509 *certificate; !problem && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)); found++) {
        problem = add_authority(context, certificate, &is_authority);
        X509_free(certificate);
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context->ssl), X509_V_FLAG_PARTIAL_CHAIN);
    if (problem) return problem;
    return !at_end ? CTLS_BAD_CERTIFICATE : !found ? CTLS_NO_CERTIFICATE : is_authority ? CTLS_FINE : CTLS_NO_AUTHORITY;
}

int ctls_context_trust_system(ctls_context *context) {
    bool done = SSL_CTX_set_default_verify_paths(context->ssl) == 1;
    ERR_clear_error();
    return done ? CTLS_FINE : CTLS_NO_CERTIFICATE;
}

int ctls_context_revoke(ctls_context *context, const uint8_t *pem, size_t size) {
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    BIO *bio = ctls_text(pem, size);
    if (!bio) return CTLS_NO_MEMORY;
    int found = 0;
    bool added = true;
    for (X509_CRL *list; added && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)); found++) {
        added = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return !added ? CTLS_NO_MEMORY : !at_end ? CTLS_BAD_CRL : found ? CTLS_FINE : CTLS_NO_CRL;
}

/// The chain first, then the names that it vouches for.
static int verify_peer(X509_STORE_CTX *store, void *argument) {
    (void)argument;
    int verified = X509_verify_cert(store);
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    ctls_session *session = ctls_session_of(ssl);
    if (verified != 1 || !session->names) return verified;
    size_t size = 0;
    uint8_t *description = ctls_describe(X509_STORE_CTX_get0_cert(store), NULL, false, &size);
    bool named = description && session->context->check(session->names, description, size);
    ctls_free(description);
    if (named) return 1;
    session->is_wrong_name = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

void ctls_context_verify(ctls_context *context, int mode) {
    int flags = mode == CTLS_ASK_NOTHING ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (mode == CTLS_REQUIRE) flags |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, flags, NULL);
    if (mode != CTLS_ASK_NOTHING) SSL_CTX_set_cert_verify_callback(context->ssl, verify_peer, NULL);
}
