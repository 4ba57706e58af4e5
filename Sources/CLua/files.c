// Files that a policy's configuration names: their texts as the global `data`, and Lua modules for `require`. The loader reads
// them before any script runs; a script opens nothing.
#include "internal.h"

enum { MAX_MODULE = 1024 * 1024 };

static const char modules_key[] = "mrt_modules", required_key[] = "mrt_required";

static int set_files(lua_State *L) {
    const mrt_bytes_borrowed *data = lua_touserdata(L, 1), *modules = lua_touserdata(L, 2);
    mrt_decode_tree(L, *data);
    lua_setglobal(L, "data");
    mrt_decode_tree(L, *modules);
    if (lua_istable(L, -1)) {
        // A policy's own module goes before a library of its name.
        lua_getfield(L, LUA_REGISTRYINDEX, required_key);
        lua_pushnil(L);
        while (lua_next(L, -3)) {
            lua_pop(L, 1);
            lua_pushvalue(L, -1);
            lua_pushnil(L);
            lua_rawset(L, -4);
        }
        lua_pop(L, 1);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, modules_key);
    return 0;
}

int32_t mrt_vm_set_files(mrt_vm *vm, mrt_bytes_borrowed data, mrt_bytes_borrowed modules) {
    lua_State *L = vm->main;
    lua_pushcfunction(L, set_files);
    lua_pushlightuserdata(L, &data);
    lua_pushlightuserdata(L, &modules);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) return mrt_fail_with(vm, L, MRT_ERROR_MEMORY);
    return MRT_ERROR_NONE;
}

/// Pushes the main function of a module that the configuration names.
static void push_module(lua_State *L, const char *name) {
    lua_getfield(L, LUA_REGISTRYINDEX, modules_key);
    lua_pushvalue(L, 1);
    if (lua_type(L, -2) != LUA_TTABLE || lua_rawget(L, -2) != LUA_TSTRING) {
        luaL_error(L, "module '%s' not found: name its file in the policy's `modules`", name);
    }
    size_t size;
    const char *source = lua_tolstring(L, -1, &size);
    if (size > MAX_MODULE) luaL_error(L, "module '%s' is larger than 1 MiB", name);
    mrt_charge(L, 100 + 4 * size);
    const char *chunk = lua_pushfstring(L, "@%s.lua", name);
    if (luaL_loadbufferx(L, source, size, chunk, "t") != LUA_OK) lua_error(L);
    mrt_check_function(L);
}

static int base_require(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, required_key);
    lua_pushvalue(L, 1);
    int known = lua_rawget(L, 2);
    if (known == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
        return luaL_error(L, "module '%s' requires itself, or did not load before", name);
    }
    if (known != LUA_TNIL) return 1;
    push_module(L, name);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, 0);
    lua_rawset(L, 2);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/// The libraries are there by `require` too: many scripts ask for them so.
void mrt_open_require(lua_State *L, int globals) {
    lua_newtable(L);
    int loaded = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, globals)) {
        if (lua_istable(L, -1)) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, loaded);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_setfield(L, LUA_REGISTRYINDEX, required_key);
    lua_pushcfunction(L, base_require);
    lua_setfield(L, globals, "require");
}
