// A look at compiled code before it may run. To name a value in an error message, Lua follows the instructions that made
// it back, one C frame each, with no limit: a long enough `x.a.a.a...` would exhaust the C stack of a worker. For each of
// them it walks the function from its start. So functions with long chains are refused, the sooner the longer the function.
// Reads the dump format of Lua 5.4, made by this very library a moment before.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/// MAX_WALK: steps one message may take, some milliseconds.
enum { MAX_CHAIN = 500, MAX_WALK = 4 << 20, REGISTERS = 256 };

enum opcode {
    OP_MOVE = 0, OP_LOADI = 1, OP_LOADTRUE = 7, OP_LOADNIL = 8, OP_GETUPVAL = 9, OP_GETTABUP = 11, OP_GETTABLE = 12,
    OP_GETI = 13, OP_GETFIELD = 14, OP_NEWTABLE = 19, OP_SELF = 20, OP_ADDI = 21, OP_SHR = 45, OP_UNM = 49,
    OP_CONCAT = 53, OP_CALL = 68, OP_TAILCALL = 69, OP_TFORCALL = 76, OP_CLOSURE = 79, OP_VARARG = 80,
};

struct reader {
    const uint8_t *at, *end;
    bool broken;
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

static const uint8_t *take(struct reader *reader, size_t size) {
    if (reader->broken || (size_t)(reader->end - reader->at) < size) {
        reader->broken = true;
        return NULL;
    }
    const uint8_t *start = reader->at;
    reader->at += size;
    return start;
}

static uint8_t take_byte(struct reader *reader) {
    const uint8_t *byte = take(reader, 1);
    return byte ? *byte : 0;
}

/// Seven bits a byte, the highest first; the last byte has its top bit set.
static size_t take_size(struct reader *reader) {
    size_t value = 0;
    for (int count = 0; count < 10 && !reader->broken; count++) {
        uint8_t byte = take_byte(reader);
        value = value << 7 | (byte & 0x7f);
        if (byte & 0x80) return value;
    }
    reader->broken = true;
    return 0;
}

static void skip_string(struct reader *reader) {
    size_t size = take_size(reader);  // one more than the length; 0 is none
    if (size > 1) take(reader, size - 1);
}

static void reset(uint32_t *depth, size_t from, size_t count) {
    for (size_t index = from; index < from + count && index < REGISTERS; index++) depth[index] = 0;
}

/// How many instructions a message about a register would follow back at most. Registers of named locals end a chain in
/// truth; here they do not, so this is an upper bound.
static void scan_code(struct reader *reader, const uint8_t *code, size_t count) {
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
    if (longest > reader->longest) reader->longest = longest;
    if (longest * count > reader->walk) reader->walk = longest * count;
}

static void scan_function(struct reader *reader) {
    skip_string(reader);  // source
    take_size(reader);    // first line
    take_size(reader);    // last line
    take(reader, 3);      // parameters, vararg, stack size
    size_t count = take_size(reader);
    if (count > SIZE_MAX / 4) reader->broken = true;
    scan_code(reader, take(reader, count * 4), count);
    for (count = take_size(reader); count > 0 && !reader->broken; count--) {
        uint8_t type = take_byte(reader) & 0x3f;
        if (type == 0x03 || type == 0x13) take(reader, 8);           // integer, float
        else if (type == 0x04 || type == 0x14) skip_string(reader);  // short, long string
    }
    take(reader, 3 * take_size(reader));  // upvalues
    // The parser has limited how deep functions nest.
    for (count = take_size(reader); count > 0 && !reader->broken; count--) scan_function(reader);
    take(reader, take_size(reader));  // line information
    for (count = take_size(reader); count > 0 && !reader->broken; count--) {
        take_size(reader);
        take_size(reader);
    }
    for (count = take_size(reader); count > 0 && !reader->broken; count--) {
        skip_string(reader);
        take_size(reader);
        take_size(reader);
    }
    for (count = take_size(reader); count > 0 && !reader->broken; count--) skip_string(reader);
}

void mrt_check_function(lua_State *L) {
    struct dump dump = {NULL, 0, 0};
    int failed = lua_dump(L, collect, &dump, 0);
    struct reader reader = {dump.data, dump.data ? dump.data + dump.size : NULL, false, 0, 0};
    if (!failed) {
        // Signature, version, format, check bytes, three sizes, two sample numbers, count of upvalues.
        take(&reader, 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1);
        scan_function(&reader);
    }
    free(dump.data);
    if (failed) luaL_error(L, "not enough memory");
    if (reader.broken || reader.at != reader.end) luaL_error(L, "this Lua dumps code in an unknown format");
    if (reader.longest > MAX_CHAIN || reader.walk > MAX_WALK) luaL_error(L, "expression too long: a chain of %d reads", (int)reader.longest);
}
