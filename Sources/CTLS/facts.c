// What a handshake came to, and the session that it leaves.
#include "internal.h"

/// The certificate that was shown; where a session was taken up again, the one that would have been.
static int own_number(ctls_session *session) {
    ctls_context *context = session->context;
    X509 *shown = SSL_get_certificate(session->ssl);
    ctls_name *entry = ctls_context_pick(context, SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name));
    if (!context->is_server) entry = &context->fallback;
    int number = -1;
    for (int kind = KINDS - 1; kind >= 0; kind--) {
        const ctls_identity *identity = entry->identities[kind];
        if (!identity) continue;
        if (identity->certificate == shown) return identity->number;
        number = identity->number;
    }
    return context->is_server ? number : -1;
}

ctls_facts ctls_session_facts(ctls_session *session) {
    SSL *ssl = session->ssl;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const SSL_SESSION *state = SSL_get_session(ssl);
    ctls_facts facts = {
        .version = SSL_version(ssl), .suite = cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0,
        .is_resumed = SSL_session_reused(ssl) == 1, .has_peer = SSL_get0_peer_certificate(ssl) != NULL,
        .identity = own_number(session), .suite_name = cipher ? SSL_CIPHER_get_name(cipher) : "",
        .server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)};
    facts.is_validated = facts.has_peer && SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER
        && SSL_get_verify_result(ssl) == X509_V_OK;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &facts.alpn, &size);
    facts.alpn_size = size;
    if (state) facts.id = SSL_SESSION_get_id(state, &size);
    facts.id_size = state ? size : 0;
    return facts;
}

uint8_t *ctls_session_describe_peer(ctls_session *session, size_t *size) {
    X509 *peer = SSL_get0_peer_certificate(session->ssl);
    return peer ? ctls_describe(peer, SSL_get_peer_cert_chain(session->ssl), true, size) : NULL;
}

ctls_resumption *ctls_session_resumption(ctls_session *session) {
    SSL_SESSION *resumption = session->resumption;
    session->resumption = NULL;
    return resumption;
}

void ctls_resumption_free(ctls_resumption *resumption) { SSL_SESSION_free(resumption); }

bool ctls_session_resume(ctls_session *session, ctls_resumption *resumption) {
    // A copy: OpenSSL writes into the one that was taken up, and others may be doing so at this moment.
    SSL_SESSION *copy = SSL_SESSION_dup(resumption);
    bool set = copy && SSL_SESSION_is_resumable(copy) && SSL_set_session(session->ssl, copy) == 1;
    SSL_SESSION_free(copy);
    ERR_clear_error();
    return set;
}
