// A VM: its memory, its birth and death, and what is compiled and loaded into it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "internal.h"

// MARK: Memory

/// Asks for the hook at the very next instruction, and for a look at the limits at the next charge: the running function
/// may be a C function that no instruction of its thread follows. Lua allows this at any moment, even from a signal handler.
static void press(mrt_vm *vm) {
    vm->pressed = true;
    if (vm->current != &vm->outside) vm->current->check_at = 0;
    if (vm->running) lua_sethook(vm->running, mrt_hook, mrt_hook_mask(vm), 1);
}

enum { LARGE = 64 * 1024, NOTED = LARGE / 4 };

/// The power of two above `size`.
static int class_of(size_t size) { return 64 - __builtin_clzll(size - 1); }

/// A block of the noted sizes is gone, or got smaller. When it was the last of the largest, runs may be interrupted less
/// often again: each hook looks.
static void forget_block(mrt_vm *vm, size_t size) {
    if (size < NOTED) return;
    int class = class_of(size);
    if (--vm->large[class] > 0 || (size_t)1 << class != vm->largest) return;
    while (class > 0 && vm->large[class] == 0) class--;
    vm->largest = class > 0 ? (size_t)1 << class : NOTED;
    if (vm->largest_string > vm->largest) vm->largest_string = vm->largest;
}

static void note_block(mrt_vm *vm, size_t size, bool is_string) {
    if (size < NOTED) return;
    // Powers of two, so that the hook starts its count anew a few times only and not at each byte of growth.
    int class = class_of(size);
    size_t rounded = (size_t)1 << class;
    vm->large[class]++;
    if (rounded <= vm->largest && !(is_string && rounded > vm->largest_string)) return;
    if (rounded > vm->largest) vm->largest = rounded;
    if (is_string && rounded > vm->largest_string) vm->largest_string = rounded;
    if (vm->running) mrt_keep_period(vm->running);
}

/// Where a number stands in a table is no secret, so a script can fill a table with numbers that all get to the same place
/// once it grows; and growing, which is part of one instruction, takes a step for each pair of them. A tenth of a second for
/// 8192, minutes for what memory has room for. So the part of a table that is no list ends at MAX_NODES while a script
/// runs. A list grows on, and so does what the host makes.
static bool is_too_many_nodes(mrt_vm *vm, size_t size) {
    enum { NODE = 24, MAX_NODES = 1 << 15 };
    if (vm->current == &vm->outside || size <= (size_t)NODE * MAX_NODES) return false;
    // Nothing but the nodes of a table comes in powers of two of this.
    size_t count = size / NODE;
    if (size % NODE != 0 || (count & (count - 1)) != 0) return false;
    if (vm->current->stop == STOP_NONE) vm->current->stop = STOP_MEMORY;
    vm->current->check_at = 0;
    return true;
}

/// Lua's allocator. Scripts feel the soft limit: the next instruction collects garbage and stops the run if that did not
/// help. So an ordinary allocation never fails and Lua's emergency collection, the soil of several of its known bugs,
/// is left to single blocks beyond the hard limit.
void *mrt_allocate(void *owner, void *block, size_t old_size, size_t new_size) {
    mrt_vm *vm = owner;
    size_t old = block ? old_size : 0;  // without a block, `old_size` is a type tag
    if (new_size == 0) {
        free(block);
        vm->used -= old;
        forget_block(vm, old);
        return NULL;
    }
    if (new_size <= old) {
        void *smaller = realloc(block, new_size);
        vm->used -= old - new_size;
        forget_block(vm, old);
        note_block(vm, new_size, false);
        return smaller ? smaller : block;
    }
    if (vm->fail_countdown > 0 && --vm->fail_countdown == 0) {
        if (vm->keeps_failing) vm->fail_countdown = 1;
        return NULL;
    }
    size_t growth = new_size - old;
    if (growth > vm->hard || vm->used > vm->hard - growth) return NULL;
    // What grows within one instruction, as a stack does whose callee is its own `__call`: Lua moves every argument up by
    // one for each round, and no hook comes. The growth is the only place to look at the clock. Objects have a tag; they
    // are made in one step.
    bool is_vector = block || old_size == 0;
    if (new_size >= LARGE && is_vector && !mrt_allows_growth(vm)) return NULL;
    if (!block && old_size == 0 && is_too_many_nodes(vm, new_size)) return NULL;
    void *larger = realloc(block, new_size);
    if (!larger) return NULL;
    vm->used += growth;
    if (vm->used > vm->soft && !vm->pressed) press(vm);
    forget_block(vm, old);
    note_block(vm, new_size, !block && old_size == LUA_TSTRING);
    return larger;
}

static int panic(lua_State *L) {
    // Unreachable: every call that can raise is made below a protected call. Say so rather than die silently.
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    fprintf(stderr, "martlet: unprotected Lua error: %s\n", text);
    abort();
}

// MARK: Messages

static void set_message(mrt_vm *vm, const char *text, size_t size, size_t traceback_start) {
    char *copy = malloc(size + 1);
    if (!copy) size = traceback_start = 0;
    else {
        memcpy(copy, text, size);
        copy[size] = 0;
    }
    free(vm->message);
    vm->message = copy;
    vm->message_size = size;
    vm->traceback_start = traceback_start;
}

int32_t mrt_fail_with(mrt_vm *vm, lua_State *L, int32_t error) {
    size_t size = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!text) {
        text = "not enough memory";
        size = strlen(text);
    }
    set_message(vm, text, size, size);
    lua_settop(L, 0);
    return error;
}

/// Without the traceback: what failed to load is told in one line, which begins with the place.
mrt_bytes_borrowed mrt_vm_message(const mrt_vm *vm) {
    return (mrt_bytes_borrowed){(const uint8_t *)vm->message, vm->message ? vm->traceback_start : 0};
}

// MARK: Life

mrt_vm *mrt_vm_new(const mrt_options *options) {
    mrt_vm *vm = calloc(1, sizeof(mrt_vm));
    if (!vm) return NULL;
    vm->host = options->host;
    vm->owner = options->owner;
    vm->max_instructions = options->max_instructions;
    vm->max_time = options->max_time;
    vm->soft = options->max_memory;
    // Room for what a single instruction may take on top: growing a table, or one concatenation.
    vm->hard = options->max_memory > SIZE_MAX / 8 ? SIZE_MAX / 2 : options->max_memory * 4 + (1 << 20);
    vm->fail_countdown = options->fail_allocation;
    vm->keeps_failing = options->keeps_failing;
    vm->coverage = mrt_coverage_join();
    vm->largest = vm->largest_string = NOTED;
    vm->outside.vm = vm;
    vm->outside.max_instructions = UINT64_MAX;
    vm->outside.check_at = UINT64_MAX;
    vm->current = &vm->outside;
    for (int hook = 0; hook < MRT_HOOK_COUNT; hook++) vm->hooks[hook] = LUA_NOREF;
    for (int kind = 0; kind < OBJECT_COUNT; kind++) vm->metatables[kind] = LUA_NOREF;
    if (getrandom(&vm->pointer_key, sizeof(vm->pointer_key), GRND_NONBLOCK) != sizeof(vm->pointer_key)) {
        vm->pointer_key = mrt_clock() ^ (uintptr_t)vm;
    }
    lua_State *L = lua_newstate(mrt_allocate, vm);
    if (!L) {
        mrt_coverage_leave(vm->coverage);
        free(vm);
        return NULL;
    }
    vm->main = L;
    lua_atpanic(L, panic);
    // Before any other thread exists, because new threads copy it.
    *(uintptr_t *)lua_getextraspace(L) = (uintptr_t)vm;
    // Few, long cycles: what a policy keeps is small, and so is what it leaves behind per run.
    lua_gc(L, LUA_GCINC, 400, 400, 13);
    lua_pushcfunction(L, mrt_build_sandbox);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        mrt_vm_close(vm);
        return NULL;
    }
    return vm;
}

void mrt_vm_set_owner(mrt_vm *vm, void *owner) { vm->owner = owner; }

size_t mrt_vm_close(mrt_vm *vm) {
    vm->fail_countdown = 0;
    while (vm->idle) {
        mrt_run *run = vm->idle;
        vm->idle = run->next;
        free(run);
    }
    lua_close(vm->main);
    mrt_coverage_leave(vm->coverage);
    size_t left = vm->used;
    free(vm->message);
    free(vm->scratch.data);
    free(vm);
    return left;
}

// MARK: Code

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};

static int append(lua_State *L, const void *piece, size_t size, void *to) {
    (void)L;
    struct buffer *buffer = to;
    if (buffer->size + size > buffer->capacity) {
        size_t capacity = (buffer->size + size) * 2;
        uint8_t *data = realloc(buffer->data, capacity);
        if (!data) return 1;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->size, piece, size);
    buffer->size += size;
    return 0;
}

struct compilation {
    mrt_bytes_borrowed source;
    const char *name;
    struct buffer code;
};

static int compile(lua_State *L) {
    struct compilation *work = lua_touserdata(L, 1);
    if (luaL_loadbufferx(L, (const char *)work->source.data, work->source.size, work->name, "t") != LUA_OK) {
        return lua_error(L);
    }
    mrt_check_function(L);
    // Debug information stays: messages and tracebacks need it.
    if (lua_dump(L, append, &work->code, 0) != 0) return luaL_error(L, "not enough memory");
    return 0;
}

int32_t mrt_vm_compile(mrt_vm *vm, mrt_bytes_borrowed source, const char *name, mrt_bytes_owned *code) {
    lua_State *L = vm->main;
    struct compilation work = {source, name, {NULL, 0, 0}};
    lua_pushcfunction(L, compile);
    lua_pushlightuserdata(L, &work);
    int status = lua_pcall(L, 1, 0, 0);
    if (status != LUA_OK) {
        free(work.code.data);
        return mrt_fail_with(vm, L, status == LUA_ERRMEM ? MRT_ERROR_MEMORY : MRT_ERROR_SCRIPT);
    }
    *code = (mrt_bytes_owned){work.code.data, work.code.size};
    return MRT_ERROR_NONE;
}

static int find_hooks(lua_State *L) {
    static const char *const names[MRT_HOOK_COUNT][2] = {
        {"on_request", "envoy_on_request"},
        {"on_response", "envoy_on_response"},
        {"on_log", "envoy_on_log"},
    };
    mrt_vm *vm = vm_of(L);
    lua_pushglobaltable(L);
    for (int hook = 0; hook < MRT_HOOK_COUNT; hook++) {
        for (int name = 0; name < 2 && vm->hooks[hook] == LUA_NOREF; name++) {
            lua_pushstring(L, names[hook][name]);
            lua_rawget(L, -2);
            if (lua_isfunction(L, -1)) {
                // Where tracebacks look for names.
                lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
                lua_pushvalue(L, -2);
                lua_setfield(L, -2, names[hook][name]);
                lua_pop(L, 1);
                vm->hooks[hook] = luaL_ref(L, LUA_REGISTRYINDEX);
            } else {
                lua_pop(L, 1);
            }
        }
    }
    return 0;
}

int32_t mrt_vm_load(mrt_vm *vm, mrt_bytes_borrowed code, const char *name) {
    mrt_result result;
    if (vm->coverage) mrt_coverage_add(vm->coverage, code, name);
    mrt_run_chunk(vm, code, name, &result);
    if (result.status != MRT_STATUS_DONE) return result.error;
    lua_pushcfunction(vm->main, find_hooks);
    if (lua_pcall(vm->main, 0, 0, 0) != LUA_OK) return mrt_fail_with(vm, vm->main, MRT_ERROR_MEMORY);
    return MRT_ERROR_NONE;
}

bool mrt_vm_has_hook(const mrt_vm *vm, int32_t hook) {
    return hook >= 0 && hook < MRT_HOOK_COUNT && vm->hooks[hook] != LUA_NOREF;
}


int32_t mrt_vm_add_data(mrt_vm *vm, mrt_bytes_borrowed data) {
    lua_State *L = vm->main;
    lua_pushcfunction(L, mrt_decode_data);
    lua_pushlightuserdata(L, &data);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        mrt_fail_with(vm, L, MRT_ERROR_MEMORY);
        return -1;
    }
    int32_t number = (int32_t)lua_tointeger(L, -1);
    lua_settop(L, 0);
    return number;
}

/// Sets what exists to nil, so it cannot raise.
void mrt_vm_remove_data(mrt_vm *vm, int32_t data) {
    lua_State *L = vm->main;
    if (data < 0) return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->data_ref);
    luaL_unref(L, -1, data);
    lua_settop(L, 0);
}

void mrt_vm_forget(mrt_vm *vm, int32_t kept) {
    if (kept > 0) luaL_unref(vm->main, LUA_REGISTRYINDEX, kept);
}

bool mrt_vm_check_data(mrt_vm *vm, int32_t data) {
    lua_State *L = vm->main;
    lua_pushcfunction(L, mrt_check_data);
    lua_pushinteger(L, data);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
    mrt_fail_with(vm, L, MRT_ERROR_SCRIPT);
    return false;
}

int32_t mrt_vm_timers(const mrt_vm *vm) { return vm->timer_count; }
int64_t mrt_vm_timer_period(const mrt_vm *vm, int32_t timer) {
    return timer >= 0 && timer < vm->timer_count ? vm->timers[timer].period : 0;
}

// MARK: Facts

size_t mrt_vm_memory(const mrt_vm *vm) { return vm->used; }
void mrt_vm_collect(mrt_vm *vm) { lua_gc(vm->main, LUA_GCCOLLECT); }

void mrt_vm_fail_allocation(mrt_vm *vm, uint64_t countdown, bool keeps_failing) {
    vm->fail_countdown = countdown;
    vm->keeps_failing = keeps_failing;
}

void mrt_bytes_free(mrt_bytes_owned bytes) { free(bytes.data); }
const char *mrt_lua_version(void) { return LUA_RELEASE; }
