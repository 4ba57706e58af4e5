// The border between Martlet and a native module: two tables of C functions, one a side. Nothing else is shared, least of
// all Swift types: each side has its own copy of the Swift API and wraps the other's table in it.
//
// Ownership is in the names. What is `borrowed` stays its sender's and is good until the called function returns; what
// the host answers about a message's bytes is good until that message is changed or the exchange ends. What is `owned`
// is the receiver's, who gives it back once, through the other side's `release`. A `room` is the caller's memory for an
// answer: as much as fits is written, and the whole length returned.
//
// Handles of an exchange and what is in it are used on the exchange's worker thread only.
//
// Compatibility: `version` goes up when the meaning of anything here changes, and then neither side takes the other.
// Within a version functions are added at the end only: a side may be larger than the other expects, never smaller.
#ifndef MARTLET_MODULE_H
#define MARTLET_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#pragma clang assume_nonnull begin
#else
#define _Nullable
#define _Nonnull
#endif

#define MARTLET_MODULE_VERSION 1
// The one symbol a module exports, a `martlet_module_entry_function`.
#define MARTLET_MODULE_ENTRY "martlet_module_entry"

// Texts are UTF-8, not terminated. No start: there is no such thing, where that can be; otherwise empty.
typedef struct martlet_borrowed_bytes {
    const uint8_t *_Nullable start;
    size_t count;
} martlet_borrowed_bytes;

typedef struct martlet_room {
    uint8_t *_Nullable start;
    size_t capacity;
} martlet_room;

// What a function that fills a room answers when there is no such thing.
#define MARTLET_NONE SIZE_MAX

typedef struct martlet_borrowed_field {
    martlet_borrowed_bytes name;
    martlet_borrowed_bytes value;
} martlet_borrowed_field;

typedef struct martlet_borrowed_fields {
    const martlet_borrowed_field *_Nullable start;
    size_t count;
} martlet_borrowed_fields;

// The host's.
typedef struct martlet_load *martlet_borrowed_load;
typedef struct martlet_context *martlet_owned_context, *martlet_borrowed_context;
typedef struct martlet_exchange *martlet_borrowed_exchange;
typedef struct martlet_request *martlet_borrowed_request;
typedef struct martlet_response *martlet_borrowed_response, *martlet_owned_response;
typedef struct martlet_headers *martlet_borrowed_headers, *martlet_owned_headers;
typedef struct martlet_chunk *martlet_borrowed_chunk;
typedef struct martlet_slice *martlet_owned_slice;
typedef struct martlet_reply *martlet_owned_reply;
typedef struct martlet_resumption *martlet_owned_resumption, *martlet_borrowed_resumption;
typedef struct martlet_timer *martlet_owned_timer, *martlet_borrowed_timer;
typedef struct martlet_call *martlet_owned_call, *martlet_borrowed_call;
typedef struct martlet_stream *martlet_owned_stream, *martlet_borrowed_stream;
typedef struct martlet_identity *martlet_owned_identity, *martlet_borrowed_identity;
typedef struct martlet_counter *martlet_owned_counter, *martlet_borrowed_counter;
typedef struct martlet_gauge *martlet_owned_gauge, *martlet_borrowed_gauge;
typedef struct martlet_histogram *martlet_owned_histogram, *martlet_borrowed_histogram;

// The module's.
typedef struct martlet_config *martlet_owned_config, *martlet_borrowed_config;
typedef struct martlet_filter *martlet_owned_filter, *martlet_borrowed_filter;
// The module's face of an exchange, for one filter. Used for one exchange after another.
typedef struct martlet_face *martlet_owned_face, *martlet_borrowed_face;
// What is to be called later, of whichever module: a timer, the answer of a call.
typedef struct martlet_action *martlet_borrowed_action;
typedef struct martlet_owned_action {
    martlet_borrowed_action action;
    const struct martlet_module *module;
} martlet_owned_action;

// A value of the configuration file. A tree is an array of nodes in the order they are written, each followed by its
// children.
enum { MARTLET_NODE_NULL, MARTLET_NODE_PLAIN, MARTLET_NODE_QUOTED, MARTLET_NODE_LIST, MARTLET_NODE_MAPPING };
typedef struct martlet_borrowed_node {
    uint32_t kind;
    // Direct children: items of a list, values of a mapping.
    uint32_t children;
    // Of the value, and of its key when it stands in a mapping. From 1.
    uint32_t line, column, key_line, key_column;
    martlet_borrowed_bytes key;
    martlet_borrowed_bytes text;
} martlet_borrowed_node;

typedef struct martlet_borrowed_section {
    const martlet_borrowed_node *nodes;
    size_t count;
    // The configuration file's path.
    martlet_borrowed_bytes file;
} martlet_borrowed_section;

enum { MARTLET_ERROR, MARTLET_WARNING };
typedef struct martlet_borrowed_report {
    uint32_t severity;
    uint32_t line, column;
    // From the section on.
    martlet_borrowed_bytes path;
    martlet_borrowed_bytes message;
    martlet_borrowed_bytes hint;
} martlet_borrowed_report;

// Hooks that a filter wants, a bit each.
enum {
    MARTLET_REQUEST_HEAD = 1, MARTLET_REQUEST_BODY = 2, MARTLET_REQUEST_TRAILERS = 4, MARTLET_RESPONSE_HEAD = 8,
    MARTLET_RESPONSE_BODY = 16, MARTLET_RESPONSE_TRAILERS = 32, MARTLET_END = 64, MARTLET_BODY_END = 128
};

enum { MARTLET_PROOF_JWT = 1, MARTLET_PROOF_API_KEY = 2, MARTLET_PROOF_BASIC_AUTH = 4 };

enum { MARTLET_NEXT, MARTLET_WAIT, MARTLET_REPLY, MARTLET_RESET };
// Why an exchange is given up, for the access log.
enum {
    MARTLET_RESET_BY_FILTER, MARTLET_RESET_DOWNSTREAM_DISCONNECT, MARTLET_RESET_DOWNSTREAM_PROTOCOL,
    MARTLET_RESET_UPSTREAM_DISCONNECT, MARTLET_RESET_UPSTREAM_PROTOCOL, MARTLET_RESET_IDLE_TIMEOUT,
    MARTLET_RESET_REQUEST_TIMEOUT, MARTLET_RESET_TOO_LARGE, MARTLET_RESET_DRAIN
};
typedef struct martlet_verdict {
    uint32_t decision;
    // For a reset: MARTLET_RESET_...
    uint32_t reason;
    // For a reply, and then not NULL.
    martlet_owned_reply _Nullable reply;
} martlet_verdict;

enum { MARTLET_REQUEST, MARTLET_RESPONSE };

enum { MARTLET_BODY_NONE, MARTLET_BODY_EXACTLY, MARTLET_BODY_CHUNKED, MARTLET_BODY_UNTIL_CLOSE };
typedef struct martlet_body_length {
    uint32_t kind;
    uint64_t bytes;
} martlet_body_length;

enum { MARTLET_HTTP10, MARTLET_HTTP11, MARTLET_HTTP2 };
enum { MARTLET_PLAIN_HTTP, MARTLET_HTTPS };

// The parts of an exchange, all good until `close`.
typedef struct martlet_borrowed_parts {
    martlet_borrowed_exchange exchange;
    martlet_borrowed_request request;
    martlet_borrowed_response response;
    martlet_borrowed_headers request_headers;
    martlet_borrowed_headers response_headers;
    martlet_borrowed_headers request_trailers;
    martlet_borrowed_headers response_trailers;
} martlet_borrowed_parts;

typedef struct martlet_borrowed_chunk_view {
    martlet_borrowed_chunk chunk;
    martlet_borrowed_bytes bytes;
    bool is_last;
} martlet_borrowed_chunk_view;

typedef struct martlet_borrowed_call_request {
    martlet_borrowed_bytes cluster, method, path, authority;
    martlet_borrowed_fields headers;
    // Further fields, copied.
    martlet_borrowed_headers _Nullable more_headers;
    martlet_borrowed_bytes body;
    bool streams_body;
    // Nanoseconds; 0 is none.
    uint64_t timeout;
    uint64_t max_response_body;
} martlet_borrowed_call_request;

// Of a call that is done: either a failure's name or a response.
typedef struct martlet_call_result {
    martlet_borrowed_bytes failure;
    martlet_owned_response _Nullable response;
    martlet_borrowed_headers _Nullable headers;
    martlet_borrowed_bytes body;
} martlet_call_result;

enum { MARTLET_STREAM_HEAD, MARTLET_STREAM_BODY, MARTLET_STREAM_ENDED, MARTLET_STREAM_FAILED, MARTLET_STREAM_WRITABLE };
typedef struct martlet_stream_event {
    uint32_t kind;
    martlet_borrowed_bytes failure;
    martlet_owned_response _Nullable response;
    martlet_borrowed_headers _Nullable headers;
    martlet_owned_slice _Nullable slice;
    // The slice's, as long as it lives.
    martlet_borrowed_bytes bytes;
} martlet_stream_event;

typedef struct martlet_borrowed_peer {
    uint16_t port;
    uint32_t scheme;
    uint64_t connection;
} martlet_borrowed_peer;

// What the host offers.
typedef struct martlet_host {
    uint32_t version;
    uint32_t size;

    // Gives back what the host handed over as `owned`.
    void (*_Nonnull release)(void *object);

    // Loading. Runs on the loader's thread, within `decode` and `decode_route`.
    void (*_Nonnull load_report)(martlet_borrowed_load load, const martlet_borrowed_report *report);
    size_t (*_Nonnull load_workers)(martlet_borrowed_load load);
    size_t (*_Nonnull load_cluster_count)(martlet_borrowed_load load);
    size_t (*_Nonnull load_cluster)(martlet_borrowed_load load, size_t index, martlet_room room);
    // Resolves a path against the configuration file's folder, and has the file watched.
    size_t (*_Nonnull load_path)(martlet_borrowed_load load, martlet_borrowed_bytes path, martlet_room room);
    void (*_Nonnull load_watch)(martlet_borrowed_load load, martlet_borrowed_bytes path);

    // A filter's place.
    size_t (*_Nonnull context_position)(martlet_borrowed_context context);
    size_t (*_Nonnull context_worker)(martlet_borrowed_context context);
    size_t (*_Nonnull context_listener)(martlet_borrowed_context context, martlet_room room);
    uint64_t (*_Nonnull context_now)(martlet_borrowed_context context);
    void (*_Nonnull context_log)(martlet_borrowed_context context, uint32_t level, martlet_borrowed_bytes message);
    martlet_owned_timer _Nonnull (*_Nonnull context_after)(
        martlet_borrowed_context context, uint64_t nanoseconds, martlet_owned_action action);
    martlet_owned_call _Nonnull (*_Nonnull context_call)(
        martlet_borrowed_context context, const martlet_borrowed_call_request *request, martlet_owned_action action);
    martlet_owned_stream _Nullable (*_Nonnull context_stream)(
        martlet_borrowed_context context, const martlet_borrowed_call_request *request, martlet_owned_action action);
    // What the exchange's route says for this filter: what `decode_route` made.
    martlet_borrowed_config _Nullable (*_Nonnull context_route_config)(
        martlet_borrowed_context context, martlet_borrowed_exchange exchange);
    martlet_owned_counter _Nonnull (*_Nonnull context_counter)(
        martlet_borrowed_context context, martlet_borrowed_bytes name, martlet_borrowed_fields labels);
    martlet_owned_gauge _Nonnull (*_Nonnull context_gauge)(
        martlet_borrowed_context context, martlet_borrowed_bytes name, martlet_borrowed_fields labels);
    martlet_owned_histogram _Nonnull (*_Nonnull context_histogram)(
        martlet_borrowed_context context, martlet_borrowed_bytes name, martlet_borrowed_fields labels);
    void (*_Nonnull counter_add)(martlet_borrowed_counter counter, uint64_t amount);
    void (*_Nonnull gauge_add)(martlet_borrowed_gauge gauge, int64_t amount);
    void (*_Nonnull gauge_set)(martlet_borrowed_gauge gauge, int64_t value);
    void (*_Nonnull histogram_record)(martlet_borrowed_histogram histogram, uint64_t nanoseconds);

    // An exchange.
    size_t (*_Nonnull exchange_client_ip)(martlet_borrowed_exchange exchange, martlet_room room);
    uint64_t (*_Nonnull exchange_started)(martlet_borrowed_exchange exchange);
    uint64_t (*_Nonnull exchange_now)(martlet_borrowed_exchange exchange);
    uint64_t (*_Nonnull exchange_request_bytes)(martlet_borrowed_exchange exchange);
    uint64_t (*_Nonnull exchange_response_bytes)(martlet_borrowed_exchange exchange);
    uint64_t (*_Nonnull exchange_attempts)(martlet_borrowed_exchange exchange);
    size_t (*_Nonnull exchange_upstream_address)(martlet_borrowed_exchange exchange, martlet_room room);
    size_t (*_Nonnull exchange_cluster)(martlet_borrowed_exchange exchange, martlet_room room);
    size_t (*_Nonnull exchange_reason)(martlet_borrowed_exchange exchange, martlet_room room);
    // No start: there is none.
    void (*_Nonnull exchange_set_reason)(martlet_borrowed_exchange exchange, martlet_borrowed_bytes reason);
    // A bit each, as `flag_bit` numbers them.
    uint32_t (*_Nonnull exchange_flags)(martlet_borrowed_exchange exchange);
    void (*_Nonnull exchange_set_flags)(martlet_borrowed_exchange exchange, uint32_t flags);
    // The bit of the response flag with these letters; 32 when the host has none.
    uint32_t (*_Nonnull flag_bit)(martlet_borrowed_bytes letters);
    // The name of the route, and its place.
    size_t (*_Nonnull exchange_route)(martlet_borrowed_exchange exchange, size_t *position, martlet_room room);
    void (*_Nonnull exchange_clear_route)(martlet_borrowed_exchange exchange);
    bool (*_Nonnull exchange_peer)(martlet_borrowed_exchange exchange, martlet_borrowed_peer *peer);
    size_t (*_Nonnull exchange_peer_ip)(martlet_borrowed_exchange exchange, martlet_room room);
    size_t (*_Nonnull exchange_local_address)(martlet_borrowed_exchange exchange, martlet_room room);
    size_t (*_Nonnull exchange_listener)(martlet_borrowed_exchange exchange, martlet_room room);
    void (*_Nonnull exchange_log)(martlet_borrowed_exchange exchange, uint32_t level, martlet_borrowed_bytes message);
    martlet_owned_timer _Nonnull (*_Nonnull exchange_after)(
        martlet_borrowed_exchange exchange, uint64_t nanoseconds, martlet_owned_action action);
    martlet_owned_call _Nonnull (*_Nonnull exchange_call)(
        martlet_borrowed_exchange exchange, const martlet_borrowed_call_request *request, martlet_owned_action action);
    martlet_owned_stream _Nullable (*_Nonnull exchange_stream)(
        martlet_borrowed_exchange exchange, const martlet_borrowed_call_request *request, martlet_owned_action action);
    // The identity that a kind of proof, named in text, has shown.
    martlet_owned_identity _Nullable (*_Nonnull exchange_identity)(
        martlet_borrowed_exchange exchange, martlet_borrowed_bytes proof);
    size_t (*_Nonnull identity_name)(martlet_borrowed_identity identity, martlet_room room);
    size_t (*_Nonnull identity_provider)(martlet_borrowed_identity identity, martlet_room room);
    // As JSON.
    size_t (*_Nonnull identity_claims)(martlet_borrowed_identity identity, martlet_room room);
    // `claims`: JSON, or nothing.
    void (*_Nonnull exchange_proved)(
        martlet_borrowed_exchange exchange, martlet_borrowed_bytes proof, martlet_borrowed_bytes name,
        martlet_borrowed_bytes provider, martlet_borrowed_bytes claims);

    // Holding and bodies. `direction` is MARTLET_REQUEST or MARTLET_RESPONSE.
    martlet_owned_resumption _Nonnull (*_Nonnull exchange_resumption)(
        martlet_borrowed_exchange exchange, uint32_t direction);
    bool (*_Nonnull resumption_is_valid)(martlet_borrowed_resumption resumption);
    void (*_Nonnull resumption_resume)(martlet_borrowed_resumption resumption, martlet_verdict verdict);
    // `limit`: bytes; MARTLET_NONE is the listener's. `allows_partial`: of a request, what has come when the limit is met.
    bool (*_Nonnull exchange_collect)(
        martlet_borrowed_exchange exchange, uint32_t direction, size_t limit, bool allows_partial);
    void (*_Nonnull exchange_length_changes)(martlet_borrowed_exchange exchange, uint32_t direction);
    size_t (*_Nonnull exchange_collected)(martlet_borrowed_exchange exchange, uint32_t direction, martlet_room room);
    void (*_Nonnull chunk_replace)(martlet_borrowed_chunk chunk, martlet_borrowed_bytes bytes);
    // Keeps the chunk's bytes, as they came, beyond the hook.
    martlet_owned_slice _Nonnull (*_Nonnull chunk_keep)(martlet_borrowed_chunk chunk);

    // Replies. `reason` and `flag`: no start, none.
    martlet_owned_reply _Nonnull (*_Nonnull make_reply)(
        uint16_t status, martlet_borrowed_fields headers, martlet_borrowed_bytes body, martlet_borrowed_bytes reason,
        martlet_borrowed_bytes flag);

    // Heads.
    martlet_borrowed_bytes (*_Nonnull request_method)(martlet_borrowed_request request);
    martlet_borrowed_bytes (*_Nonnull request_target)(martlet_borrowed_request request);
    void (*_Nonnull request_set_method)(martlet_borrowed_request request, martlet_borrowed_bytes method);
    void (*_Nonnull request_set_target)(martlet_borrowed_request request, martlet_borrowed_bytes target);
    martlet_body_length (*_Nonnull request_body)(martlet_borrowed_request request);
    void (*_Nonnull request_set_body)(martlet_borrowed_request request, martlet_body_length body);
    uint32_t (*_Nonnull request_version)(martlet_borrowed_request request);
    uint32_t (*_Nonnull request_scheme)(martlet_borrowed_request request);
    void (*_Nonnull request_set_scheme)(martlet_borrowed_request request, uint32_t scheme);
    uint16_t (*_Nonnull response_status)(martlet_borrowed_response response);
    // `forgets_reason`: the old status's reason phrase goes with it.
    void (*_Nonnull response_set_status)(martlet_borrowed_response response, uint16_t status, bool forgets_reason);
    martlet_borrowed_bytes (*_Nonnull response_reason)(martlet_borrowed_response response);
    void (*_Nonnull response_set_reason)(martlet_borrowed_response response, martlet_borrowed_bytes reason);
    martlet_body_length (*_Nonnull response_body)(martlet_borrowed_response response);
    void (*_Nonnull response_set_body)(martlet_borrowed_response response, martlet_body_length body);
    uint32_t (*_Nonnull response_version)(martlet_borrowed_response response);

    // Header tables. Names in any case. An index behind the last field is no field: nothing is read or written.
    martlet_owned_headers _Nonnull (*_Nonnull make_headers)(void);
    size_t (*_Nonnull headers_count)(martlet_borrowed_headers headers);
    size_t (*_Nonnull headers_size)(martlet_borrowed_headers headers);
    void (*_Nonnull headers_remove_all)(martlet_borrowed_headers headers);
    martlet_borrowed_bytes (*_Nonnull headers_name)(martlet_borrowed_headers headers, size_t index);
    martlet_borrowed_bytes (*_Nonnull headers_value)(martlet_borrowed_headers headers, size_t index);
    // MARTLET_NONE when there is none at `from` or after.
    size_t (*_Nonnull headers_index)(martlet_borrowed_headers headers, martlet_borrowed_bytes name, size_t from);
    martlet_borrowed_bytes (*_Nonnull headers_first)(martlet_borrowed_headers headers, martlet_borrowed_bytes name);
    void (*_Nonnull headers_append)(
        martlet_borrowed_headers headers, martlet_borrowed_bytes name, martlet_borrowed_bytes value);
    void (*_Nonnull headers_set)(
        martlet_borrowed_headers headers, martlet_borrowed_bytes name, martlet_borrowed_bytes value);
    void (*_Nonnull headers_replace)(martlet_borrowed_headers headers, size_t index, martlet_borrowed_bytes value);
    bool (*_Nonnull headers_remove)(martlet_borrowed_headers headers, martlet_borrowed_bytes name);
    void (*_Nonnull headers_remove_at)(martlet_borrowed_headers headers, size_t index);

    // What was started.
    void (*_Nonnull timer_cancel)(martlet_borrowed_timer timer);
    void (*_Nonnull call_cancel)(martlet_borrowed_call call);
    void (*_Nonnull stream_send)(martlet_borrowed_stream stream, martlet_borrowed_bytes bytes);
    void (*_Nonnull stream_end)(martlet_borrowed_stream stream);
    bool (*_Nonnull stream_is_full)(martlet_borrowed_stream stream);
    void (*_Nonnull stream_pause)(martlet_borrowed_stream stream);
    void (*_Nonnull stream_resume)(martlet_borrowed_stream stream);
    void (*_Nonnull stream_cancel)(martlet_borrowed_stream stream);
} martlet_host;

// What a module offers.
typedef struct martlet_module {
    uint32_t version;
    uint32_t size;
    // Not empty: the module does not run here, and this is the sentence that says why. Nothing else counts then.
    martlet_borrowed_bytes refusal;
    // The names of its filters in the configuration, good for ever. A kind is named by its place here.
    const martlet_borrowed_bytes *_Nullable kinds;
    size_t kind_count;

    // Gives back what the module handed over as `owned`. Configs on any thread, the rest on its worker's.
    void (*_Nonnull release)(void *object);

    // Reads a filter's section. NULL only after an error was reported. On the loader's thread.
    martlet_owned_config _Nullable (*_Nonnull decode)(
        size_t kind, const martlet_borrowed_section *section, martlet_borrowed_load load);
    // Reads what a route says for the filter.
    martlet_owned_config _Nullable (*_Nonnull decode_route)(
        size_t kind, const martlet_borrowed_section *section, martlet_borrowed_config config,
        martlet_borrowed_load load);

    // What `off` for a route means to the filter; NULL: that it does not run.
    martlet_owned_config _Nullable (*_Nonnull route_off)(size_t kind, martlet_borrowed_config config);
    // The identities its filters may prove: MARTLET_PROOF_..., a bit each.
    uint32_t (*_Nonnull proofs)(size_t kind);

    // Makes a filter, on the worker that will use it, and says which hooks it wants.
    martlet_owned_filter _Nonnull (*_Nonnull make_filter)(
        size_t kind, martlet_borrowed_config config, martlet_owned_context context, uint32_t *hooks);
    martlet_owned_face _Nonnull (*_Nonnull make_face)(void);
    void (*_Nonnull open)(martlet_borrowed_face face, const martlet_borrowed_parts *parts);
    // The exchange is over or no longer this filter's: its handles are not used again.
    void (*_Nonnull close)(martlet_borrowed_face face);

    martlet_verdict (*_Nonnull request_head)(martlet_borrowed_filter filter, martlet_borrowed_face face);
    martlet_verdict (*_Nonnull request_body)(
        martlet_borrowed_filter filter, martlet_borrowed_face face, const martlet_borrowed_chunk_view *chunk);
    martlet_verdict (*_Nonnull request_trailers)(martlet_borrowed_filter filter, martlet_borrowed_face face);
    martlet_verdict (*_Nonnull response_head)(martlet_borrowed_filter filter, martlet_borrowed_face face);
    martlet_verdict (*_Nonnull response_body)(
        martlet_borrowed_filter filter, martlet_borrowed_face face, const martlet_borrowed_chunk_view *chunk);
    martlet_verdict (*_Nonnull response_trailers)(martlet_borrowed_filter filter, martlet_borrowed_face face);
    void (*_Nonnull end)(martlet_borrowed_filter filter, martlet_borrowed_face face);

    // Each action hears once, or, for streams, often; then it is released.
    void (*_Nonnull timer_fired)(martlet_borrowed_action action);
    void (*_Nonnull call_done)(martlet_borrowed_action action, const martlet_call_result *result);
    void (*_Nonnull stream_event)(martlet_borrowed_action action, const martlet_stream_event *event);
} martlet_module;

// Called once for each load of a file, on the loader's thread, before anything else. The table must stay as it is for
// ever; so does the host's. NULL is a refusal without a reason.
typedef const martlet_module *_Nullable (*martlet_module_entry_function)(const martlet_host *host);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif

#endif
