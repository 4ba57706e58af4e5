// base64 of RFC 4648, strict both ways: padding must be right and the bits it leaves over must be zero, so that no two texts
// mean the same bytes.
#include "internal.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int encode(lua_State *L, int index, const char *alphabet) {
    size_t size;
    const uint8_t *at = (const uint8_t *)mrt_check_text(L, index, &size);
    if (size > SIZE_MAX / 4) return mrt_stop_run(L, STOP_MEMORY);
    size_t total = (size + 2) / 3 * 4;
    mrt_reserve(L, total);
    mrt_charge(L, size / 4);
    luaL_Buffer out;
    char *start = luaL_buffinitsize(L, &out, total), *to = start;
    for (; size >= 3; size -= 3, at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = alphabet[bits >> 6 & 63];
        *to++ = alphabet[bits & 63];
    }
    if (size > 0) {
        uint32_t bits = (uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        if (size == 2) *to++ = alphabet[bits >> 6 & 63];
        // The url alphabet goes without padding.
        for (size_t pad = size; alphabet == standard && pad < 3; pad++) *to++ = '=';
    }
    luaL_pushresultsize(&out, (size_t)(to - start));
    return 1;
}

/// What a digit stands for, or -1.
static int digit_value(int c, const char *alphabet) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

static int decode(lua_State *L, int index, const char *alphabet) {
    size_t size;
    const uint8_t *at = (const uint8_t *)mrt_check_text(L, index, &size);
    mrt_charge(L, size / 4);
    size_t padding = 0;
    while (padding < 2 && size > padding && at[size - 1 - padding] == '=') padding++;
    bool well_formed = size % 4 == 0 || (alphabet == url_safe && padding == 0);
    size -= padding;
    well_formed = well_formed && size % 4 != 1 && (padding == 0 || (size + padding) % 4 == 0);
    mrt_reserve(L, size);
    luaL_Buffer out;
    char *start = luaL_buffinitsize(L, &out, size / 4 * 3 + 3), *to = start;
    while (well_formed && size > 0) {
        size_t count = size < 4 ? size : 4;
        uint32_t bits = 0;
        for (size_t place = 0; place < 4; place++) {
            int value = place < count ? digit_value(at[place], alphabet) : 0;
            well_formed = well_formed && value >= 0;
            bits = bits << 6 | (uint32_t)(value & 63);
        }
        *to++ = (char)(bits >> 16);
        if (count > 2) *to++ = (char)(bits >> 8);
        if (count > 3) *to++ = (char)bits;
        if ((count == 2 && (bits & 0xffff) != 0) || (count == 3 && (bits & 0xff) != 0)) well_formed = false;
        at += count;
        size -= count;
    }
    luaL_pushresultsize(&out, (size_t)(to - start));
    if (!well_formed) lua_pushnil(L);
    return 1;
}

static int base64_encode(lua_State *L) { return encode(L, 1, standard); }
static int base64_decode(lua_State *L) { return decode(L, 1, standard); }
static int base64_encode_url(lua_State *L) { return encode(L, 1, url_safe); }
static int base64_decode_url(lua_State *L) { return decode(L, 1, url_safe); }

int mrt_base64_escape(lua_State *L) {
    mrt_check_object(L, OBJECT_HANDLE, "handle");
    return encode(L, 2, standard);
}

int mrt_base64_decode(lua_State *L) {
    mrt_check_object(L, OBJECT_HANDLE, "handle");
    return decode(L, 2, standard);
}

void mrt_open_base64(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"encode", base64_encode},         {"decode", base64_decode}, {"encode_url", base64_encode_url},
        {"decode_url", base64_decode_url}, {NULL, NULL},
    };
    mrt_push_library(L, functions, "base64");
}
