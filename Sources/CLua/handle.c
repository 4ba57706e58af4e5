// The handle: what a hook gets, and through which it reaches everything else.
#include <string.h>

#include "internal.h"

struct mrt_object *mrt_check_handle(lua_State *L) {
    return mrt_check_object(L, OBJECT_HANDLE, "handle");
}

static int handle_headers(lua_State *L) {
    struct mrt_object *handle = mrt_check_handle(L);
    mrt_push_headers(L, handle->map);
    return 1;
}

static int handle_config(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_data(L);
    return 1;
}

static int handle_filter_context(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_data(L);
    return 1;
}

/// A table of this exchange's own, from request to response to log.
static int handle_context(lua_State *L) {
    mrt_check_handle(L);
    mrt_run *run = vm_of(L)->current;
    if (!run->kept) mrt_raise_code(L, MRT_CODE_NO_REQUEST);
    if (*run->kept == 0) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        *run->kept = luaL_ref(L, LUA_REGISTRYINDEX);
    } else {
        lua_rawgeti(L, LUA_REGISTRYINDEX, *run->kept);
    }
    return 1;
}

static int finish_sleep(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    mrt_woken(L);
    return 0;
}

static int handle_sleep(lua_State *L) {
    mrt_check_handle(L);
    lua_Number milliseconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, milliseconds >= 0 && milliseconds <= 3.6e6, 2, "0 to 3600000 milliseconds");
    mrt_check_can_wait(L);
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->sleep_begin(vm->current->context, (int64_t)milliseconds);
    if (code == MRT_CODE_PENDING) return mrt_wait(L, finish_sleep, 0);
    mrt_raise_code(L, code);
    return 0;
}

/// `ip[:port]` and whether the request may go nowhere else.
static int handle_override_host(lua_State *L) {
    mrt_check_handle(L);
    size_t size;
    const char *host = luaL_checklstring(L, 2, &size);
    int type = lua_type(L, 3);
    if (type != LUA_TNONE && type != LUA_TNIL && type != LUA_TBOOLEAN) {
        return luaL_error(L, "strict must be a boolean");
    }
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed text = {(const uint8_t *)host, size};
    mrt_raise_code(L, vm->host->override_host(vm->current->context, text, lua_toboolean(L, 3)));
    return 0;
}

static int handle_clear_route_cache(lua_State *L) {
    mrt_check_handle(L);
    mrt_vm *vm = vm_of(L);
    mrt_raise_code(L, vm->host->clear_route(vm->current->context));
    return 0;
}

/// The request's headers, from the response's side too.
static int handle_request_headers(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_object(L, OBJECT_HEADERS, sizeof(struct mrt_object))->map = MRT_MAP_REQUEST;
    return 1;
}

// MARK: Time

/// True for microseconds.
static bool wants_microseconds(lua_State *L) {
    if (lua_isnoneornil(L, 2)) return false;
    lua_Integer resolution = mrt_check_integer(L, 2);
    if (resolution != 0 && resolution != 1) luaL_error(L, "timestamp format must be MILLISECOND or MICROSECOND.");
    return resolution == 1;
}

static int handle_timestamp(lua_State *L) {
    mrt_check_handle(L);
    if (!lua_isnoneornil(L, 2) && mrt_check_integer(L, 2) != 0) {
        return luaL_error(L, "timestamp format must be MILLISECOND.");
    }
    lua_pushinteger(L, (lua_Integer)mrt_wall_clock_ms());
    return 1;
}

static int handle_timestamp_string(lua_State *L) {
    mrt_check_handle(L);
    lua_Integer now = (lua_Integer)mrt_wall_clock_ms();
    lua_pushfstring(L, "%I", (LUAI_UACINT)(wants_microseconds(L) ? now * 1000 : now));
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
    mrt_check_handle(L);
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

static void add_resolutions(lua_State *L) {
    lua_newtable(L);
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "MILLISECOND");
    lua_pushinteger(L, 1);
    lua_setfield(L, -2, "MICROSECOND");
    lua_setglobal(L, "EnvoyTimestampResolution");
}

void mrt_open_handle(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"headers", handle_headers},
        {"body", mrt_handle_body},
        {"bodyChunks", mrt_handle_body_chunks},
        {"trailers", mrt_handle_trailers},
        {"httpCall", mrt_handle_http_call},
        {"httpCalls", mrt_handle_http_calls},
        {"respond", handle_respond},
        {"config", handle_config},
        {"filterContext", handle_filter_context},
        {"metadata", handle_filter_context},
        {"context", handle_context},
        {"connection", mrt_handle_connection},
        {"route", mrt_handle_route},
        {"virtualHost", mrt_handle_route},
        {"stats", mrt_handle_stats},
        {"setUpstreamOverrideHost", handle_override_host},
        {"clearRouteCache", handle_clear_route_cache},
        {"downstreamRequestHeaders", handle_request_headers},
        {"sleep", handle_sleep},
        {"timestamp", handle_timestamp},
        {"timestampString", handle_timestamp_string},
        {"base64Escape", mrt_base64_escape},
        {"base64Decode", mrt_base64_decode},
        {"importPublicKey", mrt_import_public_key},
        {"verifySignature", mrt_verify_signature},
        {NULL, NULL},
    };
    mrt_define_object(L, OBJECT_HANDLE, "handle", methods);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[OBJECT_HANDLE]);
    lua_getfield(L, -1, "__index");
    for (int of_connection = 0; of_connection < 2; of_connection++) {
        lua_pushinteger(L, of_connection);
        lua_pushcclosure(L, mrt_handle_stream_info, 1);
        lua_setfield(L, -2, of_connection ? "connectionStreamInfo" : "streamInfo");
    }
    lua_pop(L, 2);
    add_resolutions(L);
}

void mrt_push_handle(lua_State *L, mrt_run *run) {
    mrt_push_kept_object(L, OBJECT_HANDLE, &run->handles)->map =
        run->hook == MRT_HOOK_REQUEST ? MRT_MAP_REQUEST : MRT_MAP_RESPONSE;
}
