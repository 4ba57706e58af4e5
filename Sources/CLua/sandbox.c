// The globals of a policy: an allow-list. What is not named here does not exist for a script. See Docs/LuaAPI.md.
#include <string.h>

#include "internal.h"

/// Leaves the library that `open` makes on the stack.
static void open_original(lua_State *L, lua_CFunction open) {
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
}

/// The C function `name` of the library at the top.
static lua_CFunction original(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    lua_CFunction function = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    if (!function) luaL_error(L, "this Lua has no function '%s'", name);
    return function;
}

static void find_originals(lua_State *L) {
    struct mrt_originals *original_of = &vm_of(L)->original;
    open_original(L, luaopen_base);
    original_of->base_tonumber = original(L, "tonumber");
    open_original(L, luaopen_string);
    original_of->string_upper = original(L, "upper");
    original_of->string_lower = original(L, "lower");
    original_of->string_reverse = original(L, "reverse");
    original_of->string_char = original(L, "char");
    open_original(L, luaopen_table);
    original_of->table_sort = original(L, "sort");
    open_original(L, luaopen_utf8);
    original_of->utf8_len = original(L, "len");
    original_of->utf8_codepoint = original(L, "codepoint");
    original_of->utf8_char = original(L, "char");
    original_of->utf8_offset = original(L, "offset");
    open_original(L, luaopen_os);
    original_of->os_date = original(L, "date");
    original_of->os_time = original(L, "time");
    lua_settop(L, 0);
}

static const char *const plain_base[] = {
    "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "select", "type", NULL,
};

/// Fills `names`, where Lua looks for the name of a function that has an argument at fault or is in a traceback. It walks
/// all of it each time, so it must be none of the tables that scripts can fill.
static void name_functions(lua_State *L, int table, int names) {
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_iscfunction(L, -1)) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, names);
        } else if (lua_istable(L, -1) && !lua_rawequal(L, -1, table)) {
            const char *library = lua_tostring(L, -2);
            lua_pushnil(L);
            while (lua_next(L, -2)) {
                if (lua_iscfunction(L, -1)) {
                    lua_pushfstring(L, "%s.%s", library, lua_tostring(L, -2));
                    lua_insert(L, -2);
                    lua_rawset(L, names);
                } else {
                    lua_pop(L, 1);
                }
            }
            lua_pop(L, 1);
        } else {
            lua_pop(L, 1);
        }
    }
}

int mrt_build_sandbox(lua_State *L) {
    find_originals(L);

    // The real globals become a table the script never sees; it gets one built from the allow-list.
    lua_newtable(L);
    int globals = lua_gettop(L);
    lua_pushglobaltable(L);
    for (const char *const *name = plain_base; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, globals, *name);
    }
    lua_settop(L, globals);
    mrt_open_base(L, globals);
    mrt_open_coroutine(L);
    lua_setfield(L, globals, "coroutine");
    mrt_open_string(L);
    lua_setfield(L, globals, "string");
    mrt_open_table(L);
    // Where Lua 5.1 had it.
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, globals, "unpack");
    lua_setfield(L, globals, "table");
    mrt_open_utf8(L);
    lua_setfield(L, globals, "utf8");
    mrt_open_math(L);
    lua_setfield(L, globals, "math");
    mrt_open_os(L);
    lua_setfield(L, globals, "os");
    mrt_open_bit(L);
    lua_setfield(L, globals, "bit");
    mrt_open_debug(L);
    lua_setfield(L, globals, "debug");
    // Nothing of the originals stays in it. The libraries below are not named: that would take memory in each VM.
    lua_newtable(L);
    name_functions(L, globals, lua_gettop(L));
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    static const struct {
        const char *name;
        void (*open)(lua_State *L);
    } libraries[] = {
        {"json", mrt_open_json}, {"crypto", mrt_open_crypto}, {"base64", mrt_open_base64}, {"url", mrt_open_url},
        {"time", mrt_open_clock}, {"ip", mrt_open_ip},        {"regex", mrt_open_regex},
    };
    mrt_open_text(L);
    for (size_t at = 0; at < sizeof libraries / sizeof *libraries; at++) {
        libraries[at].open(L);
        lua_setfield(L, globals, libraries[at].name);
    }
    lua_settop(L, globals);

    // Functions given to scripts find their globals here, so a chunk loaded without an environment gets the sandbox too.
    lua_pushvalue(L, globals);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);

    mrt_open_handle(L);
    mrt_open_headers(L);
    mrt_open_body(L);
    mrt_open_info(L);
    mrt_open_ssl(L);
    mrt_open_metadata(L);
    mrt_open_stats(L);
    mrt_open_shared(L, globals);
    mrt_open_data(L);
    mrt_open_require(L, globals);
    return 0;
}

// MARK: Small libraries

static int bounded_seed(lua_State *L) {
    (void)L;
    return 0;
}

static int math_pow(lua_State *L) {
    lua_settop(L, 2);
    luaL_checknumber(L, 1);
    luaL_checknumber(L, 2);
    lua_arith(L, LUA_OPPOW);
    return 1;
}

static int math_log10(lua_State *L) {
    lua_settop(L, 1);
    lua_pushinteger(L, 10);
    lua_getfield(L, lua_upvalueindex(1), "log");
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

void mrt_open_math(lua_State *L) {
    open_original(L, luaopen_math);
    // Every state has its own generator, seeded here; scripts cannot make it predictable.
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, (lua_Integer)vm_of(L)->pointer_key);
    lua_pushinteger(L, (lua_Integer)mrt_clock());
    lua_call(L, 2, 0);
    lua_pushcfunction(L, bounded_seed);
    lua_setfield(L, -2, "randomseed");
    lua_pushcfunction(L, math_pow);
    lua_setfield(L, -2, "pow");
    lua_getfield(L, -1, "fmod");
    lua_setfield(L, -2, "mod");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, math_log10, 1);
    lua_setfield(L, -2, "log10");
}

static int os_time(lua_State *L) {
    mrt_charge(L, 10);
    if (!lua_isnoneornil(L, 1)) return vm_of(L)->original.os_time(L);
    lua_pushinteger(L, (lua_Integer)(mrt_wall_clock_ms() / 1000));
    return 1;
}

static int os_date(lua_State *L) {
    size_t size;
    luaL_optlstring(L, 1, "%c", &size);
    luaL_argcheck(L, size <= 1024, 1, "format too long");
    mrt_charge(L, 100 + 16 * size);
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_pushinteger(L, (lua_Integer)(mrt_wall_clock_ms() / 1000));
    } else {
        // Scripts divide milliseconds by a thousand.
        lua_Integer seconds = mrt_check_integer(L, 2);
        lua_settop(L, 1);
        lua_pushinteger(L, seconds);
    }
    return vm_of(L)->original.os_date(L);
}

/// Policies see no environment; scripts that ask for a variable get nil and use their default.
static int os_getenv(lua_State *L) {
    luaL_checkstring(L, 1);
    lua_pushnil(L);
    return 1;
}

void mrt_open_os(lua_State *L) {
    open_original(L, luaopen_os);
    lua_newtable(L);
    static const char *const names[] = {"clock", "difftime", NULL};
    for (const char *const *name = names; *name; name++) {
        lua_getfield(L, -2, *name);
        lua_setfield(L, -2, *name);
    }
    lua_pushcfunction(L, os_time);
    lua_setfield(L, -2, "time");
    lua_pushcfunction(L, os_date);
    lua_setfield(L, -2, "date");
    lua_pushcfunction(L, os_getenv);
    lua_setfield(L, -2, "getenv");
    lua_remove(L, -2);
}

/// These walk over their whole string, a character at a time.
static void charge_characters(lua_State *L) { mrt_charge(L, 1 + lua_rawlen(L, 1) / 4); }

static int utf8_length(lua_State *L) {
    luaL_checkstring(L, 1);
    charge_characters(L);
    return vm_of(L)->original.utf8_len(L);
}
static int utf8_codepoint(lua_State *L) {
    luaL_checkstring(L, 1);
    charge_characters(L);
    return vm_of(L)->original.utf8_codepoint(L);
}
static int utf8_char(lua_State *L) {
    mrt_charge(L, (size_t)lua_gettop(L));
    return vm_of(L)->original.utf8_char(L);
}
static int utf8_offset(lua_State *L) {
    luaL_checkstring(L, 1);
    charge_characters(L);
    return vm_of(L)->original.utf8_offset(L);
}

void mrt_open_utf8(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"len", utf8_length},
        {"codepoint", utf8_codepoint},
        {"char", utf8_char},
        {"offset", utf8_offset},
        {NULL, NULL},
    };
    open_original(L, luaopen_utf8);
    luaL_newlib(L, functions);
    static const char *const names[] = {"charpattern", "codes", NULL};
    for (const char *const *name = names; *name; name++) {
        lua_getfield(L, -2, *name);
        lua_setfield(L, -2, *name);
    }
    lua_remove(L, -2);
}
