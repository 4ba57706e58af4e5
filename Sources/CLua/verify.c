// A look at compiled code before it may run. To name a value in an error message, Lua follows the instructions that made
// it back, one C frame each, with no limit: a long enough `x.a.a.a...` would exhaust the C stack of a worker. For each of
// them it walks the function from its start. So functions with long chains are refused, the sooner the longer the function.
#include <stdlib.h>
#include <string.h>

#include "chunk.h"
#include "internal.h"

/// MAX_WALK: steps one message may take, some milliseconds.
enum { MAX_CHAIN = 500, MAX_WALK = 4 << 20, REGISTERS = 256 };

enum opcode {
    OP_MOVE = 0, OP_LOADI = 1, OP_LOADTRUE = 7, OP_LOADNIL = 8, OP_GETUPVAL = 9, OP_GETTABUP = 11, OP_GETTABLE = 12,
    OP_GETI = 13, OP_GETFIELD = 14, OP_NEWTABLE = 19, OP_SELF = 20, OP_ADDI = 21, OP_SHR = 45, OP_UNM = 49,
    OP_CONCAT = 53, OP_CALL = 68, OP_TAILCALL = 69, OP_TFORCALL = 76, OP_CLOSURE = 79, OP_VARARG = 80,
};

struct findings {
    size_t longest, walk;
};

struct dump {
    uint8_t *data;
    size_t size, capacity;
};

static int collect(lua_State *L, const void *piece, size_t size, void *to) {
    (void)L;
    struct dump *dump = to;
    if (dump->size + size > dump->capacity) {
        size_t capacity = (dump->size + size) * 2;
        uint8_t *data = realloc(dump->data, capacity);
        if (!data) return 1;
        dump->data = data;
        dump->capacity = capacity;
    }
    memcpy(dump->data + dump->size, piece, size);
    dump->size += size;
    return 0;
}

static void reset(uint32_t *depth, size_t from, size_t count) {
    for (size_t index = from; index < from + count && index < REGISTERS; index++) depth[index] = 0;
}

/// How many instructions a message about a register would follow back at most. Registers of named locals end a chain in
/// truth; here they do not, so this is an upper bound.
static void scan_code(const struct mrt_chunk_function *function, void *context) {
    struct findings *findings = context;
    const uint8_t *code = function->code;
    size_t count = function->code_count;
    uint32_t depth[REGISTERS] = {0};
    size_t longest = 0;
    for (size_t index = 0; index < count && code; index++) {
        uint32_t word;
        memcpy(&word, code + index * sizeof(word), sizeof(word));
        uint32_t op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff, c = word >> 24;
        if (op == OP_MOVE) {
            depth[a] = depth[b] + 1;
        } else if (op == OP_GETTABLE || op == OP_SELF) {
            depth[a] = (depth[b] > depth[c] ? depth[b] : depth[c]) + 1;
        } else if (op == OP_GETI || op == OP_GETFIELD) {
            depth[a] = depth[b] + 1;
        } else if (op == OP_LOADNIL) {
            reset(depth, a, b + 1);
        } else if ((op >= OP_LOADI && op <= OP_LOADTRUE) || op == OP_GETUPVAL || op == OP_GETTABUP
                   || op == OP_NEWTABLE || (op >= OP_ADDI && op <= OP_SHR) || (op >= OP_UNM && op <= OP_CONCAT)
                   || op == OP_CLOSURE) {
            depth[a] = 0;
        } else if (op == OP_CALL || op == OP_TAILCALL || op == OP_VARARG) {
            reset(depth, a, REGISTERS);
        } else if (op == OP_TFORCALL) {
            reset(depth, a + 2, REGISTERS);
        }
        if (depth[a] > longest) longest = depth[a];
    }
    if (longest > findings->longest) findings->longest = longest;
    if (longest * count > findings->walk) findings->walk = longest * count;
}

void mrt_check_function(lua_State *L) {
    struct dump dump = {NULL, 0, 0};
    int failed = lua_dump(L, collect, &dump, 0);
    struct findings found = {0, 0};
    bool is_known = !failed && mrt_walk_chunk(dump.data, dump.size, scan_code, &found);
    free(dump.data);
    if (failed) luaL_error(L, "not enough memory");
    if (!is_known) luaL_error(L, "this Lua dumps code in an unknown format");
    if (found.longest > MAX_CHAIN || found.walk > MAX_WALK) {
        luaL_error(L, "expression too long: a chain of %d reads", (int)found.longest);
    }
}
