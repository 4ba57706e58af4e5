// Messages out. Heads become frames as soon as they are given, for the order of compression is the order on the wire. Body stays
// where it is: its frames are made when they are pulled, from whose turn it is and what the windows allow.
#include "session.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FRAME = 16384 };

// MARK: Heads

void mrt_h2_head_begin(mrt_h2 *session) {
    session->nv_count = session->nv_size = session->names_size = 0;
}

// RFC 9113 section 8.2.1. NULL when there is no room.
static const uint8_t *lower_case(mrt_h2 *session, const uint8_t *name, size_t length) {
    bool has_upper = false;
    for (size_t at = 0; at < length; at++) has_upper |= name[at] - 'A' < 26u;
    if (!has_upper) return name;
    if (!session->names) session->names = malloc(MRT_H2_MAX_NAMES);
    if (!session->names || length > MRT_H2_MAX_NAMES - session->names_size) return NULL;
    uint8_t *to = session->names + session->names_size;
    for (size_t at = 0; at < length; at++) to[at] = name[at] - 'A' < 26u ? name[at] | 0x20 : name[at];
    session->names_size += length;
    return to;
}

bool mrt_h2_head_add(mrt_h2 *session, const void *name, size_t name_length, const void *value, size_t value_length,
                     uint32_t traits) {
    if (session->nv_count == session->nv_room) {
        const size_t room = session->nv_room ? session->nv_room * 2 : 32;
        nghttp2_nv *nva = realloc(session->nva, room * sizeof *nva);
        if (!nva) return false;
        session->nva = nva;
        session->nv_room = room;
    }
    session->nv_size += name_length + value_length + 16;
    if (session->nv_size > MRT_H2_MAX_SENT) return false;
    if (!(traits & MRT_H2_STATIC_NAME)) {
        name = lower_case(session, name, name_length);
        if (!name) return false;
    }
    session->nva[session->nv_count++] =
        (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, name_length, value_length,
                     traits & MRT_H2_SECRET ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
    return true;
}

// Compresses the head that was put together, and cuts it into frames.
static bool put_head(mrt_h2 *session, int32_t id, bool ends) {
    const size_t bound = nghttp2_hd_deflate_bound(session->deflater, session->nva, session->nv_count);
    const size_t frames = bound / MAX_FRAME + 1;
    uint8_t *to = mrt_h2_reserve(session, bound + 9 * frames);
    if (!to) return false;
    const ssize_t count = nghttp2_hd_deflate_hd(session->deflater, to + 9, bound, session->nva, session->nv_count);
    if (count < 0) {
        // The peer's table may not be ours any more.
        mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return false;
    }
    size_t left = (size_t)count;
    uint8_t type = NGHTTP2_HEADERS;
    uint8_t flags = ends ? NGHTTP2_FLAG_END_STREAM : 0;
    while (left > MAX_FRAME) {
        mrt_h2_frame_head(to, MAX_FRAME, type, flags, id);
        to += 9 + MAX_FRAME;
        left -= MAX_FRAME;
        // Makes room for the next frame's header.
        memmove(to + 9, to, left);
        session->out_size += 9 + MAX_FRAME;
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    }
    mrt_h2_frame_head(to, left, type, flags | NGHTTP2_FLAG_END_HEADERS, id);
    session->out_size += 9 + (uint32_t)left;
    session->out_frames++;
    return true;
}

int32_t mrt_h2_submit_request(mrt_h2 *session, mrt_h2_method method, bool ended, int64_t tag) {
    if (!mrt_h2_can_open(session)) return -1;
    const int32_t id = session->last_peer_stream < 0 ? 1 : session->last_peer_stream + 2;
    const uint32_t slot = mrt_h2_open(session, id);
    if (slot == MRT_H2_NO_SLOT) return -1;
    mrt_h2_stream *stream = &session->streams[slot];
    stream->tag = tag;
    stream->is_head = method == MRT_H2_HEAD;
    stream->is_connect = method == MRT_H2_CONNECT;
    stream->queue_ended = stream->we_ended = ended;
    stream->sent_head = true;
    session->last_peer_stream = id;
    if (!put_head(session, id, ended)) return -1;
    return id;
}

bool mrt_h2_submit_response(mrt_h2 *session, int32_t id, bool ended) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT || session->streams[slot].sent_head) return false;
    if (!put_head(session, id, ended)) return false;
    session->streams[slot].sent_head = true;
    session->streams[slot].queue_ended = session->streams[slot].we_ended = ended;
    mrt_h2_close_if_done(session, slot);
    return true;
}

bool mrt_h2_submit_informational(mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT || session->streams[slot].sent_head) return false;
    return put_head(session, id, false);
}

// Trailers behind body: kept as one block of lengths and bytes until the body has gone.
static bool pack_trailers(mrt_h2 *session, mrt_h2_stream *stream) {
    size_t size = 0;
    for (size_t at = 0; at < session->nv_count; at++) size += 8 + session->nva[at].namelen + session->nva[at].valuelen;
    uint8_t *packed = malloc(size ? size : 1);
    if (!packed) return false;
    uint8_t *to = packed;
    for (size_t at = 0; at < session->nv_count; at++) {
        const nghttp2_nv *nv = &session->nva[at];
        const uint32_t lengths[2] = {(uint32_t)nv->namelen, (uint32_t)nv->valuelen};
        memcpy(to, lengths, sizeof lengths);
        if (nv->namelen) memcpy(to + 8, nv->name, nv->namelen);
        if (nv->valuelen) memcpy(to + 8 + nv->namelen, nv->value, nv->valuelen);
        to += 8 + nv->namelen + nv->valuelen;
    }
    stream->trailers = packed;
    stream->trailers_size = size;
    return true;
}

static bool put_packed(mrt_h2 *session, mrt_h2_stream *stream) {
    mrt_h2_head_begin(session);
    for (size_t at = 0; at < stream->trailers_size;) {
        uint32_t lengths[2];
        memcpy(lengths, stream->trailers + at, sizeof lengths);
        const uint8_t *name = stream->trailers + at + 8;
        if (!mrt_h2_head_add(session, name, lengths[0], name + lengths[0], lengths[1], 0)) return false;
        at += 8 + (size_t)lengths[0] + lengths[1];
    }
    return put_head(session, stream->id, true);
}

bool mrt_h2_submit_trailers(mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return false;
    mrt_h2_stream *stream = &session->streams[slot];
    if (!stream->sent_head || stream->queue_ended) return false;
    if (session->nv_count == 0) return mrt_h2_queue(session, id, 0, true) >= 0;
    if (stream->queued > 0) {
        if (!pack_trailers(session, stream)) return false;
        stream->queue_ended = true;
        return true;
    }
    if (!put_head(session, id, true)) return false;
    stream->queue_ended = stream->we_ended = true;
    mrt_h2_close_if_done(session, slot);
    return true;
}

// MARK: Body

void mrt_h2_enter_ring(mrt_h2 *session, uint32_t slot) {
    mrt_h2_stream *stream = &session->streams[slot];
    if (stream->in_ring || !stream->live || stream->queued == 0 || stream->window <= 0) return;
    stream->in_ring = true;
    if (session->ring == MRT_H2_NO_SLOT) {
        session->ring = stream->next = stream->previous = slot;
        return;
    }
    // Behind all the others.
    mrt_h2_stream *first = &session->streams[session->ring];
    stream->next = session->ring;
    stream->previous = first->previous;
    session->streams[first->previous].next = slot;
    first->previous = slot;
}

void mrt_h2_leave_ring(mrt_h2 *session, uint32_t slot) {
    mrt_h2_stream *stream = &session->streams[slot];
    if (!stream->in_ring) return;
    stream->in_ring = false;
    session->streams[stream->previous].next = stream->next;
    session->streams[stream->next].previous = stream->previous;
    if (session->ring == slot) session->ring = stream->next == slot ? MRT_H2_NO_SLOT : stream->next;
}

int64_t mrt_h2_queue(mrt_h2 *session, int32_t id, size_t count, bool ended) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return -1;
    mrt_h2_stream *stream = &session->streams[slot];
    if (!stream->sent_head || stream->queue_ended) return -1;
    stream->queued += count;
    stream->queue_ended = ended;
    mrt_h2_enter_ring(session, slot);
    if (ended && stream->queued == 0) {
        // An empty frame waits for no window (RFC 9113 section 6.9.1).
        mrt_h2_put_frame(session, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, NULL, 0);
        stream->we_ended = true;
        mrt_h2_close_if_done(session, slot);
    }
    return slot;
}

bool mrt_h2_is_open(const mrt_h2 *session, int32_t id) { return mrt_h2_find(session, id) != MRT_H2_NO_SLOT; }

bool mrt_h2_has_sent_end(const mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot == MRT_H2_NO_SLOT) return true;
    return session->streams[slot].we_ended && !session->streams[slot].trailers;
}

size_t mrt_h2_queued(const mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    return slot == MRT_H2_NO_SLOT ? 0 : session->streams[slot].queued;
}

void mrt_h2_ask_drained(mrt_h2 *session, int32_t id, size_t left) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return;
    mrt_h2_stream *stream = &session->streams[slot];
    stream->wants_drained = stream->queued > left;
    stream->drained_at = left;
    if (!stream->wants_drained) mrt_h2_note(session, MRT_H2_DRAINED, slot);
}

int64_t mrt_h2_reset(mrt_h2 *session, int32_t id, uint32_t code, bool provoked) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return -1;
    mrt_h2_put_word(session, NGHTTP2_RST_STREAM, id, code);
    mrt_h2_close(session, slot, code, MRT_H2_BY_US);
    if (provoked) mrt_h2_spend(session, MRT_H2_PROVOKED);
    return slot;
}

// MARK: Pulling

// The next DATA frame's header, behind what is in `out` already.
static void pull_data(mrt_h2 *session, mrt_h2_chunk *chunk) {
    if (session->ring == MRT_H2_NO_SLOT || session->window <= 0) return;
    const uint32_t slot = session->ring;
    mrt_h2_stream *stream = &session->streams[slot];
    int64_t count = stream->window < session->window ? stream->window : session->window;
    if (count > session->peer_frame) count = session->peer_frame;
    if ((size_t)count > stream->queued) count = (int64_t)stream->queued;
    uint8_t *to = mrt_h2_reserve(session, 9);
    if (!to) return;
    stream->queued -= (size_t)count;
    stream->window -= count;
    session->window -= count;
    const bool is_last = stream->queued == 0 && stream->queue_ended;
    const bool ends = is_last && !stream->trailers;
    mrt_h2_frame_head(to, (size_t)count, NGHTTP2_DATA, ends ? NGHTTP2_FLAG_END_STREAM : 0, stream->id);
    session->out_size += 9;
    chunk->body = (size_t)count;
    chunk->slot = slot;
    mrt_h2_earn(session, MRT_H2_PINGS, 2);
    mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
    if (stream->queued == 0 || stream->window <= 0) {
        mrt_h2_leave_ring(session, slot);
    } else {
        session->ring = stream->next;
    }
    if (stream->wants_drained && stream->queued <= stream->drained_at) {
        stream->wants_drained = false;
        mrt_h2_note(session, MRT_H2_DRAINED, slot);
    }
    stream->we_ended = is_last;
}

// What ends a message whose last body was pulled.
static void after_data(mrt_h2 *session, uint32_t slot) {
    mrt_h2_stream *stream = &session->streams[slot];
    if (session->fault || !stream->live || !stream->we_ended) return;
    if (stream->trailers && !put_packed(session, stream)) return;
    free(stream->trailers);
    stream->trailers = NULL;
    mrt_h2_close_if_done(session, slot);
}

void mrt_h2_pull(mrt_h2 *session, mrt_h2_chunk *chunk) {
    memset(chunk, 0, sizeof *chunk);
    if (session->pulled_slot != MRT_H2_NO_SLOT) {
        const uint32_t slot = session->pulled_slot;
        session->pulled_slot = MRT_H2_NO_SLOT;
        after_data(session, slot);
    }
    if (!session->fault) pull_data(session, chunk);
    if (session->out_size > 0) {
        chunk->bytes = session->out;
        chunk->count = session->out_size;
        session->out_size = session->out_frames = 0;
        if (chunk->body > 0) session->pulled_slot = chunk->slot;
        return;
    }
    if (session->fault && !session->final_pulled) {
        session->final_pulled = true;
        chunk->bytes = session->final;
        chunk->count = sizeof session->final;
    }
}

bool mrt_h2_wants_pull(const mrt_h2 *session) {
    if (session->out_size > 0) return true;
    if (session->fault) return !session->final_pulled;
    return session->pulled_slot != MRT_H2_NO_SLOT || (session->ring != MRT_H2_NO_SLOT && session->window > 0);
}
