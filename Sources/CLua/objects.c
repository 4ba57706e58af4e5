// What all objects have in common: that they die, that they log, that some wait, and how text comes in.
#include <stdio.h>
#include <string.h>

#include "internal.h"

// MARK: Life

/// Handles and what is made for a whole run live as long as the run; what is lent lives until its next wait.
static uint64_t lifetime(const mrt_vm *vm, enum mrt_kind kind) {
    switch (kind) {
    case OBJECT_SHARED: return 0;
    case OBJECT_HANDLE:
    case OBJECT_STATS:
    case OBJECT_STAT: return vm->current->id;
    default: return vm->slice;
    }
}

struct mrt_object *mrt_check_object(lua_State *L, enum mrt_kind kind, const char *what) {
    return mrt_check_object_at(L, 1, kind, what);
}

struct mrt_object *mrt_check_object_at(lua_State *L, int index, enum mrt_kind kind, const char *what) {
    // Every full userdata a script can reach is one of ours and begins with its kind.
    struct mrt_object *object = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!object || object->kind != MRT_MAGIC + kind) luaL_typeerror(L, index, what);
    mrt_vm *vm = vm_of(L);
    if (kind != OBJECT_SHARED && (vm->current == &vm->outside || object->lives_in != lifetime(vm, kind))) {
        luaL_error(L, "object used outside of proper scope");
    }
    mrt_charge(L, 1);
    return object;
}

static void begin_life(lua_State *L, struct mrt_object *object, enum mrt_kind kind) {
    object->kind = MRT_MAGIC + kind;
    object->lives_in = lifetime(vm_of(L), kind);
}

struct mrt_object *mrt_push_object(lua_State *L, enum mrt_kind kind, size_t size) {
    mrt_charge(L, 4);
    struct mrt_object *object = lua_newuserdatauv(L, size, 0);
    memset(object, 0, size);
    begin_life(L, object, kind);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[kind]);
    lua_setmetatable(L, -2);
    return object;
}

void mrt_begin_kept(struct mrt_kept *kept) {
    for (int turn = 0; turn < MRT_TURNS; turn++) kept->refs[turn] = LUA_NOREF;
    kept->turn = 0;
}

// Writes to slots that exist, so it cannot raise.
void mrt_drop_kept(lua_State *L, struct mrt_kept *kept) {
    for (int turn = 0; turn < MRT_TURNS; turn++) luaL_unref(L, LUA_REGISTRYINDEX, kept->refs[turn]);
}

struct mrt_object *mrt_push_kept_object(lua_State *L, enum mrt_kind kind, struct mrt_kept *kept) {
    uint64_t now = lifetime(vm_of(L), kind);
    if (kept->refs[kept->turn] != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, kept->refs[kept->turn]);
        struct mrt_object *object = lua_touserdata(L, -1);
        if (object->lives_in == now) return object;
        lua_pop(L, 1);
        kept->turn = (kept->turn + 1) % MRT_TURNS;
    }
    int *ref = &kept->refs[kept->turn];
    if (*ref == LUA_NOREF) {
        struct mrt_object *object = mrt_push_object(L, kind, sizeof *object);
        lua_pushvalue(L, -1);
        *ref = luaL_ref(L, LUA_REGISTRYINDEX);
        return object;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, *ref);
    struct mrt_object *object = lua_touserdata(L, -1);
    object->iterating = 0;
    object->lives_in = now;
    return object;
}

void mrt_define_object(lua_State *L, enum mrt_kind kind, const char *name, const luaL_Reg *methods) {
    lua_newtable(L);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    mrt_add_log_functions(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    vm_of(L)->metatables[kind] = luaL_ref(L, LUA_REGISTRYINDEX);
}

// MARK: Waiting

void mrt_check_can_wait(lua_State *L) {
    if (!lua_isyieldable(L) || vm_of(L)->blocked > 0) {
        luaL_error(L, "cannot wait here: a C function of the caller is under way");
    }
}

int mrt_wait(lua_State *L, lua_KFunction then, lua_KContext context) {
    vm_of(L)->current->wait = 1;
    if (!is_run_thread(L)) *space_of(L) |= MRT_WAITING_THREAD;
    return lua_yieldk(L, 0, context, then);
}

void mrt_woken(lua_State *L) { *space_of(L) &= ~(uintptr_t)MRT_WAITING_THREAD; }

// MARK: Arguments

lua_Integer mrt_check_integer(lua_State *L, int index) {
    int is_number;
    lua_Number number = lua_tonumberx(L, index, &is_number);
    if (is_number && !lua_isinteger(L, index) && number > -9e15 && number < 9e15) return (lua_Integer)number;
    return luaL_checkinteger(L, index);
}

lua_Integer mrt_optional_integer(lua_State *L, int index, lua_Integer standard) {
    return lua_isnoneornil(L, index) ? standard : mrt_check_integer(L, index);
}

mrt_bytes_borrowed mrt_optional_text(lua_State *L, int index) {
    if (lua_isnoneornil(L, index)) return (mrt_bytes_borrowed){NULL, 0};
    size_t size;
    const char *text = mrt_check_text(L, index, &size);
    return (mrt_bytes_borrowed){(const uint8_t *)text, size};
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

/// The character in lower case where a token may have it, 0 elsewhere (RFC 9110 section 5.6.2).
static const uint8_t token_characters[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|', ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

mrt_bytes_borrowed mrt_check_name(lua_State *L, const char *name, size_t size, uint8_t *out) {
    bool valid = size > 0 && size <= MRT_MAX_NAME;
    size_t at = 0;
    if (valid && size > 1 && name[0] == ':') out[at++] = ':';
    for (; valid && at < size; at++) {
        out[at] = token_characters[(uint8_t)name[at]];
        valid = out[at] != 0;
    }
    if (!valid) luaL_error(L, "invalid header name");
    return (mrt_bytes_borrowed){out, size};
}

mrt_bytes_borrowed mrt_check_value(lua_State *L, const char *value, size_t size) {
    for (size_t at = 0; at < size; at++) {
        // RFC 9110 section 5.5, as for what comes from outside.
        unsigned char byte = (unsigned char)value[at];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) luaL_error(L, "invalid header value");
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
    case MRT_CODE_BODY_STREAMED: luaL_error(L, "cannot call body() after body has been streamed"); break;
    case MRT_CODE_BODY_STREAMING: luaL_error(L, "cannot call body() after body streaming has started"); break;
    case MRT_CODE_CHUNKS_LATE: luaL_error(L, "cannot call bodyChunks after body processing has begun"); break;
    case MRT_CODE_NO_CLUSTER: luaL_error(L, "http call cluster invalid. Must be configured"); break;
    case MRT_CODE_BAD_CALL:
        luaL_error(L, "http call headers must include ':path', ':method', and ':authority'");
        break;
    case MRT_CODE_NO_REQUEST: luaL_error(L, "there is no request here"); break;
    case MRT_CODE_TOO_MANY: luaL_error(L, "too many at once"); break;
    case MRT_CODE_CONTINUED: luaL_error(L, "respond() cannot be called if headers have been continued"); break;
    case MRT_CODE_CANNOT_WAIT: luaL_error(L, "cannot wait here: nothing can be held any more"); break;
    case MRT_CODE_BAD_ADDRESS: luaL_error(L, "host is not a valid IP address"); break;
    case MRT_CODE_STORE_FULL: luaL_error(L, "value too large for the shared store"); break;
    case MRT_CODE_STAT_KIND: luaL_error(L, "this name is taken by a stat of another kind, or there are too many"); break;
    case MRT_CODE_TOO_MANY_STORES: luaL_error(L, "a policy has 16 shared stores at most"); break;
    case MRT_CODE_CALL_BROKEN: luaL_error(L, "the answer to the call broke off"); break;
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
