// Which lines of a policy have run, for `martlet test --coverage`. VMs made on a thread while it collects have a line hook
// beside the count hook; all others have not, and pay nothing. Which lines hold code is read from the compiled code, because
// Lua tells it only of functions that exist. Reads the dump format of Lua 5.4, made by this very library a moment before.
#include <stdlib.h>
#include <string.h>

#include "chunk.h"
#include "internal.h"

enum { HAS_CODE = 1, HAS_RUN = 2, MAX_LINES = 1 << 20, MAX_FILES = 256 };

struct file {
    char *name;
    /// One byte a line, from line 1.
    uint8_t *lines;
    size_t count;
};

struct mrt_coverage {
    /// The collector's owner and the VMs that write to it.
    int holders;
    struct file files[MAX_FILES];
    int32_t file_count;
};

static _Thread_local mrt_coverage *collecting;

// MARK: Life

mrt_coverage *mrt_coverage_start(void) {
    if (collecting) return NULL;
    collecting = calloc(1, sizeof(mrt_coverage));
    if (collecting) collecting->holders = 1;
    return collecting;
}

mrt_coverage *mrt_coverage_join(void) {
    if (collecting) collecting->holders++;
    return collecting;
}

void mrt_coverage_leave(mrt_coverage *coverage) {
    if (!coverage || --coverage->holders > 0) return;
    for (int32_t index = 0; index < coverage->file_count; index++) {
        free(coverage->files[index].name);
        free(coverage->files[index].lines);
    }
    free(coverage);
}

void mrt_coverage_stop(mrt_coverage *coverage) {
    if (collecting == coverage) collecting = NULL;
    mrt_coverage_leave(coverage);
}

int32_t mrt_coverage_file_count(const mrt_coverage *coverage) { return coverage->file_count; }

const char *mrt_coverage_name(const mrt_coverage *coverage, int32_t index) {
    return index >= 0 && index < coverage->file_count ? coverage->files[index].name : "";
}

int32_t mrt_coverage_line_count(const mrt_coverage *coverage, int32_t index) {
    return index >= 0 && index < coverage->file_count ? (int32_t)coverage->files[index].count : 0;
}

int32_t mrt_coverage_line(const mrt_coverage *coverage, int32_t index, int32_t line) {
    if (line < 1 || line > mrt_coverage_line_count(coverage, index)) return MRT_LINE_EMPTY;
    uint8_t state = coverage->files[index].lines[line - 1];
    if (!(state & HAS_CODE)) return MRT_LINE_EMPTY;
    return state & HAS_RUN ? MRT_LINE_RAN : MRT_LINE_MISSED;
}

// MARK: Marking

static struct file *find(mrt_coverage *coverage, const char *name) {
    for (int32_t index = 0; index < coverage->file_count; index++) {
        if (strcmp(coverage->files[index].name, name) == 0) return &coverage->files[index];
    }
    return NULL;
}

static void mark(struct file *file, size_t line, uint8_t state) {
    if (line == 0 || line > MAX_LINES) return;
    if (line > file->count) {
        size_t count = line + 256;
        uint8_t *lines = realloc(file->lines, count);
        if (!lines) return;
        memset(lines + file->count, 0, count - file->count);
        file->lines = lines;
        file->count = count;
    }
    file->lines[line - 1] |= state;
}

void mrt_coverage_ran(lua_State *L, lua_Debug *activation) {
    // What the script compiled itself, by `load`, goes by other names.
    if (!lua_getinfo(L, "S", activation)) return;
    struct file *file = find(vm_of(L)->coverage, activation->source);
    if (file && activation->currentline > 0) mark(file, (size_t)activation->currentline, HAS_RUN);
}

// MARK: Lines with code

/// Each instruction's line is a step from the one before, or, where the step does not fit a byte, in a list of its own.
static void mark_lines(const struct mrt_chunk_function *function, void *context) {
    struct file *file = context;
    struct mrt_chunk_reader jumps = function->jumps;
    size_t left = function->jump_count, line = function->first_line;
    for (size_t index = 0; index < function->step_count; index++) {
        int8_t step = (int8_t)function->line_steps[index];
        if (step == -0x80) {
            if (left == 0) break;
            left--;
            mrt_chunk_size(&jumps);
            line = mrt_chunk_size(&jumps);
        } else {
            line += (size_t)(int64_t)step;
        }
        // The first instruction of a function with `...`, every main chunk included, and the return behind the last
        // statement are nobody's code.
        if ((index > 0 || !function->is_vararg) && index + 1 < function->step_count) mark(file, line, HAS_CODE);
    }
}

void mrt_coverage_add(mrt_coverage *coverage, mrt_bytes_borrowed code, const char *name) {
    if (find(coverage, name) || coverage->file_count == MAX_FILES) return;
    struct file *file = &coverage->files[coverage->file_count];
    file->name = strdup(name);
    if (!file->name) return;
    coverage->file_count++;
    mrt_walk_chunk(code.data, code.size, mark_lines, file);
}
