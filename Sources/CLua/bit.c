// LuaJIT's `bit` library: 32 bits, results signed.
#include "internal.h"

static uint32_t argument(lua_State *L, int index) {
    int exact;
    lua_Integer whole = lua_tointegerx(L, index, &exact);
    if (exact) return (uint32_t)whole;
    lua_Number number = luaL_checknumber(L, index);
    luaL_argcheck(L, number > -9e15 && number < 9e15, index, "number out of range");
    return (uint32_t)(lua_Integer)number;
}

static int result(lua_State *L, uint32_t bits) {
    lua_pushinteger(L, (int32_t)bits);
    return 1;
}

static int bit_tobit(lua_State *L) { return result(L, argument(L, 1)); }
static int bit_bnot(lua_State *L) { return result(L, ~argument(L, 1)); }
static int bit_bswap(lua_State *L) { return result(L, __builtin_bswap32(argument(L, 1))); }

static int bit_band(lua_State *L) {
    uint32_t bits = argument(L, 1);
    for (int index = lua_gettop(L); index > 1; index--) bits &= argument(L, index);
    return result(L, bits);
}
static int bit_bor(lua_State *L) {
    uint32_t bits = argument(L, 1);
    for (int index = lua_gettop(L); index > 1; index--) bits |= argument(L, index);
    return result(L, bits);
}
static int bit_bxor(lua_State *L) {
    uint32_t bits = argument(L, 1);
    for (int index = lua_gettop(L); index > 1; index--) bits ^= argument(L, index);
    return result(L, bits);
}

static int bit_lshift(lua_State *L) { return result(L, argument(L, 1) << (argument(L, 2) & 31)); }
static int bit_rshift(lua_State *L) { return result(L, argument(L, 1) >> (argument(L, 2) & 31)); }
static int bit_arshift(lua_State *L) {
    return result(L, (uint32_t)((int32_t)argument(L, 1) >> (argument(L, 2) & 31)));
}
static int bit_rol(lua_State *L) {
    uint32_t bits = argument(L, 1), by = argument(L, 2) & 31;
    return result(L, bits << by | bits >> (-by & 31));
}
static int bit_ror(lua_State *L) {
    uint32_t bits = argument(L, 1), by = argument(L, 2) & 31;
    return result(L, bits >> by | bits << (-by & 31));
}

static int bit_tohex(lua_State *L) {
    uint32_t bits = argument(L, 1);
    lua_Integer digits = mrt_optional_integer(L, 2, 8);
    const char *letters = digits < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    // Cut before it is negated: the smallest integer has no opposite.
    if (digits < -8 || digits > 8) digits = 8;
    if (digits < 0) digits = -digits;
    char text[8];
    for (lua_Integer at = digits; at > 0; at--, bits >>= 4) text[at - 1] = letters[bits & 15];
    lua_pushlstring(L, text, (size_t)digits);
    return 1;
}

void mrt_open_bit(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"tobit", bit_tobit},   {"bnot", bit_bnot},     {"bswap", bit_bswap},     {"band", bit_band}, {"bor", bit_bor},
        {"bxor", bit_bxor},     {"lshift", bit_lshift}, {"rshift", bit_rshift},   {"arshift", bit_arshift},
        {"rol", bit_rol},       {"ror", bit_ror},       {"tohex", bit_tohex},     {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
