// Addresses and CIDR blocks. An IPv4 address mapped into IPv6 is the IPv4 address.
//
// A set is an array of blocks sorted by their first address, each knowing the block it lies in: a look-up is one binary
// search for the last block that begins at or before the address, and a walk outwards to the first that holds it.
#include <arpa/inet.h>
#include <string.h>

#include "internal.h"

struct address {
    uint64_t high, low;
    /// 4 or 6.
    uint8_t family;
};

struct block {
    uint64_t high, low;
    int32_t parent, value;
    uint8_t family, bits;
};

struct set {
    struct mrt_object object;
    size_t count;
    struct block blocks[];
};

// MARK: Text

static uint64_t load64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (int at = 0; at < 8; at++) value = value << 8 | bytes[at];
    return value;
}

/// IPv4 addresses fill the first 32 of 128 bits.
static bool read_address(const char *text, size_t size, struct address *out, uint8_t *bytes, bool *mapped) {
    char copy[INET6_ADDRSTRLEN + 1];
    if (size >= sizeof copy || memchr(text, 0, size)) return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    *mapped = false;
    memset(bytes, 0, 16);
    *out = (struct address){0, 0, 4};
    if (inet_pton(AF_INET, copy, bytes) != 1) {
        if (inet_pton(AF_INET6, copy, bytes) != 1) return false;
        static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        *mapped = memcmp(bytes, prefix, sizeof prefix) == 0;
        if (*mapped) {
            memcpy(bytes, bytes + 12, 4);
            memset(bytes + 4, 0, 12);
        } else {
            out->family = 6;
        }
    }
    out->high = load64(bytes);
    out->low = load64(bytes + 8);
    return true;
}

/// As `read_address`, also with brackets or a port around the address, as connections and headers show it.
static bool read_peer(const char *text, size_t size, struct address *out) {
    uint8_t bytes[16];
    bool mapped;
    const char *colon = memchr(text, ':', size), *digits = NULL;
    if (size > 0 && *text == '[') {
        const char *close = memchr(text, ']', size);
        if (!close) return false;
        if (close + 1 < text + size) {
            if (close[1] != ':') return false;
            digits = close + 2;
        }
        size_t inside = (size_t)(close - text - 1);
        if (!memchr(text + 1, ':', inside)) return false;
        const char *end = text + size;
        if (digits && (digits == end || end - digits > 5)) return false;
        for (; digits && digits < end; digits++) if (*digits < '0' || *digits > '9') return false;
        return read_address(text + 1, inside, out, bytes, &mapped);
    }
    if (colon && !memchr(colon + 1, ':', size - (size_t)(colon + 1 - text))) {
        const char *end = text + size;
        if (colon + 1 == end || end - colon > 6) return false;
        for (digits = colon + 1; digits < end; digits++) if (*digits < '0' || *digits > '9') return false;
        size = (size_t)(colon - text);
    }
    return read_address(text, size, out, bytes, &mapped);
}

static uint64_t mask(int bits) { return bits <= 0 ? 0 : bits >= 64 ? ~(uint64_t)0 : ~(~(uint64_t)0 >> bits); }

/// An address, or one with `/bits` behind it. Bits of the host are taken off.
static bool read_block(const char *text, size_t size, struct block *out) {
    const char *slash = memchr(text, '/', size);
    struct address address;
    uint8_t bytes[16];
    bool mapped;
    if (!read_address(text, slash ? (size_t)(slash - text) : size, &address, bytes, &mapped)) return false;
    int bits = address.family == 4 ? 32 : 128;
    if (slash) {
        size_t digits = size - (size_t)(slash + 1 - text);
        if (digits == 0 || digits > 3 || (slash[1] == '0' && digits > 1)) return false;
        int given = 0;
        for (size_t at = 0; at < digits; at++) {
            if (slash[1 + at] < '0' || slash[1 + at] > '9') return false;
            given = given * 10 + (slash[1 + at] - '0');
        }
        // The first 96 bits of a mapped block say that it is one.
        if (mapped) given -= 96;
        if (given < 0 || given > bits) return false;
        bits = given;
    }
    *out = (struct block){
        .high = address.high & mask(bits), .low = address.low & mask(bits - 64), .parent = -1, .value = 0,
        .family = address.family, .bits = (uint8_t)bits,
    };
    return true;
}

static bool holds(const struct block *block, const struct address *address) {
    return block->family == address->family && (address->high & mask(block->bits)) == block->high
           && (address->low & mask(block->bits - 64)) == block->low;
}

static struct block check_block(lua_State *L, int index) {
    size_t size;
    struct block block;
    if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "a CIDR block must be a string, not a %s", luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &size);
    mrt_charge(L, 8);
    if (!read_block(text, size, &block)) {
        lua_pushlstring(L, text, size < 64 ? size : 64);
        luaL_error(L, "'%s' is no CIDR block", lua_tostring(L, -1));
    }
    return block;
}

// MARK: Without a set

static int ip_parse(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    struct address address;
    uint8_t bytes[16];
    bool mapped;
    mrt_charge(L, 10);
    if (read_address(text, size, &address, bytes, &mapped)) lua_pushlstring(L, (const char *)bytes, address.family == 4 ? 4 : 16);
    else lua_pushnil(L);
    return 1;
}

static int ip_matches(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TTABLE) luaL_checktype(L, 2, LUA_TSTRING);
    struct address address;
    mrt_charge(L, 10);
    bool valid = read_peer(text, size, &address), found = false;
    if (lua_type(L, 2) == LUA_TSTRING) {
        struct block block = check_block(L, 2);
        found = valid && holds(&block, &address);
    } else {
        lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
        // Every block is read, so that a wrong one shows at once.
        for (lua_Integer at = 1; at <= count; at++) {
            lua_rawgeti(L, 2, at);
            struct block block = check_block(L, 3);
            found = found || (valid && holds(&block, &address));
            lua_pop(L, 1);
        }
    }
    lua_pushboolean(L, found);
    return 1;
}

// MARK: Sets

static int compare_blocks(const void *left, const void *right) {
    const struct block *a = left, *b = right;
    if (a->family != b->family) return a->family < b->family ? -1 : 1;
    if (a->high != b->high) return a->high < b->high ? -1 : 1;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    return (a->bits > b->bits) - (a->bits < b->bits);
}

/// Finds the block each lies in: one that begins before it and is not over yet.
static void nest(lua_State *L, struct set *set, bool named) {
    int32_t open = -1;
    size_t kept = 0;
    for (size_t at = 0; at < set->count; at++) {
        if (at % 16 == 0) mrt_charge(L, 16);
        struct block block = set->blocks[at];
        if (kept > 0 && compare_blocks(&set->blocks[kept - 1], &block) == 0) {
            if (named) luaL_error(L, "ip.set: a block is there twice, written in two ways");
            continue;
        }
        struct address first = {block.high, block.low, block.family};
        while (open >= 0 && !holds(&set->blocks[open], &first)) open = set->blocks[open].parent;
        block.parent = open;
        open = (int32_t)kept;
        set->blocks[kept++] = block;
    }
    set->count = kept;
}

/// Its address is a key of the registry.
static const char set_metatable = 0;
enum { MAX_BLOCKS = 10000000 };

/// ip.set{"10.0.0.0/8", ...} or ip.set{["10.0.0.0/8"] = value, ...}
static int ip_set(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    size_t length = lua_rawlen(L, 1), count = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        mrt_charge(L, 1);
        lua_pop(L, 1);
        count++;
    }
    if (count > MAX_BLOCKS) return luaL_error(L, "ip.set: too many blocks");
    bool named = length == 0;
    size_t size = sizeof(struct set) + count * sizeof(struct block);
    mrt_reserve(L, size + 16 * count);
    struct set *set = lua_newuserdatauv(L, size, 1);
    *set = (struct set){.object = {.kind = OBJECT_IP_SET}, .count = 0};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &set_metatable);
    lua_setmetatable(L, 2);
    lua_createtable(L, (int)count, 0);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        if (named ? lua_type(L, 4) != LUA_TSTRING : !lua_isinteger(L, 4)) {
            return luaL_error(L, "ip.set: either a list of blocks or a table from blocks to values");
        }
        struct block block = check_block(L, named ? 4 : 5);
        block.value = (int32_t)set->count + 1;
        set->blocks[set->count++] = block;
        lua_rawseti(L, 3, block.value);
    }
    lua_setiuservalue(L, 2, 1);
    mrt_sort(L, set->blocks, set->count, sizeof(struct block), compare_blocks);
    nest(L, set, named);
    return 1;
}

/// The innermost block of the set that holds the address argument, or NULL.
static const struct block *find(lua_State *L) {
    const struct set *set = mrt_check_lasting(L, OBJECT_IP_SET, "ip set");
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    struct address address;
    mrt_charge(L, 30);
    if (!read_peer(text, size, &address)) return NULL;
    struct block wanted = {.high = address.high, .low = address.low, .family = address.family, .bits = 128};
    size_t first = 0, end = set->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (compare_blocks(&set->blocks[middle], &wanted) <= 0) first = middle + 1;
        else end = middle;
    }
    for (int32_t at = (int32_t)first - 1; at >= 0; at = set->blocks[at].parent) {
        if (holds(&set->blocks[at], &address)) return &set->blocks[at];
    }
    return NULL;
}

static int set_contains(lua_State *L) {
    lua_pushboolean(L, find(L) != NULL);
    return 1;
}

static int set_find(lua_State *L) {
    const struct block *block = find(L);
    if (!block) {
        lua_pushnil(L);
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, block->value);
    return 1;
}

void mrt_open_ip(lua_State *L) {
    static const luaL_Reg functions[] = {{"parse", ip_parse}, {"matches", ip_matches}, {"set", ip_set}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"contains", set_contains}, {"find", set_find}, {NULL, NULL}};
    mrt_push_metatable(L, methods, NULL, "ip set");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &set_metatable);
    mrt_push_library(L, functions, "ip");
}
