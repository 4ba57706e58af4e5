// Values as bytes, for what leaves a VM; and what a policy says its parameters must be. data.c has the encoding.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { MAX_DEPTH = 16, MAX_ENCODED = 1 << 20 };

static void put(lua_State *L, const void *bytes, size_t size) {
    mrt_vm *vm = vm_of(L);
    if (vm->scratch.size + size > MAX_ENCODED) luaL_error(L, "value too large");
    if (vm->scratch.size + size > vm->scratch_capacity) {
        size_t capacity = (vm->scratch.size + size) * 2;
        uint8_t *data = realloc(vm->scratch.data, capacity);
        if (!data) luaL_error(L, "not enough memory");
        vm->scratch.data = data;
        vm->scratch_capacity = capacity;
    }
    if (size > 0) memcpy(vm->scratch.data + vm->scratch.size, bytes, size);
    vm->scratch.size += size;
}

static void put_tag(lua_State *L, uint8_t tag) { put(L, &tag, 1); }

static void put_text(lua_State *L, int index) {
    size_t size;
    const char *text = lua_tolstring(L, index, &size);
    uint32_t length = (uint32_t)size;
    if (size > MAX_ENCODED) luaL_error(L, "value too large");
    put(L, &length, sizeof length);
    put(L, text, size);
}

static void encode(lua_State *L, int index, int depth);

/// A table with elements 1...n and nothing else is a list.
static void encode_table(lua_State *L, int table, int depth) {
    if (depth > MAX_DEPTH) luaL_error(L, "value nested too deep");
    luaL_checkstack(L, 4, "value");
    uint32_t count = 0, length = (uint32_t)lua_rawlen(L, table);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        mrt_charge(L, 1);
        count++;
        lua_pop(L, 1);
    }
    bool is_list = count == length && count > 0;
    put_tag(L, is_list ? 6 : 7);
    put(L, &count, sizeof count);
    lua_pushnil(L);
    for (uint32_t at = 1; is_list && at <= count; at++) {
        lua_rawgeti(L, table, at);
        encode(L, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
    }
    if (is_list) {
        lua_pop(L, 1);
        return;
    }
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "keys must be strings, or the table a list");
        put_text(L, -2);
        encode(L, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
    }
}

static void encode(lua_State *L, int index, int depth) {
    mrt_charge(L, 2);
    switch (lua_type(L, index)) {
    case LUA_TNIL: put_tag(L, 0); break;
    case LUA_TBOOLEAN: put_tag(L, lua_toboolean(L, index) ? 2 : 1); break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            int64_t number = lua_tointeger(L, index);
            put_tag(L, 3);
            put(L, &number, sizeof number);
        } else {
            double number = lua_tonumber(L, index);
            put_tag(L, 4);
            put(L, &number, sizeof number);
        }
        break;
    case LUA_TSTRING:
        mrt_charge_bytes(L, lua_rawlen(L, index));
        put_tag(L, 5);
        put_text(L, index);
        break;
    case LUA_TTABLE: encode_table(L, index, depth); break;
    default: luaL_error(L, "a %s cannot be kept", luaL_typename(L, index));
    }
}

mrt_bytes_borrowed mrt_encode_value(lua_State *L, int index) {
    mrt_vm *vm = vm_of(L);
    vm->scratch.size = 0;
    encode(L, lua_absindex(L, index), 0);
    return (mrt_bytes_borrowed){vm->scratch.data, vm->scratch.size};
}

// MARK: Schema

static bool fits(lua_State *L, const char *type) {
    int actual = lua_type(L, -1);
    if (strcmp(type, "any") == 0) return true;
    if (strcmp(type, "string") == 0) return actual == LUA_TSTRING;
    if (strcmp(type, "number") == 0) return actual == LUA_TNUMBER;
    if (strcmp(type, "integer") == 0) return lua_isinteger(L, -1);
    if (strcmp(type, "boolean") == 0) return actual == LUA_TBOOLEAN;
    if (strcmp(type, "list") == 0) return actual == LUA_TTABLE && (lua_rawlen(L, -1) > 0 || (lua_pushnil(L), !lua_next(L, -2)));
    if (strcmp(type, "map") == 0) return actual == LUA_TTABLE && lua_rawlen(L, -1) == 0;
    luaL_error(L, "schema: unknown type \"%s\" (valid: string, number, integer, boolean, list, map, any)", type);
    return false;
}

/// Read raw: no budget holds here, so nothing of the script may run.
static int rule_field(lua_State *L, int rule, const char *name) {
    lua_pushstring(L, name);
    return lua_rawget(L, rule);
}

static void check_bounds(lua_State *L, int rule, const char *key) {
    if (lua_type(L, -1) != LUA_TNUMBER) return;
    lua_Number value = lua_tonumber(L, -1);
    rule_field(L, rule, "min");
    if (lua_isnumber(L, -1) && value < lua_tonumber(L, -1)) {
        luaL_error(L, "%s: %f is below %f", key, value, lua_tonumber(L, -1));
    }
    rule_field(L, rule, "max");
    if (lua_isnumber(L, -1) && value > lua_tonumber(L, -1)) {
        luaL_error(L, "%s: %f is above %f", key, value, lua_tonumber(L, -1));
    }
    lua_pop(L, 2);
}

/// One entry of the schema: `key = "string"`, or `key = { type = "string", default = , optional = , min = , max = }`.
static void check_entry(lua_State *L, int data, int rule, const char *key) {
    const char *type = "any";
    bool is_table = lua_type(L, rule) == LUA_TTABLE;
    if (is_table) {
        rule_field(L, rule, "type");
        type = luaL_optstring(L, -1, "any");
    } else {
        type = luaL_checkstring(L, rule);
    }
    lua_pushstring(L, key);
    lua_rawget(L, data);
    if (lua_isnil(L, -1)) {
        bool optional = false;
        if (is_table) {
            rule_field(L, rule, "default");
            if (!lua_isnil(L, -1)) {
                lua_pushstring(L, key);
                lua_insert(L, -2);
                lua_rawset(L, data);
                return;
            }
            rule_field(L, rule, "optional");
            optional = lua_toboolean(L, -1);
        }
        if (!optional) luaL_error(L, "%s: missing, a %s", key, type);
        return;
    }
    if (!fits(L, type)) luaL_error(L, "%s: expected %s, got %s", key, type, luaL_typename(L, -1));
    if (is_table) check_bounds(L, rule, key);
}

/// Stack: the number of the data. Raises what is wrong with it.
int mrt_check_data(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_ref);
    lua_rawgeti(L, -1, lua_tointeger(L, 1));
    int data = lua_gettop(L);
    lua_pushglobaltable(L);
    lua_pushliteral(L, "schema");
    if (lua_rawget(L, -2) != LUA_TTABLE || lua_type(L, data) != LUA_TTABLE) return 0;
    int schema = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, schema)) {
        if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "schema: keys are names of parameters");
        check_entry(L, data, lua_gettop(L), lua_tostring(L, -2));
        lua_settop(L, schema + 1);
    }
    lua_pushnil(L);
    while (lua_next(L, data)) {
        lua_pushvalue(L, -2);
        if (lua_rawget(L, schema) == LUA_TNIL) {
            if (lua_type(L, -3) != LUA_TSTRING) luaL_error(L, "parameters are a mapping");
            luaL_error(L, "unknown parameter \"%s\"", lua_tostring(L, -3));
        }
        lua_settop(L, schema + 1);
    }
    return 0;
}
