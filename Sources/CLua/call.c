// Requests that a script sends to clusters.
#include <string.h>

#include "internal.h"

enum { DUPLICATES = 1 << 16, MAX_CALLS = 16 };

static void add_header(lua_State *L, mrt_vm *vm, mrt_bytes_borrowed name, int index) {
    size_t size;
    // A copy: text made of a number in place would confuse the list it stands in.
    lua_pushvalue(L, index);
    const char *text = mrt_check_text(L, lua_gettop(L), &size);
    mrt_raise_code(L, vm->host->call_header(vm->current->context, name, mrt_check_value(L, text, size)));
    lua_pop(L, 1);
}

static void add_headers(lua_State *L, mrt_vm *vm, int table) {
    table = lua_absindex(L, table);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        mrt_charge(L, 1);
        if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "header names must be strings");
        size_t size;
        const char *text = lua_tolstring(L, -2, &size);
        uint8_t lower[MRT_MAX_NAME];
        mrt_bytes_borrowed name = mrt_check_name(L, text, size, lower);
        if (lua_type(L, -1) == LUA_TTABLE) {
            lua_Integer count = luaL_len(L, -1);
            for (lua_Integer at = 1; at <= count; at++) {
                mrt_charge(L, 1);
                lua_geti(L, -1, at);
                add_header(L, vm, name, -1);
                lua_pop(L, 1);
            }
        } else {
            add_header(L, vm, name, -1);
        }
        lua_pop(L, 1);
    }
}

int32_t mrt_send_call(
    lua_State *L, int cluster, int headers, int body, lua_Integer timeout, int32_t flags, bool begins) {
    mrt_vm *vm = vm_of(L);
    size_t size;
    const char *name = luaL_checklstring(L, cluster, &size);
    luaL_checktype(L, headers, LUA_TTABLE);
    mrt_bytes_borrowed content = mrt_optional_text(L, body);
    if (timeout < 0) luaL_error(L, "http call timeout must be >= 0");
    mrt_charge(L, 500);
    mrt_raise_code(
        L, vm->host->call_open(vm->current->context, (mrt_bytes_borrowed){(const uint8_t *)name, size}, begins));
    add_headers(L, vm, headers);
    int32_t call = vm->host->call_send(vm->current->context, content, timeout, flags);
    if (call < 0) mrt_raise_code(L, -call);
    return call;
}

void mrt_push_answer_headers(lua_State *L, int32_t call, bool keeps_duplicates) {
    mrt_vm *vm = vm_of(L);
    void *context = vm->current->context;
    mrt_bytes_borrowed name, value;
    lua_newtable(L);
    for (int32_t index = 0; vm->host->call_field(context, call, index, &name, &value); index++) {
        mrt_charge_bytes(L, name.size + value.size);
        lua_pushlstring(L, (const char *)name.data, name.size);
        lua_pushlstring(L, (const char *)value.data, value.size);
        if (keeps_duplicates) {
            lua_pushvalue(L, -2);
            int type = lua_rawget(L, -4);
            if (type == LUA_TTABLE) {
                lua_insert(L, -2);
                lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
            } else if (type != LUA_TNIL) {
                lua_createtable(L, 2, 0);
                lua_insert(L, -3);
                lua_rawseti(L, -3, 1);
                lua_rawseti(L, -2, 2);
            } else {
                lua_pop(L, 1);
            }
        }
        lua_rawset(L, -3);
    }
}

/// Pushes the headers of a call's answer and its body, or nil.
static void push_answer(lua_State *L, int32_t call, bool keeps_duplicates) {
    mrt_push_answer_headers(L, call, keeps_duplicates);
    mrt_vm *vm = vm_of(L);
    void *context = vm->current->context;
    mrt_bytes_borrowed body;
    if (vm->host->part(context, MRT_PART_CALL + call, &body) && body.size > 0) {
        mrt_reserve(L, body.size);
        mrt_charge_bytes(L, body.size);
        lua_pushlstring(L, (const char *)body.data, body.size);
    } else {
        lua_pushnil(L);
    }
}

// MARK: One

static int finish_call(lua_State *L, int status, lua_KContext call) {
    (void)status;
    mrt_woken(L);
    push_answer(L, (int32_t)(call & 0xffff), (call & DUPLICATES) != 0);
    return 2;
}

/// The options that may stand in the place of a timeout.
static lua_Integer read_options(lua_State *L, int table, int32_t *flags) {
    lua_Integer timeout = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        mrt_charge(L, 1);
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(key, "timeout_ms") == 0) {
            timeout = mrt_check_integer(L, -1);
        } else if (strcmp(key, "asynchronous") == 0) {
            if (lua_toboolean(L, -1)) *flags |= MRT_CALL_ASYNCHRONOUS;
        } else if (strcmp(key, "return_duplicate_headers") == 0) {
            if (lua_toboolean(L, -1)) *flags |= DUPLICATES;
        } else if (strcmp(key, "stream") == 0) {
            if (lua_toboolean(L, -1)) *flags |= MRT_CALL_STREAMS;
        } else if (strcmp(key, "send_xff") == 0) {
            if (lua_toboolean(L, -1)) *flags |= MRT_CALL_SEND_XFF;
        } else if (strcmp(key, "trace_sampled") != 0) {
            luaL_error(L, "\"%s\" is not valid key for httpCall() options", key);
        }
        lua_pop(L, 1);
    }
    return timeout;
}

int mrt_handle_http_call(lua_State *L) {
    mrt_check_handle(L);
    int32_t flags = 0;
    lua_Integer timeout;
    if (lua_type(L, 5) == LUA_TTABLE) {
        timeout = read_options(L, 5, &flags);
    } else {
        timeout = (lua_Integer)luaL_checknumber(L, 5);
        int type = lua_type(L, 6);
        if (type != LUA_TNONE && type != LUA_TNIL && type != LUA_TBOOLEAN) {
            return luaL_error(L, "http call asynchronous flag must be 'true', 'false', or empty");
        }
        if (lua_toboolean(L, 6)) flags |= MRT_CALL_ASYNCHRONOUS;
    }
    if (flags & MRT_CALL_STREAMS) {
        if (flags & MRT_CALL_ASYNCHRONOUS) return luaL_error(L, "a call cannot be both `stream` and `asynchronous`");
        return mrt_stream_call(L, timeout, flags & 0xffff, (flags & DUPLICATES) != 0);
    }
    bool waits = !(flags & MRT_CALL_ASYNCHRONOUS);
    if (waits) mrt_check_can_wait(L);
    int32_t call = mrt_send_call(L, 2, 3, 4, timeout, flags & 0xffff, true);
    if (!waits) return 0;
    lua_KContext after = call | (flags & DUPLICATES);
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->calls_begin(vm->current->context);
    if (code == MRT_CODE_PENDING) return mrt_wait(L, finish_call, after);
    mrt_raise_code(L, code);
    return finish_call(L, LUA_OK, after);
}

// MARK: Several at once

static int finish_calls(lua_State *L, int status, lua_KContext first_and_count) {
    (void)status;
    mrt_woken(L);
    int32_t first = (int32_t)(first_and_count >> 8), count = (int32_t)(first_and_count & 0xff);
    lua_createtable(L, count, 0);
    for (int32_t index = 0; index < count; index++) {
        lua_createtable(L, 0, 2);
        push_answer(L, first + index, false);
        lua_setfield(L, -3, "body");
        lua_setfield(L, -2, "headers");
        lua_rawseti(L, -2, index + 1);
    }
    return 1;
}

/// `httpCalls{ {cluster=, headers=, body=, timeout_ms=}, ... }` sends them all and waits for all; answers a list of
/// `{headers=, body=}` in the same order.
int mrt_handle_http_calls(lua_State *L) {
    mrt_check_handle(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 2);
    luaL_argcheck(L, count >= 1 && count <= MAX_CALLS, 2, "1 to 16 calls at once");
    mrt_check_can_wait(L);
    int32_t first = 0;
    for (lua_Integer at = 1; at <= count; at++) {
        lua_settop(L, 2);
        lua_geti(L, 2, at);
        luaL_argcheck(L, lua_type(L, 3) == LUA_TTABLE, 2, "a list of tables is expected");
        lua_getfield(L, 3, "cluster");
        lua_getfield(L, 3, "headers");
        lua_getfield(L, 3, "body");
        lua_getfield(L, 3, "timeout_ms");
        int32_t call = mrt_send_call(L, 4, 5, 6, mrt_optional_integer(L, 7, 0), 0, at == 1);
        if (at == 1) first = call;
    }
    lua_settop(L, 1);
    lua_KContext after = (lua_KContext)first << 8 | count;
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->calls_begin(vm->current->context);
    if (code == MRT_CODE_PENDING) return mrt_wait(L, finish_calls, after);
    mrt_raise_code(L, code);
    return finish_calls(L, LUA_OK, after);
}
