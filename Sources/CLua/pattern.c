// Lua's patterns, matched within the budget: every step is charged, so that a pattern which backtracks without end is a
// budget breach and not a worker that hangs. The language is that of the Lua 5.4 manual, section 6.4.1.
#include "pattern.h"

#include <ctype.h>
#include <string.h>

enum { MAX_DEPTH = 200, OPEN = -1, POSITION = -2 };

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
    // Of Lua 5.1.
    case 'z': is = c == 0; break;
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

/// A set is walked for each character it is compared with.
static void charge_set(struct matcher *m, const char *p, const char *end) { mrt_charge(m->L, (size_t)(end - p) / 8); }

static bool fits(struct matcher *m, const char *s, const char *p, const char *end) {
    if (s >= m->subject_end) return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[':
        charge_set(m, p, end);
        return in_set(c, p, end);
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
        const char *result = mrt_match(m, s + count, end + 1);
        if (result) return result;
    }
    return NULL;
}

static const char *shortest(struct matcher *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *result = mrt_match(m, s, end + 1);
        if (result) return result;
        if (!fits(m, s, p, end)) return NULL;
        s++;
    }
}

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->captures >= MRT_MAX_CAPTURES) luaL_error(m->L, "too many captures");
    m->capture[m->captures].start = s;
    m->capture[m->captures].length = kind;
    m->captures++;
    const char *result = mrt_match(m, s, p);
    if (!result) m->captures--;
    return result;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p) {
    int level = m->captures - 1;
    while (level >= 0 && m->capture[level].length != OPEN) level--;
    if (level < 0) luaL_error(m->L, "invalid pattern capture");
    m->capture[level].length = s - m->capture[level].start;
    const char *result = mrt_match(m, s, p);
    if (!result) m->capture[level].length = OPEN;
    return result;
}

static const char *back_reference(struct matcher *m, const char *s, int digit) {
    int level = digit - '1';
    if (level < 0 || level >= m->captures || m->capture[level].length == OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", level + 1);
    }
    // A position has no text to come back to.
    if (m->capture[level].length == POSITION) return NULL;
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
                charge_set(m, p, end);
                charge_set(m, p, end);
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
        charge_set(m, p, end);
        switch (end < m->pattern_end ? *end : 0) {
        case '?':
            if (fits(m, s, p, end)) {
                const char *result = mrt_match(m, s + 1, end + 1);
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

const char *mrt_match(struct matcher *m, const char *s, const char *p) {
    if (++m->depth > MAX_DEPTH) luaL_error(m->L, "pattern too complex");
    const char *result = match_here(m, s, p);
    m->depth--;
    return result;
}

// MARK: Captures

void mrt_push_capture(struct matcher *m, int level, const char *start, const char *end) {
    if (level >= m->captures) {
        if (level != 0) luaL_error(m->L, "invalid capture index %%%d", level + 1);
        mrt_charge_bytes(m->L, (size_t)(end - start));
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }
    ptrdiff_t length = m->capture[level].length;
    if (length == OPEN) luaL_error(m->L, "unfinished capture");
    if (length == POSITION) {
        lua_pushinteger(m->L, m->capture[level].start - m->subject + 1);
        return;
    }
    mrt_charge_bytes(m->L, (size_t)length);
    lua_pushlstring(m->L, m->capture[level].start, (size_t)length);
}

int mrt_push_captures(struct matcher *m, const char *start, const char *end) {
    int count = m->captures == 0 && start ? 1 : m->captures;
    luaL_checkstack(m->L, count, "too many captures");
    for (int level = 0; level < count; level++) mrt_push_capture(m, level, start, end);
    return count;
}
