// Bodies: the whole of one behind a held head, or chunk by chunk as it passes; and the trailers behind it.
#include <string.h>

#include "internal.h"

static struct mrt_object *check_buffer_at(lua_State *L, int index, mrt_bytes_borrowed *bytes) {
    struct mrt_object *buffer = mrt_check_object_at(L, index, OBJECT_BUFFER, "buffer");
    mrt_vm *vm = vm_of(L);
    if (!vm->host->part(vm->current->context, buffer->map, bytes)) luaL_error(L, "object used outside of proper scope");
    return buffer;
}

static struct mrt_object *check_buffer(lua_State *L, mrt_bytes_borrowed *bytes) { return check_buffer_at(L, 1, bytes); }

static int buffer_length(lua_State *L) {
    mrt_bytes_borrowed bytes;
    check_buffer(L, &bytes);
    lua_pushinteger(L, (lua_Integer)bytes.size);
    return 1;
}

static int buffer_get_bytes(lua_State *L) {
    mrt_bytes_borrowed bytes;
    check_buffer(L, &bytes);
    lua_Integer from = mrt_check_integer(L, 2), count = mrt_check_integer(L, 3);
    if (from < 0 || count < 0 || (uint64_t)from > bytes.size || (uint64_t)count > bytes.size - (uint64_t)from) {
        return luaL_error(L, "index/length must be >= 0 and (index + length) must be <= buffer size");
    }
    mrt_reserve(L, (size_t)count);
    mrt_charge_bytes(L, (size_t)count);
    lua_pushlstring(L, (const char *)bytes.data + from, (size_t)count);
    return 1;
}

static int buffer_set_bytes(lua_State *L) {
    mrt_bytes_borrowed old;
    struct mrt_object *buffer = check_buffer(L, &old);
    size_t size;
    const char *text = mrt_check_text(L, 2, &size);
    mrt_vm *vm = vm_of(L);
    mrt_raise_code(
        L, vm->host->set_part(vm->current->context, buffer->map, (mrt_bytes_borrowed){(const uint8_t *)text, size}));
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int push_buffer(lua_State *L, int32_t part) {
    mrt_push_object(L, OBJECT_BUFFER, sizeof(struct mrt_object))->map = part;
    return 1;
}

mrt_bytes_borrowed mrt_check_piece(lua_State *L) {
    mrt_bytes_borrowed bytes;
    int type = lua_type(L, -1);
    if (type == LUA_TUSERDATA) {
        check_buffer_at(L, lua_gettop(L), &bytes);
        mrt_charge_bytes(L, bytes.size);
        return bytes;
    }
    if (type != LUA_TSTRING && type != LUA_TNUMBER) {
        luaL_error(L, "the function for a body answers text, a buffer, or nil at its end, not a %s", luaL_typename(L, -1));
    }
    size_t size;
    const char *text = mrt_check_text(L, lua_gettop(L), &size);
    return (mrt_bytes_borrowed){(const uint8_t *)text, size};
}

// MARK: The whole

static int finish_body(lua_State *L, int status, lua_KContext always_wraps) {
    (void)status;
    mrt_woken(L);
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed bytes;
    bool is_there = vm->host->part(vm->current->context, MRT_PART_BODY, &bytes) && bytes.size > 0;
    if (is_there || always_wraps) return push_buffer(L, MRT_PART_BODY);
    lua_pushnil(L);
    return 1;
}

int mrt_handle_body(lua_State *L) {
    mrt_check_handle(L);
    int always_wraps = lua_toboolean(L, 2);
    mrt_check_can_wait(L);
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->body_begin(vm->current->context);
    if (code == MRT_CODE_PENDING) return mrt_wait(L, finish_body, always_wraps);
    if (code != MRT_CODE_NOTHING) mrt_raise_code(L, code);
    return finish_body(L, LUA_OK, always_wraps);
}

// MARK: Chunks

static int push_chunk(lua_State *L, int32_t code) {
    if (code == MRT_CODE_OK) return push_buffer(L, MRT_PART_CHUNK);
    if (code != MRT_CODE_NOTHING) mrt_raise_code(L, code);
    lua_pushnil(L);
    return 1;
}

static int finish_chunk(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    mrt_woken(L);
    mrt_vm *vm = vm_of(L);
    return push_chunk(L, vm->host->outcome(vm->current->context));
}

static int next_chunk(lua_State *L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    mrt_check_handle(L);
    mrt_check_can_wait(L);
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->chunk_begin(vm->current->context);
    return code == MRT_CODE_PENDING ? mrt_wait(L, finish_chunk, 0) : push_chunk(L, code);
}

int mrt_handle_body_chunks(lua_State *L) {
    mrt_check_handle(L);
    lua_settop(L, 1);
    lua_pushcclosure(L, next_chunk, 1);
    return 1;
}

// MARK: Trailers

static int push_trailers(lua_State *L, int32_t code) {
    if (code == MRT_CODE_OK) {
        int32_t map = vm_of(L)->current->hook == MRT_HOOK_REQUEST ? MRT_MAP_REQUEST_TRAILERS : MRT_MAP_RESPONSE_TRAILERS;
        mrt_push_object(L, OBJECT_HEADERS, sizeof(struct mrt_object))->map = map;
        return 1;
    }
    if (code != MRT_CODE_NOTHING) mrt_raise_code(L, code);
    lua_pushnil(L);
    return 1;
}

static int finish_trailers(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    mrt_woken(L);
    mrt_vm *vm = vm_of(L);
    return push_trailers(L, vm->host->outcome(vm->current->context));
}

int mrt_handle_trailers(lua_State *L) {
    mrt_check_handle(L);
    mrt_check_can_wait(L);
    mrt_vm *vm = vm_of(L);
    int32_t code = vm->host->trailers_begin(vm->current->context);
    return code == MRT_CODE_PENDING ? mrt_wait(L, finish_trailers, 0) : push_trailers(L, code);
}

void mrt_open_body(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"length", buffer_length}, {"getBytes", buffer_get_bytes}, {"setBytes", buffer_set_bytes}, {NULL, NULL},
    };
    mrt_define_object(L, OBJECT_BUFFER, "buffer", methods);
}
