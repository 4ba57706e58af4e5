// Hashes and HMAC over libcrypto's EVP interface.
#include "internal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_BLOCK = 128 };

struct ccr_hasher {
    EVP_MD_CTX *context;
};

static EVP_MD *sha1_digest, *sha256_digest, *sha384_digest, *sha512_digest;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/// Once for the process: looking an algorithm up takes longer than hashing a kilobyte.
static void fetch(void) {
    // Its own clean-up at exit would pull the algorithms from under workers that still run.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    sha1_digest = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256_digest = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    sha384_digest = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    sha512_digest = EVP_MD_fetch(NULL, "SHA2-512", NULL);
    ERR_clear_error();
}

const EVP_MD *ccr_digest(int hash) {
    pthread_once(&fetched, fetch);
    switch (hash) {
    case CCR_SHA1: return sha1_digest;
    case CCR_SHA256: return sha256_digest;
    case CCR_SHA384: return sha384_digest;
    case CCR_SHA512: return sha512_digest;
    default: return NULL;
    }
}

ccr_hasher *ccr_hasher_make(void) {
    ccr_hasher *hasher = malloc(sizeof *hasher);
    if (!hasher) return NULL;
    hasher->context = EVP_MD_CTX_new();
    if (hasher->context) return hasher;
    free(hasher);
    return NULL;
}

void ccr_hasher_free(ccr_hasher *hasher) {
    if (!hasher) return;
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}

static bool begin(ccr_hasher *hasher, const EVP_MD *digest) {
    return digest && EVP_DigestInit_ex2(hasher->context, digest, NULL) == 1;
}

static bool update(ccr_hasher *hasher, const uint8_t *data, size_t size) {
    return size == 0 || EVP_DigestUpdate(hasher->context, data, size) == 1;
}

static bool finish(ccr_hasher *hasher, uint8_t *out) {
    return EVP_DigestFinal_ex(hasher->context, out, NULL) == 1;
}

static bool settled(bool done) {
    if (!done) ERR_clear_error();
    return done;
}

bool ccr_hash(ccr_hasher *hasher, int hash, const uint8_t *data, size_t size, uint8_t *out) {
    return settled(begin(hasher, ccr_digest(hash)) && update(hasher, data, size) && finish(hasher, out));
}

bool ccr_hmac(
    ccr_hasher *hasher, int hash, const uint8_t *key, size_t key_size, const uint8_t *data, size_t size, uint8_t *out
) {
    const EVP_MD *digest = ccr_digest(hash);
    if (!digest) return false;
    size_t block_size = (size_t)EVP_MD_get_block_size(digest), hash_size = (size_t)EVP_MD_get_size(digest);
    uint8_t block[LONGEST_BLOCK] = {0}, inner[EVP_MAX_MD_SIZE];
    if (block_size > sizeof block) return false;
    bool done = true;
    if (key_size > block_size) done = begin(hasher, digest) && update(hasher, key, key_size) && finish(hasher, block);
    else if (key_size > 0) memcpy(block, key, key_size);
    for (size_t at = 0; at < block_size; at++) block[at] ^= 0x36;
    done = done && begin(hasher, digest) && update(hasher, block, block_size) && update(hasher, data, size)
        && finish(hasher, inner);
    for (size_t at = 0; at < block_size; at++) block[at] ^= 0x36 ^ 0x5c;
    done = done && begin(hasher, digest) && update(hasher, block, block_size) && update(hasher, inner, hash_size)
        && finish(hasher, out);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(inner, sizeof inner);
    return settled(done);
}

bool ccr_equal(const uint8_t *left, const uint8_t *right, size_t size) {
    return size == 0 || CRYPTO_memcmp(left, right, size) == 0;
}

bool ccr_random(uint8_t *out, size_t size) { return settled(RAND_bytes(out, (int)size) == 1); }

void ccr_wipe(uint8_t *bytes, size_t size) { OPENSSL_cleanse(bytes, size); }
