// Envoy's `importPublicKey` and `verifySignature`, over libcrypto: RSA (PKCS #1) and ECDSA keys as DER.
//
// What libcrypto makes for a call is freed before anything is raised. It allocates outside of the VM's account, so what it
// is given is bounded: keys by size and strength, and four of them are kept.
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <strings.h>

#include "crypto.h"

enum { MAX_KEY = 4096, MAX_SIGNATURE = 2048, MAX_RSA_BITS = 8192, MAX_EC_BITS = 521 };

/// Its address is a key of the registry.
static const char key_metatable = 0;

// MARK: Keys

static bool is_acceptable(const EVP_PKEY *key) {
    int bits = EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return bits >= 1024 && bits <= MAX_RSA_BITS;
    case EVP_PKEY_EC: {
        // A named curve: parameters of the sender's own making could take any time.
        char name[64];
        return bits <= MAX_EC_BITS && EVP_PKEY_get_group_name(key, name, sizeof name, NULL) == 1;
    }
    default: return false;
    }
}

/// The key that `der` holds, or NULL. Belongs to the VM, until it has used four others.
static EVP_PKEY *find_key(lua_State *L, const uint8_t *der, size_t size) {
    struct mrt_crypto *crypto = mrt_crypto_of(L);
    if (size == 0 || size > MAX_KEY) return NULL;
    mrt_charge(L, 200 + size / 2);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_DigestInit_ex2(crypto->context, mrt_find_digest("sha256"), NULL) != 1
        || EVP_DigestUpdate(crypto->context, der, size) != 1
        || EVP_DigestFinal_ex(crypto->context, digest, &length) != 1) return NULL;
    for (int at = 0; at < MRT_KNOWN_KEYS; at++) {
        if (crypto->keys[at].key && memcmp(crypto->keys[at].digest, digest, 32) == 0) return crypto->keys[at].key;
    }
    mrt_charge(L, 30000);
    const uint8_t *end = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &end, (long)size);
    if (key && (end != der + size || !is_acceptable(key))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    if (!key) return NULL;
    unsigned at = crypto->next++ % MRT_KNOWN_KEYS;
    EVP_PKEY_free(crypto->keys[at].key);
    crypto->keys[at].key = key;
    memcpy(crypto->keys[at].digest, digest, 32);
    return key;
}

/// A string argument and the length argument behind it, which may say that less is meant, never more.
static const uint8_t *check_bytes(lua_State *L, int index, size_t *size) {
    size_t there;
    const char *text = luaL_checklstring(L, index, &there);
    *size = there;
    if (!lua_isnoneornil(L, index + 1)) {
        lua_Integer length = mrt_check_integer(L, index + 1);
        luaL_argcheck(L, length >= 0 && (size_t)length <= there, index + 1, "length exceeds the text");
        *size = (size_t)length;
    }
    return (const uint8_t *)text;
}

int mrt_import_public_key(lua_State *L) {
    mrt_check_object(L, OBJECT_HANDLE, "handle");
    size_t size;
    const uint8_t *der = check_bytes(L, 2, &size);
    bool valid = find_key(L, der, size) != NULL;
    struct mrt_object *object = lua_newuserdatauv(L, sizeof *object, 1);
    *object = (struct mrt_object){.kind = OBJECT_KEY};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key_metatable);
    lua_setmetatable(L, -2);
    if (valid) {
        lua_pushlstring(L, (const char *)der, size);
        lua_setiuservalue(L, -2, 1);
    }
    return 1;
}

static int key_get(lua_State *L) {
    mrt_check_lasting(L, OBJECT_KEY, "public key");
    lua_getiuservalue(L, 1, 1);
    return 1;
}

// MARK: Signatures

/// What verifying with a key takes, in instructions: it grows with the square of its size.
static size_t cost(const EVP_PKEY *key) {
    size_t bits = (size_t)EVP_PKEY_get_bits(key);
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? bits * bits / 300 : bits * bits;
}

/// 1 when `signature` is that of `data`.
static int verify(
    EVP_PKEY *key, const EVP_MD *digest, const uint8_t *signature, size_t signature_size, const uint8_t *data,
    size_t size
) {
    int result = -1;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1) {
        result = EVP_DigestVerify(context, signature, signature_size, data, size);
    }
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return result;
}

int mrt_verify_signature(lua_State *L) {
    mrt_check_object(L, OBJECT_HANDLE, "handle");
    const char *name = luaL_checkstring(L, 2);
    size_t key_size, signature_size, size;
    const uint8_t *der = (const uint8_t *)luaL_optlstring(L, 3, "", &key_size);
    const uint8_t *signature = check_bytes(L, 4, &signature_size);
    const uint8_t *data = check_bytes(L, 6, &size);
    EVP_PKEY *key = find_key(L, der, key_size);
    if (!key) return luaL_error(L, "invalid public key");
    const EVP_MD *digest = mrt_find_digest(name);
    lua_settop(L, 7);
    if (!digest || strcasecmp(name, "md5") == 0) {
        lua_pushboolean(L, 0);
        lua_pushfstring(L, "%s is not supported.", name);
        return 2;
    }
    mrt_charge(L, cost(key));
    mrt_charge(L, size / 4);
    int result = signature_size > MAX_SIGNATURE ? 0 : verify(key, digest, signature, signature_size, data, size);
    lua_pushboolean(L, result == 1);
    if (result == 1) lua_pushnil(L);
    else lua_pushliteral(L, "Failed to verify digest. Error code: 0");
    return 2;
}

void mrt_open_signature(lua_State *L) {
    static const luaL_Reg methods[] = {{"get", key_get}, {NULL, NULL}};
    mrt_push_metatable(L, methods, NULL, "public key");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key_metatable);
}
