// What authentication needs of libcrypto and libcrypt: hashes, signatures, passwords, random bytes. Nothing
// here leaves an error on OpenSSL's queue.
//
// Pointers are borrowed for the call; `size` bytes behind each are read. Functions without a result cannot fail.
#ifndef CCRYPTO_H
#define CCRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Hashes

enum { CCR_SHA1 = 1, CCR_SHA256 = 256, CCR_SHA384 = 384, CCR_SHA512 = 512 };

/// A reusable hash state. Belongs to one thread.
typedef struct ccr_hasher ccr_hasher;
/// NULL without memory.
ccr_hasher *ccr_hasher_make(void);
void ccr_hasher_free(ccr_hasher *hasher);
/// Writes the hash of `data`: 20, 32, 48 or 64 bytes. False when libcrypto will not.
bool ccr_hash(ccr_hasher *hasher, int hash, const uint8_t *data, size_t size, uint8_t *out);
/// Writes HMAC (RFC 2104) of `data`: as many bytes as the hash has.
bool ccr_hmac(
    ccr_hasher *hasher, int hash, const uint8_t *key, size_t key_size, const uint8_t *data, size_t size, uint8_t *out);

/// Takes as long for equal bytes as for different ones.
bool ccr_equal(const uint8_t *left, const uint8_t *right, size_t size);
bool ccr_random(uint8_t *out, size_t size);
/// Overwrites what must not stay in memory; the compiler does not leave it out.
void ccr_wipe(uint8_t *bytes, size_t size);

// MARK: Public keys

/// A public key. Read-only once made, so any number of threads may check signatures with it.
typedef struct evp_pkey_st ccr_key;

/// From modulus and exponent, big-endian (RFC 7518 section 6.3.1). NULL unless 2048 to 8192 bits and the exponent is odd and has at most
/// 64 bits.
ccr_key *ccr_key_rsa(const uint8_t *modulus, size_t modulus_size, const uint8_t *exponent, size_t exponent_size);
/// From coordinates of full size, 32, 48 or 66 bytes each, on P-256, P-384 or P-521 (RFC 7518 section 6.2.1). NULL when the point is not
/// on the curve.
ccr_key *ccr_key_ec(int bits, const uint8_t *x, const uint8_t *y, size_t size);
/// Ed25519 from 32 bytes, Ed448 from 57 (RFC 8037).
ccr_key *ccr_key_edwards(const uint8_t *bytes, size_t size);
void ccr_key_free(ccr_key *key);

enum { CCR_RSA_PKCS1 = 1, CCR_RSA_PSS = 2, CCR_ECDSA = 3, CCR_EDDSA = 4 };

/// Whether `signature` is that of `data` by this key. ECDSA signatures are r and s of full size, one behind the other (RFC 7518 section
/// 3.4). The scheme must be one of the key's kind; anything else is false.
bool ccr_verify(
    ccr_key *key, int scheme, int hash, const uint8_t *signature, size_t signature_size, const uint8_t *data, size_t size);

// MARK: Passwords

/// Room for a password to be hashed in, some 32 KiB. Belongs to one thread.
typedef struct ccr_crypt ccr_crypt;
ccr_crypt *ccr_crypt_make(void);
void ccr_crypt_free(ccr_crypt *room);
/// Whether `hash`, in the form of crypt(5), is that of `password`. Both end with NUL. Takes as long as the hash asks for.
bool ccr_crypt_matches(ccr_crypt *room, const char *password, const char *hash);

#endif
