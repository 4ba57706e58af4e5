// Header maps: Envoy's methods over the host's table of fields.
#include "internal.h"

static struct mrt_object *check_map(lua_State *L) { return mrt_check_object(L, OBJECT_HEADERS, "header map"); }

static struct mrt_object *check_editable(lua_State *L) {
    struct mrt_object *map = check_map(L);
    if (map->iterating) luaL_error(L, "header map cannot be modified while iterating");
    return map;
}

static mrt_bytes_borrowed name_argument(lua_State *L, uint8_t *out) {
    size_t size;
    const char *name = mrt_check_text(L, 2, &size);
    return mrt_check_name(L, name, size, out);
}

static void edit(lua_State *L, struct mrt_object *map, int32_t kind, mrt_bytes_borrowed name, mrt_bytes_borrowed value) {
    mrt_vm *vm = vm_of(L);
    // No Swift frame is left when the code is raised.
    mrt_raise_code(L, vm->host->header_edit(vm->current->context, map->map, kind, name, value));
}

static int headers_get(lua_State *L) {
    struct mrt_object *map = check_map(L);
    uint8_t lower[MRT_MAX_NAME];
    mrt_bytes_borrowed name = name_argument(L, lower);
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed value;
    int32_t next;
    if (vm->host->header_find(vm->current->context, map->map, name, 0, &value, &next) < 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushlstring(L, (const char *)value.data, value.size);
    while (next >= 0) {
        vm->host->header_find(vm->current->context, map->map, name, next, &value, &next);
        mrt_charge_bytes(L, value.size);
        lua_pushliteral(L, ",");
        lua_pushlstring(L, (const char *)value.data, value.size);
        lua_concat(L, 3);
    }
    return 1;
}

static int headers_get_at_index(lua_State *L) {
    struct mrt_object *map = check_map(L);
    uint8_t lower[MRT_MAX_NAME];
    mrt_bytes_borrowed name = name_argument(L, lower);
    lua_Integer index = mrt_check_integer(L, 3);
    luaL_argcheck(L, index >= 0, 3, "index must be >= 0");
    mrt_vm *vm = vm_of(L);
    int32_t next = 0;
    while (next >= 0) {
        mrt_bytes_borrowed value;
        if (vm->host->header_find(vm->current->context, map->map, name, next, &value, &next) < 0) break;
        mrt_charge(L, 1);
        if (index-- == 0) {
            lua_pushlstring(L, (const char *)value.data, value.size);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

static int headers_get_num_values(lua_State *L) {
    struct mrt_object *map = check_map(L);
    uint8_t lower[MRT_MAX_NAME];
    mrt_bytes_borrowed name = name_argument(L, lower);
    mrt_vm *vm = vm_of(L);
    lua_Integer count = 0;
    for (int32_t next = 0; next >= 0; count++) {
        mrt_bytes_borrowed value;
        if (vm->host->header_find(vm->current->context, map->map, name, next, &value, &next) < 0) break;
        mrt_charge(L, 1);
    }
    lua_pushinteger(L, count);
    return 1;
}

static int set_value(lua_State *L, int32_t kind) {
    struct mrt_object *map = check_editable(L);
    uint8_t lower[MRT_MAX_NAME];
    mrt_bytes_borrowed name = name_argument(L, lower);
    size_t size;
    const char *value = mrt_check_text(L, 3, &size);
    edit(L, map, kind, name, mrt_check_value(L, value, size));
    return 0;
}

static int headers_add(lua_State *L) { return set_value(L, MRT_EDIT_ADD); }
static int headers_replace(lua_State *L) { return set_value(L, MRT_EDIT_REPLACE); }

static int headers_remove(lua_State *L) {
    struct mrt_object *map = check_editable(L);
    uint8_t lower[MRT_MAX_NAME];
    mrt_bytes_borrowed name = name_argument(L, lower);
    edit(L, map, MRT_EDIT_REMOVE, name, (mrt_bytes_borrowed){NULL, 0});
    return 0;
}

static int headers_set_reason(lua_State *L) {
    struct mrt_object *map = check_editable(L);
    size_t size;
    const char *reason = mrt_check_text(L, 2, &size);
    edit(L, map, MRT_EDIT_REASON, (mrt_bytes_borrowed){NULL, 0}, mrt_check_value(L, reason, size));
    return 0;
}

// MARK: Iterating

static int next_field(lua_State *L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    struct mrt_object *map = check_map(L);
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed name, value;
    if (!vm->host->header_at(vm->current->context, map->map, map->position, &name, &value)) {
        map->iterating = 0;
        lua_pushnil(L);
        return 1;
    }
    map->position++;
    mrt_charge_bytes(L, name.size + value.size);
    lua_pushlstring(L, (const char *)name.data, name.size);
    for (size_t at = 0; at < name.size; at++) {
        if (name.data[at] >= 'A' && name.data[at] <= 'Z') {
            // Scripts written for Envoy see names in lower case.
            luaL_Buffer lower;
            char *out = luaL_buffinitsize(L, &lower, name.size);
            const char *text = lua_tostring(L, -2);
            (void)text;
            for (size_t index = 0; index < name.size; index++) {
                uint8_t c = name.data[index];
                out[index] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
            }
            luaL_pushresultsize(&lower, name.size);
            break;
        }
    }
    lua_pushlstring(L, (const char *)value.data, value.size);
    return 2;
}

static int headers_pairs(lua_State *L) {
    struct mrt_object *map = check_map(L);
    if (map->iterating) return luaL_error(L, "cannot create a second iterator before completing the first");
    map->iterating = 1;
    map->position = 0;
    lua_settop(L, 1);
    lua_pushcclosure(L, next_field, 1);
    return 1;
}

void mrt_open_headers(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"get", headers_get},
        {"getAtIndex", headers_get_at_index},
        {"getNumValues", headers_get_num_values},
        {"add", headers_add},
        {"replace", headers_replace},
        {"remove", headers_remove},
        {"setHttp1ReasonPhrase", headers_set_reason},
        {"pairs", headers_pairs},
        {NULL, NULL},
    };
    mrt_define_object(L, OBJECT_HEADERS, "header map", methods);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[OBJECT_HEADERS]);
    lua_pushcfunction(L, headers_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pop(L, 1);
}

void mrt_push_headers(lua_State *L, int32_t map) {
    mrt_push_kept_object(L, OBJECT_HEADERS, &vm_of(L)->current->header_maps)->map = map;
}
