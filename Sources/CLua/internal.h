// Shared by the files of this target only. May raise: everything below is called from C functions that Lua called.
#ifndef MRT_INTERNAL_H
#define MRT_INTERNAL_H

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>

#include "CLua.h"

/// Every object that a script can get hold of begins with one of these.
enum mrt_kind {
    OBJECT_HANDLE, OBJECT_HEADERS, OBJECT_BUFFER, OBJECT_INFO, OBJECT_METADATA, OBJECT_STATE, OBJECT_STATS, OBJECT_STAT,
    OBJECT_CONNECTION, OBJECT_ROUTE, OBJECT_SHARED, OBJECT_SSL, OBJECT_SUBJECT, OBJECT_COUNT,
};
/// Tells our userdata from every other.
enum { MRT_MAGIC = 0x4d520000, MRT_MAX_TIMERS = 16 };

/// Why a run must not go on. Once set, no pcall of the script catches anything any more.
enum mrt_stop { STOP_NONE = 0, STOP_INSTRUCTIONS, STOP_MEMORY, STOP_TIME, STOP_REPLIED };

/// Objects that runs of one place take by turns: made anew each time they would be garbage a request later, at a third of
/// what a hook costs. One that a script keeps is dead in the next runs; it works again, on the exchange that runs then, when
/// its turn comes.
enum { MRT_TURNS = 8 };
struct mrt_kept {
    int refs[MRT_TURNS];
    int turn;
};

struct mrt_run {
    mrt_vm *vm;
    lua_State *thread;
    /// Anchors `thread` in the registry.
    int thread_ref;
    void *context;
    int32_t hook;
    int32_t data;
    /// Where the number of the exchange's `context()` table is kept; NULL when there is no exchange.
    int32_t *kept;
    struct mrt_kept handles, header_maps;
    /// Tells this run's handle from that of every other run, ever.
    uint64_t id;
    /// Work done, in instructions.
    uint64_t used;
    /// Value of `used` at which to look at the limits and the clock.
    uint64_t check_at;
    uint64_t max_instructions;
    /// Nanoseconds run in slices that are over.
    uint64_t time_used;
    /// When the clock was first looked at in this slice; 0 before.
    uint64_t slice_started;
    int32_t wait;
    uint8_t stop;
    mrt_run *next;
};

/// The originals behind our bounded versions, looked up when the state is built.
struct mrt_originals {
    lua_CFunction string_upper, string_lower, string_reverse, string_char;
    lua_CFunction table_sort;
    lua_CFunction utf8_len, utf8_codepoint, utf8_char, utf8_offset;
    lua_CFunction base_tonumber;
    lua_CFunction os_date, os_time;
};

struct mrt_vm {
    lua_State *main;
    const mrt_host *host;
    void *owner;

    // Memory. Between `soft` and `hard` a script is stopped at its next instruction; beyond `hard` the allocation fails.
    size_t used, soft, hard;
    /// The largest block and the largest string there are, rounded up to powers of two: what one instruction may have to
    /// copy or compare. A string is only known for one when it is made, so `largest_string` may be too large.
    size_t largest, largest_string;
    /// How many of the larger blocks there are, by powers of two.
    uint32_t large[64];
    bool pressed;
    bool full;
    uint64_t fail_countdown;
    bool keeps_failing;

    uint64_t max_instructions, max_time;

    /// The run whose code runs; `&outside` when none does. Never NULL.
    mrt_run *current;
    mrt_run outside;
    /// The thread whose code runs; NULL when none does.
    lua_State *running;
    uint64_t last_id;
    /// Changes with every resume: wrappers made in one slice are dead in the next.
    uint64_t slice;
    mrt_run *idle;
    int idle_count;

    int hooks[MRT_HOOK_COUNT];
    int metatables[OBJECT_COUNT];
    int data_metatable;
    int data_ref;
    /// Above 0 while a coroutine runs below a C function that cannot be left and come back to.
    int blocked;
    /// Reused by every encoding.
    mrt_bytes_owned scratch;
    size_t scratch_capacity;
    struct {
        int function;
        int64_t period;
    } timers[MRT_MAX_TIMERS];
    int32_t timer_count;

    uint64_t pointer_key;
    /// Where the lines that run are noted; NULL: nowhere.
    mrt_coverage *coverage;
    struct mrt_originals original;

    char *message;
    size_t message_size, traceback_start;
};

/// Instructions between looks at the clock and the budget while no block is large.
enum { MRT_PERIOD = 1000 };

/// Every thread's extra space holds the VM; its lowest bit marks the thread of a run, which scripts may not resume, the one
/// above it a coroutine that waits for the host, which nobody may resume but whoever runs it.
enum { MRT_RUN_THREAD = 1, MRT_WAITING_THREAD = 2 };
static inline uintptr_t *space_of(lua_State *L) { return lua_getextraspace(L); }
static inline mrt_vm *vm_of(lua_State *L) { return (mrt_vm *)(*space_of(L) & ~(uintptr_t)3); }
static inline bool is_run_thread(lua_State *L) { return (*space_of(L) & MRT_RUN_THREAD) != 0; }

// run.c
/// Runs the script's main chunk.
void mrt_run_chunk(mrt_vm *vm, mrt_bytes_borrowed code, const char *name, mrt_result *result);

// budget.c
void mrt_hook(lua_State *L, lua_Debug *activation);
void mrt_check_budget(lua_State *L);
int mrt_period(const mrt_vm *vm);
/// Sets the hook of `L` for the blocks there are by now, or for the very next instruction when memory is short.
void mrt_keep_period(lua_State *L);
/// For the allocator: whether a large block may grow. Remembers the breach when the run is out of time.
bool mrt_allows_growth(mrt_vm *vm);
/// Never returns: raises what a stopped run raises for ever.
int mrt_raise_stop(lua_State *L);
int mrt_stop_run(lua_State *L, enum mrt_stop stop);
/// Stops the run when `size` more bytes can never fit.
void mrt_reserve(lua_State *L, size_t size);
uint64_t mrt_clock(void);
uint64_t mrt_wall_clock_ms(void);

/// Counts work done in C as if it were instructions. Raises when the budget is spent.
static inline void mrt_charge(lua_State *L, size_t units) {
    mrt_run *run = vm_of(L)->current;
    run->used += units;
    if (run->used >= run->check_at) mrt_check_budget(L);
}
/// What handling `size` bytes at memory speed costs.
static inline void mrt_charge_bytes(lua_State *L, size_t size) { mrt_charge(L, 1 + size / 16); }
/// For work that may have taken much longer than it is charged: looks at the clock at once.
static inline void mrt_charge_look(lua_State *L, size_t units) {
    mrt_run *run = vm_of(L)->current;
    run->used += units;
    if (run != &run->vm->outside) mrt_check_budget(L);
}
/// What a C loop pays for a step that may call a function of Lua's own or of the script: an access to the value at `index`,
/// or a call of it. Uncounted work of such a function can be as large as one instruction's.
size_t mrt_step_cost(lua_State *L, int index);

// coverage.c
/// The collector of this thread, which lives until `mrt_coverage_leave`; NULL when none collects.
mrt_coverage *mrt_coverage_join(void);
void mrt_coverage_leave(mrt_coverage *coverage);
/// Takes up a chunk that is about to be loaded.
void mrt_coverage_add(mrt_coverage *coverage, mrt_bytes_borrowed code, const char *name);
void mrt_coverage_ran(lua_State *L, lua_Debug *activation);
static inline int mrt_hook_mask(const mrt_vm *vm) { return vm->coverage ? LUA_MASKCOUNT | LUA_MASKLINE : LUA_MASKCOUNT; }
// text.c: text whose length shows only while it is made, and what the libraries built on it share.
struct mrt_text {
    lua_State *L;
    /// Stack slot that keeps the block alive.
    int slot;
    struct mrt_block *block;
    char *data;
    size_t size, capacity;
    char small[256];
};
/// Memory outside of the collector, freed by it: see `mrt_push_block`.
struct mrt_block;
/// Takes one stack slot, which must stay where it is until the end.
void mrt_text_begin(struct mrt_text *text, lua_State *L);
void mrt_text_grow(struct mrt_text *text, size_t more);
/// Pushes the text and frees the block.
void mrt_text_push(struct mrt_text *text);
static inline char *mrt_text_room(struct mrt_text *text, size_t more) {
    if (text->capacity - text->size < more) mrt_text_grow(text, more);
    return text->data + text->size;
}
static inline void mrt_text_add(struct mrt_text *text, const void *bytes, size_t size) {
    char *to = mrt_text_room(text, size);
    for (size_t at = 0; at < size; at++) to[at] = ((const char *)bytes)[at];
    text->size += size;
}
static inline void mrt_text_add_byte(struct mrt_text *text, char byte) {
    *mrt_text_room(text, 1) = byte;
    text->size++;
}
void mrt_open_text(lua_State *L);
/// A string of `size` bytes that fits the budget and is paid for.
void mrt_push_text(lua_State *L, const void *bytes, size_t size);
/// Raises what Lua itself raises when an allocation fails.
int mrt_raise_memory(lua_State *L);
/// How many bytes the well-formed UTF-8 sequence at `at` has; 0: none is there.
size_t mrt_utf8_size(const uint8_t *at, const uint8_t *end);
/// The value of a hexadecimal digit, or -1.
int mrt_hex_value(int c);
/// Pushes a table of functions with a metatable that scripts cannot change.
void mrt_push_library(lua_State *L, const luaL_Reg *functions, const char *name);
/// Pushes the metatable of an object. `collect`, of ours, frees what it holds; scripts see only `name`.
void mrt_push_metatable(lua_State *L, const luaL_Reg *methods, lua_CFunction collect, const char *name);

// sort.c
/// Sorts in place, every step charged; what is compared must not change on the way.
void mrt_sort(lua_State *L, void *base, size_t count, size_t width, int (*compare)(const void *, const void *));

// vm.c
void *mrt_allocate(void *vm, void *block, size_t old_size, size_t new_size);

// sandbox.c and the libraries it puts together. Each leaves a table on the stack.
int mrt_build_sandbox(lua_State *L);
void mrt_open_base(lua_State *L, int globals);
void mrt_open_metatables(lua_State *L, int globals);
void mrt_open_coroutine(lua_State *L);
void mrt_open_string(lua_State *L);
void mrt_open_pattern_functions(lua_State *L, int library);
void mrt_open_table(lua_State *L);
void mrt_open_utf8(lua_State *L);
void mrt_open_math(lua_State *L);
void mrt_open_os(lua_State *L);
void mrt_open_bit(lua_State *L);
void mrt_open_json(lua_State *L);
void mrt_open_crypto(lua_State *L);
void mrt_open_base64(lua_State *L);
void mrt_open_url(lua_State *L);
void mrt_open_clock(lua_State *L);
void mrt_open_ip(lua_State *L);
void mrt_open_regex(lua_State *L);
void mrt_open_debug(lua_State *L);
int mrt_string_format(lua_State *L);

/// `tostring`, without addresses of this process. Pushes the text.
const char *mrt_tostring(lua_State *L, int index, size_t *size);
/// Refuses functions whose error messages would exhaust the C stack. The function is at the top of the stack.
void mrt_check_function(lua_State *L);

// objects.c: what all objects have in common.
enum {
    // These live until they are collected, not for one run.
    OBJECT_BLOCK = 0x4d424c4b,
    OBJECT_KEY = 0x4d4b4559,
    OBJECT_CRYPTO = 0x4d435259,
    OBJECT_IP_SET = 0x4d495053,
    OBJECT_REGEX = 0x4d524558,
    OBJECT_MATCHER = 0x4d4d4154,
};
/// Starts every userdata a script can get hold of, so a look at `kind` tells what it is.
struct mrt_object {
    uint32_t kind;
    /// Header map: which. Buffer: which part. Others: whatever they are of.
    int32_t map;
    /// The run (handle, stats) or slice (most others) in which it lives; 0 for ever.
    uint64_t lives_in;
    /// Header map: an iteration is under way, and its next place.
    int32_t iterating;
    int32_t position;
};
struct mrt_object *mrt_check_object(lua_State *L, enum mrt_kind kind, const char *what);
struct mrt_object *mrt_check_object_at(lua_State *L, int index, enum mrt_kind kind, const char *what);
/// The same for objects that outlive their run.
void *mrt_check_lasting(lua_State *L, uint32_t kind, const char *what);
/// Pushes a new object of `size` bytes that lives as long as others of its kind.
struct mrt_object *mrt_push_object(lua_State *L, enum mrt_kind kind, size_t size);
/// Pushes it anew for this run, or again: `ref` is kept with the run.
struct mrt_object *mrt_push_kept_object(lua_State *L, enum mrt_kind kind, struct mrt_kept *kept);
void mrt_begin_kept(struct mrt_kept *kept);
void mrt_drop_kept(lua_State *L, struct mrt_kept *kept);
/// Makes the metatable of a kind; log functions are added to its methods.
void mrt_define_object(lua_State *L, enum mrt_kind kind, const char *name, const luaL_Reg *methods);
/// Raises unless the caller can be left and come back to. To be called before anything is begun that may take time.
void mrt_check_can_wait(lua_State *L);
/// Leaves the run until the host resumes it; `then` goes on.
int mrt_wait(lua_State *L, lua_KFunction then, lua_KContext context);
/// Clears the mark of a wait; first thing in every continuation.
void mrt_woken(lua_State *L);
/// The bytes of a string argument; NULL data when there is none.
/// As luaL_checkinteger and luaL_optinteger, but fractions are cut off, as LuaJIT does it.
lua_Integer mrt_check_integer(lua_State *L, int index);
lua_Integer mrt_optional_integer(lua_State *L, int index, lua_Integer standard);
mrt_bytes_borrowed mrt_optional_text(lua_State *L, int index);
/// The bytes of a text or of a buffer at the top of the stack.
mrt_bytes_borrowed mrt_check_piece(lua_State *L);
/// A string argument; numbers become text, integral floats without `.0`.
const char *mrt_check_text(lua_State *L, int index, size_t *size);
void mrt_add_log_functions(lua_State *L, int methods);
void mrt_log(lua_State *L, int level, const char *text, size_t size);
/// Raises what a host code means for a header edit; OK returns.
void mrt_raise_code(lua_State *L, int32_t code);
/// Copies a header name in lower case to `out` (of MRT_MAX_NAME bytes); raises when it is none.
mrt_bytes_borrowed mrt_check_name(lua_State *L, const char *name, size_t size, uint8_t *out);
mrt_bytes_borrowed mrt_check_value(lua_State *L, const char *value, size_t size);
enum { MRT_MAX_NAME = 256 };

// Methods of the handle, to be registered as such. base64.c and signature.c.
int mrt_base64_escape(lua_State *L);
int mrt_base64_decode(lua_State *L);
int mrt_import_public_key(lua_State *L);
int mrt_verify_signature(lua_State *L);

// One file an object.
void mrt_open_handle(lua_State *L);
void mrt_open_body(lua_State *L);
void mrt_open_info(lua_State *L);
void mrt_open_ssl(lua_State *L);
/// Pushes the object for the client's TLS, or nil.
int mrt_push_ssl(lua_State *L);
void mrt_open_metadata(lua_State *L);
void mrt_open_stats(lua_State *L);
void mrt_open_shared(lua_State *L, int globals);
int mrt_handle_body(lua_State *L);
int mrt_handle_body_chunks(lua_State *L);
int mrt_handle_trailers(lua_State *L);
int mrt_handle_http_call(lua_State *L);
int mrt_handle_http_calls(lua_State *L);
/// A call whose bodies pass in pieces: the arguments of httpCall, the options read.
int mrt_stream_call(lua_State *L, lua_Integer timeout, int32_t flags, bool keeps_duplicates);
/// Sends a call whose parts are at these places; its number. `begins`: as in `call_open`.
int32_t mrt_send_call(
    lua_State *L, int cluster, int headers, int body, lua_Integer timeout, int32_t flags, bool begins);
/// Pushes the headers of a call's answer.
void mrt_push_answer_headers(lua_State *L, int32_t call, bool keeps_duplicates);
int mrt_handle_stats(lua_State *L);
int mrt_handle_stream_info(lua_State *L);
int mrt_handle_connection(lua_State *L);
int mrt_handle_route(lua_State *L);
struct mrt_object *mrt_check_handle(lua_State *L);

void mrt_open_headers(lua_State *L);
void mrt_open_data(lua_State *L);
void mrt_push_headers(lua_State *L, int32_t map);
/// Pushes the handle of the current run.
void mrt_push_handle(lua_State *L, mrt_run *run);
int mrt_decode_data(lua_State *L);
void mrt_decode_tree(lua_State *L, mrt_bytes_borrowed encoded);
void mrt_open_require(lua_State *L, int globals);
/// Takes the error at the top as the VM's message; answers `error`.
int32_t mrt_fail_with(mrt_vm *vm, lua_State *L, int32_t error);
int mrt_check_data(lua_State *L);
/// Encodes the value at `index` into the VM's scratch memory, where it stays until the next encoding.
mrt_bytes_borrowed mrt_encode_value(lua_State *L, int index);
/// Pushes what was encoded.
void mrt_push_value(lua_State *L, mrt_bytes_borrowed encoded);
/// Pushes the data of the current run: as plain parameters, or with Envoy's `get`.
void mrt_push_data(lua_State *L);

#endif
