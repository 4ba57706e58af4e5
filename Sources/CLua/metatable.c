// Metatables. Four fields of them are not the script's to choose: `__gc` and `__close` run code where no budget holds,
// weak keys (`__mode`) make a collection quadratic in the number of entries with no place to interrupt it, and a `__call`
// that is no function sends one instruction from callee to callee. Refusing them in setmetatable is not enough, as Lua
// reads all but `__gc` when they are needed and not when the metatable is set. So:
//
// - A table in use as a metatable is guarded: its own metatable is one of ours, whose `__newindex` looks at what is added.
//   If the script gave it one too (a class that inherits), ours is a shadow of that: it holds the same metamethods.
// - A metatable with `__mode` is never used itself but through a shadow, because a field that exists can be assigned
//   without any metamethod being asked. A table with weak values may not be a metatable: its metamethods could be
//   collected while Lua follows them.
//
// No script sees a shadow. What it can notice: metamethods that change in the metatable of a class after the class became
// a metatable, or in a metatable with `__mode`, are not seen. What remains: `__call`, once a function, can be assigned
// anything; the allocator bounds that.
#include <string.h>

#include "internal.h"

/// The addresses are keys. In metatables of ours: what the script believes to be there, or false.
static const char script_metatable = 0;
/// In metatables of ours: set for those that guard.
static const char guards = 0;
/// In the registry: the guard of tables that have no metatable of the script's.
static const char bare_guard = 0;

/// Whether the table at `index` has a metatable of ours marked with `key`.
static bool is_marked(lua_State *L, int index, const void *key) {
    if (!lua_getmetatable(L, index)) return false;
    bool is = lua_rawgetp(L, -1, key) != LUA_TNIL;
    lua_pop(L, 2);
    return is;
}

static int raw_field(lua_State *L, int table, const char *name) {
    lua_pushstring(L, name);
    return lua_rawget(L, table);
}

/// Pushes the metatable the script knows of; or pushes nothing and answers false.
static bool push_metatable(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return false;
    int type = lua_rawgetp(L, -1, &script_metatable);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
    } else if (type == LUA_TBOOLEAN) {
        lua_pop(L, 2);
        return false;
    } else {
        lua_remove(L, -2);
    }
    return true;
}

// MARK: What is refused

/// Checks a field of a table that is or becomes a metatable; key and value are at `key` and above it.
static void check_field(lua_State *L, int key, bool in_use) {
    int type = lua_type(L, key + 1);
    if (type == LUA_TNIL || lua_type(L, key) != LUA_TSTRING) return;
    const char *name = lua_tostring(L, key);
    if (name[0] != '_' || name[1] != '_') return;
    if (strcmp(name, "__gc") == 0 || strcmp(name, "__close") == 0) luaL_error(L, "a policy may not set '%s'", name);
    if (strcmp(name, "__call") == 0 && type != LUA_TFUNCTION) luaL_error(L, "'__call' must be a function");
    if (strcmp(name, "__mode") == 0) {
        if (in_use) luaL_error(L, "'__mode' must be set before setmetatable");
        if (type == LUA_TSTRING && strchr(lua_tostring(L, key + 1), 'k')) luaL_error(L, "a policy may not have weak keys");
    }
}

static void check_metatable(lua_State *L, int table) {
    static const char *const names[] = {"__gc", "__close", "__call", "__mode", NULL};
    for (const char *const *name = names; *name; name++) {
        lua_pushstring(L, *name);
        lua_pushvalue(L, -1);
        lua_rawget(L, table);
        check_field(L, lua_gettop(L) - 1, false);
        lua_pop(L, 2);
    }
}

// MARK: Guards and shadows

/// rawset on a guarded table; table, key and value are at 1 to 3.
static void set_guarded(lua_State *L) {
    check_field(L, 2, true);
    // A table that is its own metatable has a shadow of itself, which follows.
    bool follows = push_metatable(L, 1) && lua_rawequal(L, -1, 1) && lua_type(L, 2) == LUA_TSTRING
        && strncmp(lua_tostring(L, 2), "__", 2) == 0 && strcmp(lua_tostring(L, 2), "__newindex") != 0;
    if (follows) {
        lua_getmetatable(L, 1);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 3);
        lua_rawset(L, -3);
    }
    lua_settop(L, 3);
    lua_rawset(L, 1);
}

static int after_newindex(lua_State *L, int status, lua_KContext context) {
    (void)L;
    (void)status;
    (void)context;
    return 0;
}

/// `__newindex` of a guarded table. Upvalue: the metatable the script gave it, whose own `__newindex` has its say.
static int guard_newindex(lua_State *L) {
    lua_settop(L, 3);
    luaL_checktype(L, 1, LUA_TTABLE);
    mrt_charge(L, 1);
    int type = lua_istable(L, lua_upvalueindex(1)) ? raw_field(L, lua_upvalueindex(1), "__newindex") : LUA_TNIL;
    if (type == LUA_TFUNCTION) {
        lua_insert(L, 1);
        // With a continuation, so that it may wait.
        lua_callk(L, 3, 0, 0, after_newindex);
    } else if (type != LUA_TNIL) {
        lua_insert(L, 2);
        lua_settable(L, 2);
    } else {
        lua_settop(L, 3);
        set_guarded(L);
    }
    return 0;
}

/// Pushes a shadow of the metatable at `original`, or of none at all when that is 0.
static void push_shadow(lua_State *L, int original, bool guarding) {
    static const char *const events[] = {
        "__index", "__newindex", "__call", "__tostring", "__name", "__pairs", "__metatable", "__len", "__eq", "__lt",
        "__le", "__concat", "__unm", "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__idiv", "__band", "__bor",
        "__bxor", "__shl", "__shr", "__bnot", "__mode", NULL,
    };
    lua_createtable(L, 0, 8);
    for (const char *const *event = events; original && *event; event++) {
        if (raw_field(L, original, *event) == LUA_TNIL) lua_pop(L, 1);
        else lua_setfield(L, -2, *event);
    }
    if (original) lua_pushvalue(L, original);
    else lua_pushboolean(L, false);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, &script_metatable);
    if (!guarding) {
        lua_pop(L, 1);
        return;
    }
    lua_pushcclosure(L, guard_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &guards);
}

/// Guards the table at `index`, which is about to become a metatable.
static void guard(lua_State *L, int index) {
    if (push_metatable(L, index)) {
        if (raw_field(L, lua_gettop(L), "__mode") != LUA_TNIL) luaL_error(L, "a weak table may not be a metatable");
        lua_pop(L, 1);
        push_shadow(L, lua_gettop(L), true);
        lua_remove(L, -2);
    } else {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &bare_guard);
    }
    lua_setmetatable(L, index);
}

// MARK: The functions

static int base_setmetatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (push_metatable(L, 1) && raw_field(L, 3, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    if (type == LUA_TNIL) {
        if (is_marked(L, 1, &guards)) lua_rawgetp(L, LUA_REGISTRYINDEX, &bare_guard);
        else lua_pushnil(L);
        lua_setmetatable(L, 1);
        lua_settop(L, 1);
        return 1;
    }
    bool weak = false;
    // A guarded table has been checked, and so has all that came into it since.
    if (!is_marked(L, 2, &guards)) {
        check_metatable(L, 2);
        weak = raw_field(L, 2, "__mode") != LUA_TNIL;
        lua_pop(L, 1);
        if (!weak) guard(L, 2);
    }
    // Not before: a table may be its own metatable.
    bool guarded = is_marked(L, 1, &guards);
    if (weak && guarded) return luaL_error(L, "a metatable may not be a weak table");
    if (weak || guarded) push_shadow(L, 2, guarded);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int base_getmetatable(lua_State *L) {
    luaL_checkany(L, 1);
    if (!push_metatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    // Strings and host objects answer what this field says.
    if (raw_field(L, lua_gettop(L), "__metatable") == LUA_TNIL) lua_pop(L, 1);
    return 1;
}

static int base_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (is_marked(L, 1, &guards)) set_guarded(L);
    else lua_rawset(L, 1);
    return 1;
}

void mrt_open_metatables(lua_State *L, int globals) {
    static const luaL_Reg functions[] = {
        {"setmetatable", base_setmetatable},
        {"getmetatable", base_getmetatable},
        {"rawset", base_rawset},
        {NULL, NULL},
    };
    push_shadow(L, 0, true);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &bare_guard);
    lua_pushvalue(L, globals);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
