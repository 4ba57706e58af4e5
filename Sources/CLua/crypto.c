// Hashes, HMAC, random bytes and hexadecimal, over libcrypto.
//
// A VM has one digest context, made with the sandbox: hashing allocates nothing, and an error raised in the middle of it
// leaves nothing behind.
#include "crypto.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

/// Its address is a key of the registry.
static const char crypto_key = 0;

// MARK: Algorithms

enum { ALGORITHMS = 6, PIECE = 16 * 1024 };

static struct {
    const char *name;
    EVP_MD *digest;
} algorithms[ALGORITHMS] = {
    {"md5", NULL}, {"sha1", NULL}, {"sha224", NULL}, {"sha256", NULL}, {"sha384", NULL}, {"sha512", NULL},
};
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/// Once for the process: looking an algorithm up takes longer than hashing a kilobyte.
static void fetch(void) {
    // Its own clean-up at exit would pull the algorithms from under workers that still run.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    for (int at = 0; at < ALGORITHMS; at++) algorithms[at].digest = EVP_MD_fetch(NULL, algorithms[at].name, NULL);
}

const EVP_MD *mrt_find_digest(const char *name) {
    for (int at = 0; at < ALGORITHMS; at++) {
        if (strcasecmp(algorithms[at].name, name) == 0) return algorithms[at].digest;
    }
    return NULL;
}

static const EVP_MD *check_digest(lua_State *L, int index) {
    const EVP_MD *digest = mrt_find_digest(luaL_checkstring(L, index));
    if (!digest) luaL_error(L, "unknown hash algorithm '%s'", lua_tostring(L, index));
    return digest;
}

// MARK: Hashing

struct mrt_crypto *mrt_crypto_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &crypto_key);
    struct mrt_crypto *crypto = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return crypto;
}

/// A piece at a time, so that the clock is looked at on the way.
static void update(lua_State *L, EVP_MD_CTX *context, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size > 0) {
        size_t piece = size < PIECE ? size : PIECE;
        mrt_charge(L, piece / 4);
        if (EVP_DigestUpdate(context, at, piece) != 1) luaL_error(L, "hashing failed");
        at += piece;
        size -= piece;
    }
}

static unsigned finish(lua_State *L, EVP_MD_CTX *context, uint8_t *out) {
    unsigned size = 0;
    if (EVP_DigestFinal_ex(context, out, &size) != 1) luaL_error(L, "hashing failed");
    return size;
}

static EVP_MD_CTX *begin(lua_State *L, const EVP_MD *digest) {
    EVP_MD_CTX *context = mrt_crypto_of(L)->context;
    mrt_charge(L, 100);
    if (EVP_DigestInit_ex2(context, digest, NULL) != 1) luaL_error(L, "hashing failed");
    return context;
}

static void push_hex(lua_State *L, const uint8_t *bytes, size_t size) {
    static const char letters[] = "0123456789abcdef";
    if (size > SIZE_MAX / 4) mrt_stop_run(L, STOP_MEMORY);
    mrt_reserve(L, 2 * size);
    mrt_charge(L, 1 + size / 2);
    luaL_Buffer out;
    char *to = luaL_buffinitsize(L, &out, 2 * size);
    for (size_t at = 0; at < size; at++) {
        to[2 * at] = letters[bytes[at] >> 4];
        to[2 * at + 1] = letters[bytes[at] & 15];
    }
    luaL_pushresultsize(&out, 2 * size);
}

static int push_hash(lua_State *L, bool hex) {
    const EVP_MD *digest = check_digest(L, 1);
    size_t size;
    const char *data = luaL_checklstring(L, 2, &size);
    EVP_MD_CTX *context = begin(L, digest);
    update(L, context, data, size);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned length = finish(L, context, hash);
    if (hex) push_hex(L, hash, length);
    else lua_pushlstring(L, (const char *)hash, length);
    return 1;
}

/// RFC 2104.
static int push_hmac(lua_State *L, bool hex) {
    const EVP_MD *digest = check_digest(L, 1);
    size_t key_size, size;
    const char *key = luaL_checklstring(L, 2, &key_size);
    const char *data = luaL_checklstring(L, 3, &size);
    uint8_t block[128] = {0}, hash[EVP_MAX_MD_SIZE];
    size_t block_size = (size_t)EVP_MD_get_block_size(digest);
    if (block_size > sizeof block) return luaL_error(L, "hashing failed");
    EVP_MD_CTX *context = begin(L, digest);
    if (key_size > block_size) {
        update(L, context, key, key_size);
        unsigned length = finish(L, context, hash);
        memcpy(block, hash, length);
        context = begin(L, digest);
    } else {
        memcpy(block, key, key_size);
    }
    for (size_t at = 0; at < block_size; at++) block[at] ^= 0x36;
    update(L, context, block, block_size);
    update(L, context, data, size);
    unsigned length = finish(L, context, hash);
    for (size_t at = 0; at < block_size; at++) block[at] ^= 0x36 ^ 0x5c;
    context = begin(L, digest);
    update(L, context, block, block_size);
    update(L, context, hash, length);
    length = finish(L, context, hash);
    OPENSSL_cleanse(block, sizeof block);
    if (hex) push_hex(L, hash, length);
    else lua_pushlstring(L, (const char *)hash, length);
    return 1;
}

static int crypto_hash(lua_State *L) { return push_hash(L, false); }
static int crypto_hash_hex(lua_State *L) { return push_hash(L, true); }
static int crypto_hmac(lua_State *L) { return push_hmac(L, false); }
static int crypto_hmac_hex(lua_State *L) { return push_hmac(L, true); }

// MARK: Bytes

static int crypto_random_bytes(lua_State *L) {
    uint8_t bytes[1024];
    lua_Integer count = mrt_check_integer(L, 1);
    luaL_argcheck(L, count >= 0 && count <= (lua_Integer)sizeof bytes, 1, "0 to 1024 bytes");
    mrt_charge(L, 200 + (size_t)count);
    if (RAND_bytes(bytes, (int)count) != 1) return luaL_error(L, "no random bytes to be had");
    lua_pushlstring(L, (const char *)bytes, (size_t)count);
    return 1;
}

/// Takes as long for equal texts as for different ones of the same length.
static int crypto_equals(lua_State *L) {
    size_t left_size, right_size;
    const char *left = luaL_checklstring(L, 1, &left_size);
    const char *right = luaL_checklstring(L, 2, &right_size);
    mrt_charge(L, 1 + left_size / 4);
    lua_pushboolean(L, left_size == right_size && CRYPTO_memcmp(left, right, left_size) == 0);
    return 1;
}

static int crypto_hex(lua_State *L) {
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    push_hex(L, (const uint8_t *)bytes, size);
    return 1;
}

static int crypto_unhex(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    mrt_charge(L, 1 + size / 2);
    mrt_reserve(L, size / 2);
    luaL_Buffer out;
    char *to = luaL_buffinitsize(L, &out, size / 2 + 1);
    bool well_formed = size % 2 == 0;
    for (size_t at = 0; well_formed && at < size; at += 2) {
        int high = mrt_hex_value((uint8_t)text[at]), low = mrt_hex_value((uint8_t)text[at + 1]);
        well_formed = high >= 0 && low >= 0;
        to[at / 2] = (char)((high & 15) << 4 | (low & 15));
    }
    luaL_pushresultsize(&out, well_formed ? size / 2 : 0);
    if (!well_formed) lua_pushnil(L);
    return 1;
}

// MARK: The library

static int free_crypto(lua_State *L) {
    struct mrt_crypto *crypto = lua_touserdata(L, 1);
    EVP_MD_CTX_free(crypto->context);
    crypto->context = NULL;
    for (int at = 0; at < MRT_KNOWN_KEYS; at++) {
        EVP_PKEY_free(crypto->keys[at].key);
        crypto->keys[at].key = NULL;
    }
    return 0;
}

void mrt_open_crypto(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"hash", crypto_hash},         {"hash_hex", crypto_hash_hex}, {"hmac", crypto_hmac},
        {"hmac_hex", crypto_hmac_hex}, {"equals", crypto_equals},     {"random_bytes", crypto_random_bytes},
        {"hex", crypto_hex},           {"unhex", crypto_unhex},       {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    pthread_once(&fetched, fetch);
    struct mrt_crypto *crypto = lua_newuserdatauv(L, sizeof *crypto, 0);
    memset(crypto, 0, sizeof *crypto);
    crypto->object.kind = OBJECT_CRYPTO;
    mrt_push_metatable(L, none, free_crypto, "crypto");
    lua_setmetatable(L, -2);
    crypto->context = EVP_MD_CTX_new();
    if (!crypto->context) mrt_raise_memory(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &crypto_key);
    mrt_open_signature(L);
    mrt_push_library(L, functions, "crypto");
}
