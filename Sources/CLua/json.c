// JSON as RFC 8259 has it, strictly. Scripts get `json.decode`, `json.encode` (json_encode.c), `json.null` and `json.array`.
//
// Reads by recursive descent, at most 64 levels deep, each value charged when it is met; the memory a table may take is
// reserved before it takes it, because no hook runs in here.
#include <stdlib.h>
#include <string.h>

#include "json.h"

const char mrt_json_null = 0, mrt_json_array = 0;
const double mrt_powers_of_ten[MRT_POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct decoder {
    lua_State *L;
    const uint8_t *start, *at, *end;
    /// What is wrong at `at`.
    const char *error;
    int depth;
};

static bool fail(struct decoder *d, const char *error) {
    d->error = error;
    return false;
}

/// The byte at the place reached; 0 behind the last one, where Lua keeps a NUL.
static uint8_t skip_space(struct decoder *d) {
    const uint8_t *at = d->at;
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
    mrt_charge(d->L, (size_t)(at - d->at) / 8);
    d->at = at;
    return *at;
}

// MARK: Strings

/// The four digits behind `\u`, or -1.
static int32_t hex4(const uint8_t *at, const uint8_t *end) {
    if (end - at < 4) return -1;
    int32_t value = 0;
    for (int index = 0; index < 4; index++) {
        int digit = mrt_hex_value(at[index]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/// Moves over the escape whose backslash is at `at`; NULL when it is malformed.
static const uint8_t *skip_escape(const uint8_t *at, const uint8_t *end) {
    at++;
    if (at == end || !*at || !strchr("\"\\/bfnrtu", *at)) return NULL;
    if (*at++ != 'u') return at;
    int32_t unit = hex4(at, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return NULL;
    at += 4;
    if (unit < 0xd800 || unit > 0xdbff) return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return NULL;
    unit = hex4(at + 2, end);
    return unit >= 0xdc00 && unit <= 0xdfff ? at + 6 : NULL;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/// Pushes what [at, end), which has been checked, says.
static void push_unescaped(lua_State *L, const uint8_t *at, const uint8_t *end) {
    size_t size = (size_t)(end - at);
    mrt_charge(L, size / 4);
    mrt_reserve(L, size);
    luaL_Buffer out;
    char *start = luaL_buffinitsize(L, &out, size);
    char *to = start;
    while (at < end) {
        if (*at != '\\') {
            *to++ = (char)*at++;
            continue;
        }
        switch (at[1]) {
        case 'b': *to++ = '\b'; break;
        case 'f': *to++ = '\f'; break;
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case 'u': {
            uint32_t c = (uint32_t)hex4(at + 2, end);
            at += 4;
            if (c >= 0xd800 && c <= 0xdbff) {
                c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)hex4(at + 4, end) - 0xdc00);
                at += 6;
            }
            to = put_utf8(to, c);
            break;
        }
        default: *to++ = (char)at[1]; break;
        }
        at += 2;
    }
    luaL_pushresultsize(&out, (size_t)(to - start));
}

/// At the opening quote.
static bool decode_string(struct decoder *d) {
    const uint8_t *start = ++d->at, *at = start;
    bool escaped = false;
    for (;;) {
        uint8_t c = *at;
        if (c == '"') break;
        if (c >= 0x20 && c < 0x80 && c != '\\') {
            at++;
            continue;
        }
        d->at = at;
        if (at == d->end) return fail(d, "unfinished string");
        if (c < 0x20) return fail(d, "control character in string");
        if (c == '\\') {
            escaped = true;
            at = skip_escape(at, d->end);
            if (!at) return fail(d, "invalid escape");
        } else {
            size_t size = mrt_utf8_size(at, d->end);
            if (size == 0) return fail(d, "invalid UTF-8");
            at += size;
        }
    }
    d->at = at + 1;
    size_t size = (size_t)(at - start);
    mrt_charge(d->L, 4 + size / 8);
    if (escaped) {
        push_unescaped(d->L, start, at);
    } else {
        mrt_reserve(d->L, size);
        lua_pushlstring(d->L, (const char *)start, size);
    }
    return true;
}

// MARK: Numbers

enum { MAX_NUMBER = 512 };

static const uint8_t *digits(const uint8_t *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

/// The common case: no more digits than a double holds, and a power of ten it holds too. One division of two exact numbers
/// is rounded as the decimal would be.
static bool exact_number(const uint8_t *at, const uint8_t *end, double *value) {
    uint64_t digits = 0;
    int fraction = 0;
    bool behind_point = false;
    for (; at < end; at++) {
        if (*at == '.') {
            behind_point = true;
        } else if (*at < '0' || *at > '9' || digits >= (uint64_t)1 << 49) {
            return false;
        } else {
            digits = digits * 10 + (uint64_t)(*at - '0');
            fraction += behind_point;
        }
    }
    if (digits > (uint64_t)1 << 53 || fraction > MRT_POWERS) return false;
    *value = (double)digits / mrt_powers_of_ten[fraction];
    return true;
}

static bool decode_number(struct decoder *d) {
    const uint8_t *start = d->at, *at = start;
    bool negative = *at == '-';
    if (negative) at++;
    const uint8_t *whole = at;
    at = digits(at);
    if (at == whole || (*whole == '0' && at - whole > 1)) return fail(d, "invalid number");
    size_t whole_size = (size_t)(at - whole);
    bool integral = true;
    if (*at == '.') {
        const uint8_t *fraction = ++at;
        at = digits(at);
        if (at == fraction) return fail(d, "invalid number");
        integral = false;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-') at++;
        const uint8_t *exponent = at;
        at = digits(at);
        if (at == exponent) return fail(d, "invalid number");
        integral = false;
    }
    if (at - start > MAX_NUMBER) return fail(d, "number too long");
    mrt_charge(d->L, 2 + (size_t)(at - start) / 4);
    if (integral && whole_size <= 19 && !(negative && *whole == '0')) {
        uint64_t value = 0;
        for (const uint8_t *digit = whole; digit < at; digit++) value = value * 10 + (uint64_t)(*digit - '0');
        if (value <= (uint64_t)INT64_MAX + negative) {
            lua_pushinteger(d->L, (lua_Integer)(negative ? 0 - value : value));
            d->at = at;
            return true;
        }
    }
    double value;
    if (!exact_number(whole, at, &value)) {
        // Stops where the grammar above did. The process stays in the "C" locale, as Lua itself needs.
        mrt_charge(d->L, 40);
        value = strtod((const char *)start, NULL);
    } else if (negative) {
        value = -value;
    }
    if (value - value != 0) return fail(d, "number out of range");
    lua_pushnumber(d->L, value);
    d->at = at;
    return true;
}

// MARK: Values

static bool decode_value(struct decoder *d);

/// Called for each element: before a table doubles, what it will take must fit.
static void reserve_elements(lua_State *L, size_t count) {
    if ((count & (count - 1)) == 0) mrt_reserve(L, count * 80);
}

static bool decode_array(struct decoder *d) {
    lua_State *L = d->L;
    d->at++;
    bool empty = skip_space(d) == ']';
    // Room for a few from the start: most tables would grow through it one by one.
    lua_createtable(L, empty ? 0 : 4, 0);
    // An array stays one when it is empty or has been emptied.
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mrt_json_array);
    lua_setmetatable(L, -2);
    if (empty) {
        d->at++;
        return true;
    }
    for (lua_Integer count = 1;; count++) {
        reserve_elements(L, (size_t)count);
        if (!decode_value(d)) return false;
        lua_rawseti(L, -2, count);
        uint8_t c = skip_space(d);
        if (c != ',' && c != ']') return fail(d, "expected ',' or ']'");
        d->at++;
        if (c == ']') return true;
        skip_space(d);
    }
}

static bool decode_object(struct decoder *d) {
    lua_State *L = d->L;
    d->at++;
    bool empty = skip_space(d) == '}';
    lua_createtable(L, 0, empty ? 0 : 4);
    if (empty) {
        d->at++;
        return true;
    }
    for (size_t count = 1;; count++) {
        reserve_elements(L, count);
        if (*d->at != '"') return fail(d, "expected a string as key");
        if (!decode_string(d)) return false;
        if (skip_space(d) != ':') return fail(d, "expected ':'");
        d->at++;
        skip_space(d);
        if (!decode_value(d)) return false;
        lua_rawset(L, -3);
        uint8_t c = skip_space(d);
        if (c != ',' && c != '}') return fail(d, "expected ',' or '}'");
        d->at++;
        if (c == '}') return true;
        skip_space(d);
    }
}

static bool decode_word(struct decoder *d, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(d->end - d->at) < size || memcmp(d->at, word, size) != 0) return fail(d, "invalid value");
    if (*word == 'n') lua_pushlightuserdata(d->L, (void *)&mrt_json_null);
    else lua_pushboolean(d->L, *word == 't');
    d->at += size;
    return true;
}

/// Pushes the value at the place reached; false when there is none, and then the stack is as it fell.
static bool decode_value(struct decoder *d) {
    mrt_charge(d->L, 3);
    switch (*d->at) {
    case '"': return decode_string(d);
    case '{':
    case '[': {
        if (++d->depth > MRT_JSON_DEPTH) return fail(d, "nested too deep");
        mrt_charge(d->L, 15);
        mrt_reserve(d->L, 192);
        bool done = *d->at == '{' ? decode_object(d) : decode_array(d);
        d->depth--;
        return done;
    }
    case 't': return decode_word(d, "true");
    case 'f': return decode_word(d, "false");
    case 'n': return decode_word(d, "null");
    case '-':
    case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return decode_number(d);
    default: return fail(d, d->at == d->end ? "unexpected end" : "invalid value");
    }
}

static int json_decode(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_settop(L, 1);
    luaL_checkstack(L, 4 * MRT_JSON_DEPTH, NULL);
    // What looking at every byte costs; the rest is charged as it is met.
    mrt_charge(L, 1 + size / 16);
    const uint8_t *start = (const uint8_t *)text;
    struct decoder d = {.L = L, .start = start, .at = start, .end = start + size};
    skip_space(&d);
    if (decode_value(&d)) {
        skip_space(&d);
        if (d.at == d.end) return 1;
        d.error = "text after the value";
    }
    lua_settop(L, 1);
    lua_pushnil(L);
    lua_pushfstring(L, "%s at byte %I", d.error, (LUAI_UACINT)(d.at - d.start + 1));
    return 2;
}

// MARK: The library

static int json_mark_array(lua_State *L) {
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_getmetatable(L, 1)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &mrt_json_array);
        if (!lua_rawequal(L, -1, -2)) return luaL_error(L, "json.array: the table has a metatable");
        lua_settop(L, 1);
        return 1;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mrt_json_array);
    lua_setmetatable(L, 1);
    return 1;
}

static int null_text(lua_State *L) {
    lua_pushliteral(L, "null");
    return 1;
}

void mrt_open_json(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"decode", json_decode}, {"encode", mrt_json_encode}, {"array", json_mark_array}, {NULL, NULL},
    };
    lua_newtable(L);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &mrt_json_array);
    mrt_push_library(L, functions, "json");
    // Light userdata is equal to itself everywhere; scripts see no other, so its common metatable is null's.
    lua_pushlightuserdata(L, (void *)&mrt_json_null);
    lua_newtable(L);
    lua_pushcfunction(L, null_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "null");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "null");
}
