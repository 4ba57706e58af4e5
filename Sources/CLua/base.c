// The basic functions that need bounding: error handling that cannot catch a spent budget, `load` of text only. For
// metatables see metatable.c.
#define _GNU_SOURCE  // memmem
#include <string.h>

#include "internal.h"

enum { MAX_LOADED_SOURCE = 64 * 1024 };

// MARK: Protected calls

/// What pcall and xpcall do before they hand an error to the script.
static void catch_error(lua_State *L, int status) {
    // A block that does not fit is a breach like any other: caught, the script could ask for it again without end.
    if (status == LUA_ERRMEM) mrt_stop_run(L, STOP_MEMORY);
    if (vm_of(L)->current->stop != STOP_NONE) lua_error(L);
    // One instruction made this error, and naming the value at fault may have taken Lua a walk over the whole function.
    mrt_charge_look(L, 50);
}

static int finish_pcall(lua_State *L, int status, lua_KContext extra) {
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
    catch_error(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int base_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall), 0);
}

/// The script's message handler runs after the stack has been unwound: Lua would run it before, where hooks may be off
/// and nothing could stop it.
static int finish_xpcall(lua_State *L, int status, lua_KContext extra) {
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
    catch_error(L, status);
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int base_xpcall(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    // handler, true, function, arguments
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    lua_remove(L, 1);
    return finish_xpcall(L, lua_pcallk(L, count - 2, LUA_MULTRET, 0, 1, finish_xpcall), 1);
}

// MARK: Text

const char *mrt_tostring(lua_State *L, int index, size_t *size) {
    index = lua_absindex(L, index);
    if (luaL_callmeta(L, index, "__tostring")) {
        if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
        return lua_tolstring(L, -1, size);
    }
    switch (lua_type(L, index)) {
    case LUA_TNIL: lua_pushliteral(L, "nil"); break;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false"); break;
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        break;
    default: {
        // An odd factor keeps distinct objects distinct; the key keeps addresses to ourselves.
        mrt_vm *vm = vm_of(L);
        uint64_t mixed = ((uintptr_t)lua_topointer(L, index) ^ vm->pointer_key) * 0x9e3779b97f4a7c15u;
        const char *name = luaL_typename(L, index);
        int type = luaL_getmetafield(L, index, "__name");
        if (type == LUA_TSTRING) name = lua_tostring(L, -1);
        lua_pushfstring(L, "%s: %p", name, (void *)(uintptr_t)(mixed >> 16));
        if (type != LUA_TNIL) lua_remove(L, -2);
    }
    }
    return lua_tolstring(L, -1, size);
}

static int base_tostring(lua_State *L) {
    luaL_checkany(L, 1);
    mrt_tostring(L, 1, NULL);
    return 1;
}

static int base_tonumber(lua_State *L) {
    size_t size = 0;
    if (lua_type(L, 1) == LUA_TSTRING) lua_tolstring(L, 1, &size);
    mrt_charge(L, 1 + size);
    return vm_of(L)->original.base_tonumber(L);
}

static int base_print(lua_State *L) {
    int count = lua_gettop(L);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (int index = 1; index <= count; index++) {
        if (index > 1) luaL_addchar(&text, '\t');
        size_t size;
        mrt_tostring(L, index, &size);
        mrt_charge_bytes(L, size);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    size_t size;
    const char *line = lua_tolstring(L, -1, &size);
    mrt_log(L, 2, line, size);
    return 0;
}

// MARK: Loading

/// What compiling may cost at worst. The parser finds a name by walking the locals of every function around it, and a label
/// or a goto by walking all the others, so some sources take it microseconds a byte.
static void charge_source(lua_State *L, const char *source, size_t size) {
    size_t functions = 0;
    const char *at = source, *end = source + size;
    while (functions < 100 && (at = memmem(at, (size_t)(end - at), "function", 8)) != NULL) {
        functions++;
        at += 8;
    }
    mrt_charge(L, 100 + size * (64 + functions * 4));
}

static int base_load(lua_State *L) {
    static const int source_slot = 5;
    const char *name = luaL_optstring(L, 2, "=(load)");
    // The mode is not the script's to choose: bytecode can corrupt memory.
    bool has_environment = !lua_isnone(L, 4);
    lua_settop(L, 4);
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_pushvalue(L, 1);
    } else {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        luaL_Buffer text;
        luaL_buffinit(L, &text);
        for (size_t total = 0; total <= MAX_LOADED_SOURCE;) {
            lua_pushvalue(L, 1);
            lua_call(L, 0, 1);
            if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) {
                return luaL_error(L, "reader function must return a string");
            }
            size_t piece = lua_rawlen(L, -1);
            if (piece == 0) {
                lua_pop(L, 1);
                break;
            }
            total += piece;
            mrt_charge_bytes(L, piece);
            luaL_addvalue(&text);
        }
        luaL_pushresult(&text);
    }
    size_t size;
    const char *source = lua_tolstring(L, source_slot, &size);
    int status = LUA_ERRSYNTAX;
    if (size > MAX_LOADED_SOURCE) {
        lua_pushliteral(L, "source too large");
    } else {
        charge_source(L, source, size);
        mrt_charge_bytes(L, strlen(name));
        status = luaL_loadbufferx(L, source, size, name, "t");
    }
    if (status != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    mrt_check_function(L);
    if (has_environment) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    }
    return 1;
}

static int base_loadstring(lua_State *L) {
    luaL_checkstring(L, 1);
    lua_settop(L, 2);
    return base_load(L);
}

static int base_collectgarbage(lua_State *L) {
    const char *option = luaL_optstring(L, 1, "collect");
    // Collecting is the host's business; asking how much there is does no harm.
    if (strcmp(option, "count") == 0) lua_pushnumber(L, (lua_Number)vm_of(L)->used / 1024);
    else lua_pushinteger(L, 0);
    return 1;
}

void mrt_open_base(lua_State *L, int globals) {
    static const luaL_Reg functions[] = {
        {"pcall", base_pcall},
        {"xpcall", base_xpcall},
        {"tostring", base_tostring},
        {"tonumber", base_tonumber},
        {"print", base_print},
        {"load", base_load},
        {"loadstring", base_loadstring},
        {"collectgarbage", base_collectgarbage},
        {NULL, NULL},
    };
    lua_pushvalue(L, globals);
    luaL_setfuncs(L, functions, 0);
    mrt_open_metatables(L, globals);
    lua_pushvalue(L, globals);
    lua_setfield(L, -2, "_G");
    lua_pushliteral(L, LUA_VERSION);
    lua_setfield(L, -2, "_VERSION");
    lua_pop(L, 1);
}
