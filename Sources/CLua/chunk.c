// The dump format of Lua 5.4: what verify.c and coverage.c know of compiled functions.
#include "chunk.h"

struct walk {
    struct mrt_chunk_reader reader;
    void (*visit)(const struct mrt_chunk_function *function, void *context);
    void *context;
};

static const uint8_t *take(struct mrt_chunk_reader *reader, size_t size) {
    if (reader->broken || (size_t)(reader->end - reader->at) < size) {
        reader->broken = true;
        return NULL;
    }
    const uint8_t *start = reader->at;
    reader->at += size;
    return start;
}

static uint8_t take_byte(struct mrt_chunk_reader *reader) {
    const uint8_t *byte = take(reader, 1);
    return byte ? *byte : 0;
}

/// Seven bits a byte, the highest first; the last byte has its top bit set.
size_t mrt_chunk_size(struct mrt_chunk_reader *reader) {
    size_t value = 0;
    for (int count = 0; count < 10 && !reader->broken; count++) {
        uint8_t byte = take_byte(reader);
        value = value << 7 | (byte & 0x7f);
        if (byte & 0x80) return value;
    }
    reader->broken = true;
    return 0;
}

static void skip_string(struct mrt_chunk_reader *reader) {
    size_t size = mrt_chunk_size(reader);  // one more than the length; 0 is none
    if (size > 1) take(reader, size - 1);
}

static void walk_function(struct walk *walk) {
    struct mrt_chunk_reader *reader = &walk->reader;
    struct mrt_chunk_function function = {0};
    skip_string(reader);  // source
    function.first_line = mrt_chunk_size(reader);
    mrt_chunk_size(reader);                  // last line
    const uint8_t *facts = take(reader, 3);  // parameters, vararg, stack size
    function.is_vararg = facts && facts[1];
    size_t count = mrt_chunk_size(reader);
    if (count > SIZE_MAX / 4) reader->broken = true;
    function.code_count = count;
    function.code = take(reader, count * 4);
    for (count = mrt_chunk_size(reader); count > 0 && !reader->broken; count--) {
        uint8_t type = take_byte(reader) & 0x3f;
        if (type == 0x03 || type == 0x13) take(reader, 8);           // integer, float
        else if (type == 0x04 || type == 0x14) skip_string(reader);  // short, long string
    }
    take(reader, 3 * mrt_chunk_size(reader));  // upvalues
    // The parser has limited how deep functions nest.
    for (count = mrt_chunk_size(reader); count > 0 && !reader->broken; count--) walk_function(walk);
    function.step_count = mrt_chunk_size(reader);
    function.line_steps = take(reader, function.step_count);
    function.jump_count = mrt_chunk_size(reader);
    function.jumps = *reader;
    for (count = function.jump_count; count > 0 && !reader->broken; count--) {
        mrt_chunk_size(reader);
        mrt_chunk_size(reader);
    }
    for (count = mrt_chunk_size(reader); count > 0 && !reader->broken; count--) {  // locals
        skip_string(reader);
        mrt_chunk_size(reader);
        mrt_chunk_size(reader);
    }
    for (count = mrt_chunk_size(reader); count > 0 && !reader->broken; count--) skip_string(reader);  // upvalues' names
    if (!reader->broken) walk->visit(&function, walk->context);
}

bool mrt_walk_chunk(
    const uint8_t *bytes, size_t size, void (*visit)(const struct mrt_chunk_function *function, void *context),
    void *context) {
    struct walk walk = {{bytes, bytes + size, false}, visit, context};
    // Signature, version, format, check bytes, three sizes, two sample numbers, count of upvalues.
    take(&walk.reader, 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1);
    if (!walk.reader.broken) walk_function(&walk);
    return !walk.reader.broken && walk.reader.at == walk.reader.end;
}
