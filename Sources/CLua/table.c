// The table library, bounded: every element that is looked at or moved is charged, whatever a `__len` claims.
#include "internal.h"

static lua_Integer checked_length(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_len(L, 1);
}

static int table_insert(lua_State *L) {
    lua_Integer next = checked_length(L) + 1;
    switch (lua_gettop(L)) {
    case 2: break;
    case 3: {
        lua_Integer at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= next, 2, "position out of bounds");
        for (lua_Integer index = next; index > at; index--) {
            mrt_charge(L, 1);
            lua_geti(L, 1, index - 1);
            lua_seti(L, 1, index);
        }
        next = at;
        break;
    }
    default: return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, next);
    return 0;
}

static int table_remove(lua_State *L) {
    lua_Integer size = checked_length(L);
    lua_Integer at = luaL_optinteger(L, 2, size);
    if (lua_gettop(L) > 1) luaL_argcheck(L, size + 1 == at || (at >= 1 && at <= size + 1), 2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < size; at++) {
        mrt_charge(L, 1);
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

/// Charges for the elements between the integer arguments at `first` and `last`, whose defaults are 1 and the length.
static void charge_range(lua_State *L, int first, int last) {
    lua_Integer from = luaL_optinteger(L, first, 1);
    lua_Integer to = lua_isnoneornil(L, last) ? luaL_len(L, 1) : luaL_checkinteger(L, last);
    if (to < from) return;
    lua_Unsigned count = (lua_Unsigned)to - (lua_Unsigned)from + 1;
    // More than any budget has: stops before the loop is begun.
    mrt_charge(L, count > ((size_t)1 << 40) ? (size_t)1 << 40 : (size_t)count);
}

static int table_concat(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    charge_range(L, 3, 4);
    return vm_of(L)->original.table_concat(L);
}

static int table_move(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    charge_range(L, 2, 3);
    return vm_of(L)->original.table_move(L);
}

static int table_unpack(lua_State *L) {
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (to < from) return 0;
    lua_Unsigned count = (lua_Unsigned)to - (lua_Unsigned)from + 1;
    if (count >= 8000 || !lua_checkstack(L, (int)count)) return luaL_error(L, "too many results to unpack");
    mrt_charge(L, (size_t)count);
    for (lua_Integer index = from; index < to; index++) lua_geti(L, 1, index);
    lua_geti(L, 1, to);
    return (int)count;
}

static int table_pack(lua_State *L) {
    int count = lua_gettop(L);
    mrt_charge(L, (size_t)count);
    lua_createtable(L, count, 1);
    lua_insert(L, 1);
    for (int index = count; index >= 1; index--) lua_seti(L, 1, index);
    lua_pushinteger(L, count);
    lua_setfield(L, 1, "n");
    return 1;
}

static int table_sort(lua_State *L) {
    lua_Integer size = checked_length(L);
    size_t steps = 1;
    for (lua_Integer left = size; left > 1; left /= 2) steps++;
    mrt_charge(L, size > 1 ? (size > ((lua_Integer)1 << 32) ? (size_t)1 << 40 : (size_t)size * steps) : 1);
    return vm_of(L)->original.table_sort(L);
}

/// Lua 5.1: the largest positive numeric key.
static int table_maxn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Number largest = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        mrt_charge(L, 1);
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > largest) largest = lua_tonumber(L, -1);
    }
    if (largest < 9e15 && largest == (lua_Number)(lua_Integer)largest) lua_pushinteger(L, (lua_Integer)largest);
    else lua_pushnumber(L, largest);
    return 1;
}

static int table_getn(lua_State *L) {
    lua_pushinteger(L, checked_length(L));
    return 1;
}

void mrt_open_table(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"insert", table_insert}, {"remove", table_remove}, {"concat", table_concat}, {"move", table_move},
        {"unpack", table_unpack}, {"pack", table_pack},     {"sort", table_sort},     {"maxn", table_maxn},
        {"getn", table_getn},     {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
