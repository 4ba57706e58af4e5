// The streams that are open, and the last of those that are not.
#include "session.h"

#include <stdlib.h>
#include <string.h>

// Numbers of one side are odd or even throughout, so the last bit says nothing.
static uint32_t place(const mrt_h2 *session, int32_t id) { return ((uint32_t)id >> 1) & session->map_mask; }

uint32_t mrt_h2_find(const mrt_h2 *session, int32_t id) {
    if (!session->map || id <= 0) return MRT_H2_NO_SLOT;
    for (uint32_t at = place(session, id); session->map[at].id; at = (at + 1) & session->map_mask) {
        if (session->map[at].id == id) return session->map[at].slot;
    }
    return MRT_H2_NO_SLOT;
}

static void insert(mrt_h2 *session, int32_t id, uint32_t slot) {
    uint32_t at = place(session, id);
    while (session->map[at].id) at = (at + 1) & session->map_mask;
    session->map[at].id = id;
    session->map[at].slot = slot;
}

// The table is at most half full, so probes are short and end.
static bool grow(mrt_h2 *session) {
    const uint32_t room = session->stream_room ? session->stream_room * 2 : 8;
    mrt_h2_stream *streams = realloc(session->streams, room * sizeof *streams);
    if (!streams) return false;
    session->streams = streams;
    struct mrt_h2_entry *map = calloc(room * 2, sizeof *map);
    if (!map) return false;
    for (uint32_t slot = room; slot-- > session->stream_room;) {
        memset(&streams[slot], 0, sizeof streams[slot]);
        streams[slot].next_free = session->free_slot;
        session->free_slot = slot;
    }
    struct mrt_h2_entry *old = session->map;
    const uint32_t old_room = session->stream_room * 2;
    session->map = map;
    session->map_mask = room * 2 - 1;
    session->stream_room = room;
    for (uint32_t at = 0; at < old_room; at++) {
        if (old[at].id) insert(session, old[at].id, old[at].slot);
    }
    free(old);
    return true;
}

uint32_t mrt_h2_open(mrt_h2 *session, int32_t id) {
    if (session->free_slot == MRT_H2_NO_SLOT && !grow(session)) return MRT_H2_NO_SLOT;
    const uint32_t slot = session->free_slot;
    mrt_h2_stream *stream = &session->streams[slot];
    session->free_slot = stream->next_free;
    memset(stream, 0, sizeof *stream);
    stream->id = id;
    stream->length = -1;
    stream->window = session->peer_window;
    stream->receivable = session->config.stream_window;
    stream->live = true;
    session->live++;
    insert(session, id, slot);
    return slot;
}

// The number means nothing any more; the slot stays until the application has heard of it.
void mrt_h2_forget(mrt_h2 *session, uint32_t slot) {
    mrt_h2_stream *stream = &session->streams[slot];
    if (!stream->live) return;
    stream->live = false;
    mrt_h2_leave_ring(session, slot);
    session->live--;
    free(stream->trailers);
    stream->trailers = NULL;
    uint32_t hole = place(session, stream->id);
    while (session->map[hole].id != stream->id) {
        if (!session->map[hole].id) return;
        hole = (hole + 1) & session->map_mask;
    }
    // Moves up what would not be found past the hole.
    for (uint32_t at = (hole + 1) & session->map_mask; session->map[at].id; at = (at + 1) & session->map_mask) {
        const uint32_t home = place(session, session->map[at].id);
        if (((at - home) & session->map_mask) >= ((at - hole) & session->map_mask)) {
            session->map[hole] = session->map[at];
            hole = at;
        }
    }
    session->map[hole].id = 0;
}

void mrt_h2_release(mrt_h2 *session, uint32_t slot) {
    session->streams[slot].next_free = session->free_slot;
    session->free_slot = slot;
}

void mrt_h2_bury(mrt_h2 *session, int32_t id, bool by_peer) {
    session->graves[session->grave_next] = (mrt_h2_grave){id, by_peer};
    session->grave_next = (session->grave_next + 1) % MRT_H2_GRAVES;
}

const mrt_h2_grave *mrt_h2_grave_of(const mrt_h2 *session, int32_t id) {
    for (uint32_t at = 0; at < MRT_H2_GRAVES; at++) {
        if (session->graves[at].id == id) return &session->graves[at];
    }
    return NULL;
}

bool mrt_h2_is_forgotten(const mrt_h2 *session, int32_t id) {
    for (uint32_t at = 0; at < MRT_H2_GRAVES; at++) {
        // A number of 0: there is room, so all are remembered.
        if (session->graves[at].id < id) return false;
    }
    return true;
}

void mrt_h2_free_arrays(mrt_h2 *session) {
    free(session->streams);
    free(session->map);
    free(session->events);
    free(session->blocks);
    free(session->fields);
    free(session->text);
    free(session->out);
    free(session->nva);
    free(session->names);
}

void mrt_h2_trim(mrt_h2 *session) {
    if (session->live > 0 || session->event_count > 0 || session->in_block || session->out_size > 0) return;
    mrt_h2_free_arrays(session);
    session->streams = NULL;
    session->map = NULL;
    session->events = NULL;
    session->blocks = NULL;
    session->fields = NULL;
    session->text = NULL;
    session->out = NULL;
    session->nva = NULL;
    session->names = NULL;
    session->stream_room = session->map_mask = 0;
    session->free_slot = session->pulled_slot = MRT_H2_NO_SLOT;
    session->event_room = session->walked = 0;
    session->block_count = session->block_room = session->field_count = session->field_room = 0;
    session->text_size = session->text_room = session->out_room = 0;
    session->nv_count = session->nv_room = 0;
}
