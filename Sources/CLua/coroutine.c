// Coroutines of scripts. They share the budget of the run that resumes them, a spent budget passes through them, and a
// wait for the host passes through them to the run's own thread. There is no `close`: see drop_run.
#include "internal.h"

static lua_State *check_coroutine(lua_State *L) {
    lua_State *coroutine = lua_tothread(L, 1);
    luaL_argexpected(L, coroutine, 1, "coroutine");
    return coroutine;
}

static int coroutine_create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    // A new thread starts a fresh count of instructions; this pays for what it may run uncounted.
    mrt_charge(L, MRT_PERIOD);
    lua_State *coroutine = lua_newthread(L);
    // The mark of a run's thread is not inherited.
    *(uintptr_t *)lua_getextraspace(coroutine) = (uintptr_t)vm_of(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, coroutine, 1);
    return 1;
}

static const char *status_name(lua_State *L, lua_State *coroutine) {
    if (L == coroutine) return "running";
    switch (lua_status(coroutine)) {
    case LUA_YIELD: return "suspended";
    case LUA_OK: {
        lua_Debug activation;
        if (lua_getstack(coroutine, 0, &activation)) return "normal";
        return lua_gettop(coroutine) == 0 ? "dead" : "suspended";
    }
    default: return "dead";
    }
}

enum { FAILED = -1, WAITS = -2 };

/// Runs `coroutine` until it ends, yields, fails or waits for the host. Its results or its error move to `L`.
/// `goes_on`: it waited for the host below this very call.
static int resume(lua_State *L, lua_State *coroutine, int arguments, bool goes_on) {
    mrt_vm *vm = vm_of(L);
    // A run that has replied may still close variables, but resumes nothing: a suspended coroutine has instructions left
    // that its hook does not count.
    if (vm->current->stop != STOP_NONE) mrt_raise_stop(L);
    mrt_charge(L, 10);
    // A run's thread belongs to the host, whatever its state.
    bool is_taken = is_run_thread(coroutine) || (!goes_on && (*space_of(coroutine) & MRT_WAITING_THREAD));
    if (is_taken || (lua_status(coroutine) != LUA_YIELD && status_name(L, coroutine)[0] != 's')) {
        bool dead = !is_taken && status_name(L, coroutine)[0] == 'd';
        lua_pushfstring(L, "cannot resume %s coroutine", dead ? "dead" : "non-suspended");
        return FAILED;
    }
    if (!lua_checkstack(coroutine, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return FAILED;
    }
    lua_xmove(L, coroutine, arguments);
    int values = 0;
    bool blocks = !lua_isyieldable(L);
    // Blocks may have grown while it was suspended, and while this thread waits for it. A coroutine whose body is a C
    // function ends before its own hook comes.
    mrt_keep_period(coroutine);
    vm->running = coroutine;
    if (blocks) vm->blocked++;
    int status = lua_resume(coroutine, L, arguments, &values);
    if (blocks) vm->blocked--;
    vm->running = L;
    mrt_keep_period(L);
    // Who cannot be left was told so before anything was begun: see mrt_check_can_wait.
    if (status == LUA_YIELD && vm->current->wait != 0) return WAITS;
    if (status == LUA_OK || status == LUA_YIELD) {
        if (!lua_checkstack(L, values + 1)) {
            lua_pop(coroutine, values);
            lua_pushliteral(L, "too many results to resume");
            return FAILED;
        }
        lua_xmove(coroutine, L, values);
        return values;
    }
    lua_xmove(coroutine, L, 1);
    // As in pcall: a failed allocation is not for the script to catch.
    if (status == LUA_ERRMEM) mrt_stop_run(L, STOP_MEMORY);
    if (vm->current->stop != STOP_NONE) lua_error(L);
    mrt_charge_look(L, 50);
    return FAILED;
}

static int finish_resume(lua_State *L, int status, lua_KContext arguments) {
    mrt_woken(L);
    // Coming back from a wait: the host's answer is for the coroutine that asked.
    int values = resume(L, lua_tothread(L, 1), (int)arguments, status == LUA_YIELD);
    if (values == WAITS) return mrt_wait(L, finish_resume, 0);
    lua_pushboolean(L, values != FAILED);
    lua_insert(L, values == FAILED ? -2 : -(values + 1));
    return values == FAILED ? 2 : values + 1;
}

static int coroutine_resume(lua_State *L) {
    check_coroutine(L);
    return finish_resume(L, LUA_OK, lua_gettop(L) - 1);
}

static int finish_wrap(lua_State *L, int status, lua_KContext arguments) {
    mrt_woken(L);
    int values = resume(L, lua_tothread(L, lua_upvalueindex(1)), (int)arguments, status == LUA_YIELD);
    if (values == WAITS) return mrt_wait(L, finish_wrap, 0);
    if (values != FAILED) return values;
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int call_wrapped(lua_State *L) { return finish_wrap(L, LUA_OK, lua_gettop(L)); }

static int coroutine_wrap(lua_State *L) {
    coroutine_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int coroutine_yield(lua_State *L) { return lua_yield(L, lua_gettop(L)); }

static int coroutine_status(lua_State *L) {
    lua_State *coroutine = check_coroutine(L);
    lua_pushstring(L, status_name(L, coroutine));
    return 1;
}

static int coroutine_isyieldable(lua_State *L) {
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

static int coroutine_running(lua_State *L) {
    lua_pushthread(L);
    // To the script, the thread of its run is the main one: nothing of its own can resume it.
    lua_pushboolean(L, is_run_thread(L));
    return 2;
}

void mrt_open_coroutine(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"create", coroutine_create},
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {"yield", coroutine_yield},
        {"status", coroutine_status},
        {"isyieldable", coroutine_isyieldable},
        {"running", coroutine_running},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
