// Values that filters leave for each other on an exchange: dynamic metadata and filter state. They cross from one policy's
// VM to another's, so they cross as bytes.
#include <string.h>

#include "internal.h"

static mrt_bytes_borrowed text_at(lua_State *L, int index) {
    size_t size;
    const char *text = luaL_checklstring(L, index, &size);
    mrt_charge_bytes(L, size);
    return (mrt_bytes_borrowed){(const uint8_t *)text, size};
}

/// Pushes a filter's values as a table, or nil.
static void push_values(lua_State *L, int32_t space, mrt_bytes_borrowed filter) {
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed encoded;
    if (vm->host->metadata_get(vm->current->context, space, filter, &encoded)) mrt_push_value(L, encoded);
    else lua_pushnil(L);
}

// MARK: Dynamic metadata

static int metadata_get(lua_State *L) {
    mrt_check_object(L, OBJECT_METADATA, "dynamic metadata");
    push_values(L, MRT_SPACE_METADATA, text_at(L, 2));
    return 1;
}

static int metadata_set(lua_State *L) {
    struct mrt_object *metadata = mrt_check_object(L, OBJECT_METADATA, "dynamic metadata");
    if (metadata->map != 0) return luaL_error(L, "metadata of a connection cannot be written");
    mrt_bytes_borrowed filter = text_at(L, 2), key = text_at(L, 3);
    int type = lua_type(L, 4);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN && type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE) {
        return luaL_error(L, "unexpected type '%s' in dynamicMetadata", luaL_typename(L, 4));
    }
    mrt_bytes_borrowed value = mrt_encode_value(L, 4);
    mrt_vm *vm = vm_of(L);
    mrt_raise_code(L, vm->host->metadata_set(vm->current->context, MRT_SPACE_METADATA, filter, key, value));
    return 0;
}

static int metadata_pairs(lua_State *L) {
    mrt_check_object(L, OBJECT_METADATA, "dynamic metadata");
    lua_getfield(L, LUA_REGISTRYINDEX, "mrt_next");
    push_values(L, MRT_SPACE_METADATA, (mrt_bytes_borrowed){NULL, 0});
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_pushnil(L);
    return 3;
}

// MARK: Filter state

/// An object's text, or a field of it.
static int state_get(lua_State *L) {
    mrt_check_object(L, OBJECT_STATE, "filter state");
    lua_settop(L, 3);
    push_values(L, MRT_SPACE_FILTER_STATE, text_at(L, 2));
    if (lua_type(L, -1) != LUA_TTABLE) return 1;
    if (lua_isnil(L, 3)) lua_pushliteral(L, "");
    else lua_pushvalue(L, 3);
    lua_rawget(L, -2);
    return 1;
}

/// `set(object, factory, bytes)`: the factory is Envoy's and says nothing here.
static int state_set(lua_State *L) {
    mrt_check_object(L, OBJECT_STATE, "filter state");
    mrt_bytes_borrowed object = text_at(L, 2);
    luaL_checkstring(L, 3);
    luaL_checkstring(L, 4);
    mrt_bytes_borrowed value = mrt_encode_value(L, 4);
    mrt_vm *vm = vm_of(L);
    mrt_raise_code(
        L, vm->host->metadata_set(
               vm->current->context, MRT_SPACE_FILTER_STATE, object, (mrt_bytes_borrowed){(const uint8_t *)"", 0}, value));
    return 0;
}

void mrt_open_metadata(lua_State *L) {
    static const luaL_Reg metadata[] = {
        {"get", metadata_get}, {"set", metadata_set}, {"pairs", metadata_pairs}, {NULL, NULL},
    };
    static const luaL_Reg state[] = {{"get", state_get}, {"set", state_set}, {NULL, NULL}};
    mrt_define_object(L, OBJECT_METADATA, "dynamic metadata", metadata);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[OBJECT_METADATA]);
    lua_pushcfunction(L, metadata_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pop(L, 1);
    mrt_define_object(L, OBJECT_STATE, "filter state", state);
}
