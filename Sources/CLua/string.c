// The string library, bounded: what walks over a string is charged for its length, what makes one is charged for it and
// must fit the memory budget before it is begun.
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static int charged(lua_State *L, lua_CFunction function) {
    size_t size;
    luaL_checklstring(L, 1, &size);
    mrt_charge_bytes(L, size);
    return function(L);
}

static int string_upper(lua_State *L) { return charged(L, vm_of(L)->original.string_upper); }
static int string_lower(lua_State *L) { return charged(L, vm_of(L)->original.string_lower); }
static int string_reverse(lua_State *L) { return charged(L, vm_of(L)->original.string_reverse); }

/// The bytes from argument `first` to argument `first + 1`, counted from 1, or from the end when negative.
static mrt_bytes_borrowed range(lua_State *L, int first, lua_Integer default_start, bool one) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_Integer length = (lua_Integer)size;
    lua_Integer start = mrt_optional_integer(L, first, default_start);
    if (start < 0) start = start < -length ? 1 : length + start + 1;
    else if (start == 0) start = 1;
    lua_Integer end = mrt_optional_integer(L, first + 1, one ? start : -1);
    if (end > length) end = length;
    else if (end < 0) end = end < -length ? 0 : length + end + 1;
    if (start > end) return (mrt_bytes_borrowed){(const uint8_t *)text, 0};
    return (mrt_bytes_borrowed){(const uint8_t *)text + start - 1, (size_t)(end - start + 1)};
}

/// Not charged for the length of the whole string: scripts walk strings with these two.
static int string_sub(lua_State *L) {
    mrt_check_integer(L, 2);
    mrt_bytes_borrowed part = range(L, 2, 1, false);
    mrt_charge_bytes(L, part.size);
    lua_pushlstring(L, (const char *)part.data, part.size);
    return 1;
}

static int string_byte(lua_State *L) {
    mrt_bytes_borrowed part = range(L, 2, 1, true);
    if (part.size >= INT_MAX) return luaL_error(L, "string slice too long");
    luaL_checkstack(L, (int)part.size, "string slice too long");
    mrt_charge(L, 1 + part.size);
    for (size_t at = 0; at < part.size; at++) lua_pushinteger(L, part.data[at]);
    return (int)part.size;
}

static int string_char(lua_State *L) {
    mrt_charge(L, (size_t)lua_gettop(L));
    return vm_of(L)->original.string_char(L);
}

static int string_len(lua_State *L) {
    size_t size;
    luaL_checklstring(L, 1, &size);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int string_rep(lua_State *L) {
    size_t size, gap;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_Integer count = mrt_check_integer(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &gap);
    if (count <= 0 || size + gap == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (size + gap < size || (size_t)count > SIZE_MAX / 2 / (size + gap)) return mrt_stop_run(L, STOP_MEMORY);
    size_t total = (size_t)count * (size + gap) - gap;
    mrt_reserve(L, total);
    mrt_charge_bytes(L, total);
    luaL_Buffer out;
    char *to = luaL_buffinitsize(L, &out, total);
    memcpy(to, text, size);
    if (count > 1) memcpy(to + size, separator, gap);
    // Then what is there again and again, twice as much each time: a short text is not copied a million times.
    for (size_t done = size + gap; done < total; done *= 2) memcpy(to + done, to, done < total - done ? done : total - done);
    luaL_pushresultsize(&out, total);
    return 1;
}

// MARK: format

/// The longest item is `%+99.99f` of the largest double: a sign, 309 digits, a point and 99 digits.
enum { MAX_DIRECTIVE = 32, MAX_ITEM = 420 };

/// An integer argument. LuaJIT cuts a fraction off where Lua 5.4 refuses it, and scripts rely on that.
static lua_Integer whole_number(lua_State *L, int index) {
    int exact;
    lua_Integer value = lua_tointegerx(L, index, &exact);
    if (exact) return value;
    lua_Number number = luaL_checknumber(L, index);
    luaL_argcheck(L, number >= -9.2e18 && number <= 9.2e18, index, "number has no integer representation");
    return (lua_Integer)number;
}

static void add_quoted(luaL_Buffer *out, const char *text, size_t size) {
    luaL_addchar(out, '"');
    for (size_t at = 0; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c == '"' || c == '\\' || c == '\n') {
            luaL_addchar(out, '\\');
            luaL_addchar(out, (char)c);
        } else if (iscntrl(c)) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\%03d", c);
            luaL_addstring(out, escape);
        } else {
            luaL_addchar(out, (char)c);
        }
    }
    luaL_addchar(out, '"');
}

/// Copies flags, width and precision, at most two digits each, to `directive`; returns the conversion's place.
static const char *read_directive(lua_State *L, const char *p, const char *end, char *directive) {
    const char *start = p;
    while (p < end && strchr("-+ #0", *p) && *p) p++;
    for (int digits = 0; p < end && isdigit((unsigned char)*p); digits++, p++) {
        if (digits == 2) luaL_error(L, "invalid conversion (width too long) to 'format'");
    }
    if (p < end && *p == '.') {
        p++;
        for (int digits = 0; p < end && isdigit((unsigned char)*p); digits++, p++) {
            if (digits == 2) luaL_error(L, "invalid conversion (precision too long) to 'format'");
        }
    }
    if (p >= end || p - start > 16) luaL_error(L, "invalid conversion to 'format'");
    directive[0] = '%';
    memcpy(directive + 1, start, (size_t)(p - start));
    directive[1 + (p - start)] = 0;
    return p;
}

int mrt_string_format(lua_State *L) {
    size_t length;
    const char *p = luaL_checklstring(L, 1, &length);
    const char *end = p + length;
    int argument = 1, arguments = lua_gettop(L);
    mrt_charge(L, 1 + length / 4);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (p < end) {
        if (*p != '%') {
            luaL_addchar(&out, *p++);
            continue;
        }
        p++;
        if (p < end && *p == '%') {
            luaL_addchar(&out, *p++);
            continue;
        }
        char directive[MAX_DIRECTIVE], item[MAX_ITEM];
        p = read_directive(L, p, end, directive);
        char conversion = *p++;
        size_t at = strlen(directive);
        // Behind the arguments lies what the buffer put there.
        luaL_argcheck(L, ++argument <= arguments, argument, "no value");
        mrt_charge(L, 10);
        switch (conversion) {
        case 'c':
            directive[at] = 'c';
            directive[at + 1] = 0;
            // The character may be a NUL, so its end is not the item's.
            luaL_addlstring(&out, item, (size_t)snprintf(item, sizeof item, directive, (int)whole_number(L, argument)));
            break;
        case 'd':
        case 'i':
        case 'u':
        case 'o':
        case 'x':
        case 'X':
            directive[at] = 'l';
            directive[at + 1] = 'l';
            directive[at + 2] = conversion == 'i' ? 'd' : conversion;
            directive[at + 3] = 0;
            snprintf(item, sizeof item, directive, (long long)whole_number(L, argument));
            luaL_addstring(&out, item);
            break;
        case 'a':
        case 'A':
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
            directive[at] = conversion;
            directive[at + 1] = 0;
            snprintf(item, sizeof item, directive, (double)luaL_checknumber(L, argument));
            luaL_addstring(&out, item);
            break;
        case 'q': {
            if (lua_type(L, argument) != LUA_TSTRING) {
                size_t size;
                mrt_tostring(L, argument, &size);
                mrt_charge_bytes(L, size);
                // The value is on top of the buffer, and only this takes it from there.
                luaL_addvalue(&out);
                break;
            }
            size_t size;
            const char *text = lua_tolstring(L, argument, &size);
            mrt_charge_bytes(L, 4 * size);
            add_quoted(&out, text, size);
            break;
        }
        case 's': {
            size_t size;
            const char *text = mrt_tostring(L, argument, &size);
            mrt_charge_bytes(L, size);
            if (at == 1) {
                luaL_addvalue(&out);
                break;
            }
            luaL_argcheck(L, strlen(text) == size, argument, "string contains zeros");
            directive[at] = 's';
            directive[at + 1] = 0;
            // Width and precision have two digits, so a longer text goes in as it is.
            if (size >= 100 && !strchr(directive, '.')) {
                luaL_addvalue(&out);
            } else {
                snprintf(item, sizeof item, directive, text);
                lua_pop(L, 1);
                luaL_addstring(&out, item);
            }
            break;
        }
        default: return luaL_error(L, "invalid conversion '%%%c' to 'format'", conversion);
        }
    }
    luaL_pushresult(&out);
    return 1;
}

void mrt_open_string(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"sub", string_sub},   {"upper", string_upper}, {"lower", string_lower}, {"reverse", string_reverse},
        {"byte", string_byte}, {"char", string_char},   {"len", string_len},     {"rep", string_rep},
        {"format", mrt_string_format}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    int library = lua_gettop(L);
    mrt_open_pattern_functions(L, library);
    // Methods of strings are these, and no script can get at the table that says so. Lua's own library has been opened
    // before and has left its metatable: the arithmetic in it makes "10" + 1 a number.
    lua_pushliteral(L, "");
    if (!lua_getmetatable(L, -1)) luaL_error(L, "this Lua has no metatable for strings");
    lua_pushvalue(L, library);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_settop(L, library);
}
