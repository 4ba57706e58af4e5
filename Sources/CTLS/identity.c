// Certificates and keys from PEM, and OCSP responses to staple.
#define _GNU_SOURCE  // memmem
#include "internal.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_RSA_BITS = 2048, MIN_EC_BITS = 224 };

unsigned long ctls_reason(char *why, size_t why_size) {
    unsigned long error = ERR_get_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    if (why_size) snprintf(why, why_size, "%s", reason ? reason : "unknown error");
    ERR_clear_error();
    return error;
}

/// OpenSSL would ask the terminal.
static int no_password(char *out, int size, int writing, void *asked) {
    (void)out, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static int kind_of(EVP_PKEY *key) {
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return KIND_RSA;
    case EVP_PKEY_RSA_PSS: return KIND_RSA_PSS;
    case EVP_PKEY_EC: return KIND_EC;
    case EVP_PKEY_ED25519: return KIND_ED25519;
    case EVP_PKEY_ED448: return KIND_ED448;
    default: return -1;
    }
}

static int read_chain(ctls_identity *identity, BIO *bio, char *why, size_t why_size) {
    identity->issuers = sk_X509_new_null();
    if (!identity->issuers) return CTLS_NO_MEMORY;
    for (X509 *found; (found = PEM_read_bio_X509(bio, NULL, NULL, NULL));) {
        if (!identity->certificate) {
            identity->certificate = found;
        } else if (!sk_X509_push(identity->issuers, found)) {
            X509_free(found);
            return CTLS_NO_MEMORY;
        }
    }
    // The end of the text is an error, too.
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ctls_reason(why, why_size);
    if (!at_end) return CTLS_BAD_CERTIFICATE;
    return identity->certificate ? CTLS_FINE : CTLS_NO_CERTIFICATE;
}

static int read_key(ctls_identity *identity, BIO *bio, char *why, size_t why_size) {
    // OpenSSL does not tell a text without a key from one with a key that it cannot read.
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    static const char end_of_label[] = " KEY-----";
    if (size <= 0 || !memmem(text, (size_t)size, "-----BEGIN ", 11)
        || !memmem(text, (size_t)size, end_of_label, sizeof end_of_label - 1)) {
        return CTLS_NO_KEY;
    }
    bool is_encrypted = false;
    identity->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &is_encrypted);
    if (!identity->key) {
        ctls_reason(why, why_size);
        return is_encrypted ? CTLS_ENCRYPTED_KEY : CTLS_BAD_KEY;
    }
    identity->kind = kind_of(identity->key);
    if (identity->kind < 0) return CTLS_UNKNOWN_KEY;
    int bits = EVP_PKEY_get_bits(identity->key);
    bool is_weak = identity->kind == KIND_EC ? bits < MIN_EC_BITS : identity->kind <= KIND_RSA_PSS && bits < MIN_RSA_BITS;
    return is_weak ? CTLS_WEAK_KEY : CTLS_FINE;
}

ctls_identity *ctls_identity_make(
    const uint8_t *chain, size_t chain_size, const uint8_t *key, size_t key_size, int *problem, char *why, size_t why_size
) {
    if (why_size) why[0] = 0;
    *problem = CTLS_NO_MEMORY;
    ctls_identity *identity = calloc(1, sizeof *identity);
    BIO *chain_bio = ctls_text(chain, chain_size), *key_bio = ctls_text(key, key_size);
    if (identity && chain_bio && key_bio) {
        *problem = read_chain(identity, chain_bio, why, why_size);
        if (!*problem) *problem = read_key(identity, key_bio, why, why_size);
        if (!*problem && X509_check_private_key(identity->certificate, identity->key) != 1) *problem = CTLS_KEY_MISMATCH;
    }
    BIO_free(chain_bio);
    BIO_free(key_bio);
    ERR_clear_error();
    if (*problem == CTLS_FINE) return identity;
    ctls_identity_free(identity);
    return NULL;
}

void ctls_identity_free(ctls_identity *identity) {
    if (!identity) return;
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->issuers, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity->staple);
    free(identity);
}

uint8_t *ctls_identity_describe(const ctls_identity *identity, size_t *size) {
    return ctls_describe(identity->certificate, NULL, false, size);
}

// MARK: Staples

/// The answer about this certificate; NULL: there is none. Its issuer tells, and where the chain has none the number alone.
static OCSP_SINGLERESP *answer_about(const ctls_identity *identity, OCSP_BASICRESP *basic) {
    const X509 *issuer = sk_X509_num(identity->issuers) > 0 ? sk_X509_value(identity->issuers, 0) : NULL;
    for (int index = 0; index < OCSP_resp_count(basic); index++) {
        OCSP_SINGLERESP *answer = OCSP_resp_get0(basic, index);
        OCSP_CERTID *asked = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(answer);
        ASN1_OBJECT *digest = NULL;
        ASN1_INTEGER *number = NULL;
        if (OCSP_id_get0_info(NULL, &digest, NULL, &number, asked) != 1) continue;
        if (ASN1_INTEGER_cmp(number, X509_get0_serialNumber(identity->certificate)) != 0) continue;
        if (!issuer) return answer;
        OCSP_CERTID *ours = OCSP_cert_to_id(EVP_get_digestbyobj(digest), identity->certificate, issuer);
        bool is_ours = ours && OCSP_id_cmp(ours, asked) == 0;
        OCSP_CERTID_free(ours);
        if (is_ours) return answer;
    }
    return NULL;
}

static int check_staple(ctls_identity *identity, OCSP_RESPONSE *response) {
    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) return CTLS_UNSUCCESSFUL_STAPLE;
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (!basic) return CTLS_BAD_STAPLE;
    int problem = CTLS_FOREIGN_STAPLE;
    OCSP_SINGLERESP *answer = answer_about(identity, basic);
    if (answer) {
        ASN1_GENERALIZEDTIME *next = NULL;
        int status = OCSP_single_get0_status(answer, NULL, NULL, NULL, &next);
        struct tm time;
        identity->staple_expires = 0;
        if (next && ASN1_TIME_to_tm(next, &time) == 1) identity->staple_expires = timegm(&time);
        bool is_expired = next && X509_cmp_current_time(next) < 0;
        problem = status == V_OCSP_CERTSTATUS_REVOKED ? CTLS_REVOKED_STAPLE : is_expired ? CTLS_EXPIRED_STAPLE : CTLS_FINE;
    }
    OCSP_BASICRESP_free(basic);
    return problem;
}

int ctls_identity_staple(ctls_identity *identity, const uint8_t *bytes, size_t size) {
    const unsigned char *at = bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)size);
    int problem = response && at == bytes + size ? check_staple(identity, response) : CTLS_BAD_STAPLE;
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    if (problem != CTLS_FINE && problem != CTLS_REVOKED_STAPLE) return problem;
    uint8_t *copy = malloc(size);
    if (!copy) return CTLS_NO_MEMORY;
    memcpy(copy, bytes, size);
    free(identity->staple);
    identity->staple = copy;
    identity->staple_size = size;
    return problem;
}
