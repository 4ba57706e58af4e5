// Public keys from their numbers, and signatures checked with them.
#include "internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

enum { MIN_RSA_BITS = 2048, MAX_RSA_BITS = 8192, MAX_COORDINATE = 66 };

// MARK: Making keys

/// NULL unless libcrypto takes the parameters for a public key.
static EVP_PKEY *from_parameters(const char *type, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool made = parameters && context && EVP_PKEY_fromdata_init(context) == 1
        && EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    if (made) return key;
    EVP_PKEY_free(key);
    return NULL;
}

/// Whether the numbers can be those of a key that protects anything, and that takes a bounded time.
static bool is_sound(const BIGNUM *modulus, const BIGNUM *exponent) {
    int bits = BN_num_bits(modulus), exponent_bits = BN_num_bits(exponent);
    return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS && BN_is_odd(modulus) && exponent_bits >= 2
        && exponent_bits <= 64 && BN_is_odd(exponent);
}

ccr_key *ccr_key_rsa(const uint8_t *modulus, size_t modulus_size, const uint8_t *exponent, size_t exponent_size) {
    if (modulus_size > MAX_RSA_BITS / 8 + 1 || exponent_size > 9) return NULL;
    EVP_PKEY *key = NULL;
    BIGNUM *n = BN_bin2bn(modulus, (int)modulus_size, NULL), *e = BN_bin2bn(exponent, (int)exponent_size, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (n && e && builder && is_sound(n, e) && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        key = from_parameters("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    ERR_clear_error();
    return key;
}

static size_t coordinate_size(int bits) {
    switch (bits) {
    case 256: return 32;
    case 384: return 48;
    case 521: return 66;
    default: return 0;
    }
}

ccr_key *ccr_key_ec(int bits, const uint8_t *x, const uint8_t *y, size_t size) {
    const char *curve = bits == 256 ? "P-256" : bits == 384 ? "P-384" : "P-521";
    if (size == 0 || size != coordinate_size(bits)) return NULL;
    // An uncompressed point (SEC 1 section 2.3.3).
    uint8_t point[1 + 2 * MAX_COORDINATE] = {4};
    memcpy(point + 1, x, size);
    memcpy(point + 1 + size, y, size);
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) == 1) {
        key = from_parameters("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    ERR_clear_error();
    return key;
}

ccr_key *ccr_key_edwards(const uint8_t *bytes, size_t size) {
    int type = size == 32 ? EVP_PKEY_ED25519 : size == 57 ? EVP_PKEY_ED448 : 0;
    EVP_PKEY *key = type ? EVP_PKEY_new_raw_public_key(type, NULL, bytes, size) : NULL;
    ERR_clear_error();
    return key;
}

void ccr_key_free(ccr_key *key) { EVP_PKEY_free(key); }

// MARK: Checking signatures

/// Whether the scheme is one for this kind of key.
static bool fits(const EVP_PKEY *key, int scheme) {
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return scheme == CCR_RSA_PKCS1 || scheme == CCR_RSA_PSS;
    case EVP_PKEY_EC: return scheme == CCR_ECDSA;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448: return scheme == CCR_EDDSA;
    default: return false;
    }
}

/// The salt is as long as the hash, and the mask is made with the same hash (RFC 7518 section 3.5).
static bool use_pss(EVP_PKEY_CTX *context, const EVP_MD *digest) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0
        && EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) > 0;
}

static bool check(
    EVP_PKEY *key, int scheme, const EVP_MD *digest, const uint8_t *signature, size_t signature_size, const uint8_t *data,
    size_t size
) {
    EVP_PKEY_CTX *details = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool valid = context && EVP_DigestVerifyInit(context, &details, digest, NULL, key) == 1
        && (scheme != CCR_RSA_PSS || use_pss(details, digest))
        && EVP_DigestVerify(context, signature, signature_size, data, size) == 1;
    EVP_MD_CTX_free(context);
    return valid;
}

/// r and s, one behind the other, as the sequence that libcrypto takes. The result is freed with OPENSSL_free.
static int sequence_of(const uint8_t *signature, size_t half, uint8_t **out) {
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, (int)half, NULL), *s = BN_bin2bn(signature + half, (int)half, NULL);
    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return 0;
    }
    int length = i2d_ECDSA_SIG(pair, out);
    ECDSA_SIG_free(pair);
    return length;
}

static bool check_ecdsa(
    EVP_PKEY *key, const EVP_MD *digest, const uint8_t *signature, size_t signature_size, const uint8_t *data, size_t size
) {
    size_t half = coordinate_size(EVP_PKEY_get_bits(key));
    if (half == 0 || signature_size != 2 * half) return false;
    uint8_t *sequence = NULL;
    int length = sequence_of(signature, half, &sequence);
    bool valid = length > 0 && check(key, CCR_ECDSA, digest, sequence, (size_t)length, data, size);
    OPENSSL_free(sequence);
    return valid;
}

bool ccr_verify(
    ccr_key *key, int scheme, int hash, const uint8_t *signature, size_t signature_size, const uint8_t *data, size_t size
) {
    const EVP_MD *digest = scheme == CCR_EDDSA ? NULL : ccr_digest(hash);
    if (!fits(key, scheme) || (scheme != CCR_EDDSA && !digest) || signature_size == 0) return false;
    bool valid = scheme == CCR_ECDSA ? check_ecdsa(key, digest, signature, signature_size, data, size)
                                     : check(key, scheme, digest, signature, signature_size, data, size);
    ERR_clear_error();
    return valid;
}
