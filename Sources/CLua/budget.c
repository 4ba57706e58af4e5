// Budgets: instructions, time and memory of a run. A run over one of them is stopped for good: the hook and every C
// function of the sandbox keep raising, and our pcall, xpcall and resume pass the error on.
#include <time.h>

#include "internal.h"

uint64_t mrt_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// What tests say the time is; 0: what the system says.
static _Thread_local uint64_t told_wall_clock;

void mrt_tell_wall_clock_ms(uint64_t milliseconds) { told_wall_clock = milliseconds; }

uint64_t mrt_wall_clock_ms(void) {
    if (told_wall_clock) return told_wall_clock;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/// How many instructions may pass between two looks at the clock. One instruction can compare, hash or copy a whole
/// string, stack or table, so the larger the blocks a script owns the closer the looks. A long string counts for more: as a
/// key it may be compared in each of the 2000 tables of an `__index` chain, by one instruction.
int mrt_period(const mrt_vm *vm) {
    size_t period = ((size_t)64 << 20) / (vm->largest | 1), of_text = ((size_t)16 << 20) / (vm->largest_string | 1);
    if (of_text < period) period = of_text;
    return period > MRT_PERIOD ? MRT_PERIOD : period < 4 ? 4 : (int)period;
}

/// Pushes "file:line: " of the innermost Lua function. Below a hook that is level 0, below a C function level 1.
static void push_position(lua_State *L) {
    lua_Debug activation;
    for (int level = 0; level < 2 && lua_getstack(L, level, &activation); level++) {
        lua_getinfo(L, "Sl", &activation);
        if (activation.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", activation.short_src, activation.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

int mrt_raise_stop(lua_State *L) {
    mrt_run *run = vm_of(L)->current;
    // Whatever catches this error is interrupted at its first instruction, or at the first thing it is charged for.
    lua_sethook(L, mrt_hook, mrt_hook_mask(run->vm), 1);
    run->check_at = 0;
    push_position(L);
    switch (run->stop) {
    case STOP_INSTRUCTIONS:
        lua_pushfstring(L, "instruction budget of %I exceeded", (LUAI_UACINT)run->max_instructions);
        break;
    case STOP_TIME: lua_pushfstring(L, "time budget of %I ms exceeded", (LUAI_UACINT)(run->vm->max_time / 1000000)); break;
    case STOP_MEMORY: lua_pushfstring(L, "memory budget of %I bytes exceeded", (LUAI_UACINT)run->vm->soft); break;
    default: lua_pushliteral(L, "the script has replied"); break;
    }
    lua_concat(L, 2);
    return lua_error(L);
}

int mrt_stop_run(lua_State *L, enum mrt_stop stop) {
    mrt_run *run = vm_of(L)->current;
    if (run->stop == STOP_NONE) run->stop = stop;
    return mrt_raise_stop(L);
}

static bool out_of_time(mrt_run *run) {
    uint64_t now = mrt_clock();
    // Time runs from the first look: an ordinary hook is over before it, and reads no clock at all.
    if (run->slice_started == 0) run->slice_started = now;
    return run->time_used + (now - run->slice_started) > run->vm->max_time;
}

bool mrt_allows_growth(mrt_vm *vm) {
    mrt_run *run = vm->current;
    if (run == &vm->outside || !out_of_time(run)) return true;
    if (run->stop == STOP_NONE) run->stop = STOP_TIME;
    run->check_at = 0;
    return false;
}

/// The script took more than its limit. Between two instructions, or where a C function charges, is a safe place to
/// collect, and the script pays for it.
static void relieve_pressure(lua_State *L, mrt_vm *vm, mrt_run *run) {
    if (vm->used > vm->soft) {
        run->used += vm->used / 64;
        lua_gc(L, LUA_GCCOLLECT);
        if (vm->used > vm->soft) mrt_stop_run(L, STOP_MEMORY);
    }
    vm->pressed = false;
}

/// Looks at every limit. Called after each period of instructions and after as much work in C.
void mrt_check_budget(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    mrt_run *run = vm->current;
    if (run == &vm->outside) return;
    if (run->stop != STOP_NONE) mrt_raise_stop(L);
    if (vm->pressed) relieve_pressure(L, vm, run);
    if (run->used > run->max_instructions) mrt_stop_run(L, STOP_INSTRUCTIONS);
    if (out_of_time(run)) mrt_stop_run(L, STOP_TIME);
    uint64_t next = run->used + MRT_PERIOD;
    run->check_at = next > run->max_instructions ? run->max_instructions + 1 : next;
}

void mrt_hook(lua_State *L, lua_Debug *activation) {
    mrt_vm *vm = vm_of(L);
    mrt_run *run = vm->current;
    if (activation->event == LUA_HOOKLINE) return mrt_coverage_ran(L, activation);
    if (run == &vm->outside) return;
    run->used += (uint64_t)lua_gethookcount(L);
    mrt_check_budget(L);
    mrt_keep_period(L);
}

void mrt_keep_period(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    int period = vm->pressed ? 1 : mrt_period(vm);
    if (lua_gethookcount(L) != period) lua_sethook(L, mrt_hook, mrt_hook_mask(vm), period);
}

size_t mrt_step_cost(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TTABLE) {
        if (!lua_getmetatable(L, index)) return 1;
        lua_pop(L, 1);
    }
    return (size_t)(MRT_PERIOD / mrt_period(vm_of(L)));
}

void mrt_reserve(lua_State *L, size_t size) {
    mrt_vm *vm = vm_of(L);
    if (size > vm->soft) mrt_stop_run(L, STOP_MEMORY);
    if (size > vm->soft - (vm->used > vm->soft ? vm->soft : vm->used)) {
        mrt_charge(L, vm->used / 64);
        lua_gc(L, LUA_GCCOLLECT);
        if (vm->used > vm->soft || size > vm->soft - vm->used) mrt_stop_run(L, STOP_MEMORY);
    }
}
