// The face of our Lua to Swift. Nothing here raises: every function returns a status, and no Lua error (a longjmp)
// ever passes a Swift frame. What can raise runs in this target, below a protected call or a coroutine of ours.
#ifndef CLUA_H
#define CLUA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// One Lua state with its sandbox, allocator and pool of coroutines. Belongs to one thread at a time.
typedef struct mrt_vm mrt_vm;
/// One run of one hook: a coroutine and its budget.
typedef struct mrt_run mrt_run;

/// Bytes lent until the next call into the VM or the host.
typedef struct mrt_bytes_borrowed {
    const uint8_t *data;
    size_t size;
} mrt_bytes_borrowed;

/// Bytes the receiver frees with `mrt_bytes_free`.
typedef struct mrt_bytes_owned {
    uint8_t *data;
    size_t size;
} mrt_bytes_owned;

/// What a host function answers; the C side raises the matching error after the host has returned.
enum {
    MRT_CODE_OK = 0,
    /// The head has been sent.
    MRT_CODE_SENT = 1,
    MRT_CODE_BAD_NAME = 2,
    MRT_CODE_BAD_VALUE = 3,
    MRT_CODE_TOO_LARGE = 4,
    /// A pseudo header that may be replaced but neither removed nor added.
    MRT_CODE_PSEUDO = 5,
    MRT_CODE_BODY_STREAMED = 6,
    MRT_CODE_BODY_STREAMING = 7,
    MRT_CODE_CHUNKS_LATE = 8,
    MRT_CODE_NO_CLUSTER = 9,
    MRT_CODE_BAD_CALL = 10,
    /// A timer has no request to speak of.
    MRT_CODE_NO_REQUEST = 11,
    MRT_CODE_TOO_MANY = 12,
    MRT_CODE_CONTINUED = 13,
    /// The exchange is over, or nothing can be held here.
    MRT_CODE_CANNOT_WAIT = 14,
    MRT_CODE_BAD_ADDRESS = 15,
    /// Something was begun and is not over: the run waits, and is resumed when it is.
    MRT_CODE_PENDING = 16,
    /// Over, with nothing to show: no body, no further chunk, no trailers.
    MRT_CODE_NOTHING = 17,
    MRT_CODE_STORE_FULL = 18,
    MRT_CODE_STAT_KIND = 19,
    /// A streamed answer ended before it was whole.
    MRT_CODE_CALL_BROKEN = 20,
    MRT_CODE_TOO_MANY_STORES = 21,
};

/// Which header map is meant.
enum { MRT_MAP_REQUEST = 0, MRT_MAP_RESPONSE = 1, MRT_MAP_REQUEST_TRAILERS = 2, MRT_MAP_RESPONSE_TRAILERS = 3 };

/// Bytes that a script may look at: the whole body, the chunk it was handed, or the body of call n at MRT_PART_CALL + n.
enum { MRT_PART_BODY = 0, MRT_PART_CHUNK = 1, MRT_PART_CALL = 2 };

/// STREAMS: the answer is taken piece by piece; STREAMS_BODY: the request's body is sent so too.
enum { MRT_CALL_ASYNCHRONOUS = 1, MRT_CALL_SEND_XFF = 2, MRT_CALL_STREAMS = 4, MRT_CALL_STREAMS_BODY = 8 };

/// What `text` of the host tells.
enum {
    MRT_TEXT_PROTOCOL,
    MRT_TEXT_ROUTE_NAME,
    MRT_TEXT_VIRTUAL_CLUSTER,
    MRT_TEXT_LOCAL_ADDRESS,
    MRT_TEXT_DIRECT_LOCAL_ADDRESS,
    MRT_TEXT_REMOTE_ADDRESS,
    MRT_TEXT_DIRECT_REMOTE_ADDRESS,
    MRT_TEXT_SERVER_NAME,
};

/// What `ssl` of the host tells.
enum {
    /// The client's connection has TLS; its certificate has a subject.
    MRT_SSL_IS_USED,
    MRT_SSL_HAS_SUBJECT,
    MRT_SSL_PEER_PRESENTED,
    MRT_SSL_PEER_VALIDATED,
    MRT_SSL_LOCAL_URI_SANS,
    MRT_SSL_PEER_URI_SANS,
    MRT_SSL_LOCAL_DNS_SANS,
    MRT_SSL_PEER_DNS_SANS,
    MRT_SSL_LOCAL_OIDS,
    MRT_SSL_PEER_OIDS,
    MRT_SSL_PEER_FINGERPRINT,
    MRT_SSL_PEER_SERIAL,
    MRT_SSL_PEER_ISSUER,
    MRT_SSL_PEER_SUBJECT,
    MRT_SSL_PEER_COMMON_NAME,
    MRT_SSL_PEER_ORGANIZATIONS,
    MRT_SSL_LOCAL_SUBJECT,
    MRT_SSL_PEER_VALID_FROM,
    MRT_SSL_PEER_EXPIRES,
    MRT_SSL_PEER_PEM,
    MRT_SSL_PEER_CHAIN,
    MRT_SSL_SESSION_ID,
    MRT_SSL_CIPHER_ID,
    MRT_SSL_CIPHER,
    MRT_SSL_VERSION,
};

/// Where values live that filters leave for each other on an exchange.
enum { MRT_SPACE_METADATA = 0, MRT_SPACE_FILTER_STATE = 1 };

enum {
    MRT_SHARED_GET,
    MRT_SHARED_SET,
    /// Only when the key is absent.
    MRT_SHARED_ADD,
    /// Adds `amount` to a number; an absent key counts from `value`.
    MRT_SHARED_INCREMENT,
    /// Only when the present value is `expected`; nothing stands for an absent key.
    MRT_SHARED_COMPARE_AND_SET,
    MRT_SHARED_DELETE,
};

/// One operation on a shared store. Values are encoded as data.c says.
typedef struct mrt_shared_operation {
    int32_t kind;
    mrt_bytes_borrowed store, key, value, expected;
    /// Milliseconds; 0 is for ever.
    int64_t ttl;
    double amount;
    /// Out: what the key holds afterwards, lent until the next operation; no data when it is absent.
    mrt_bytes_borrowed result;
    /// Out: whether the operation did what it is for.
    bool done;
} mrt_shared_operation;

enum { MRT_STAT_COUNTER, MRT_STAT_GAUGE, MRT_STAT_HISTOGRAM };
enum { MRT_STAT_ADD, MRT_STAT_SUBTRACT, MRT_STAT_SET, MRT_STAT_VALUE, MRT_STAT_RECORD };

enum { MRT_EDIT_ADD = 0, MRT_EDIT_REPLACE = 1, MRT_EDIT_REMOVE = 2, MRT_EDIT_REASON = 3 };

/// The hooks a policy may define.
enum { MRT_HOOK_REQUEST = 0, MRT_HOOK_RESPONSE = 1, MRT_HOOK_LOG = 2, MRT_HOOK_COUNT = 3 };

enum {
    MRT_STATUS_DONE = 0,
    /// The run waits for the host: see `wait` of the result.
    MRT_STATUS_WAITING = 1,
    MRT_STATUS_REPLIED = 2,
    MRT_STATUS_FAILED = 3,
};

/// Why a run failed.
enum {
    MRT_ERROR_NONE = 0,
    MRT_ERROR_SCRIPT = 1,
    MRT_ERROR_INSTRUCTIONS = 2,
    MRT_ERROR_MEMORY = 3,
    MRT_ERROR_TIME = 4,
};

/// What the host does for a script. `context` is what the run was started with. A host function must not call back into
/// the VM; borrowed bytes it answers must live until the next host call that edits.
typedef struct mrt_host {
    /// Place of the first value of `name` at `start` or after, or -1; `next` is the place of the one after it, or -1.
    int32_t (*header_find)(
        void *context, int32_t map, mrt_bytes_borrowed name, int32_t start, mrt_bytes_borrowed *value, int32_t *next);
    /// The field at a place from 0, pseudo headers first; false behind the last one.
    bool (*header_at)(
        void *context, int32_t map, int32_t index, mrt_bytes_borrowed *name, mrt_bytes_borrowed *value);
    /// `name` is a lower-case token or a pseudo header; `value` has no CR, LF or NUL.
    int32_t (*header_edit)(
        void *context, int32_t map, int32_t edit, mrt_bytes_borrowed name, mrt_bytes_borrowed value);
    /// Starts a reply, forgetting one begun before.
    int32_t (*reply_begin)(void *context, int32_t status);
    int32_t (*reply_header)(void *context, mrt_bytes_borrowed name, mrt_bytes_borrowed value);
    int32_t (*reply_body)(void *context, mrt_bytes_borrowed body);

    // What may take time answers OK or NOTHING when it is over at once, PENDING when the run is to wait, or an error's code.
    int32_t (*body_begin)(void *context);
    int32_t (*chunk_begin)(void *context);
    int32_t (*trailers_begin)(void *context);
    int32_t (*sleep_begin)(void *context, int64_t milliseconds);
    /// Waits for every call sent and not yet answered.
    int32_t (*calls_begin)(void *context);
    /// After a wait: what the chunk or trailers came to, OK or NOTHING.
    int32_t (*outcome)(void *context);

    /// False when there is no such part. Lent until the run's next wait or change of it.
    bool (*part)(void *context, int32_t part, mrt_bytes_borrowed *bytes);
    int32_t (*set_part)(void *context, int32_t part, mrt_bytes_borrowed bytes);

    /// Makes room for a call; then its headers, pseudo headers among them, and `call_send`, which answers the call's number or
    /// minus a code. `begins`: the script has taken the answers of all calls before; not so between calls that are made at once.
    int32_t (*call_open)(void *context, mrt_bytes_borrowed cluster, bool begins);
    int32_t (*call_header)(void *context, mrt_bytes_borrowed name, mrt_bytes_borrowed value);
    int32_t (*call_send)(void *context, mrt_bytes_borrowed body, int64_t timeout, int32_t flags);
    /// Sends a piece of a streamed call's body: OK, PENDING until there is room for more, or NOTHING when nobody reads on.
    int32_t (*stream_write)(void *context, int32_t call, mrt_bytes_borrowed bytes);
    /// Ends the body; OK when the answer's head is there.
    int32_t (*stream_head)(void *context, int32_t call);
    /// OK when the next piece is the call's part, NOTHING behind the last.
    int32_t (*stream_piece)(void *context, int32_t call);
    /// A field of a call's answer, `:status` first.
    bool (*call_field)(void *context, int32_t call, int32_t index, mrt_bytes_borrowed *name, mrt_bytes_borrowed *value);

    bool (*text)(void *context, int32_t what, mrt_bytes_borrowed *bytes);
    /// A fact of the client's TLS as an encoded value; false when there is none.
    bool (*ssl)(void *context, int32_t what, mrt_bytes_borrowed *value);
    /// The values a filter left, as an encoded mapping; false when there are none. An empty `filter`: all filters'.
    bool (*metadata_get)(void *context, int32_t space, mrt_bytes_borrowed filter, mrt_bytes_borrowed *values);
    int32_t (*metadata_set)(
        void *context, int32_t space, mrt_bytes_borrowed filter, mrt_bytes_borrowed key, mrt_bytes_borrowed value);
    int32_t (*override_host)(void *context, mrt_bytes_borrowed host, bool strict);
    int32_t (*clear_route)(void *context);
    int32_t (*drain_connection)(void *context);

    int32_t (*shared)(void *owner, mrt_shared_operation *operation);
    /// `value` is the amount going in and the value coming out.
    int32_t (*stat)(void *owner, int32_t kind, mrt_bytes_borrowed name, int32_t operation, double *value);
    /// `level`: 0 trace ... 5 critical. `context` is NULL while the script's main chunk runs.
    void (*log)(void *owner, void *context, int32_t level, mrt_bytes_borrowed text);
} mrt_host;

typedef struct mrt_options {
    const mrt_host *host;
    /// Handed to `log`, `shared` and `stat`.
    void *owner;
    uint64_t max_instructions;
    /// Bytes of the whole VM.
    size_t max_memory;
    /// Nanoseconds of running, waits excluded.
    uint64_t max_time;
    /// For tests: the n-th allocation from now fails, counted from 1; 0 is never.
    uint64_t fail_allocation;
    /// For tests: so do all after it.
    bool keeps_failing;
} mrt_options;

typedef struct mrt_result {
    int32_t status;
    int32_t error;
    int32_t wait;
    /// Instructions and their equivalent in work done in C, to the nearest thousand or so.
    uint64_t instructions;
    /// `file:line: what happened`, and the traceback behind it.
    mrt_bytes_borrowed message;
    mrt_bytes_borrowed traceback;
    /// Set while waiting: to resume or to drop.
    mrt_run *run;
} mrt_result;

/// NULL when memory is short.
mrt_vm *mrt_vm_new(const mrt_options *options);
/// Changes what is handed to `log`, `shared` and `stat`.
void mrt_vm_set_owner(mrt_vm *vm, void *owner);
/// Frees everything and answers how many bytes are still accounted for: 0 unless the accounting is wrong.
size_t mrt_vm_close(mrt_vm *vm);

/// Compiles source text to bytecode. Answers an error class; the message is in `mrt_vm_message`.
int32_t mrt_vm_compile(mrt_vm *vm, mrt_bytes_borrowed source, const char *name, mrt_bytes_owned *code);
/// Gives the script its files, before `mrt_vm_load`: mappings of names to texts, as data.c has them.
int32_t mrt_vm_set_files(mrt_vm *vm, mrt_bytes_borrowed data, mrt_bytes_borrowed modules);
/// Runs compiled code, which must come from `mrt_vm_compile`, as the VM's one script, and finds its hooks.
int32_t mrt_vm_load(mrt_vm *vm, mrt_bytes_borrowed code, const char *name);
/// What the last compile or load failed with; traceback included.
mrt_bytes_borrowed mrt_vm_message(const mrt_vm *vm);
bool mrt_vm_has_hook(const mrt_vm *vm, int32_t hook);

/// Gives scripts `data` as `handle:config()`: a number to be passed to `mrt_run_start`, or -1. For the encoding see data.c.
int32_t mrt_vm_add_data(mrt_vm *vm, mrt_bytes_borrowed data);

/// Runs a hook until it ends, waits or fails. `data` is a number from `mrt_vm_add_data`, or -1.
/// `kept` is a number kept for all runs of one exchange, 0 at first: see `mrt_vm_forget`.
void mrt_run_start(
    mrt_vm *vm, int32_t hook, int32_t data, void *context, int32_t *kept, mrt_result *result);
/// Runs what the script gave to `every`, number `timer`.
void mrt_run_timer(mrt_vm *vm, int32_t timer, void *context, mrt_result *result);
/// Goes on with a waiting run.
void mrt_run_resume(mrt_vm *vm, mrt_run *run, mrt_result *result);
/// Gives a waiting run up; nothing of it runs again.
void mrt_run_drop(mrt_vm *vm, mrt_run *run);

/// Lets go of what `handle:context()` kept for an exchange.
void mrt_vm_forget(mrt_vm *vm, int32_t kept);
/// Takes parameters back that no chain uses any more.
void mrt_vm_remove_data(mrt_vm *vm, int32_t data);
/// Checks parameters against the `schema` that the script declares, and fills in its defaults. False with a message in
/// `mrt_vm_message` when they do not fit.
bool mrt_vm_check_data(mrt_vm *vm, int32_t data);
/// How many timers the script made, and their periods in milliseconds.
int32_t mrt_vm_timers(const mrt_vm *vm);
int64_t mrt_vm_timer_period(const mrt_vm *vm, int32_t timer);

size_t mrt_vm_memory(const mrt_vm *vm);
/// A full collection. For tests and idle time.
void mrt_vm_collect(mrt_vm *vm);
void mrt_vm_fail_allocation(mrt_vm *vm, uint64_t countdown, bool keeps_failing);

/// For tests: what the wall clock says to scripts of this thread; 0 gives them the system's again.
void mrt_tell_wall_clock_ms(uint64_t milliseconds);

/// Notes which lines of scripts run.
typedef struct mrt_coverage mrt_coverage;
enum { MRT_LINE_EMPTY = 0, MRT_LINE_MISSED = 1, MRT_LINE_RAN = 2 };
/// VMs made on this thread from now on take part. NULL when memory is short or another one collects.
mrt_coverage *mrt_coverage_start(void);
/// Later VMs do not take part. Call on the same thread; the collector may not be used any more.
void mrt_coverage_stop(mrt_coverage *coverage);
int32_t mrt_coverage_file_count(const mrt_coverage *coverage);
/// The chunk's name, with the `@` that marks a file's.
const char *mrt_coverage_name(const mrt_coverage *coverage, int32_t file);
/// Lines are numbered from 1.
int32_t mrt_coverage_line_count(const mrt_coverage *coverage, int32_t file);
int32_t mrt_coverage_line(const mrt_coverage *coverage, int32_t file, int32_t line);

void mrt_bytes_free(mrt_bytes_owned bytes);
/// "Lua 5.4.4": the library linked at run time.
const char *mrt_lua_version(void);

#endif
