// Text whose length shows only while it is made: it grows in a block outside of the collector, which the collector frees
// if an error ends the work. And the small things the libraries of policies share.
#include <string.h>

#include "internal.h"

struct mrt_block {
    struct mrt_object object;
    char *bytes;
    size_t size;
};

/// Its address is a key of the registry.
static const char block_metatable = 0;

int mrt_raise_memory(lua_State *L) {
    lua_pushliteral(L, "not enough memory");
    return lua_error(L);
}

static int free_block(lua_State *L) {
    struct mrt_block *block = lua_touserdata(L, 1);
    mrt_allocate(vm_of(L), block->bytes, block->size, 0);
    block->bytes = NULL;
    block->size = 0;
    return 0;
}

void mrt_open_text(lua_State *L) {
    // The metatable of Lua's own large buffers is made with the first of them. Were memory short at that moment, it would
    // stay half made, and no buffer would work again.
    luaL_Buffer first;
    luaL_buffinitsize(L, &first, 2 * LUAL_BUFFERSIZE);
    luaL_pushresultsize(&first, 0);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushcfunction(L, free_block);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &block_metatable);
}

// MARK: Growing text

void mrt_text_begin(struct mrt_text *text, lua_State *L) {
    luaL_checkstack(L, 4, NULL);
    lua_pushnil(L);
    text->L = L;
    text->slot = lua_gettop(L);
    text->block = NULL;
    text->data = text->small;
    text->size = 0;
    text->capacity = sizeof text->small;
}

void mrt_text_grow(struct mrt_text *text, size_t more) {
    lua_State *L = text->L;
    if (more > SIZE_MAX / 4 || text->size > SIZE_MAX / 4) mrt_stop_run(L, STOP_MEMORY);
    size_t capacity = text->capacity * 4;
    // Small texts grow fast, large ones by no more than they are.
    if (text->capacity >= 16384) capacity = text->capacity * 2;
    if (capacity < text->size + more) capacity = text->size + more;
    mrt_reserve(L, capacity);
    mrt_charge_bytes(L, text->size);
    if (!text->block) {
        struct mrt_block *block = lua_newuserdatauv(L, sizeof *block, 0);
        *block = (struct mrt_block){.object = {.kind = OBJECT_BLOCK}};
        lua_rawgetp(L, LUA_REGISTRYINDEX, &block_metatable);
        lua_setmetatable(L, -2);
        lua_replace(L, text->slot);
        text->block = block;
    }
    bool first = text->block->bytes == NULL;
    char *bytes = mrt_allocate(vm_of(L), text->block->bytes, text->block->size, capacity);
    if (!bytes) mrt_raise_memory(L);
    if (first) memcpy(bytes, text->small, text->size);
    text->block->bytes = text->data = bytes;
    text->block->size = text->capacity = capacity;
}

void mrt_text_push(struct mrt_text *text) {
    lua_State *L = text->L;
    mrt_push_text(L, text->data, text->size);
    if (!text->block) return;
    mrt_allocate(vm_of(L), text->block->bytes, text->block->size, 0);
    text->block->bytes = NULL;
    text->block->size = 0;
}

void mrt_push_text(lua_State *L, const void *bytes, size_t size) {
    mrt_charge_bytes(L, size);
    mrt_reserve(L, size);
    lua_pushlstring(L, bytes, size);
}

// MARK: Characters

size_t mrt_utf8_size(const uint8_t *at, const uint8_t *end) {
    size_t left = (size_t)(end - at);
    if (left == 0) return 0;
    uint8_t first = at[0];
    if (first < 0x80) return 1;
    if (left < 2 || (at[1] & 0xc0) != 0x80) return 0;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if (first >= 0xe0 && first <= 0xef) {
        if (left < 3 || (at[2] & 0xc0) != 0x80) return 0;
        // Neither longer than need be nor a surrogate.
        return (first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) ? 0 : 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (left < 4 || (at[2] & 0xc0) != 0x80 || (at[3] & 0xc0) != 0x80) return 0;
        return (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f) ? 0 : 4;
    }
    return 0;
}

int mrt_hex_value(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// MARK: Libraries and objects

void mrt_push_library(lua_State *L, const luaL_Reg *functions, const char *name) {
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

void mrt_push_metatable(lua_State *L, const luaL_Reg *methods, lua_CFunction collect, const char *name) {
    lua_newtable(L);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    if (!collect) return;
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
}
