// One HTTP/2 connection (RFC 9113), for Swift: bytes in, a batch of events out; messages in, frames out. Heads are compressed and
// decompressed by the system's nghttp2; frames, streams, windows and what a peer may do of each are kept here. No call of
// Swift's comes in the middle of another: events are walked after.
#ifndef CHTTP2_H
#define CHTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mrt_h2 mrt_h2;

// Things that are counted; the first ones have an allowance.
typedef enum mrt_h2_counter {
    MRT_H2_RESETS,          // RST_STREAM that came for an open stream
    MRT_H2_PROVOKED,        // RST_STREAM of ours for what the peer did wrong
    MRT_H2_SETTINGS,        // SETTINGS and GOAWAY
    MRT_H2_PINGS,
    MRT_H2_EMPTY_DATA,
    MRT_H2_PRIORITIES,
    MRT_H2_WINDOW_UPDATES,
    MRT_H2_UNKNOWN_FRAMES,
    MRT_H2_STRAY_FRAMES,    // for streams that are over
    MRT_H2_REFUSED,         // streams beyond how many there may be at once
    MRT_H2_ALLOWANCES,      // how many have an allowance
    MRT_H2_CONTINUATIONS = MRT_H2_ALLOWANCES,
    MRT_H2_TOO_LARGE,       // heads beyond a bound
    MRT_H2_COUNTERS,
} mrt_h2_counter;

typedef enum mrt_h2_fault {
    MRT_H2_FINE,
    MRT_H2_BAD_PREFACE,
    MRT_H2_VIOLATION,
    MRT_H2_CONTINUATION_FLOOD,
    MRT_H2_OUTPUT_FLOOD,
    MRT_H2_NO_MEMORY,
    MRT_H2_ENDED,      // `mrt_h2_fail` by the application
    MRT_H2_ALLOWANCE,  // plus a mrt_h2_counter: its allowance is used up
} mrt_h2_fault;

typedef struct mrt_h2_allowance {
    uint32_t burst;
    uint32_t per_second;
} mrt_h2_allowance;

typedef struct mrt_h2_config {
    bool server;
    bool extended_connect;
    uint32_t max_streams;
    uint32_t stream_window;
    uint32_t connection_window;
    uint32_t decoder_table;
    uint32_t encoder_table;
    uint32_t peer_streams;
    uint32_t head;
    uint32_t fields;
    uint32_t informational;
    uint32_t continuations;
    uint32_t empty_continuations;
    uint32_t queued_frames;
    mrt_h2_allowance allowances[MRT_H2_ALLOWANCES];
} mrt_h2_config;

// NULL without memory.
mrt_h2 *mrt_h2_new(const mrt_h2_config *config);
void mrt_h2_free(mrt_h2 *session);
// Gives back what only a connection at work needs. Does nothing when it is at work.
void mrt_h2_trim(mrt_h2 *session);

// MARK: Receiving

typedef enum mrt_h2_kind {
    MRT_H2_REQUEST,        // `a`: block
    MRT_H2_RESPONSE,       // `a`: block
    MRT_H2_INFORMATIONAL,  // `a`: block
    MRT_H2_TRAILERS,       // `a`: block
    MRT_H2_DATA,           // `a`: offset into the input, `b`: length
    MRT_H2_END,
    MRT_H2_CLOSED,         // `a`: error code, `b`: mrt_h2_how
    MRT_H2_NEW_SETTINGS,
    MRT_H2_GOAWAY,         // `a`: error code, `b`: last stream
    MRT_H2_PONG,           // `wide`: payload
    MRT_H2_DRAINED,        // as asked by `mrt_h2_ask_drained`
} mrt_h2_kind;

typedef enum mrt_h2_how { MRT_H2_COMPLETE, MRT_H2_BY_PEER, MRT_H2_BY_US, MRT_H2_FAILED, MRT_H2_UNPROCESSED } mrt_h2_how;

typedef struct mrt_h2_event {
    uint8_t kind;
    bool ends;
    int32_t stream;
    // The stream's place in tables of the application's own; may be another's once MRT_H2_CLOSED has been walked.
    uint32_t slot;
    uint32_t a;
    uint32_t b;
    uint64_t wide;
    int64_t tag;
} mrt_h2_event;

// A range of the batch's text.
typedef struct mrt_h2_range {
    uint32_t start;
    uint32_t length;
} mrt_h2_range;

typedef struct mrt_h2_field {
    uint32_t name;          // where it begins in the text; the value begins two bytes behind its end
    uint32_t name_length;
    uint32_t value_length;
} mrt_h2_field;

// A header block: `name: value\r\n` for every field, and before them the pseudo-headers' values. A range of length 0 is a
// pseudo-header that was not there.
typedef struct mrt_h2_block {
    int32_t stream;
    uint32_t status;
    mrt_h2_range text;
    mrt_h2_range method;
    mrt_h2_range scheme;
    mrt_h2_range path;
    mrt_h2_range authority;  // stands in the text as a `host: ` field
    mrt_h2_range protocol;
    uint32_t first_field;
    uint32_t field_count;
    bool too_large;
    bool too_many;
    // The answer to a HEAD request.
    bool answers_head;
    bool has_host;
} mrt_h2_block;

// Decodes up to `count` bytes; answers how many were taken. Fewer: a batch is full, walk it and pass the rest.
size_t mrt_h2_receive(mrt_h2 *session, const void *bytes, size_t count, uint64_t now);

// False: no more.
bool mrt_h2_next(mrt_h2 *session, mrt_h2_event *event);

// Valid until the next `mrt_h2_receive`. False: there is no such block.
bool mrt_h2_get_block(const mrt_h2 *session, uint32_t index, mrt_h2_block *block);
const uint8_t *mrt_h2_text(const mrt_h2 *session);
const mrt_h2_field *mrt_h2_fields(const mrt_h2 *session);

void mrt_h2_consumed(mrt_h2 *session, int32_t stream, size_t count);

// MARK: Sending

// A head is put together field by field; what the pointers name must stay until it is submitted. Names may have upper case.
void mrt_h2_head_begin(mrt_h2 *session);

typedef enum mrt_h2_trait {
    MRT_H2_SECRET = 1,       // never to be put into a compression table
    MRT_H2_STATIC_NAME = 2,  // in lower case
} mrt_h2_trait;

// False: no memory, or the head is larger than 1 MiB. `traits`: mrt_h2_trait.
bool mrt_h2_head_add(mrt_h2 *session, const void *name, size_t name_length, const void *value, size_t value_length,
                     uint32_t traits);

// The stream's number; negative when none can be opened.
// What answers HEAD has no body, whatever length it names, and what answers CONNECT no length.
typedef enum mrt_h2_method { MRT_H2_ANY_METHOD, MRT_H2_HEAD, MRT_H2_CONNECT } mrt_h2_method;
int32_t mrt_h2_submit_request(mrt_h2 *session, mrt_h2_method method, bool ended, int64_t tag);
bool mrt_h2_submit_response(mrt_h2 *session, int32_t stream, bool ended);
bool mrt_h2_submit_informational(mrt_h2 *session, int32_t stream);
bool mrt_h2_submit_trailers(mrt_h2 *session, int32_t stream);

// Says that `count` more bytes of body stand ready, and whether they are the last. The slot whose queue they belong into;
// negative when the stream takes none.
int64_t mrt_h2_queue(mrt_h2 *session, int32_t stream, size_t count, bool ended);
// The stream's number means something still.
bool mrt_h2_is_open(const mrt_h2 *session, int32_t id);
// Our last frame of the stream is made; also when there is no such stream.
bool mrt_h2_has_sent_end(const mrt_h2 *session, int32_t id);
size_t mrt_h2_queued(const mrt_h2 *session, int32_t stream);

// One MRT_H2_DRAINED comes once no more than `left` bytes of body are queued; at once when it is so.
void mrt_h2_ask_drained(mrt_h2 *session, int32_t stream, size_t left);

// The slot; negative when it is not open.
int64_t mrt_h2_reset(mrt_h2 *session, int32_t stream, uint32_t code, bool provoked);

typedef struct mrt_h2_chunk {
    // Valid until the next call. NULL: nothing more to send now.
    const uint8_t *bytes;
    size_t count;
    // DATA: behind the bytes come so many of slot `slot`'s queue.
    size_t body;
    uint32_t slot;
} mrt_h2_chunk;

void mrt_h2_pull(mrt_h2 *session, mrt_h2_chunk *chunk);
bool mrt_h2_wants_pull(const mrt_h2 *session);

// MARK: The connection

mrt_h2_fault mrt_h2_failure(const mrt_h2 *session, uint32_t *code);
bool mrt_h2_draining(const mrt_h2 *session);
uint64_t mrt_h2_count(const mrt_h2 *session, mrt_h2_counter counter);
// A header block has begun and not ended.
bool mrt_h2_in_head(const mrt_h2 *session);
// Bytes of decoded heads that are held now, and of the encoder's table.
size_t mrt_h2_held(const mrt_h2 *session);
size_t mrt_h2_encoder_table(const mrt_h2 *session);
uint32_t mrt_h2_open_streams(const mrt_h2 *session);
bool mrt_h2_can_open(const mrt_h2 *session);
bool mrt_h2_peer_connects(const mrt_h2 *session);
void mrt_h2_set_tag(mrt_h2 *session, int32_t stream, int64_t tag);
// Whether the stream, or any when it is 0, has body to send and no window.
bool mrt_h2_stalled(const mrt_h2 *session, int32_t stream);
void mrt_h2_ping(mrt_h2 *session, uint64_t payload);
void mrt_h2_announce_shutdown(mrt_h2 *session);
void mrt_h2_goaway(mrt_h2 *session);
// Ends the connection: what is pulled next is a GOAWAY with `code`, and then nothing.
void mrt_h2_fail(mrt_h2 *session, mrt_h2_fault fault, uint32_t code);

#endif
