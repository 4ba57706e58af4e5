// find, match, gmatch and gsub: Lua's searches, over the matcher of pattern.c.
#include <ctype.h>
#include <string.h>

#include "pattern.h"

static struct matcher prepare(lua_State *L, const char *subject, size_t size, const char *pattern, size_t length) {
    struct matcher m = {.L = L, .subject = subject, .subject_end = subject + size, .pattern_end = pattern + length};
    return m;
}

/// A start position as scripts give it, from 1, negative from the end; as an offset.
static size_t start_offset(lua_State *L, int index, size_t size) {
    lua_Integer start = mrt_optional_integer(L, index, 1);
    if (start > 0) return (size_t)start - 1;
    if (start == 0) return 0;
    return start < -(lua_Integer)size ? 0 : size + (size_t)start;
}

// MARK: The functions

static const char *plain_find(lua_State *L, const char *subject, size_t size, const char *text, size_t length) {
    mrt_charge(L, 1 + size / 4 + length / 16);
    if (length == 0) return subject;
    const char *end = subject + size;
    while (size >= length) {
        const char *at = memchr(subject, text[0], size - length + 1);
        if (!at) return NULL;
        if (memcmp(at, text, length) == 0) return at;
        mrt_charge(L, 1 + length / 16);
        subject = at + 1;
        size = (size_t)(end - subject);
    }
    return NULL;
}

static int find_or_match(lua_State *L, bool finds) {
    size_t size, length;
    const char *subject = luaL_checklstring(L, 1, &size);
    const char *pattern = luaL_checklstring(L, 2, &length);
    // Looked through for special characters.
    if (finds) mrt_charge_bytes(L, length);
    size_t start = start_offset(L, 3, size);
    if (start > size) {
        lua_pushnil(L);
        return 1;
    }
    if (finds && (lua_toboolean(L, 4) || strcspn(pattern, "^$*+?.([%-") == length)) {
        const char *at = plain_find(L, subject + start, size - start, pattern, length);
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - subject + 1);
        lua_pushinteger(L, at - subject + (lua_Integer)length);
        return 2;
    }
    struct matcher m = prepare(L, subject, size, pattern, length);
    bool anchored = length > 0 && *pattern == '^';
    if (anchored) pattern++;
    const char *s = subject + start;
    do {
        m.captures = 0;
        m.depth = 0;
        const char *end = mrt_match(&m, s, pattern);
        if (end) {
            if (!finds) return mrt_push_captures(&m, s, end);
            lua_pushinteger(L, s - subject + 1);
            lua_pushinteger(L, end - subject);
            return mrt_push_captures(&m, NULL, NULL) + 2;
        }
    } while (s++ < m.subject_end && !anchored);
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L) { return find_or_match(L, true); }
static int string_match(lua_State *L) { return find_or_match(L, false); }

/// Upvalues: subject, pattern, offset to go on at, end of the last match (or -1).
static int next_match(lua_State *L) {
    size_t size, length;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &size);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &length);
    lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct matcher m = prepare(L, subject, size, pattern, length);
    for (const char *s = subject + from; s <= m.subject_end; s++) {
        m.captures = 0;
        m.depth = 0;
        const char *end = mrt_match(&m, s, pattern);
        if (end && end - subject != last) {
            lua_pushinteger(L, end - subject);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return mrt_push_captures(&m, s, end);
        }
    }
    return 0;
}

static int string_gmatch(lua_State *L) {
    size_t size;
    luaL_checklstring(L, 1, &size);
    luaL_checkstring(L, 2);
    size_t start = start_offset(L, 3, size);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(start > size ? size + 1 : start));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/// Adds what replaces a match; the replacement is argument 3.
static void add_replacement(struct matcher *m, luaL_Buffer *out, const char *start, const char *end) {
    lua_State *L = m->L;
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION: {
        mrt_charge(L, mrt_step_cost(L, 3));
        lua_pushvalue(L, 3);
        int count = mrt_push_captures(m, start, end);
        lua_call(L, count, 1);
        break;
    }
    case LUA_TTABLE:
        mrt_charge(L, mrt_step_cost(L, 3));
        mrt_push_capture(m, 0, start, end);
        lua_gettable(L, 3);
        break;
    default: {
        size_t length;
        const char *text = lua_tolstring(L, 3, &length);
        mrt_charge(L, 1 + length / 4);
        for (size_t at = 0; at < length; at++) {
            if (text[at] != '%') {
                luaL_addchar(out, text[at]);
                continue;
            }
            at++;
            if (at < length && !isdigit((unsigned char)text[at])) {
                // As in Lua 5.1: what is no digit stands for itself.
                luaL_addchar(out, text[at]);
            } else if (at < length && text[at] == '0') {
                mrt_charge_bytes(L, (size_t)(end - start));
                luaL_addlstring(out, start, (size_t)(end - start));
            } else if (at < length && isdigit((unsigned char)text[at])) {
                mrt_push_capture(m, text[at] - '1', start, end);
                luaL_tolstring(L, -1, NULL);
                lua_remove(L, -2);
                luaL_addvalue(out);
            } else {
                luaL_error(L, "invalid use of '%%' in replacement string");
            }
        }
        return;
    }
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, start, (size_t)(end - start));
    } else if (lua_isstring(L, -1)) {
        luaL_addvalue(out);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

static int string_gsub(lua_State *L) {
    size_t size, length;
    const char *subject = luaL_checklstring(L, 1, &size);
    const char *pattern = luaL_checklstring(L, 2, &length);
    int type = lua_type(L, 3);
    luaL_argexpected(
        L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
        "string/function/table");
    lua_Integer most = mrt_optional_integer(L, 4, (lua_Integer)size + 1);
    bool anchored = length > 0 && *pattern == '^';
    struct matcher m = prepare(L, subject, size, pattern, length);
    if (anchored) pattern++;
    lua_Integer count = 0;
    const char *s = subject, *last = NULL;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (count < most) {
        m.captures = 0;
        m.depth = 0;
        const char *end = mrt_match(&m, s, pattern);
        if (end && end != last) {
            count++;
            add_replacement(&m, &out, s, end);
            s = last = end;
        } else if (s < m.subject_end) {
            luaL_addchar(&out, *s);
            s++;
        } else {
            break;
        }
        if (anchored) break;
    }
    luaL_addlstring(&out, s, (size_t)(m.subject_end - s));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

void mrt_open_pattern_functions(lua_State *L, int library) {
    static const luaL_Reg functions[] = {
        {"find", string_find},   {"match", string_match},  {"gmatch", string_gmatch},
        {"gfind", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL},
    };
    lua_pushvalue(L, library);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
