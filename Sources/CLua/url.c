// URLs as RFC 3986 splits them, percent-encoding, and query strings as forms write them.
//
// Where parsers disagree the answer is nil rather than a guess: a policy must not see another host or parameter than the
// server behind it.
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

static bool is_alpha(int c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_unreserved(int c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

// MARK: Escapes

/// Adds text with everything but unreserved characters as %XX.
static void add_escaped(struct mrt_text *out, const char *text, size_t size) {
    static const char letters[] = "0123456789ABCDEF";
    for (size_t at = 0; at < size; at++) {
        uint8_t c = (uint8_t)text[at];
        if (at % 64 == 0) mrt_charge(out->L, 16);
        if (is_unreserved(c)) {
            mrt_text_add_byte(out, (char)c);
        } else {
            char escape[3] = {'%', letters[c >> 4], letters[c & 15]};
            mrt_text_add(out, escape, 3);
        }
    }
}

/// Pushes text with its escapes resolved; false, and nothing pushed, when one is malformed. In forms `+` is a space.
static bool push_unescaped(lua_State *L, const char *text, size_t size, bool form) {
    mrt_charge(L, 1 + size / 4);
    mrt_reserve(L, size);
    luaL_Buffer out;
    char *start = luaL_buffinitsize(L, &out, size + 1), *to = start;
    bool well_formed = true;
    for (size_t at = 0; well_formed && at < size; at++) {
        char c = text[at];
        if (c == '%') {
            int high = size - at > 2 ? mrt_hex_value((uint8_t)text[at + 1]) : -1;
            int low = size - at > 2 ? mrt_hex_value((uint8_t)text[at + 2]) : -1;
            well_formed = high >= 0 && low >= 0;
            c = (char)((high & 15) << 4 | (low & 15));
            at += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        *to++ = c;
    }
    luaL_pushresultsize(&out, well_formed ? (size_t)(to - start) : 0);
    if (!well_formed) lua_pop(L, 1);
    return well_formed;
}

static int url_escape(lua_State *L) {
    size_t size;
    const char *text = mrt_check_text(L, 1, &size);
    struct mrt_text out;
    mrt_text_begin(&out, L);
    add_escaped(&out, text, size);
    mrt_text_push(&out);
    return 1;
}

static int url_unescape(lua_State *L) {
    size_t size;
    const char *text = mrt_check_text(L, 1, &size);
    if (!push_unescaped(L, text, size, false)) lua_pushnil(L);
    return 1;
}

// MARK: Splitting

static void set_text(lua_State *L, const char *key, const char *at, const char *end) {
    mrt_push_text(L, at, (size_t)(end - at));
    lua_setfield(L, -2, key);
}

/// Scheme and host mean the same in either case.
static void set_lower(lua_State *L, const char *key, const char *at, const char *end) {
    size_t size = (size_t)(end - at);
    luaL_Buffer out;
    char *to = luaL_buffinitsize(L, &out, size + 1);
    for (size_t index = 0; index < size; index++) {
        char c = at[index];
        to[index] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    luaL_pushresultsize(&out, size);
    lua_setfield(L, -2, key);
}

static bool is_host(const char *at, const char *end) {
    for (; at < end; at++) {
        uint8_t c = (uint8_t)*at;
        if (c == '%') {
            if (end - at < 3 || mrt_hex_value((uint8_t)at[1]) < 0 || mrt_hex_value((uint8_t)at[2]) < 0) return false;
        } else if (!is_unreserved(c) && !strchr("!$&'()*+,;=", c)) {
            return false;
        }
    }
    return true;
}

static bool is_ipv6(const char *at, const char *end) {
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;
    size_t size = (size_t)(end - at);
    if (size >= sizeof text) return false;
    memcpy(text, at, size);
    text[size] = 0;
    return inet_pton(AF_INET6, text, &address) == 1;
}

enum { MAX_HOST = 255 };

/// [user@]host[:port], into the table at the top.
static bool split_authority(lua_State *L, const char *at, const char *end, bool may_be_empty) {
    const char *user_end = memchr(at, '@', (size_t)(end - at));
    if (user_end) {
        set_text(L, "userinfo", at, user_end);
        at = user_end + 1;
        if (memchr(at, '@', (size_t)(end - at))) return false;
    }
    const char *host = at, *host_end;
    if (at < end && *at == '[') {
        host_end = memchr(at, ']', (size_t)(end - at));
        if (!host_end || !is_ipv6(++host, host_end)) return false;
        at = host_end + 1;
    } else {
        host_end = memchr(at, ':', (size_t)(end - at));
        if (!host_end) host_end = end;
        if (!is_host(host, host_end)) return false;
        at = host_end;
    }
    if (host_end - host > MAX_HOST || (host == host_end && !may_be_empty)) return false;
    set_lower(L, "host", host, host_end);
    if (at == end) return true;
    if (*at++ != ':' || end - at > 5) return false;
    if (at == end) return true;
    lua_Integer port = 0;
    for (; at < end; at++) {
        if (!is_digit((uint8_t)*at)) return false;
        port = port * 10 + (*at - '0');
    }
    lua_pushinteger(L, port);
    lua_setfield(L, -2, "port");
    return port <= 65535;
}

static const char *find_any(const char *at, const char *end, const char *stops) {
    while (at < end && !strchr(stops, *at)) at++;
    return at;
}

/// Splits [at, end), which holds neither spaces nor control characters, into the table at the top.
static bool split(lua_State *L, const char *at, const char *end) {
    const char *rest = find_any(at, end, ":/?#");
    if (rest < end && *rest == ':' && rest > at) {
        if (!is_alpha((uint8_t)*at)) return false;
        for (const char *c = at; c < rest; c++) {
            if (!is_alpha((uint8_t)*c) && !is_digit((uint8_t)*c) && !strchr("+-.", *c)) return false;
        }
        set_lower(L, "scheme", at, rest);
        bool is_file = rest - at == 4 && strncasecmp(at, "file", 4) == 0;
        at = rest + 1;
        // Only behind a scheme: the path of a request may begin with two slashes and names no host by that.
        if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
            rest = find_any(at + 2, end, "/?#");
            if (!split_authority(L, at + 2, rest, is_file)) return false;
            at = rest;
        }
    }
    rest = find_any(at, end, "?#");
    set_text(L, "path", at, rest);
    at = rest;
    if (at < end && *at == '?') {
        rest = find_any(at + 1, end, "#");
        set_text(L, "query", at + 1, rest);
        at = rest;
    }
    if (at < end) set_text(L, "fragment", at + 1, end);
    return true;
}

static int url_parse(lua_State *L) {
    size_t size;
    const char *text = mrt_check_text(L, 1, &size);
    mrt_charge(L, 50 + size / 4);
    bool well_formed = true;
    for (size_t at = 0; well_formed && at < size; at++) {
        well_formed = (uint8_t)text[at] > 0x20 && text[at] != 0x7f && text[at] != '\\';
    }
    lua_createtable(L, 0, 6);
    if (!well_formed || !split(L, text, text + size)) lua_pushnil(L);
    return 1;
}

// MARK: Queries

/// Calls `add` with each name and value at the top of the stack, which it pops; false when an escape is malformed.
static bool walk_query(lua_State *L, const char *at, size_t size, void (*add)(lua_State *L)) {
    const char *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop) stop = end;
        mrt_charge(L, 10);
        if (stop > at) {
            mrt_reserve(L, 128);
            const char *equals = memchr(at, '=', (size_t)(stop - at));
            const char *value = equals ? equals + 1 : stop;
            if (!push_unescaped(L, at, (size_t)((equals ? equals : stop) - at), true)) return false;
            if (!push_unescaped(L, value, (size_t)(stop - value), true)) return false;
            add(L);
        }
        at = stop < end ? stop + 1 : end;
    }
    return true;
}

/// A name that comes again turns its value into a list.
static void add_named(lua_State *L) {
    lua_pushvalue(L, -2);
    switch (lua_rawget(L, -4)) {
    case LUA_TNIL:
        lua_pop(L, 1);
        lua_rawset(L, -3);
        return;
    case LUA_TTABLE: break;
    default:
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -2);
        lua_rawset(L, -6);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
}

static void add_pair(lua_State *L) {
    lua_createtable(L, 2, 0);
    lua_insert(L, -3);
    lua_rawseti(L, -3, 2);
    lua_rawseti(L, -2, 1);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static int parse_query(lua_State *L, void (*add)(lua_State *L)) {
    size_t size;
    const char *text = mrt_check_text(L, 1, &size);
    lua_settop(L, 1);
    lua_newtable(L);
    if (!walk_query(L, text, size, add)) lua_pushnil(L);
    return 1;
}

static int url_parse_query(lua_State *L) { return parse_query(L, add_named); }
static int url_query_pairs(lua_State *L) { return parse_query(L, add_pair); }

struct name {
    const char *text;
    size_t size;
};

static int compare_names(const void *left, const void *right) {
    const struct name *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/// The value at the top, which it pops.
static void add_field(struct mrt_text *out, const struct name *name) {
    lua_State *L = out->L;
    size_t size;
    if (lua_isboolean(L, -1)) {
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        lua_replace(L, -2);
    }
    if (!lua_isstring(L, -1)) luaL_error(L, "url.build_query: a value may not be a %s", luaL_typename(L, -1));
    const char *value = mrt_check_text(L, lua_gettop(L), &size);
    if (out->size > 0) mrt_text_add_byte(out, '&');
    add_escaped(out, name->text, name->size);
    mrt_text_add_byte(out, '=');
    add_escaped(out, value, size);
    lua_pop(L, 1);
}

static int url_build_query(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    size_t count = 0, bytes = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        mrt_charge(L, 2);
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) return luaL_error(L, "url.build_query: names must be strings");
        bytes += lua_rawlen(L, -1);
        count++;
    }
    mrt_reserve(L, count * sizeof(struct name));
    struct name *names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    count = 0;
    // The table keeps the names alive, and no code of the script runs in here.
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        mrt_charge(L, 2);
        lua_pop(L, 1);
        names[count].text = lua_tolstring(L, -1, &names[count].size);
        count++;
    }
    // Names that differ only at their ends are read again and again.
    mrt_charge(L, bytes / 4);
    mrt_sort(L, names, count, sizeof *names, compare_names);
    struct mrt_text out;
    mrt_text_begin(&out, L);
    for (size_t at = 0; at < count; at++) {
        mrt_charge(L, 10);
        lua_pushlstring(L, names[at].text, names[at].size);
        if (lua_rawget(L, 1) != LUA_TTABLE) {
            add_field(&out, &names[at]);
            continue;
        }
        lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer index = 1; index <= length; index++) {
            mrt_charge(L, 5);
            lua_rawgeti(L, -1, index);
            add_field(&out, &names[at]);
        }
        lua_pop(L, 1);
    }
    mrt_text_push(&out);
    return 1;
}

void mrt_open_url(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"parse", url_parse},
        {"escape", url_escape},
        {"unescape", url_unescape},
        {"parse_query", url_parse_query},
        {"query_pairs", url_query_pairs},
        {"build_query", url_build_query},
        {NULL, NULL},
    };
    mrt_push_library(L, functions, "url");
}
