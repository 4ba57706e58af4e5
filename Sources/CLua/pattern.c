// Lua's patterns, matched within the budget: every step is charged, so that a pattern which backtracks without end is a
// budget breach and not a worker that hangs. The language is that of the Lua 5.4 manual, section 6.4.1.
#include <ctype.h>
#include <string.h>

#include "internal.h"

enum { MAX_CAPTURES = 32, MAX_DEPTH = 200, OPEN = -1, POSITION = -2 };

struct matcher {
    lua_State *L;
    const char *subject, *subject_end, *pattern_end;
    int depth;
    int captures;
    struct {
        const char *start;
        ptrdiff_t length;
    } capture[MAX_CAPTURES];
};

static const char *match(struct matcher *m, const char *s, const char *p);

static void malformed(struct matcher *m, const char *what) { luaL_error(m->L, "malformed pattern (%s)", what); }

/// Behind the single-character item at `p`: a literal, a class or a set.
static const char *item_end(struct matcher *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p == m->pattern_end) malformed(m, "ends with '%'");
        return p + 1;
    }
    if (first != '[') return p;
    if (p < m->pattern_end && *p == '^') p++;
    // A bracket right at the start is a member of the set.
    do {
        if (p >= m->pattern_end) malformed(m, "missing ']'");
        if (*p++ == '%') {
            if (p >= m->pattern_end) malformed(m, "missing ']'");
            p++;
        }
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class) {
    bool is;
    switch (tolower(class)) {
    case 'a': is = isalpha(c); break;
    case 'c': is = iscntrl(c); break;
    case 'd': is = isdigit(c); break;
    case 'g': is = isgraph(c); break;
    case 'l': is = islower(c); break;
    case 'p': is = ispunct(c); break;
    case 's': is = isspace(c); break;
    case 'u': is = isupper(c); break;
    case 'w': is = isalnum(c); break;
    case 'x': is = isxdigit(c); break;
    default: return class == c;
    }
    return isupper(class) ? !is : is;
}

/// `p` is at the '[', `end` behind the ']'.
static bool in_set(int c, const char *p, const char *end) {
    bool found_means = true;
    const char *last = end - 1;
    p++;
    if (*p == '^') {
        found_means = false;
        p++;
    }
    for (; p < last; p++) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p)) return found_means;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return found_means;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return found_means;
        }
    }
    return !found_means;
}

static bool fits(struct matcher *m, const char *s, const char *p, const char *end) {
    if (s >= m->subject_end) return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[': return in_set(c, p, end);
    default: return (unsigned char)*p == c;
    }
}

static const char *balanced(struct matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->pattern_end) malformed(m, "missing arguments to '%b'");
    if (s >= m->subject_end || *s != p[0]) return NULL;
    int open = 1;
    while (++s < m->subject_end) {
        mrt_charge(m->L, 1);
        if (*s == p[1]) {
            if (--open == 0) return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *longest(struct matcher *m, const char *s, const char *p, const char *end, ptrdiff_t least) {
    ptrdiff_t count = 0;
    while (fits(m, s + count, p, end)) {
        count++;
        mrt_charge(m->L, 1);
    }
    for (; count >= least; count--) {
        const char *result = match(m, s + count, end + 1);
        if (result) return result;
    }
    return NULL;
}

static const char *shortest(struct matcher *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *result = match(m, s, end + 1);
        if (result) return result;
        if (!fits(m, s, p, end)) return NULL;
        s++;
    }
}

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->captures >= MAX_CAPTURES) luaL_error(m->L, "too many captures");
    m->capture[m->captures].start = s;
    m->capture[m->captures].length = kind;
    m->captures++;
    const char *result = match(m, s, p);
    if (!result) m->captures--;
    return result;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p) {
    int level = m->captures - 1;
    while (level >= 0 && m->capture[level].length != OPEN) level--;
    if (level < 0) luaL_error(m->L, "invalid pattern capture");
    m->capture[level].length = s - m->capture[level].start;
    const char *result = match(m, s, p);
    if (!result) m->capture[level].length = OPEN;
    return result;
}

static const char *back_reference(struct matcher *m, const char *s, int digit) {
    int level = digit - '1';
    if (level < 0 || level >= m->captures || m->capture[level].length < 0) {
        luaL_error(m->L, "invalid capture index %%%d", level + 1);
    }
    size_t length = (size_t)m->capture[level].length;
    mrt_charge_bytes(m->L, length);
    if ((size_t)(m->subject_end - s) < length || memcmp(m->capture[level].start, s, length) != 0) return NULL;
    return s + length;
}

static const char *match_here(struct matcher *m, const char *s, const char *p) {
    for (;;) {
        mrt_charge(m->L, 1);
        if (p == m->pattern_end) return s;
        if (*p == '(') {
            if (p + 1 < m->pattern_end && p[1] == ')') return open_capture(m, s, p + 2, POSITION);
            return open_capture(m, s, p + 1, OPEN);
        }
        if (*p == ')') return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end) return s == m->subject_end ? s : NULL;
        if (*p == '%' && p + 1 < m->pattern_end) {
            if (p[1] == 'b') {
                s = balanced(m, s, p + 2);
                if (!s) return NULL;
                p += 4;
                continue;
            }
            if (p[1] == 'f') {
                p += 2;
                if (p >= m->pattern_end || *p != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
                const char *end = item_end(m, p);
                int before = s == m->subject ? 0 : (unsigned char)s[-1];
                int after = s == m->subject_end ? 0 : (unsigned char)*s;
                if (in_set(before, p, end) || !in_set(after, p, end)) return NULL;
                p = end;
                continue;
            }
            if (isdigit((unsigned char)p[1])) {
                s = back_reference(m, s, (unsigned char)p[1]);
                if (!s) return NULL;
                p += 2;
                continue;
            }
        }
        const char *end = item_end(m, p);
        switch (end < m->pattern_end ? *end : 0) {
        case '?':
            if (fits(m, s, p, end)) {
                const char *result = match(m, s + 1, end + 1);
                if (result) return result;
            }
            p = end + 1;
            continue;
        case '+': return fits(m, s, p, end) ? longest(m, s, p, end, 1) : NULL;
        case '*': return longest(m, s, p, end, 0);
        case '-': return shortest(m, s, p, end);
        default:
            if (!fits(m, s, p, end)) return NULL;
            s++;
            p = end;
        }
    }
}

static const char *match(struct matcher *m, const char *s, const char *p) {
    if (++m->depth > MAX_DEPTH) luaL_error(m->L, "pattern too complex");
    const char *result = match_here(m, s, p);
    m->depth--;
    return result;
}

// MARK: Captures

static void push_capture(struct matcher *m, int level, const char *start, const char *end) {
    if (level >= m->captures) {
        if (level != 0) luaL_error(m->L, "invalid capture index %%%d", level + 1);
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }
    ptrdiff_t length = m->capture[level].length;
    if (length == OPEN) luaL_error(m->L, "unfinished capture");
    if (length == POSITION) lua_pushinteger(m->L, m->capture[level].start - m->subject + 1);
    else lua_pushlstring(m->L, m->capture[level].start, (size_t)length);
}

static int push_captures(struct matcher *m, const char *start, const char *end) {
    int count = m->captures == 0 && start ? 1 : m->captures;
    luaL_checkstack(m->L, count, "too many captures");
    for (int level = 0; level < count; level++) push_capture(m, level, start, end);
    return count;
}

static struct matcher prepare(lua_State *L, const char *subject, size_t size, const char *pattern, size_t length) {
    struct matcher m = {.L = L, .subject = subject, .subject_end = subject + size, .pattern_end = pattern + length};
    return m;
}

/// A start position as scripts give it, from 1, negative from the end; as an offset.
static size_t start_offset(lua_State *L, int index, size_t size) {
    lua_Integer start = luaL_optinteger(L, index, 1);
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
        const char *end = match(&m, s, pattern);
        if (end) {
            if (!finds) return push_captures(&m, s, end);
            lua_pushinteger(L, s - subject + 1);
            lua_pushinteger(L, end - subject);
            return push_captures(&m, NULL, NULL) + 2;
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
        const char *end = match(&m, s, pattern);
        if (end && end - subject != last) {
            lua_pushinteger(L, end - subject);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, s, end);
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
        lua_pushvalue(L, 3);
        int count = push_captures(m, start, end);
        lua_call(L, count, 1);
        break;
    }
    case LUA_TTABLE:
        push_capture(m, 0, start, end);
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
            if (at < length && text[at] == '%') {
                luaL_addchar(out, '%');
            } else if (at < length && text[at] == '0') {
                luaL_addlstring(out, start, (size_t)(end - start));
            } else if (at < length && isdigit((unsigned char)text[at])) {
                push_capture(m, text[at] - '1', start, end);
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
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)size + 1);
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
        const char *end = match(&m, s, pattern);
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
        {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL},
    };
    lua_pushvalue(L, library);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
