// What is left of the debug library: tracebacks.
#include "internal.h"

/// Lua finds the last level of a stack by doubling and halving, and reaches each level from the top.
static void charge_levels(lua_State *L, lua_State *thread) {
    lua_Debug activation;
    size_t rounds = 0;
    for (int level = 1; level < 1 << 24 && lua_getstack(thread, level, &activation); level *= 2) {
        rounds++;
        mrt_charge(L, (size_t)level * rounds / 2);
    }
}

static int debug_traceback(lua_State *L) {
    lua_State *thread = L;
    if (lua_isthread(L, 1)) {
        thread = lua_tothread(L, 1);
        lua_remove(L, 1);
    }
    const char *message = lua_tostring(L, 1);
    // Anything else comes back as it is.
    if (!message && !lua_isnoneornil(L, 1)) {
        lua_settop(L, 1);
        return 1;
    }
    lua_Integer level = mrt_optional_integer(L, 2, thread == L ? 1 : 0);
    if (level < 0 || level > 1 << 24) level = 1 << 24;
    charge_levels(L, thread);
    if (message) mrt_charge_bytes(L, lua_rawlen(L, 1));
    // Twenty-two levels at most, each looked up among the functions of the sandbox.
    mrt_charge(L, 2000);
    luaL_traceback(L, thread, message, (int)level);
    return 1;
}

void mrt_open_debug(lua_State *L) {
    static const luaL_Reg functions[] = {{"traceback", debug_traceback}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
