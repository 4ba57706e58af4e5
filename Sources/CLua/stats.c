// Metrics of a script's own: counters, gauges and histograms of the proxy, under the policy's name.
#include <string.h>

#include "internal.h"

struct stat {
    struct mrt_object object;
    int32_t kind;
    /// What one unit is in the unit that is recorded.
    double scale;
    uint32_t size;
    char name[];
};

static const char *const kinds[] = {"counter", "gauge", "histogram"};

static struct stat *check_stat(lua_State *L, int32_t kind) {
    struct stat *stat = (struct stat *)mrt_check_object(L, OBJECT_STAT, kinds[kind]);
    if (stat->kind != kind) luaL_typeerror(L, 1, kinds[kind]);
    return stat;
}

static double operate(lua_State *L, struct stat *stat, int32_t operation, double value) {
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed name = {(const uint8_t *)stat->name, stat->size};
    mrt_charge(L, 20);
    mrt_raise_code(L, vm->host->stat(vm->owner, stat->kind, name, operation, &value));
    return value;
}

/// The amount at 2, which may not be negative.
static double amount(lua_State *L, const char *what) {
    lua_Number value = luaL_checknumber(L, 2);
    if (!(value >= 0)) luaL_error(L, "%s amount must be non-negative", what);
    return value > 9e15 ? 9e15 : value;
}

static int push_result(lua_State *L, double value) {
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static int counter_inc(lua_State *L) { return operate(L, check_stat(L, MRT_STAT_COUNTER), MRT_STAT_ADD, 1), 0; }
static int counter_add(lua_State *L) {
    struct stat *stat = check_stat(L, MRT_STAT_COUNTER);
    return operate(L, stat, MRT_STAT_ADD, amount(L, "counter add")), 0;
}
static int counter_value(lua_State *L) {
    return push_result(L, operate(L, check_stat(L, MRT_STAT_COUNTER), MRT_STAT_VALUE, 0));
}

static int gauge_inc(lua_State *L) { return operate(L, check_stat(L, MRT_STAT_GAUGE), MRT_STAT_ADD, 1), 0; }
static int gauge_dec(lua_State *L) { return operate(L, check_stat(L, MRT_STAT_GAUGE), MRT_STAT_SUBTRACT, 1), 0; }
static int gauge_add(lua_State *L) {
    struct stat *stat = check_stat(L, MRT_STAT_GAUGE);
    return operate(L, stat, MRT_STAT_ADD, amount(L, "gauge add")), 0;
}
static int gauge_sub(lua_State *L) {
    struct stat *stat = check_stat(L, MRT_STAT_GAUGE);
    return operate(L, stat, MRT_STAT_SUBTRACT, amount(L, "gauge sub")), 0;
}
static int gauge_set(lua_State *L) {
    struct stat *stat = check_stat(L, MRT_STAT_GAUGE);
    return operate(L, stat, MRT_STAT_SET, amount(L, "gauge set")), 0;
}
static int gauge_value(lua_State *L) {
    return push_result(L, operate(L, check_stat(L, MRT_STAT_GAUGE), MRT_STAT_VALUE, 0));
}

static int histogram_record(lua_State *L) {
    struct stat *stat = check_stat(L, MRT_STAT_HISTOGRAM);
    return operate(L, stat, MRT_STAT_RECORD, amount(L, "histogram recordValue") * stat->scale), 0;
}

// MARK: Making one

/// Nanoseconds in a unit. Other units are recorded as seconds, so that they are exposed as they are.
static double scale_of(lua_State *L, int index) {
    const char *unit = luaL_optstring(L, index, "unspecified");
    if (strcmp(unit, "ms") == 0 || strcmp(unit, "milliseconds") == 0) return 1e6;
    if (strcmp(unit, "microseconds") == 0) return 1e3;
    if (strcmp(unit, "bytes") == 0 || strcmp(unit, "unspecified") == 0) return 1e9;
    return luaL_error(L, "invalid histogram unit '%s'", unit);
}

static int push_stat(lua_State *L, int32_t kind, double scale) {
    mrt_check_object(L, OBJECT_STATS, "stats");
    size_t size;
    const char *name = luaL_checklstring(L, 2, &size);
    luaL_argcheck(L, size >= 1 && size <= 100, 2, "a name has 1 to 100 bytes");
    struct stat *stat = (struct stat *)mrt_push_object(L, OBJECT_STAT, sizeof *stat + size);
    stat->kind = kind;
    stat->scale = scale;
    stat->size = (uint32_t)size;
    memcpy(stat->name, name, size);
    // A method's table of its own for each kind, so that a gauge has no counter's methods.
    lua_getfield(L, LUA_REGISTRYINDEX, kinds[kind]);
    lua_setmetatable(L, -2);
    return 1;
}

static int stats_counter(lua_State *L) { return push_stat(L, MRT_STAT_COUNTER, 1); }
static int stats_gauge(lua_State *L) { return push_stat(L, MRT_STAT_GAUGE, 1); }
static int stats_histogram(lua_State *L) { return push_stat(L, MRT_STAT_HISTOGRAM, scale_of(L, 3)); }

int mrt_handle_stats(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_object(L, OBJECT_STATS, sizeof(struct mrt_object));
    return 1;
}

void mrt_open_stats(lua_State *L) {
    static const luaL_Reg stats[] = {
        {"counter", stats_counter}, {"gauge", stats_gauge}, {"histogram", stats_histogram}, {NULL, NULL},
    };
    static const luaL_Reg counter[] = {
        {"inc", counter_inc}, {"add", counter_add}, {"value", counter_value}, {NULL, NULL},
    };
    static const luaL_Reg gauge[] = {
        {"inc", gauge_inc}, {"dec", gauge_dec}, {"add", gauge_add},     {"sub", gauge_sub},
        {"set", gauge_set}, {"value", gauge_value}, {NULL, NULL},
    };
    static const luaL_Reg histogram[] = {{"recordValue", histogram_record}, {NULL, NULL}};
    const luaL_Reg *const methods[] = {counter, gauge, histogram};
    mrt_vm *vm = vm_of(L);
    mrt_define_object(L, OBJECT_STATS, "stats", stats);
    for (int kind = 0; kind < 3; kind++) {
        mrt_define_object(L, OBJECT_STAT, kinds[kind], methods[kind]);
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->metatables[OBJECT_STAT]);
        lua_setfield(L, LUA_REGISTRYINDEX, kinds[kind]);
    }
}
