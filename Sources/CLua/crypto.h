// What crypto.c and signature.c share.
#ifndef MRT_CRYPTO_H
#define MRT_CRYPTO_H

#include <openssl/evp.h>

#include "internal.h"

enum { MRT_KNOWN_KEYS = 4 };

/// What a VM keeps of libcrypto's.
struct mrt_crypto {
    struct mrt_object object;
    EVP_MD_CTX *context;
    /// Public keys used last: reading one takes longer than verifying a signature with it.
    struct {
        EVP_PKEY *key;
        uint8_t digest[32];
    } keys[MRT_KNOWN_KEYS];
    unsigned next;
};

struct mrt_crypto *mrt_crypto_of(lua_State *L);
/// NULL when there is no such algorithm; names are case-insensitive.
const EVP_MD *mrt_find_digest(const char *name);
void mrt_open_signature(lua_State *L);

#endif
