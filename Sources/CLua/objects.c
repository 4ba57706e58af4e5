// What handles and header maps have in common: that they die, that they log, and how text comes in.
#include <stdio.h>
#include <string.h>

#include "internal.h"

struct mrt_object *mrt_check_object(lua_State *L, uint32_t kind, const char *what) {
    // Every full userdata a script can reach is one of ours and begins with its kind.
    struct mrt_object *object = lua_type(L, 1) == LUA_TUSERDATA ? lua_touserdata(L, 1) : NULL;
    if (!object || object->kind != kind) luaL_typeerror(L, 1, what);
    mrt_vm *vm = vm_of(L);
    uint64_t now = kind == OBJECT_HANDLE ? vm->current->id : vm->slice;
    if (vm->current == &vm->outside || object->lives_in != now) luaL_error(L, "object used outside of proper scope");
    mrt_charge(L, 1);
    return object;
}

void *mrt_check_lasting(lua_State *L, uint32_t kind, const char *what) {
    struct mrt_object *object = lua_type(L, 1) == LUA_TUSERDATA ? lua_touserdata(L, 1) : NULL;
    if (!object || object->kind != kind) luaL_typeerror(L, 1, what);
    mrt_charge(L, 1);
    return object;
}

const char *mrt_check_text(lua_State *L, int index, size_t *size) {
    if (lua_type(L, index) == LUA_TNUMBER && !lua_isinteger(L, index)) {
        // 10/2 is 5.0 in Lua 5.4 and was 5 in LuaJIT: headers get the latter.
        lua_Number number = lua_tonumber(L, index);
        if (number > -9e15 && number < 9e15 && number == (lua_Number)(lua_Integer)number) {
            lua_pushinteger(L, (lua_Integer)number);
            lua_replace(L, index);
        }
    }
    const char *text = luaL_checklstring(L, index, size);
    mrt_charge_bytes(L, *size);
    return text;
}

mrt_bytes_borrowed mrt_check_name(lua_State *L, const char *name, size_t size, uint8_t *out) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    bool valid = size > 0 && size <= MRT_MAX_NAME;
    for (size_t at = 0; valid && at < size; at++) {
        char c = name[at];
        if (c >= 'A' && c <= 'Z') c |= 0x20;
        out[at] = (uint8_t)c;
        valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(others, c)) || (c == ':' && at == 0 && size > 1);
    }
    if (!valid) luaL_error(L, "invalid header name");
    return (mrt_bytes_borrowed){out, size};
}

mrt_bytes_borrowed mrt_check_value(lua_State *L, const char *value, size_t size) {
    for (size_t at = 0; at < size; at++) {
        if (value[at] == 0 || value[at] == '\r' || value[at] == '\n') luaL_error(L, "invalid header value");
    }
    return (mrt_bytes_borrowed){(const uint8_t *)value, size};
}

void mrt_raise_code(lua_State *L, int32_t code) {
    switch (code) {
    case MRT_CODE_OK: return;
    case MRT_CODE_SENT: luaL_error(L, "header map can no longer be modified"); break;
    case MRT_CODE_BAD_NAME: luaL_error(L, "invalid header name"); break;
    case MRT_CODE_BAD_VALUE: luaL_error(L, "invalid header value"); break;
    case MRT_CODE_TOO_LARGE: luaL_error(L, "headers too large"); break;
    case MRT_CODE_PSEUDO: luaL_error(L, "this header can only be replaced"); break;
    default: luaL_error(L, "header refused"); break;
    }
}

// MARK: Logging

enum { MAX_LINE = 8192 };

void mrt_log(lua_State *L, int level, const char *text, size_t size) {
    mrt_vm *vm = vm_of(L);
    if (size > MAX_LINE) size = MAX_LINE;
    // A line costs the worker and the log something: a policy cannot write without end within its budget.
    mrt_charge(L, 200 + size / 4);
    vm->host->log(vm->owner, vm->current->context, level, (mrt_bytes_borrowed){(const uint8_t *)text, size});
}

static int log_at(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    mrt_log(L, (int)lua_tointeger(L, lua_upvalueindex(1)), text, size);
    return 0;
}

void mrt_add_log_functions(lua_State *L, int methods) {
    static const char *const names[] = {"logTrace", "logDebug", "logInfo", "logWarn", "logErr", "logCritical"};
    methods = lua_absindex(L, methods);
    for (int level = 0; level < 6; level++) {
        lua_pushinteger(L, level);
        lua_pushcclosure(L, log_at, 1);
        lua_setfield(L, methods, names[level]);
    }
}
