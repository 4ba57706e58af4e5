// One connection: ciphertext in memory on one side, bytes on the other.
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD = SSL3_RT_MAX_PLAIN_LENGTH,
    /// What a record adds at most: header, nonce of TLS 1.2, type byte, tag.
    OVERHEAD = 5 + 8 + 1 + 16,
    /// A peer that has the handshake move on and on, by key updates or refused renegotiations, without saying anything.
    MAX_STEPS = 128,
    /// Unsent alerts and handshakes of one session; our longest certificate chain must fit.
    MAX_SPILL = 1 << 20,
};

// MARK: The memory behind OpenSSL

static int bio_read(BIO *bio, char *out, size_t size, size_t *done) {
    ctls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->in_size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    *done = size < session->in_size ? size : session->in_size;
    memcpy(out, session->in, *done);
    session->in += *done;
    session->in_size -= *done;
    return 1;
}

static bool spill(ctls_session *session, const char *bytes, size_t size) {
    size_t needed = session->spill_size + size;
    if (needed > session->spill_capacity) {
        if (needed - session->spill_sent > MAX_SPILL) return false;
        uint8_t *grown = realloc(session->spill, needed + 1024);
        if (!grown) return false;
        session->spill = grown;
        session->spill_capacity = needed + 1024;
    }
    memcpy(session->spill + session->spill_size, bytes, size);
    session->spill_size = needed;
    return true;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *done) {
    ctls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *done = size;
    // In order: once something has spilled, the rest follows it.
    if (session->spill_size == 0 && size <= session->out_capacity - session->out_used) {
        memcpy(session->out + session->out_used, bytes, size);
        session->out_used += size;
        return 1;
    }
    return spill(session, bytes, size) ? 1 : -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *memory;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;

static void make_memory(void) {
    memory = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent memory");
    if (!memory) return;
    BIO_meth_set_read_ex(memory, bio_read);
    BIO_meth_set_write_ex(memory, bio_write);
    BIO_meth_set_ctrl(memory, bio_control);
}

// MARK: Making

static bool set_up(ctls_session *session, const char *server_name, bool offers) {
    pthread_once(&memory_once, make_memory);
    session->ssl = SSL_new(session->context->ssl);
    BIO *bio = session->ssl && memory ? BIO_new(memory) : NULL;
    if (!bio) return false;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    if (session->context->is_server) {
        SSL_set_accept_state(session->ssl);
        return true;
    }
    SSL_set_connect_state(session->ssl);
    if (!offers && SSL_set_alpn_protos(session->ssl, NULL, 0) != 0) return false;
    return !server_name || SSL_set_tlsext_host_name(session->ssl, server_name) == 1;
}

ctls_session *ctls_session_make(ctls_context *context, void *names, const char *server_name, bool offers) {
    ctls_session *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    session->context = context;
    session->names = names;
    if (set_up(session, server_name, offers)) return session;
    ERR_clear_error();
    ctls_session_free(session);
    return NULL;
}

void ctls_session_free(ctls_session *session) {
    if (!session) return;
    SSL_free(session->ssl);
    SSL_SESSION_free(session->resumption);
    free(session->spill);
    free(session);
}

// MARK: Failing

static int fault_of(const ctls_session *session, unsigned long error) {
    if (session->is_wrong_name) return CTLS_FAULT_WRONG_NAME;
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) return CTLS_FAULT_PROTOCOL;
    int reason = ERR_GET_REASON(error);
    if (reason >= SSL_AD_REASON_OFFSET) return CTLS_FAULT_ALERT;
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return CTLS_FAULT_UNTRUSTED;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return CTLS_FAULT_NO_CERTIFICATE;
    case SSL_R_NO_APPLICATION_PROTOCOL: return CTLS_FAULT_NO_COMMON_PROTOCOL;
    default: return CTLS_FAULT_PROTOCOL;
    }
}

/// OpenSSL's last word on why a call did not work.
static int fail(ctls_session *session) {
    if (session->end) return session->end;
    char reason[100];
    session->fault = fault_of(session, ctls_reason(reason, sizeof reason));
    long verdict = SSL_get_verify_result(session->ssl);
    bool is_verdict = session->fault == CTLS_FAULT_UNTRUSTED && verdict != X509_V_OK;
    snprintf(
        session->why, sizeof session->why, "%s%s%s", reason, is_verdict ? ": " : "",
        is_verdict ? X509_verify_cert_error_string(verdict) : "");
    return session->end = CTLS_FAILED;
}

static int fail_with(ctls_session *session, const char *why) {
    if (session->end) return session->end;
    session->fault = CTLS_FAULT_PROTOCOL;
    snprintf(session->why, sizeof session->why, "%s", why);
    return session->end = CTLS_FAILED;
}

/// What a call that returned `result` came to.
static int outcome_of(ctls_session *session, int result) {
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ: return CTLS_HUNGRY;
    case SSL_ERROR_ZERO_RETURN: return session->end = CTLS_ENDED;
    default: return fail(session);
    }
}

int ctls_session_fault(const ctls_session *session, char *why, size_t why_size) {
    snprintf(why, why_size, "%s", session->why);
    return session->fault;
}

// MARK: Going on

static void lend(ctls_session *session, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_capacity) {
    session->in = in;
    session->in_size = in_size;
    session->out = out;
    session->out_capacity = out_capacity;
    session->out_used = 0;
    // Another library's error would pass for one of this call.
    if (ERR_peek_error()) ERR_clear_error();
}

static ctls_step step(ctls_session *session, int outcome, size_t in_size, size_t made) {
    ctls_step step = {outcome, in_size - session->in_size, made};
    lend(session, NULL, 0, NULL, 0);
    return step;
}

/// RFC 7301 section 3.1: the server picks from the client's list, which OpenSSL does not check.
static bool is_offered(const ctls_session *session) {
    const uint8_t *picked = NULL, *list = session->context->alpn;
    unsigned size = 0;
    SSL_get0_alpn_selected(session->ssl, &picked, &size);
    for (size_t at = 0; size && at < session->context->alpn_size; at += 1 + list[at]) {
        if (list[at] == size && memcmp(list + at + 1, picked, size) == 0) return true;
    }
    return size == 0;
}

ctls_step ctls_session_handshake(ctls_session *session, const void *in, size_t size) {
    lend(session, in, size, NULL, 0);
    if (session->end) return step(session, session->end, size, 0);
    int result = SSL_do_handshake(session->ssl);
    if (result != 1) return step(session, outcome_of(session, result), size, 0);
    if (!session->context->is_server && !is_offered(session)) {
        int failed = fail_with(session, "the server picked a protocol that was not offered");
        session->fault = CTLS_FAULT_NO_COMMON_PROTOCOL;
        return step(session, failed, size, 0);
    }
    session->is_established = true;
    session->steps = 0;
    return step(session, CTLS_GO_ON, size, 0);
}

ctls_step ctls_session_read(ctls_session *session, const void *in, size_t size, void *out, size_t capacity) {
    lend(session, in, size, NULL, 0);
    size_t made = 0;
    int outcome = session->end ? session->end : CTLS_GO_ON;
    while (made < capacity && outcome == CTLS_GO_ON) {
        size_t count = 0;
        int result = SSL_read_ex(session->ssl, (uint8_t *)out + made, capacity - made, &count);
        if (result == 1) {
            made += count;
            session->steps = 0;
            // Nothing is left to open; asking would only be told so.
            if (session->in_size == 0 && SSL_pending(session->ssl) == 0) outcome = CTLS_HUNGRY;
        } else {
            outcome = outcome_of(session, result);
        }
    }
    if (session->steps > MAX_STEPS) outcome = fail_with(session, "too many handshake messages without data");
    // What came before the end is read first.
    if (made > 0 && session->end) outcome = CTLS_GO_ON;
    return step(session, outcome, size, made);
}

bool ctls_session_has_pending(const ctls_session *session) {
    return session->end || SSL_pending(session->ssl) > 0;
}

/// What of the pieces, from `offset` in the first on, goes into one record; gathered in `stage` when it is in several.
static const uint8_t *next_record(
    const struct iovec *pieces, int count, size_t offset, size_t limit, uint8_t *stage, size_t *size
) {
    size_t left = pieces[0].iov_len - offset;
    if (left >= limit || count == 1) {
        *size = left < limit ? left : limit;
        return (const uint8_t *)pieces[0].iov_base + offset;
    }
    *size = 0;
    for (int index = 0; index < count && *size < limit; index++) {
        size_t start = index == 0 ? offset : 0, length = pieces[index].iov_len - start;
        if (length > limit - *size) length = limit - *size;
        memcpy(stage + *size, (const uint8_t *)pieces[index].iov_base + start, length);
        *size += length;
    }
    return stage;
}

ctls_step ctls_session_write(
    ctls_session *session, const struct iovec *pieces, int count, void *out, size_t capacity
) {
    uint8_t stage[RECORD];
    size_t taken = 0, offset = 0;
    int outcome = session->end == CTLS_FAILED || session->is_closed ? CTLS_FAILED : CTLS_GO_ON;
    lend(session, NULL, 0, out, capacity);
    while (count > 0 && outcome == CTLS_GO_ON && session->spill_size == 0) {
        size_t room = capacity - session->out_used, size, done = 0;
        if (room <= OVERHEAD) break;
        const uint8_t *bytes =
            next_record(pieces, count, offset, room - OVERHEAD < RECORD ? room - OVERHEAD : RECORD, stage, &size);
        int result = SSL_write_ex(session->ssl, bytes, size, &done);
        if (result != 1) outcome = outcome_of(session, result);
        taken += done;
        offset += done;
        while (count > 0 && offset >= pieces[0].iov_len) {
            offset -= pieces[0].iov_len;
            pieces++;
            count--;
        }
    }
    ctls_step step = {outcome, taken, session->out_used};
    lend(session, NULL, 0, NULL, 0);
    return step;
}

bool ctls_session_update_keys(ctls_session *session) {
    lend(session, NULL, 0, NULL, 0);
    bool done = SSL_key_update(session->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(session->ssl) == 1;
    ERR_clear_error();
    return done;
}

void ctls_session_close(ctls_session *session) {
    if (!session->is_established || session->is_closed || session->end == CTLS_FAILED) return;
    session->is_closed = true;
    lend(session, NULL, 0, NULL, 0);
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}

size_t ctls_session_unsent(const ctls_session *session) { return session->spill_size - session->spill_sent; }

size_t ctls_session_take(ctls_session *session, void *out, size_t capacity) {
    size_t size = ctls_session_unsent(session);
    if (size > capacity) size = capacity;
    if (size) memcpy(out, session->spill + session->spill_sent, size);
    session->spill_sent += size;
    if (session->spill_sent == session->spill_size) {
        free(session->spill);
        session->spill = NULL;
        session->spill_capacity = session->spill_size = session->spill_sent = 0;
    }
    return size;
}
