// The table library, bounded: every element that is looked at or moved is charged, whatever a `__len` claims. Each function
// may call metamethods, so memory and time are looked at between elements too.
#include <limits.h>

#include "internal.h"

static lua_Integer checked_length(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_len(L, 1);
}

/// One more. A `__len` can answer anything.
static lua_Integer after(lua_Integer index) { return (lua_Integer)((lua_Unsigned)index + 1); }

static int table_insert(lua_State *L) {
    lua_Integer next = after(checked_length(L));
    switch (lua_gettop(L)) {
    case 2: break;
    case 3: {
        lua_Integer at = mrt_check_integer(L, 2);
        luaL_argcheck(L, at >= 1 && at <= next, 2, "position out of bounds");
        size_t step = mrt_step_cost(L, 1);
        for (lua_Integer index = next; index > at; index--) {
            mrt_charge(L, step);
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
    lua_Integer at = mrt_optional_integer(L, 2, size);
    // `#t` is always allowed, also for an empty table.
    if (at != size) luaL_argcheck(L, at == after(size) || (at >= 1 && at <= size), 2, "position out of bounds");
    size_t step = mrt_step_cost(L, 1);
    lua_geti(L, 1, at);
    for (; at < size; at++) {
        mrt_charge(L, step);
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int table_concat(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t gap;
    const char *separator = luaL_optlstring(L, 2, "", &gap);
    lua_Integer from = mrt_optional_integer(L, 3, 1);
    lua_Integer to = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : mrt_check_integer(L, 4);
    size_t step = mrt_step_cost(L, 1);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (lua_Integer index = from; index <= to; index++) {
        lua_geti(L, 1, index);
        if (!lua_isstring(L, -1)) {
            return luaL_error(
                L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)index);
        }
        size_t size;
        lua_tolstring(L, -1, &size);
        mrt_charge(L, step + (size + gap) / 16);
        luaL_addvalue(&out);
        // Compared before it is counted up: it may be the largest integer.
        if (index == to) break;
        luaL_addlstring(&out, separator, gap);
    }
    luaL_pushresult(&out);
    return 1;
}

static int table_move(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer from = mrt_check_integer(L, 2), to = mrt_check_integer(L, 3), at = mrt_check_integer(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, target, LUA_TTABLE);
    if (to >= from) {
        luaL_argcheck(L, from > 0 || to < LUA_MAXINTEGER + from, 3, "too many elements to move");
        lua_Integer count = to - from + 1;
        luaL_argcheck(L, at <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        size_t step = mrt_step_cost(L, 1) + mrt_step_cost(L, target) - 1;
        // Backwards where going forwards would overwrite what is still to be moved.
        bool backwards = at > from && at <= to && lua_rawequal(L, 1, target);
        for (lua_Integer done = 0; done < count; done++) {
            lua_Integer offset = backwards ? count - 1 - done : done;
            mrt_charge(L, step);
            lua_geti(L, 1, from + offset);
            lua_seti(L, target, at + offset);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

static int table_unpack(lua_State *L) {
    lua_Integer from = mrt_optional_integer(L, 2, 1);
    lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : mrt_check_integer(L, 3);
    if (to < from) return 0;
    lua_Unsigned count = (lua_Unsigned)to - (lua_Unsigned)from + 1;
    if (count == 0 || count >= 8000 || !lua_checkstack(L, (int)count)) {
        return luaL_error(L, "too many results to unpack");
    }
    size_t step = mrt_step_cost(L, 1);
    for (lua_Integer index = from; index < to; index++) {
        mrt_charge(L, step);
        lua_geti(L, 1, index);
    }
    mrt_charge(L, step);
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

// MARK: sort

/// `<`, charged for what strings it compares. Upvalue: what a step costs where there are metamethods.
static int charged_less(lua_State *L) {
    lua_settop(L, 2);
    size_t left = lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) : 0;
    size_t right = lua_type(L, 2) == LUA_TSTRING ? lua_rawlen(L, 2) : 0;
    // Equal bytes are passed over one by one where they are NULs.
    mrt_charge(L, (size_t)lua_tointeger(L, lua_upvalueindex(1)) + (left < right ? left : right) / 4);
    lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
    return 1;
}

/// A comparator of the script's that is a C function, which no hook counts. Upvalue: the function.
static int charged_comparator(lua_State *L) {
    lua_settop(L, 2);
    size_t size = lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) : 0;
    mrt_charge(L, mrt_step_cost(L, lua_upvalueindex(1)) + size / 4);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

/// Whether comparing any two elements takes a moment only: numbers and short strings of a table without metatable.
static bool compares_fast(lua_State *L, lua_Integer size) {
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        return false;
    }
    bool fast = true;
    for (lua_Integer index = 1; index <= size && fast; index++) {
        int type = lua_rawgeti(L, 1, index);
        fast = type == LUA_TNUMBER || (type == LUA_TSTRING && lua_rawlen(L, -1) <= 64);
        lua_pop(L, 1);
    }
    return fast;
}

static int table_sort(lua_State *L) {
    lua_Integer size = checked_length(L);
    luaL_argcheck(L, size < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    size_t steps = 1;
    for (lua_Integer left = size; left > 1; left /= 2) steps++;
    mrt_charge(L, size > 1 ? (size_t)size * steps : 1);
    if (lua_iscfunction(L, 2)) {
        lua_pushcclosure(L, charged_comparator, 1);
    } else if (lua_isnil(L, 2) && !compares_fast(L, size)) {
        lua_pushinteger(L, MRT_PERIOD / mrt_period(vm_of(L)));
        lua_pushcclosure(L, charged_less, 1);
        lua_replace(L, 2);
    }
    return vm_of(L)->original.table_sort(L);
}

// MARK: What Lua 5.1 had

/// The largest positive numeric key.
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

/// The length of a table is what it holds; there is nothing to set.
static int table_setn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    return 0;
}

static int table_foreach(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    size_t step = mrt_step_cost(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        mrt_charge(L, step);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1)) return 1;
        lua_pop(L, 2);
    }
    return 0;
}

static int table_foreachi(lua_State *L) {
    lua_Integer size = checked_length(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    size_t step = mrt_step_cost(L, 2);
    for (lua_Integer index = 1; index <= size; index++) {
        mrt_charge(L, step);
        lua_pushvalue(L, 2);
        lua_pushinteger(L, index);
        lua_geti(L, 1, index);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1)) return 1;
        lua_pop(L, 1);
        if (index == size) break;
    }
    return 0;
}

void mrt_open_table(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"insert", table_insert},   {"remove", table_remove},   {"concat", table_concat}, {"move", table_move},
        {"unpack", table_unpack},   {"pack", table_pack},       {"sort", table_sort},     {"maxn", table_maxn},
        {"getn", table_getn},       {"setn", table_setn},       {"foreach", table_foreach},
        {"foreachi", table_foreachi}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
