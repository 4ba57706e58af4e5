// Reads the dump format of Lua 5.4, made by the very library that is linked: chunk.c.
#ifndef MRT_CHUNK_H
#define MRT_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mrt_chunk_reader {
    const uint8_t *at, *end;
    bool broken;
};

/// One function of a chunk. Its pointers go into the chunk.
struct mrt_chunk_function {
    size_t first_line;
    bool is_vararg;
    /// Instructions of 4 bytes, not aligned; NULL when the chunk is cut short.
    const uint8_t *code;
    size_t code_count;
    /// For each instruction the step from the line of the one before; -128: see `jumps`.
    const uint8_t *line_steps;
    size_t step_count;
    /// Pairs of an instruction and its line, to be read with `mrt_chunk_size`.
    struct mrt_chunk_reader jumps;
    size_t jump_count;
};

/// Calls `visit` for each function, inner ones first. False when the bytes are no chunk of this format.
bool mrt_walk_chunk(
    const uint8_t *bytes, size_t size, void (*visit)(const struct mrt_chunk_function *function, void *context),
    void *context);
size_t mrt_chunk_size(struct mrt_chunk_reader *reader);

#endif
