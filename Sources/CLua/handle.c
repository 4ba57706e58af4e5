// The handle: what a hook gets, and through which it reaches everything else.
#include <string.h>

#include "internal.h"

static struct mrt_object *check_handle(lua_State *L) { return mrt_check_object(L, OBJECT_HANDLE, "handle"); }

static int handle_headers(lua_State *L) {
    struct mrt_object *handle = check_handle(L);
    mrt_push_headers(L, handle->map);
    return 1;
}

static int handle_config(lua_State *L) {
    check_handle(L);
    mrt_push_data(L, false);
    return 1;
}

static int handle_filter_context(lua_State *L) {
    check_handle(L);
    mrt_push_data(L, true);
    return 1;
}

static int handle_timestamp(lua_State *L) {
    check_handle(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "mrt_time");
    lua_call(L, 0, 1);
    return 1;
}

// MARK: Replying

/// Hands one field of the reply to the host: a value, or a list of them.
static void reply_field(lua_State *L, mrt_vm *vm, mrt_bytes_borrowed name, int index) {
    index = lua_absindex(L, index);
    if (lua_type(L, index) == LUA_TTABLE) {
        lua_Integer count = luaL_len(L, index);
        for (lua_Integer at = 1; at <= count; at++) {
            mrt_charge(L, 1);
            lua_geti(L, index, at);
            size_t size;
            const char *text = mrt_check_text(L, lua_gettop(L), &size);
            mrt_bytes_borrowed value = mrt_check_value(L, text, size);
            mrt_raise_code(L, vm->host->reply_header(vm->current->context, name, value));
            lua_pop(L, 1);
        }
        return;
    }
    size_t size;
    const char *text = mrt_check_text(L, index, &size);
    mrt_bytes_borrowed value = mrt_check_value(L, text, size);
    mrt_raise_code(L, vm->host->reply_header(vm->current->context, name, value));
}

static int handle_respond(lua_State *L) {
    check_handle(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t body_size = 0;
    const char *body = lua_isnoneornil(L, 3) ? NULL : mrt_check_text(L, 3, &body_size);
    lua_settop(L, 3);
    lua_getfield(L, 2, ":status");
    int exact;
    lua_Integer status = lua_tointegerx(L, -1, &exact);
    if (!exact || status < 200 || status > 599) return luaL_error(L, ":status must be between 200-599");
    mrt_vm *vm = vm_of(L);
    mrt_run *run = vm->current;
    if (vm->host->reply_begin(run->context, (int32_t)status) != MRT_CODE_OK) {
        return luaL_error(L, "respond() cannot be called if headers have been continued");
    }
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        mrt_charge(L, 1);
        if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "header names must be strings");
        size_t size;
        const char *text = lua_tolstring(L, -2, &size);
        if (strcmp(text, ":status") != 0) {
            uint8_t lower[MRT_MAX_NAME];
            mrt_bytes_borrowed name = mrt_check_name(L, text, size, lower);
            if (lower[0] == ':') return luaL_error(L, "only ':status' may begin with a colon");
            // Numbers become text in place, which must not happen to a key under lua_next; values are copies.
            reply_field(L, vm, name, -1);
        }
        lua_settop(L, 5);
    }
    if (body) {
        mrt_raise_code(
            L, vm->host->reply_body(run->context, (mrt_bytes_borrowed){(const uint8_t *)body, body_size}));
    }
    run->stop = STOP_REPLIED;
    // From the run's own thread a yield ends the script without unwinding it; from elsewhere only an error does.
    if (is_run_thread(L) && lua_isyieldable(L)) return lua_yield(L, 0);
    return mrt_raise_stop(L);
}

// MARK: Making one

static int current_time(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)mrt_wall_clock_ms());
    return 1;
}

void mrt_open_handle(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"headers", handle_headers},
        {"respond", handle_respond},
        {"config", handle_config},
        {"filterContext", handle_filter_context},
        {"timestamp", handle_timestamp},
        {"base64Escape", mrt_base64_escape},
        {"base64Decode", mrt_base64_decode},
        {"importPublicKey", mrt_import_public_key},
        {"verifySignature", mrt_verify_signature},
        {NULL, NULL},
    };
    lua_pushcfunction(L, current_time);
    lua_setfield(L, LUA_REGISTRYINDEX, "mrt_time");
    lua_newtable(L);
    luaL_newlib(L, methods);
    mrt_add_log_functions(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "handle");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "handle");
    lua_setfield(L, -2, "__metatable");
    vm_of(L)->handle_metatable = luaL_ref(L, LUA_REGISTRYINDEX);
}

void mrt_push_handle(lua_State *L, mrt_run *run) {
    mrt_vm *vm = run->vm;
    struct mrt_object *object;
    if (run->handle_ref != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, run->handle_ref);
        object = lua_touserdata(L, -1);
    } else {
        object = lua_newuserdatauv(L, sizeof *object, 0);
        *object = (struct mrt_object){.kind = OBJECT_HANDLE};
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->handle_metatable);
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        run->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    object->lives_in = run->id;
    object->map = run->hook == MRT_HOOK_RESPONSE ? MRT_MAP_RESPONSE : MRT_MAP_REQUEST;
}
