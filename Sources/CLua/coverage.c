// Which lines of a policy have run, for `martlet test --coverage`. VMs made on a thread while it collects have a line hook
// beside the count hook; all others have not, and pay nothing. Which lines hold code is read from the compiled code, because
// Lua tells it only of functions that exist. Reads the dump format of Lua 5.4, made by this very library a moment before.
#include <stdlib.h>
#include <string.h>

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

struct reader {
    const uint8_t *at, *end;
    bool broken;
};

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

/// Each instruction's line is a step from the one before, or, where the step does not fit a byte, in a list of its own.
static void mark_lines(struct reader *reader, struct file *file, size_t first_line, bool is_vararg) {
    size_t count = take_size(reader);
    const uint8_t *steps = take(reader, count);
    size_t jumps = take_size(reader);
    size_t line = first_line;
    for (size_t index = 0; index < count && steps; index++) {
        if ((int8_t)steps[index] == -0x80) {
            if (jumps == 0) break;
            jumps--;
            take_size(reader);
            line = take_size(reader);
        } else {
            line += (size_t)(int64_t)(int8_t)steps[index];
        }
        // The first instruction of a function with `...`, every main chunk included, and the return behind the last
        // statement are nobody's code.
        if ((index > 0 || !is_vararg) && index + 1 < count) mark(file, line, HAS_CODE);
    }
    for (; jumps > 0 && !reader->broken; jumps--) {
        take_size(reader);
        take_size(reader);
    }
}

static void scan_function(struct reader *reader, struct file *file) {
    skip_string(reader);  // source
    size_t first_line = take_size(reader);
    take_size(reader);  // last line
    const uint8_t *facts = take(reader, 3);  // parameters, vararg, stack size
    bool is_vararg = facts && facts[1];
    size_t count = take_size(reader);
    if (count > SIZE_MAX / 4) reader->broken = true;
    take(reader, count * 4);
    for (count = take_size(reader); count > 0 && !reader->broken; count--) {
        uint8_t type = take_byte(reader) & 0x3f;
        if (type == 0x03 || type == 0x13) take(reader, 8);           // integer, float
        else if (type == 0x04 || type == 0x14) skip_string(reader);  // short, long string
    }
    take(reader, 3 * take_size(reader));  // upvalues
    // The parser has limited how deep functions nest.
    for (count = take_size(reader); count > 0 && !reader->broken; count--) scan_function(reader, file);
    mark_lines(reader, file, first_line, is_vararg);
    for (count = take_size(reader); count > 0 && !reader->broken; count--) {
        skip_string(reader);
        take_size(reader);
        take_size(reader);
    }
    for (count = take_size(reader); count > 0 && !reader->broken; count--) skip_string(reader);
}

void mrt_coverage_add(mrt_coverage *coverage, mrt_bytes_borrowed code, const char *name) {
    if (find(coverage, name) || coverage->file_count == MAX_FILES) return;
    struct file *file = &coverage->files[coverage->file_count];
    file->name = strdup(name);
    if (!file->name) return;
    coverage->file_count++;
    struct reader reader = {code.data, code.data + code.size, false};
    // Signature, version, format, check bytes, three sizes, two sample numbers, count of upvalues.
    take(&reader, 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1);
    scan_function(&reader, file);
}
