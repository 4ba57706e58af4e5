// Calls whose bodies pass in pieces: `httpCall` with the option `stream`.
#include "internal.h"

// Where `mrt_stream_call` leaves its arguments.
enum { HANDLE = 1, CLUSTER, HEADERS, BODY, OPTIONS };

enum { KEEPS_DUPLICATES = 1 << 16 };

// MARK: The answer

static int push_piece(lua_State *L, int32_t call, int32_t code) {
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed piece;
    if (code == MRT_CODE_OK && vm->host->part(vm->current->context, MRT_PART_CALL + call, &piece)) {
        mrt_reserve(L, piece.size);
        mrt_charge_bytes(L, piece.size);
        lua_pushlstring(L, (const char *)piece.data, piece.size);
        return 1;
    }
    if (code != MRT_CODE_OK && code != MRT_CODE_NOTHING) mrt_raise_code(L, code);
    lua_pushnil(L);
    return 1;
}

static int take_piece(lua_State *L, int32_t call);

static int finish_piece(lua_State *L, int status, lua_KContext call) {
    (void)status;
    mrt_woken(L);
    return take_piece(L, (int32_t)call);
}

static int take_piece(lua_State *L, int32_t call) {
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->stream_piece(vm->current->context, call);
    return code == MRT_CODE_PENDING ? mrt_wait(L, finish_piece, call) : push_piece(L, call, code);
}

static int next_piece(lua_State *L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    mrt_check_handle(L);
    mrt_check_can_wait(L);
    return take_piece(L, (int32_t)lua_tointeger(L, lua_upvalueindex(2)));
}

static int push_stream(lua_State *L, lua_KContext call) {
    mrt_push_answer_headers(L, (int32_t)(call & 0xffff), (call & KEEPS_DUPLICATES) != 0);
    lua_pushvalue(L, HANDLE);
    lua_pushinteger(L, (lua_Integer)(call & 0xffff));
    lua_pushcclosure(L, next_piece, 2);
    return 2;
}

static int finish_head(lua_State *L, int status, lua_KContext call) {
    (void)status;
    mrt_woken(L);
    return push_stream(L, call);
}

static int await_head(lua_State *L, lua_KContext call) {
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->stream_head(vm->current->context, (int32_t)(call & 0xffff));
    return code == MRT_CODE_PENDING ? mrt_wait(L, finish_head, call) : push_stream(L, call);
}

// MARK: The request

static int send_body(lua_State *L, lua_KContext call, bool has_piece);

/// The script's function has answered, maybe after waits of its own.
static int after_piece(lua_State *L, int status, lua_KContext call) {
    (void)status;
    return send_body(L, call, true);
}

static int after_room(lua_State *L, int status, lua_KContext call) {
    (void)status;
    mrt_woken(L);
    return send_body(L, call, false);
}

/// Asks the script's function for pieces until it answers nil. `has_piece`: one lies on the stack.
static int send_body(lua_State *L, lua_KContext call, bool has_piece) {
    mrt_vm *vm = vm_of(L);
    for (;;) {
        if (!has_piece) {
            lua_pushvalue(L, BODY);
            lua_callk(L, 0, 1, call, after_piece);
        }
        has_piece = false;
        if (lua_isnil(L, -1)) return await_head(L, call);
        mrt_bytes_borrowed piece = mrt_check_piece(L);
        int32_t code = vm->host->stream_write(vm->current->context, (int32_t)(call & 0xffff), piece);
        lua_pop(L, 1);
        if (code == MRT_CODE_PENDING) return mrt_wait(L, after_room, call);
        // Answered before it was all sent.
        if (code == MRT_CODE_NOTHING) return await_head(L, call);
        mrt_raise_code(L, code);
    }
}

int mrt_stream_call(lua_State *L, lua_Integer timeout, int32_t flags, bool keeps_duplicates) {
    mrt_check_can_wait(L);
    lua_settop(L, OPTIONS);
    bool streams_body = lua_type(L, BODY) == LUA_TFUNCTION;
    if (streams_body) flags |= MRT_CALL_STREAMS_BODY;
    lua_pushnil(L);
    int32_t number = mrt_send_call(L, CLUSTER, HEADERS, streams_body ? OPTIONS + 1 : BODY, timeout, flags, true);
    lua_settop(L, OPTIONS);
    lua_KContext call = number | (keeps_duplicates ? KEEPS_DUPLICATES : 0);
    return streams_body ? send_body(L, call, false) : await_head(L, call);
}
