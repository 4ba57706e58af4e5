// json.encode. Tables are read raw, so no code of the script runs in here and nothing changes under the walk.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct encoder {
    lua_State *L;
    struct mrt_text text;
    bool pretty;
    int depth;
    /// The tables under way, to tell a cycle.
    const void *above[MRT_JSON_DEPTH];
};

static void encode_value(struct encoder *e, int index);

static void encode_string(struct encoder *e, const char *text, size_t size) {
    static const char letters[] = "0123456789abcdef";
    mrt_charge(e->L, 3 + size / 8);
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    char *to = mrt_text_room(&e->text, size + 2);
    *to++ = '"';
    while (at < end) {
        uint8_t c = *at;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            *to++ = (char)c;
            at++;
            continue;
        }
        if (c >= 0x80) {
            size_t length = mrt_utf8_size(at, end);
            if (length == 0) {
                int place = (int)(at - (const uint8_t *)text) + 1;
                luaL_error(e->L, "json.encode: string is not UTF-8 at byte %d", place);
            }
            memcpy(to, at, length);
            to += length;
            at += length;
            continue;
        }
        // An escape takes up to six bytes where one was counted on.
        mrt_charge(e->L, 1);
        e->text.size = (size_t)(to - e->text.data);
        to = mrt_text_room(&e->text, (size_t)(end - at) + 6);
        *to++ = '\\';
        switch (c) {
        case '"':
        case '\\': *to++ = (char)c; break;
        case '\b': *to++ = 'b'; break;
        case '\f': *to++ = 'f'; break;
        case '\n': *to++ = 'n'; break;
        case '\r': *to++ = 'r'; break;
        case '\t': *to++ = 't'; break;
        default:
            memcpy(to, "u00", 3);
            to[3] = letters[c >> 4];
            to[4] = letters[c & 15];
            to += 5;
        }
        at++;
    }
    e->text.size = (size_t)(to - e->text.data);
    mrt_text_add_byte(&e->text, '"');
}

static void encode_integer(struct encoder *e, lua_Integer value) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do *--at = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0) *--at = '-';
    mrt_text_add(&e->text, at, (size_t)(digits + sizeof digits - at));
}

/// The common case: a few decimals behind the point. What one division of two exact numbers gives is what reading the
/// text gives.
static bool encode_decimal(struct encoder *e, double value) {
    double size = value < 0 ? -value : value;
    if (size < 1e-4 || size >= 1e9) return false;
    for (int places = 1; places <= 6; places++) {
        uint64_t digits = (uint64_t)(size * mrt_powers_of_ten[places] + 0.5);
        if ((double)digits / mrt_powers_of_ten[places] != size) continue;
        char text[32], *at = text + sizeof text;
        for (int place = 0; place < places; place++, digits /= 10) *--at = (char)('0' + digits % 10);
        *--at = '.';
        do *--at = (char)('0' + digits % 10);
        while ((digits /= 10) != 0);
        if (value < 0) *--at = '-';
        mrt_text_add(&e->text, at, (size_t)(text + sizeof text - at));
        return true;
    }
    return false;
}

static void encode_float(struct encoder *e, double value) {
    if (value - value != 0) luaL_error(e->L, "json.encode: %s is no JSON number", value != value ? "nan" : "infinity");
    // 10/2 is 5.0 in Lua 5.4 and was 5 in LuaJIT. Minus zero keeps its sign.
    if (value > -9e15 && value < 9e15 && value == (double)(lua_Integer)value && (value != 0 || 1 / value > 0)) {
        encode_integer(e, (lua_Integer)value);
        return;
    }
    mrt_charge(e->L, 6);
    if (encode_decimal(e, value)) return;
    // Fifteen digits where they read back as the same number, which seventeen always do.
    char digits[32];
    int size = 0;
    for (int precision = 15; precision <= 17; precision += 2) {
        mrt_charge(e->L, 40);
        size = snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (precision == 17 || strtod(digits, NULL) == value) break;
    }
    mrt_text_add(&e->text, digits, (size_t)size);
}

static void new_line(struct encoder *e) {
    if (!e->pretty) return;
    size_t indent = 2 * (size_t)e->depth;
    char *to = mrt_text_room(&e->text, 1 + indent);
    *to = '\n';
    memset(to + 1, ' ', indent);
    e->text.size += 1 + indent;
}

// MARK: Tables

/// How many elements the sequence at `index` has, or -1 when it is an object. An array is what is marked as one, or has
/// the keys 1 to n and no others, at least one.
static lua_Integer sequence_length(struct encoder *e, int index) {
    lua_State *L = e->L;
    bool marked = false;
    if (lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &mrt_json_array);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    lua_Integer length = (lua_Integer)lua_rawlen(L, index);
    if (length == 0 && !marked) return -1;
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        mrt_charge(L, 1);
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > length) {
            if (marked) luaL_error(L, "json.encode: an array has a key beside 1 to %I", (LUAI_UACINT)length);
            lua_pop(L, 1);
            return -1;
        }
        count++;
    }
    if (count == length) return length;
    if (marked) luaL_error(L, "json.encode: an array has gaps");
    return -1;
}

static void encode_array(struct encoder *e, int index, lua_Integer length) {
    mrt_text_add_byte(&e->text, '[');
    for (lua_Integer at = 1; at <= length; at++) {
        if (at > 1) mrt_text_add_byte(&e->text, ',');
        new_line(e);
        lua_rawgeti(e->L, index, at);
        encode_value(e, lua_gettop(e->L));
        lua_pop(e->L, 1);
    }
    e->depth--;
    if (length > 0) new_line(e);
    mrt_text_add_byte(&e->text, ']');
}

/// The key at the top of the stack but one, as a string.
static void encode_key(struct encoder *e, int table, int index) {
    lua_State *L = e->L;
    size_t size;
    if (lua_type(L, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, index, &size);
        encode_string(e, text, size);
        return;
    }
    if (!lua_isinteger(L, index)) {
        luaL_error(L, "json.encode: a key must be a string or an integer, not a %s", luaL_typename(L, index));
    }
    // A copy, as the walk needs the key as it is.
    lua_pushvalue(L, index);
    const char *text = lua_tolstring(L, -1, &size);
    encode_string(e, text, size);
    if (lua_rawget(L, table) != LUA_TNIL) luaL_error(L, "json.encode: a table has a key both as text and as a number");
    lua_pop(L, 1);
}

static void encode_object(struct encoder *e, int index) {
    lua_State *L = e->L;
    mrt_text_add_byte(&e->text, '{');
    bool first = true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        mrt_charge(L, 2);
        if (!first) mrt_text_add_byte(&e->text, ',');
        first = false;
        new_line(e);
        int value = lua_gettop(L);
        encode_key(e, index, value - 1);
        mrt_text_add_byte(&e->text, ':');
        if (e->pretty) mrt_text_add_byte(&e->text, ' ');
        encode_value(e, value);
        lua_pop(L, 1);
    }
    e->depth--;
    if (!first) new_line(e);
    mrt_text_add_byte(&e->text, '}');
}

static void encode_table(struct encoder *e, int index) {
    const void *table = lua_topointer(e->L, index);
    for (int at = 0; at < e->depth; at++) {
        if (e->above[at] == table) luaL_error(e->L, "json.encode: a table contains itself");
    }
    if (e->depth == MRT_JSON_DEPTH) luaL_error(e->L, "json.encode: nested too deep");
    mrt_charge(e->L, 8 + (size_t)e->depth);
    e->above[e->depth++] = table;
    lua_Integer length = sequence_length(e, index);
    if (length >= 0) encode_array(e, index, length);
    else encode_object(e, index);
}

static void encode_value(struct encoder *e, int index) {
    lua_State *L = e->L;
    mrt_charge(L, 2);
    switch (lua_type(L, index)) {
    case LUA_TNIL: mrt_text_add(&e->text, "null", 4); break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, index)) mrt_text_add(&e->text, "true", 4);
        else mrt_text_add(&e->text, "false", 5);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) encode_integer(e, lua_tointeger(L, index));
        else encode_float(e, lua_tonumber(L, index));
        break;
    case LUA_TSTRING: {
        size_t size;
        const char *text = lua_tolstring(L, index, &size);
        encode_string(e, text, size);
        break;
    }
    case LUA_TTABLE: encode_table(e, index); break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == &mrt_json_null) {
            mrt_text_add(&e->text, "null", 4);
            break;
        }
        // fall through
    default: luaL_error(L, "json.encode: a %s is no JSON value", luaL_typename(L, index));
    }
}

int mrt_json_encode(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    struct encoder e;
    e.L = L;
    e.depth = 0;
    e.pretty = false;
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_pushliteral(L, "pretty");
        lua_rawget(L, 2);
        e.pretty = lua_toboolean(L, -1);
        lua_settop(L, 2);
    }
    // A key, a value and two to work with for each level.
    luaL_checkstack(L, 4 * MRT_JSON_DEPTH + LUA_MINSTACK, NULL);
    mrt_text_begin(&e.text, L);
    encode_value(&e, 1);
    mrt_text_push(&e.text);
    return 1;
}
