// Passwords over libcrypt.
#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "include/CCrypto.h"

struct ccr_crypt {
    struct crypt_data data;
};

ccr_crypt *ccr_crypt_make(void) { return calloc(1, sizeof(ccr_crypt)); }

void ccr_crypt_free(ccr_crypt *room) {
    if (!room) return;
    OPENSSL_cleanse(room, sizeof *room);
    free(room);
}

bool ccr_crypt_matches(ccr_crypt *room, const char *password, const char *hash) {
    // The hash is its own setting: what it was made with stands at its beginning.
    const char *made = crypt_r(password, hash, &room->data);
    size_t length = strlen(hash);
    // What libcrypt cannot hash with begins with an asterisk, which no hash does.
    bool matches = made && made[0] != '*' && strlen(made) == length && CRYPTO_memcmp(made, hash, length) == 0;
    OPENSSL_cleanse(&room->data, sizeof room->data);
    return matches;
}
