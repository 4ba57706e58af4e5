// What all connections of a listener or a cluster share.
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/// The longest chain above a peer's certificate.
enum { MAX_DEPTH = 10 };

// MARK: Certificates by name

static size_t slot_of(const ctls_context *context, const char *name) {
    uint64_t hash = 14695981039346656037u;  // FNV-1a
    for (const char *at = name; *at; at++) hash = (hash ^ (uint8_t)*at) * 1099511628211u;
    size_t slot = (hash ^ hash >> 32) & (context->name_slots - 1);
    while (context->names[slot].name && strcmp(context->names[slot].name, name) != 0) {
        slot = (slot + 1) & (context->name_slots - 1);
    }
    return slot;
}

static bool grow_names(ctls_context *context) {
    if (context->name_slots && context->name_count < context->name_slots / 2) return true;
    size_t old_slots = context->name_slots;
    ctls_name *old = context->names;
    ctls_name *names = calloc(old_slots ? old_slots * 2 : 16, sizeof *names);
    if (!names) return false;
    context->names = names;
    context->name_slots = old_slots ? old_slots * 2 : 16;
    for (size_t index = 0; index < old_slots; index++) {
        if (old[index].name) names[slot_of(context, old[index].name)] = old[index];
    }
    free(old);
    return true;
}

/// Every connection begins with it, at the cost of a reference.
static bool install(ctls_context *context, ctls_identity *identity) {
    bool used = SSL_CTX_use_cert_and_key(context->ssl, identity->certificate, identity->key, identity->issuers, 1) == 1;
    ERR_clear_error();
    if (used) context->installed[identity->kind] = identity;
    return used;
}

int ctls_context_name(ctls_context *context, int number, const char *name) {
    if (!grow_names(context)) return CTLS_NO_MEMORY;
    ctls_name *entry = &context->names[slot_of(context, name)];
    if (!entry->name) {
        entry->name = strdup(name);
        if (!entry->name) return CTLS_NO_MEMORY;
        context->name_count++;
    }
    ctls_identity *identity = context->identities[number];
    if (!entry->identities[identity->kind]) entry->identities[identity->kind] = identity;
    // Certificates that share a name with the default one, but not its kind of key, stand in for it.
    for (int kind = 0; kind < KINDS; kind++) {
        if (entry->identities[kind] != context->identities[0]) continue;
        for (int other = 0; other < KINDS; other++) {
            if (context->fallback.identities[other] || !entry->identities[other]) continue;
            context->fallback.identities[other] = entry->identities[other];
            if (!install(context, entry->identities[other])) return CTLS_REFUSED;
        }
    }
    return CTLS_FINE;
}

ctls_name *ctls_context_pick(ctls_context *context, const char *asked) {
    char name[256];
    size_t size = asked ? strlen(asked) : 0;
    if (!context->name_slots || size == 0 || size >= sizeof name) return &context->fallback;
    for (size_t index = 0; index <= size; index++) {
        name[index] = asked[index] >= 'A' && asked[index] <= 'Z' ? asked[index] + 32 : asked[index];
    }
    ctls_name *entry = &context->names[slot_of(context, name)];
    char *dot = strchr(name, '.');
    if (!entry->name && dot && dot != name) {
        // The label in front makes room for the star.
        dot[-1] = '*';
        entry = &context->names[slot_of(context, dot - 1)];
    }
    return entry->name ? entry : &context->fallback;
}

int ctls_context_picked(ctls_context *context, const char *name) {
    const ctls_name *entry = ctls_context_pick(context, name);
    int number = -1;
    for (int kind = 0; kind < KINDS; kind++) {
        const ctls_identity *identity = entry->identities[kind];
        if (identity && (number < 0 || identity->number < number)) number = identity->number;
    }
    return number;
}

int ctls_context_add(ctls_context *context, ctls_identity *identity) {
    if (context->count == context->capacity) {
        int capacity = context->capacity ? context->capacity * 2 : 4;
        ctls_identity **grown = realloc(context->identities, sizeof(ctls_identity *) * (size_t)capacity);
        if (!grown) {
            ctls_identity_free(identity);
            return CTLS_NO_MEMORY;
        }
        context->identities = grown;
        context->capacity = capacity;
    }
    identity->number = context->count;
    context->identities[context->count++] = identity;
    if (context->count == 1) context->fallback.identities[identity->kind] = identity;
    return context->count > 1 || install(context, identity) ? CTLS_FINE : CTLS_REFUSED;
}

/// Gives the handshake the certificates that the client's name stands for; it picks one that the client can check.
static int choose_certificate(SSL *ssl, void *argument) {
    ctls_context *context = argument;
    ctls_name *entry = ctls_context_pick(context, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    // For most it is what they have.
    if (memcmp(entry->identities, context->installed, sizeof context->installed) == 0) return 1;
    SSL_certs_clear(ssl);
    for (int kind = 0; kind < KINDS; kind++) {
        ctls_identity *identity = entry->identities[kind];
        if (!identity) continue;
        if (SSL_use_cert_and_key(ssl, identity->certificate, identity->key, identity->issuers, 1) != 1) return 0;
    }
    return 1;
}

/// Without this the name would not be kept with the session, and be gone when it is taken up again.
static int accept_name(SSL *ssl, int *alert, void *argument) {
    (void)ssl, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

static int staple(SSL *ssl, void *argument) {
    ctls_context *context = argument;
    X509 *chosen = SSL_get_certificate(ssl);
    ctls_name *entry = ctls_context_pick(context, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    for (int kind = 0; kind < KINDS; kind++) {
        ctls_identity *identity = entry->identities[kind];
        if (!identity || identity->certificate != chosen || !identity->staple) continue;
        if (identity->staple_expires && time(NULL) >= identity->staple_expires) break;
        // OpenSSL frees what it is given.
        unsigned char *copy = OPENSSL_memdup(identity->staple, identity->staple_size);
        if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)identity->staple_size) != 1) break;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

// MARK: Making

static void count_steps(const SSL *ssl, int where, int value) {
    (void)value;
    ctls_session *session = ctls_session_of(ssl);
    if (session && where & (SSL_CB_LOOP | SSL_CB_ALERT)) session->steps++;
}

static int keep_resumption(SSL *ssl, SSL_SESSION *resumption) {
    ctls_session *session = ctls_session_of(ssl);
    SSL_SESSION_free(session->resumption);
    session->resumption = resumption;
    return 1;
}

ctls_context *ctls_context_make(
    bool is_server, int min_version, int max_version, const char *ciphers, const char *groups, ctls_names_check check,
    int *problem
) {
    *problem = CTLS_NO_MEMORY;
    ctls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (!context || !ssl) {
        free(context);
        SSL_CTX_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    context->ssl = ssl;
    context->is_server = is_server;
    context->check = check;
    SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_min_proto_version(ssl, min_version);
    SSL_CTX_set_max_proto_version(ssl, max_version);
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify_depth(ssl, MAX_DEPTH);
    SSL_CTX_set_info_callback(ssl, count_steps);
    if (is_server) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_cert_cb(ssl, choose_certificate, context);
        SSL_CTX_set_tlsext_servername_callback(ssl, accept_name);
        SSL_CTX_set_tlsext_status_cb(ssl, staple);
        SSL_CTX_set_tlsext_status_arg(ssl, context);
        ctls_context_tickets(context, NULL, 0, NULL, 0);
    } else {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, keep_resumption);
    }
    *problem = SSL_CTX_set_cipher_list(ssl, ciphers) != 1 ? CTLS_BAD_CIPHERS
        : SSL_CTX_set1_groups_list(ssl, groups) != 1     ? CTLS_BAD_GROUPS
                                                         : CTLS_FINE;
    ERR_clear_error();
    if (*problem == CTLS_FINE) return context;
    ctls_context_free(context);
    return NULL;
}

void ctls_context_free(ctls_context *context) {
    if (!context) return;
    SSL_CTX_free(context->ssl);
    for (int index = 0; index < context->count; index++) ctls_identity_free(context->identities[index]);
    for (size_t index = 0; index < context->name_slots; index++) free(context->names[index].name);
    free(context->identities);
    free(context->names);
    free(context->alpn);
    ctls_tickets_release(context->tickets);
    free(context);
}

// MARK: Protocols and tickets

static int pick_protocol(
    SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in, unsigned in_size, void *argument
) {
    (void)ssl;
    const ctls_context *context = argument;
    unsigned char *picked = NULL;
    int result =
        SSL_select_next_proto(&picked, out_size, context->alpn, (unsigned)context->alpn_size, in, in_size);
    *out = picked;
    // RFC 7301 section 3.2: no protocol in common is fatal.
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int ctls_context_alpn(ctls_context *context, const uint8_t *list, size_t size) {
    free(context->alpn);
    context->alpn = malloc(size ? size : 1);
    if (!context->alpn) return CTLS_NO_MEMORY;
    memcpy(context->alpn, list, size);
    context->alpn_size = size;
    if (context->is_server) {
        SSL_CTX_set_alpn_select_cb(context->ssl, pick_protocol, context);
        return CTLS_FINE;
    }
    bool set = SSL_CTX_set_alpn_protos(context->ssl, list, (unsigned)size) == 0;
    ERR_clear_error();
    return set ? CTLS_FINE : CTLS_REFUSED;
}

/// A session must not outlive the certificate that its client showed.
static SSL_TICKET_RETURN check_ticket(
    SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_size, SSL_TICKET_STATUS status, void *argument
) {
    (void)ssl, (void)name, (void)name_size, (void)argument;
    if (status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW) {
        X509 *peer = SSL_SESSION_get0_peer(session);
        if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0) return SSL_TICKET_RETURN_IGNORE_RENEW;
        return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    }
    return status == SSL_TICKET_FATAL_ERR_MALLOC || status == SSL_TICKET_FATAL_ERR_OTHER
        ? SSL_TICKET_RETURN_ABORT : SSL_TICKET_RETURN_IGNORE_RENEW;
}

int ctls_context_tickets(
    ctls_context *context, ctls_tickets *tickets, long lifetime, const uint8_t *scope, size_t scope_size
) {
    if (!tickets) {
        // With no tickets TLS 1.3 would hand out numbers of sessions kept here; nothing is kept.
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context->ssl, 0);
        return CTLS_FINE;
    }
    SSL_CTX_clear_options(context->ssl, SSL_OP_NO_TICKET);
    // One a handshake: who resumes gets another. A second costs each handshake 4% and helps those alone that resume in parallel.
    SSL_CTX_set_num_tickets(context->ssl, 1);
    SSL_CTX_set_timeout(context->ssl, lifetime);
    uint8_t digest[SSL_MAX_SID_CTX_LENGTH];
    bool set = EVP_Digest(scope, scope_size, digest, NULL, EVP_sha256(), NULL) == 1
        && SSL_CTX_set_session_id_context(context->ssl, digest, sizeof digest) == 1
        && SSL_CTX_set_session_ticket_cb(context->ssl, NULL, check_ticket, NULL) == 1
        && SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, ctls_tickets_seal) == 1;
    ERR_clear_error();
    if (!set) return CTLS_REFUSED;
    ctls_tickets_retain(tickets);
    ctls_tickets_release(context->tickets);
    context->tickets = tickets;
    return CTLS_FINE;
}
