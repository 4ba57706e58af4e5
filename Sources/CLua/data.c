// Trees of values as bytes: parameters of a policy, made by MartletLua from the configuration and decoded once into tables;
// and whatever leaves a VM for a shared store or for another policy, made by encode.c.
//
// The encoding: a tag byte, then 0 nothing; 1 false; 2 true; 3 an integer of 8 bytes; 4 a double of 8
// bytes; 5 a string: length of 4 bytes, bytes; 6 a list: count of 4 bytes, values; 7 a mapping: count of 4 bytes, then
// strings without tag and values in turn. Numbers are in the machine's order.
#include <string.h>

#include "internal.h"

enum { MAX_DEPTH = 64 };

struct reader {
    const uint8_t *at, *end;
};

static void take(lua_State *L, struct reader *r, void *out, size_t size) {
    if ((size_t)(r->end - r->at) < size) luaL_error(L, "parameters are cut short");
    memcpy(out, r->at, size);
    r->at += size;
}

static void push_text(lua_State *L, struct reader *r) {
    uint32_t size;
    take(L, r, &size, sizeof size);
    if ((size_t)(r->end - r->at) < size) luaL_error(L, "parameters are cut short");
    lua_pushlstring(L, (const char *)r->at, size);
    r->at += size;
}

static void push_value(lua_State *L, struct reader *r, int depth) {
    if (depth > MAX_DEPTH) luaL_error(L, "parameters are nested too deep");
    luaL_checkstack(L, 4, "parameters");
    uint8_t tag;
    take(L, r, &tag, 1);
    switch (tag) {
    case 1:
    case 2: lua_pushboolean(L, tag == 2); break;
    case 3: {
        int64_t number;
        take(L, r, &number, sizeof number);
        lua_pushinteger(L, number);
        break;
    }
    case 4: {
        double number;
        take(L, r, &number, sizeof number);
        lua_pushnumber(L, number);
        break;
    }
    case 5: push_text(L, r); break;
    case 6:
    case 7: {
        uint32_t count;
        take(L, r, &count, sizeof count);
        lua_newtable(L);
        for (uint32_t index = 1; index <= count; index++) {
            if (tag == 7) {
                push_text(L, r);
                push_value(L, r, depth + 1);
                lua_rawset(L, -3);
            } else {
                push_value(L, r, depth + 1);
                lua_rawseti(L, -2, index);
            }
        }
        break;
    }
    default: lua_pushnil(L);
    }
}

static int data_get(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    lua_rawget(L, 1);
    return 1;
}

static int data_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, LUA_REGISTRYINDEX, "mrt_next");
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int data_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    mrt_charge(L, 1);
    if (lua_next(L, 1)) return 2;
    lua_pushnil(L);
    return 1;
}

void mrt_open_data(lua_State *L) {
    static const luaL_Reg methods[] = {{"get", data_get}, {"pairs", data_pairs}, {NULL, NULL}};
    mrt_vm *vm = vm_of(L);
    lua_pushcfunction(L, data_next);
    lua_setfield(L, LUA_REGISTRYINDEX, "mrt_next");
    lua_newtable(L);
    luaL_newlib(L, methods);
    mrt_add_log_functions(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "parameters");
    lua_setfield(L, -2, "__metatable");
    vm->data_metatable = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    vm->data_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void mrt_push_value(lua_State *L, mrt_bytes_borrowed encoded) {
    struct reader r = {encoded.data, encoded.data + encoded.size};
    mrt_reserve(L, encoded.size * 4);
    mrt_charge(L, 1 + encoded.size / 4);
    push_value(L, &r, 0);
}

/// As `mrt_push_value`, outside of a run: nothing is charged.
void mrt_decode_tree(lua_State *L, mrt_bytes_borrowed encoded) {
    struct reader r = {encoded.data, encoded.data + encoded.size};
    push_value(L, &r, 0);
}

/// Leaves the number under which the data is kept.
int mrt_decode_data(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    const mrt_bytes_borrowed *data = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_ref);
    mrt_decode_tree(L, *data);
    if (lua_type(L, -1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_metatable);
    lua_setmetatable(L, -2);
    lua_pushinteger(L, luaL_ref(L, -2));
    return 1;
}

void mrt_push_data(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_ref);
    int32_t number = vm->current->data;
    if (number < 0 || lua_rawgeti(L, -1, number) != LUA_TTABLE) {
        lua_newtable(L);
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_metatable);
        lua_setmetatable(L, -2);
    }
    lua_remove(L, -2);
}
