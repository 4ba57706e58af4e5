// `shared(name)`: a key-value store that all workers share and that outlives reloads; and `every`, work that comes again.
#include <string.h>

#include "internal.h"

enum { MAX_NAME = 64, MAX_KEY = 512 };

struct store {
    struct mrt_object object;
    uint32_t size;
    char name[MAX_NAME];
};

/// A value of a store is a number, a string, a boolean or a table of those; it is copied in and out.
static void check_storable(lua_State *L, int index) {
    int type = lua_type(L, index);
    if (type != LUA_TBOOLEAN && type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE) {
        luaL_error(L, "a shared store keeps numbers, strings, booleans and tables, not %s", luaL_typename(L, index));
    }
}

static mrt_shared_operation begin(lua_State *L, int32_t kind) {
    struct store *store = (struct store *)mrt_check_object(L, OBJECT_SHARED, "shared store");
    size_t size;
    const char *key = mrt_check_text(L, 2, &size);
    luaL_argcheck(L, size >= 1 && size <= MAX_KEY, 2, "a key has 1 to 512 bytes");
    mrt_charge(L, 50);
    return (mrt_shared_operation){
        .kind = kind, .store = {(const uint8_t *)store->name, store->size}, .key = {(const uint8_t *)key, size},
    };
}

/// Seconds at `index`, as milliseconds.
static int64_t ttl_at(lua_State *L, int index) {
    lua_Number seconds = luaL_optnumber(L, index, 0);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "a time to live is 0 to 1e9 seconds");
    return seconds > 0 && seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
}

static void operate(lua_State *L, mrt_shared_operation *operation) {
    mrt_vm *vm = vm_of(L);
    mrt_charge_bytes(L, operation->value.size + operation->expected.size);
    mrt_raise_code(L, vm->host->shared(vm->owner, operation));
    mrt_charge_bytes(L, operation->result.size);
}

static int push_result(lua_State *L, const mrt_shared_operation *operation) {
    if (operation->result.data) mrt_push_value(L, operation->result);
    else lua_pushnil(L);
    return 1;
}

static int store_get(lua_State *L) {
    mrt_shared_operation operation = begin(L, MRT_SHARED_GET);
    operate(L, &operation);
    return push_result(L, &operation);
}

static int put(lua_State *L, int32_t kind) {
    mrt_shared_operation operation = begin(L, kind);
    check_storable(L, 3);
    operation.ttl = ttl_at(L, 4);
    operation.value = mrt_encode_value(L, 3);
    operate(L, &operation);
    lua_pushboolean(L, operation.done);
    return 1;
}
static int store_set(lua_State *L) { return put(L, MRT_SHARED_SET); }
static int store_add(lua_State *L) { return put(L, MRT_SHARED_ADD); }

/// `incr(key, amount = 1, initial = 0, ttl = 0)`: the new number. The time to live is set when the key is new.
static int store_incr(lua_State *L) {
    mrt_shared_operation operation = begin(L, MRT_SHARED_INCREMENT);
    operation.amount = luaL_optnumber(L, 3, 1);
    lua_Number initial = luaL_optnumber(L, 4, 0);
    operation.ttl = ttl_at(L, 5);
    lua_pushnumber(L, initial);
    operation.value = mrt_encode_value(L, lua_gettop(L));
    operate(L, &operation);
    if (!operation.done) return luaL_error(L, "the key holds no number");
    return push_result(L, &operation);
}

/// `cas(key, expected, new, ttl = 0)`: whether `new` was put; `nil` stands for an absent key on either side.
static int store_cas(lua_State *L) {
    mrt_shared_operation operation = begin(L, MRT_SHARED_COMPARE_AND_SET);
    operation.ttl = ttl_at(L, 5);
    if (!lua_isnoneornil(L, 3)) {
        check_storable(L, 3);
        // The scratch memory holds one encoding: keep this one as a string.
        mrt_bytes_borrowed expected = mrt_encode_value(L, 3);
        lua_pushlstring(L, (const char *)expected.data, expected.size);
        operation.expected = (mrt_bytes_borrowed){(const uint8_t *)lua_tostring(L, -1), expected.size};
    }
    if (!lua_isnoneornil(L, 4)) {
        check_storable(L, 4);
        operation.value = mrt_encode_value(L, 4);
    }
    operate(L, &operation);
    lua_pushboolean(L, operation.done);
    return 1;
}

static int store_delete(lua_State *L) {
    mrt_shared_operation operation = begin(L, MRT_SHARED_DELETE);
    operate(L, &operation);
    lua_pushboolean(L, operation.done);
    return 1;
}

static int make_store(lua_State *L) {
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, size >= 1 && size <= MAX_NAME, 1, "a name has 1 to 64 bytes");
    struct store *store = (struct store *)mrt_push_object(L, OBJECT_SHARED, sizeof *store);
    store->size = (uint32_t)size;
    memcpy(store->name, name, size);
    return 1;
}

// MARK: Timers

static int base_every(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    lua_Number seconds = luaL_checknumber(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, seconds >= 0.01 && seconds <= 1e7, 1, "a period is 0.01 to 1e7 seconds");
    // Timers belong to the version of the script, not to a request.
    if (vm->current->hook != -1) return luaL_error(L, "every() belongs in the main chunk");
    if (vm->timer_count == MRT_MAX_TIMERS) return luaL_error(L, "too many timers");
    lua_settop(L, 2);
    vm->timers[vm->timer_count].function = luaL_ref(L, LUA_REGISTRYINDEX);
    vm->timers[vm->timer_count].period = (int64_t)(seconds * 1000);
    vm->timer_count++;
    return 0;
}

void mrt_open_shared(lua_State *L, int globals) {
    static const luaL_Reg methods[] = {
        {"get", store_get}, {"set", store_set}, {"add", store_add},       {"incr", store_incr},
        {"cas", store_cas}, {"delete", store_delete}, {NULL, NULL},
    };
    mrt_define_object(L, OBJECT_SHARED, "shared store", methods);
    lua_pushcfunction(L, make_store);
    lua_setfield(L, globals, "shared");
    lua_pushcfunction(L, base_every);
    lua_setfield(L, globals, "every");
}
