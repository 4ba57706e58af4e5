// What the files of this target share.
#ifndef MRT_H2_SESSION_H
#define MRT_H2_SESSION_H

#include "CHTTP2.h"

#include <nghttp2/nghttp2.h>

#define MRT_H2_NO_SLOT UINT32_MAX

// A batch is full at so many events, or bytes of decoded heads.
#define MRT_H2_BATCH_EVENTS 256
#define MRT_H2_BATCH_TEXT (256u << 10)

typedef struct mrt_h2_stream {
    int32_t id;
    uint32_t next_free;
    int64_t tag;
    // Body that Swift holds and nghttp2 has not been given.
    size_t queued;
    // What content-length says, or -1, and what has come.
    int64_t length, received;
    // DATA that was reported and not yet consumed.
    size_t unconsumed;
    uint32_t informationals;
    // What may be left when the application is told so.
    size_t drained_at;
    bool live;
    bool wants_drained;
    bool queue_ended;    // no more body comes
    bool sent_head;
    bool we_ended;
    bool peer_ended;
    bool peer_reset;
    bool we_reset;
    bool is_head;        // client: the request's method is HEAD
    bool is_connect;
    bool seen_final;     // client: the final response's head came
    // Trailers that wait for the body before them: a packed list of fields.
    uint8_t *trailers;
    size_t trailers_size;
} mrt_h2_stream;

typedef struct mrt_h2_bucket {
    uint32_t tokens;
    uint64_t filled;
} mrt_h2_bucket;

// How a stream that is over came to be so.
typedef struct mrt_h2_grave {
    int32_t id;
    bool by_peer;  // the peer ended or reset it: whatever it sends now is wrong
} mrt_h2_grave;

#define MRT_H2_GRAVES 128

// The largest head that is sent. nghttp2 would find out only when the frame's turn comes, and say nothing.
#define MRT_H2_MAX_SENT (1u << 20)

typedef enum mrt_h2_pseudo {
    MRT_H2_METHOD = 1,
    MRT_H2_SCHEME = 2,
    MRT_H2_PATH = 4,
    MRT_H2_AUTHORITY = 8,
    MRT_H2_PROTOCOL = 16,
    MRT_H2_STATUS = 32,
} mrt_h2_pseudo;

typedef enum mrt_h2_verdict { MRT_H2_KEEP, MRT_H2_LEAVE_OUT, MRT_H2_MALFORMED } mrt_h2_verdict;

struct mrt_h2 {
    nghttp2_session *ng;
    mrt_h2_config config;
    uint64_t now;

    // Events of the batch, those before `walked` taken.
    mrt_h2_event *events;
    uint32_t event_count, event_room, walked;
    mrt_h2_block *blocks;
    uint32_t block_count, block_room;
    mrt_h2_field *fields;
    uint32_t field_count, field_room;
    uint8_t *text;
    uint32_t text_size, text_room;
    // The block being decoded is the last one.
    bool in_block, seen_field;
    uint32_t block_slot;
    mrt_h2_kind block_kind;
    uint32_t pseudo;
    size_t block_total;

    mrt_h2_stream *streams;
    uint32_t stream_room, free_slot, live;
    // From stream numbers to slots, open addressing; a number of 0 is an empty place.
    struct mrt_h2_entry {
        int32_t id;
        uint32_t slot;
    } *map;
    uint32_t map_mask;
    mrt_h2_grave graves[MRT_H2_GRAVES];
    uint32_t grave_next;

    // The frame whose bytes are coming.
    const uint8_t *input;
    uint8_t head[9];
    uint8_t head_size;
    bool in_frame;
    uint8_t type, flags;
    int32_t stream;
    uint32_t length, left;
    uint8_t peek[8], peek_size;
    uint32_t magic_left;
    int32_t last_peer_stream;
    // A header block without END_HEADERS is open.
    int32_t block_stream;
    uint32_t block_continuations, block_empty, block_bytes;

    nghttp2_nv *nva;
    size_t nv_count, nv_room, nv_size;
    bool data_pending;
    uint8_t data_head[9];
    size_t data_length;
    uint32_t data_slot;

    mrt_h2_fault fault;
    uint32_t fault_code;
    bool started, draining, sent_goaway, final_pulled;
    uint8_t final[17];
    // Our first SETTINGS as they go out, see `mrt_h2_announce`.
    uint8_t first_settings[64];
    bool sent_settings;

    mrt_h2_bucket buckets[MRT_H2_ALLOWANCES];
    uint64_t counts[MRT_H2_COUNTERS];
};

// streams.c
void mrt_h2_put32(uint8_t *to, uint32_t value);
uint32_t mrt_h2_find(const mrt_h2 *session, int32_t id);
uint32_t mrt_h2_open(mrt_h2 *session, int32_t id);  // MRT_H2_NO_SLOT without memory
void mrt_h2_forget(mrt_h2 *session, uint32_t slot);
void mrt_h2_release(mrt_h2 *session, uint32_t slot);
void mrt_h2_bury(mrt_h2 *session, int32_t id, bool by_peer);
const mrt_h2_grave *mrt_h2_grave_of(const mrt_h2 *session, int32_t id);

// batch.c
mrt_h2_event *mrt_h2_note(mrt_h2 *session, mrt_h2_kind kind, uint32_t slot);  // NULL without memory
void mrt_h2_begin_batch(mrt_h2 *session);
bool mrt_h2_grow(void **array, uint32_t *room, uint32_t count, size_t more, size_t size);

// Makes room for `more` elements behind `count`.
static inline bool mrt_h2_ensure(void **array, uint32_t *room, uint32_t count, size_t more, size_t size) {
    return count + more <= *room || mrt_h2_grow(array, room, count, more, size);
}

// heads.c
int mrt_h2_on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
int mrt_h2_on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user);
void mrt_h2_end_block(mrt_h2 *session, const nghttp2_frame *frame);

// messages.c
mrt_h2_verdict mrt_h2_check_field(mrt_h2 *session, mrt_h2_block *block, const uint8_t *name, size_t name_length,
                                  const uint8_t *value, size_t value_length);
// False: the message is malformed.
bool mrt_h2_check_head(mrt_h2 *session, mrt_h2_stream *stream, const mrt_h2_block *block, bool ends);
bool mrt_h2_check_data(const mrt_h2 *session, mrt_h2_stream *stream, size_t count);
bool mrt_h2_check_end(const mrt_h2_stream *stream);

// allowances.c
void mrt_h2_fill(mrt_h2 *session);
// Counts, and fails the session when the allowance is used up.
bool mrt_h2_spend(mrt_h2 *session, mrt_h2_counter counter);
void mrt_h2_earn(mrt_h2 *session, mrt_h2_counter counter, uint32_t tokens);

// settings.c
bool mrt_h2_announce(mrt_h2 *session);
void mrt_h2_patch_settings(mrt_h2 *session, mrt_h2_chunk *chunk);

// send.c
ssize_t mrt_h2_read_body(nghttp2_session *ng, int32_t id, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user);
int mrt_h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *user);

// memory.c
nghttp2_mem *mrt_h2_memory(void);

#endif
