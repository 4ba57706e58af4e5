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
    // Body that Swift holds, and how much of it the peer lets us send. Below zero when its settings took some back.
    size_t queued;
    int64_t window;
    // How much the peer may send still, and what was consumed of it and not yet given back.
    int64_t receivable, consumed;
    // The ring of streams that have body to send and a window.
    uint32_t next, previous;
    bool in_ring;
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
    bool we_ended;       // our last frame is on its way
    bool peer_ended;
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

// The largest head that is sent.
#define MRT_H2_MAX_SENT (1u << 20)
#define MRT_H2_MAX_NAMES (64u << 10)

typedef enum mrt_h2_pseudo {
    MRT_H2_METHOD = 1,
    MRT_H2_SCHEME = 2,
    MRT_H2_PATH = 4,
    MRT_H2_AUTHORITY = 8,
    MRT_H2_PROTOCOL = 16,
    MRT_H2_STATUS = 32,
} mrt_h2_pseudo;

typedef enum mrt_h2_verdict { MRT_H2_KEEP, MRT_H2_LEAVE_OUT, MRT_H2_MALFORMED } mrt_h2_verdict;

// What the frame is made of that is coming in.
typedef enum mrt_h2_part { MRT_H2_PAD_LENGTH, MRT_H2_PRIORITY, MRT_H2_CONTENT, MRT_H2_PADDING } mrt_h2_part;

struct mrt_h2 {
    nghttp2_hd_inflater *inflater;
    nghttp2_hd_deflater *deflater;
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
    bool in_block, seen_field, block_ends;
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
    // Nothing of it concerns anybody: only HPACK and the connection's window keep count.
    bool ignored;
    uint8_t type, flags;
    int32_t stream;
    uint32_t length, left;
    mrt_h2_part part;
    uint32_t padding;
    // The first bytes of a frame that is short, or an entry of SETTINGS.
    uint8_t peek[8];
    uint8_t peek_size;
    uint32_t magic_left;
    bool seen_settings;
    uint32_t unacknowledged;  // SETTINGS of ours
    int32_t last_peer_stream;  // server: the largest that came; client: the largest that was opened
    int32_t goaway_last;       // what the peer's GOAWAY said
    // A header block without END_HEADERS is open.
    int32_t block_stream;
    uint32_t block_continuations, block_empty, block_bytes;

    // What the peer said it takes.
    uint32_t peer_streams, peer_window, peer_frame;
    bool peer_connects, seen_peer_streams;
    int64_t window, receivable, consumed;

    // Frames on their way, but for DATA: whole, in order.
    uint8_t *out;
    uint32_t out_size, out_room, out_frames;
    uint32_t ring;         // the stream whose turn it is
    uint32_t pulled_slot;  // whose body was in the last chunk
    nghttp2_nv *nva;
    size_t nv_count, nv_room, nv_size;
    // Names that had to be written in lower case.
    uint8_t *names;
    size_t names_size;

    mrt_h2_fault fault;
    uint32_t fault_code;
    bool started, draining, sent_goaway, final_pulled;
    uint8_t final[17];

    mrt_h2_bucket buckets[MRT_H2_ALLOWANCES];
    uint64_t counts[MRT_H2_COUNTERS];
};

// streams.c
void mrt_h2_put32(uint8_t *to, uint32_t value);
uint32_t mrt_h2_find(const mrt_h2 *session, int32_t id);
uint32_t mrt_h2_open(mrt_h2 *session, int32_t id);  // MRT_H2_NO_SLOT without memory
void mrt_h2_forget(mrt_h2 *session, uint32_t slot);
void mrt_h2_release(mrt_h2 *session, uint32_t slot);
// What grows with use; the pointers stay as they are.
void mrt_h2_free_arrays(mrt_h2 *session);
void mrt_h2_bury(mrt_h2 *session, int32_t id, bool by_peer);
// Older than the streams that are remembered.
bool mrt_h2_is_forgotten(const mrt_h2 *session, int32_t id);
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
void mrt_h2_begin_block(mrt_h2 *session, uint32_t slot, mrt_h2_kind kind, bool ends);
// False: the connection failed.
bool mrt_h2_inflate(mrt_h2 *session, const uint8_t *bytes, size_t count, bool is_last);

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

// arrivals.c
// The nine bytes of a frame's header are known. False: the connection failed.
bool mrt_h2_frame_comes(mrt_h2 *session, const uint8_t *head);
// Ends the stream for what the peer did wrong.
void mrt_h2_stream_error(mrt_h2 *session, uint32_t slot, uint32_t code);

// settings.c
bool mrt_h2_announce(mrt_h2 *session);
void mrt_h2_take_setting(mrt_h2 *session, uint32_t id, uint32_t value);

// frames.c
void mrt_h2_put_frame(mrt_h2 *session, uint8_t type, uint8_t flags, int32_t stream, const void *payload, size_t count);
void mrt_h2_put_word(mrt_h2 *session, uint8_t type, int32_t stream, uint32_t word);
uint32_t mrt_h2_get32(const uint8_t *bytes);
uint8_t *mrt_h2_reserve(mrt_h2 *session, size_t count);  // NULL without memory
void mrt_h2_frame_head(uint8_t *to, size_t length, uint8_t type, uint8_t flags, int32_t stream);

// send.c
void mrt_h2_enter_ring(mrt_h2 *session, uint32_t slot);
void mrt_h2_leave_ring(mrt_h2 *session, uint32_t slot);

// session.c
// The stream is over; its last event follows.
void mrt_h2_close(mrt_h2 *session, uint32_t slot, uint32_t code, mrt_h2_how how);
void mrt_h2_close_if_done(mrt_h2 *session, uint32_t slot);
void mrt_h2_give_back(mrt_h2 *session, int64_t count);

// memory.c
nghttp2_mem *mrt_h2_memory(void);

#endif
