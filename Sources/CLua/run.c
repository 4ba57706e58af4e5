// Runs: a hook of the script as a coroutine, from start to its end, a wait, a reply or an error.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { MAX_IDLE_RUNS = 64, MAX_MESSAGE = 4096 };

// MARK: The pool

static int make_thread(lua_State *L) {
    mrt_run *run = lua_touserdata(L, 1);
    run->thread = lua_newthread(L);
    // Marks the thread of a run.
    *space_of(run->thread) |= MRT_RUN_THREAD;
    run->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static mrt_run *take_run(mrt_vm *vm) {
    mrt_run *run = vm->idle;
    if (run) {
        vm->idle = run->next;
        vm->idle_count--;
        return run;
    }
    run = calloc(1, sizeof(mrt_run));
    if (!run) return NULL;
    run->vm = vm;
    mrt_begin_kept(&run->handles);
    mrt_begin_kept(&run->header_maps);
    lua_pushcfunction(vm->main, make_thread);
    lua_pushlightuserdata(vm->main, run);
    if (lua_pcall(vm->main, 1, 0, 0) != LUA_OK) {
        lua_settop(vm->main, 0);
        free(run);
        return NULL;
    }
    return run;
}

/// For a thread that ended well, so that its stack is empty and it can run another function.
static void keep_run(mrt_vm *vm, mrt_run *run) {
    run->next = vm->idle;
    vm->idle = run;
    vm->idle_count++;
}

/// Takes the frames off a thread that yielded to reply. Its hooks are on, as it did not end by an error, and interrupt
/// whatever a `<close>` variable would run at its first instruction.
static void clear_replied(mrt_vm *vm, mrt_run *run) {
    vm->current = run;
    vm->running = run->thread;
    lua_sethook(run->thread, mrt_hook, mrt_hook_mask(vm), 1);
    lua_resetthread(run->thread);
    vm->running = NULL;
    vm->current = &vm->outside;
    lua_settop(run->thread, 0);
    keep_run(vm, run);
}

/// Leaves the thread to the collector. After an error it is never reset: that could run what `<close>` variables of a
/// stopped script hold with hooks off.
static void drop_run(mrt_vm *vm, mrt_run *run) {
    // Writes to slots that exist, so it cannot raise.
    luaL_unref(vm->main, LUA_REGISTRYINDEX, run->thread_ref);
    mrt_drop_kept(vm->main, &run->handles);
    mrt_drop_kept(vm->main, &run->header_maps);
    free(run);
}

void mrt_run_drop(mrt_vm *vm, mrt_run *run) { drop_run(vm, run); }

// MARK: Messages

/// Turns the error object into text with a traceback. Calls nothing of the script.
static int describe(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    lua_State *thread = lua_touserdata(L, 1);
    size_t size;
    if (!lua_isstring(L, 2)) {
        lua_pushfstring(L, "error object is a %s value", luaL_typename(L, 2));
        lua_replace(L, 2);
    }
    const char *text = lua_tolstring(L, 2, &size);
    if (size > MAX_MESSAGE) size = MAX_MESSAGE;
    luaL_traceback(L, thread, NULL, 0);
    size_t trace_size;
    const char *trace = lua_tolstring(L, -1, &trace_size);
    if (trace_size > MAX_MESSAGE) trace_size = MAX_MESSAGE;
    char *copy = malloc(size + trace_size);
    if (!copy) return luaL_error(L, "not enough memory");
    memcpy(copy, text, size);
    memcpy(copy + size, trace, trace_size);
    free(vm->message);
    vm->message = copy;
    vm->message_size = size + trace_size;
    vm->traceback_start = size;
    return 0;
}

static void set_plain_message(mrt_vm *vm, const char *text) {
    size_t size = strlen(text);
    char *copy = malloc(size + 1);
    if (copy) memcpy(copy, text, size + 1);
    free(vm->message);
    vm->message = copy;
    vm->message_size = vm->traceback_start = copy ? size : 0;
}

static void describe_error(mrt_vm *vm, lua_State *thread) {
    lua_State *L = vm->main;
    lua_settop(L, 0);
    lua_pushcfunction(L, describe);
    lua_pushlightuserdata(L, thread);
    lua_xmove(thread, L, 1);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) set_plain_message(vm, "not enough memory");
    lua_settop(L, 0);
}

static void report_failure(mrt_vm *vm, int32_t error, mrt_result *result) {
    const uint8_t *text = (const uint8_t *)vm->message;
    result->status = MRT_STATUS_FAILED;
    result->error = error;
    result->run = NULL;
    result->message = (mrt_bytes_borrowed){text, text ? vm->traceback_start : 0};
    result->traceback = (mrt_bytes_borrowed){
        text ? text + vm->traceback_start : NULL, text ? vm->message_size - vm->traceback_start : 0};
}

// MARK: Running

/// Collects if the script left more than its limit behind; remembers when not even that helps.
static void relieve(mrt_vm *vm) {
    if (!vm->pressed) return;
    if (vm->used > vm->soft) lua_gc(vm->main, LUA_GCCOLLECT);
    vm->full = vm->used > vm->soft;
    vm->pressed = vm->full;
}

static int32_t error_of(const mrt_run *run, int status) {
    switch (run->stop) {
    case STOP_INSTRUCTIONS: return MRT_ERROR_INSTRUCTIONS;
    case STOP_MEMORY: return MRT_ERROR_MEMORY;
    case STOP_TIME: return MRT_ERROR_TIME;
    default: return status == LUA_ERRMEM ? MRT_ERROR_MEMORY : MRT_ERROR_SCRIPT;
    }
}

static void continue_run(mrt_vm *vm, mrt_run *run, int arguments, mrt_result *result) {
    lua_State *thread = run->thread;
    run->slice_started = 0;
    run->wait = 0;
    vm->slice = ++vm->last_id;
    vm->current = run;
    vm->running = thread;
    // While it waited, other runs may have made larger blocks.
    mrt_keep_period(thread);
    int values = 0;
    int status = lua_resume(thread, NULL, arguments, &values);
    vm->running = NULL;
    vm->current = &vm->outside;
    vm->slice = 0;
    result->instructions = run->used;

    if (status == LUA_OK) {
        lua_settop(thread, 0);
        result->status = MRT_STATUS_DONE;
        result->run = NULL;
        if (vm->idle_count < MAX_IDLE_RUNS) keep_run(vm, run);
        else drop_run(vm, run);
    } else if (run->stop == STOP_REPLIED) {
        result->status = MRT_STATUS_REPLIED;
        result->run = NULL;
        if (status == LUA_YIELD && vm->idle_count < MAX_IDLE_RUNS) clear_replied(vm, run);
        else drop_run(vm, run);
    } else if (status == LUA_YIELD && run->wait != 0) {
        if (run->slice_started) run->time_used += mrt_clock() - run->slice_started;
        result->status = MRT_STATUS_WAITING;
        result->wait = run->wait;
        result->run = run;
    } else {
        if (status == LUA_YIELD) set_plain_message(vm, "script performed an unexpected yield");
        else describe_error(vm, thread);
        report_failure(vm, error_of(run, status), result);
        drop_run(vm, run);
    }
    relieve(vm);
}

static bool begin_run(mrt_vm *vm, mrt_result *result, mrt_run **run) {
    memset(result, 0, sizeof(*result));
    relieve(vm);
    if (vm->full) {
        set_plain_message(vm, "memory budget exceeded by what the script keeps in global variables");
        report_failure(vm, MRT_ERROR_MEMORY, result);
        return false;
    }
    mrt_run *taken = take_run(vm);
    if (!taken) {
        set_plain_message(vm, "not enough memory");
        report_failure(vm, MRT_ERROR_MEMORY, result);
        return false;
    }
    taken->id = ++vm->last_id;
    taken->used = 0;
    taken->time_used = 0;
    taken->stop = STOP_NONE;
    taken->max_instructions = vm->max_instructions;
    taken->check_at = vm->max_instructions < MRT_PERIOD ? vm->max_instructions + 1 : MRT_PERIOD;
    // Also starts the count anew, so that the same run costs the same.
    lua_sethook(taken->thread, mrt_hook, mrt_hook_mask(vm), mrt_period(vm));
    *run = taken;
    return true;
}

static int after_hook(lua_State *L, int status, lua_KContext context) {
    (void)L;
    (void)status;
    (void)context;
    return 0;
}

/// First function of a run's thread: what it allocates is protected by the resume.
static int enter_hook(lua_State *L) {
    mrt_run *run = vm_of(L)->current;
    bool is_timer = run->hook >= MRT_HOOK_COUNT;
    lua_rawgeti(
        L, LUA_REGISTRYINDEX,
        is_timer ? run->vm->timers[run->hook - MRT_HOOK_COUNT].function : run->vm->hooks[run->hook]);
    mrt_push_handle(L, run);
    // With a continuation, or the hook could not yield.
    lua_callk(L, 1, 0, 0, after_hook);
    return 0;
}

static void start(
    mrt_vm *vm, int32_t hook, int32_t data, void *context, int32_t *kept, mrt_result *result) {
    mrt_run *run;
    if (!begin_run(vm, result, &run)) return;
    run->hook = hook;
    run->data = data;
    run->context = context;
    run->kept = kept;
    lua_pushcfunction(run->thread, enter_hook);
    continue_run(vm, run, 0, result);
}

void mrt_run_start(mrt_vm *vm, int32_t hook, int32_t data, void *context, int32_t *kept, mrt_result *result) {
    start(vm, hook, data, context, kept, result);
}

void mrt_run_timer(mrt_vm *vm, int32_t timer, void *context, mrt_result *result) {
    start(vm, MRT_HOOK_COUNT + timer, -1, context, NULL, result);
}

void mrt_run_resume(mrt_vm *vm, mrt_run *run, mrt_result *result) {
    memset(result, 0, sizeof(*result));
    continue_run(vm, run, 0, result);
}

// MARK: The main chunk

struct chunk {
    mrt_bytes_borrowed code;
    const char *name;
};

static int enter_chunk(lua_State *L) {
    struct chunk *chunk = lua_touserdata(L, 1);
    if (luaL_loadbufferx(L, (const char *)chunk->code.data, chunk->code.size, chunk->name, "b") != LUA_OK) {
        return lua_error(L);
    }
    // No continuation: a main chunk has nothing to wait for, so Lua refuses its yields.
    lua_call(L, 0, 0);
    return 0;
}

void mrt_run_chunk(mrt_vm *vm, mrt_bytes_borrowed code, const char *name, mrt_result *result) {
    mrt_run *run;
    if (!begin_run(vm, result, &run)) return;
    struct chunk chunk = {code, name};
    run->hook = -1;
    run->data = -1;
    run->context = NULL;
    run->kept = NULL;
    lua_pushcfunction(run->thread, enter_chunk);
    lua_pushlightuserdata(run->thread, &chunk);
    continue_run(vm, run, 1, result);
}
