// Messages out. nghttp2 makes the frames; body stays where it is and is named by its length only.
#include "session.h"

#include <stdlib.h>
#include <string.h>

// MARK: Heads

void mrt_h2_head_begin(mrt_h2 *session) { session->nv_count = session->nv_size = 0; }

bool mrt_h2_head_add(mrt_h2 *session, const void *name, size_t name_length, const void *value, size_t value_length,
                     uint32_t traits) {
    if (session->nv_count == session->nv_room) {
        const size_t room = session->nv_room ? session->nv_room * 2 : 32;
        nghttp2_nv *nva = realloc(session->nva, room * sizeof *nva);
        if (!nva) return false;
        session->nva = nva;
        session->nv_room = room;
    }
    // nghttp2's own bound counts 12 bytes a field for lengths.
    session->nv_size += name_length + value_length + 16;
    if (session->nv_size > MRT_H2_MAX_SENT) return false;
    uint8_t flags = NGHTTP2_NV_FLAG_NONE;
    if (traits & MRT_H2_SECRET) flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    if (traits & MRT_H2_STATIC_NAME) flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME;
    if (traits & MRT_H2_STATIC_VALUE) flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    // What it may not keep, nghttp2 copies when it is submitted, names in lower case.
    session->nva[session->nv_count++] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, name_length, value_length, flags};
    return true;
}

static nghttp2_data_provider body_of(uint32_t slot) {
    nghttp2_data_provider provider;
    provider.source.fd = (int)slot;
    provider.read_callback = mrt_h2_read_body;
    return provider;
}

int32_t mrt_h2_submit_request(mrt_h2 *session, mrt_h2_method method, bool ended, int64_t tag) {
    if (session->fault || session->draining) return -1;
    // The number it will have: it is looked for before nghttp2 has a stream of it.
    const uint32_t next = nghttp2_session_get_next_stream_id(session->ng);
    if (next > INT32_MAX) return -1;
    const uint32_t slot = mrt_h2_open(session, (int32_t)next);
    if (slot == MRT_H2_NO_SLOT) return -1;
    mrt_h2_stream *stream = &session->streams[slot];
    stream->tag = tag;
    stream->is_head = method == MRT_H2_HEAD;
    stream->is_connect = method == MRT_H2_CONNECT;
    stream->queue_ended = ended;
    stream->we_ended = ended;
    const nghttp2_data_provider provider = body_of(slot);
    const int32_t id = nghttp2_submit_request(session->ng, NULL, session->nva, session->nv_count,
                                              ended ? NULL : &provider, NULL);
    if (id != (int32_t)next) {
        mrt_h2_forget(session, slot);
        mrt_h2_release(session, slot);
        return -1;
    }
    session->counts[MRT_H2_STREAMS]++;
    return id;
}

bool mrt_h2_submit_response(mrt_h2 *session, int32_t id, bool ended) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return false;
    mrt_h2_stream *stream = &session->streams[slot];
    const nghttp2_data_provider provider = body_of(slot);
    if (nghttp2_submit_response(session->ng, id, session->nva, session->nv_count, ended ? NULL : &provider) != 0) {
        return false;
    }
    if (ended) stream->queue_ended = stream->we_ended = true;
    return true;
}

bool mrt_h2_submit_informational(mrt_h2 *session, int32_t id) {
    if (session->fault || mrt_h2_find(session, id) == MRT_H2_NO_SLOT) return false;
    return nghttp2_submit_headers(session->ng, NGHTTP2_FLAG_NONE, id, NULL, session->nva, session->nv_count, NULL) == 0;
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
        memcpy(to + 8, nv->name, nv->namelen);
        memcpy(to + 8 + nv->namelen, nv->value, nv->valuelen);
        to += 8 + nv->namelen + nv->valuelen;
    }
    stream->trailers = packed;
    stream->trailers_size = size;
    return true;
}

static bool submit_packed(mrt_h2 *session, mrt_h2_stream *stream) {
    mrt_h2_head_begin(session);
    for (size_t at = 0; at < stream->trailers_size;) {
        uint32_t lengths[2];
        memcpy(lengths, stream->trailers + at, sizeof lengths);
        const uint8_t *name = stream->trailers + at + 8;
        if (!mrt_h2_head_add(session, name, lengths[0], name + lengths[0], lengths[1], 0)) return false;
        at += 8 + (size_t)lengths[0] + lengths[1];
    }
    return nghttp2_submit_trailer(session->ng, stream->id, session->nva, session->nv_count) == 0;
}

bool mrt_h2_submit_trailers(mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return false;
    mrt_h2_stream *stream = &session->streams[slot];
    if (stream->queue_ended || session->nv_count == 0) return false;
    if (stream->queued == 0 && stream->sent_head) {
        // Nothing is left before them. They wait for no window, as the end of the body would.
        if (nghttp2_submit_trailer(session->ng, id, session->nva, session->nv_count) != 0) return false;
    } else {
        if (!pack_trailers(session, stream)) return false;
        nghttp2_session_resume_data(session->ng, id);
    }
    stream->queue_ended = stream->we_ended = true;
    return true;
}

// MARK: Body

int64_t mrt_h2_queue(mrt_h2 *session, int32_t id, size_t count, bool ended) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return -1;
    mrt_h2_stream *stream = &session->streams[slot];
    if (stream->queue_ended || stream->we_reset) return -1;
    const bool was_empty = stream->queued == 0;
    stream->queued += count;
    if (ended) stream->queue_ended = stream->we_ended = true;
    // Fails when nghttp2 has not asked yet, which is as well.
    if (was_empty && stream->sent_head && (count > 0 || ended)) nghttp2_session_resume_data(session->ng, id);
    return slot;
}

size_t mrt_h2_queued(const mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    return slot == MRT_H2_NO_SLOT ? 0 : session->streams[slot].queued;
}

ssize_t mrt_h2_read_body(nghttp2_session *ng, int32_t id, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    (void)ng;
    (void)id;
    (void)buffer;
    mrt_h2 *session = user;
    mrt_h2_stream *stream = &session->streams[source->fd];
    const size_t part = stream->queued < length ? stream->queued : length;
    if (part == 0 && !stream->queue_ended) return NGHTTP2_ERR_DEFERRED;
    if (part > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (part == stream->queued && stream->queue_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (!submit_packed(session, stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)part;
}

// The frame is Swift's to write: the header from here, the payload from the stream's queue.
int mrt_h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *user) {
    (void)ng;
    (void)frame;
    mrt_h2 *session = user;
    memcpy(session->data_head, head, 9);
    session->data_slot = (uint32_t)source->fd;
    session->data_length = length;
    session->data_pending = true;
    mrt_h2_stream *stream = &session->streams[source->fd];
    stream->queued -= length;
    if (stream->wants_drained && stream->queued <= stream->drained_at) {
        stream->wants_drained = false;
        mrt_h2_note(session, MRT_H2_DRAINED, (uint32_t)source->fd);
    }
    mrt_h2_earn(session, MRT_H2_PINGS, 2);
    mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
    return NGHTTP2_ERR_PAUSE;
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
    mrt_h2_stream *stream = &session->streams[slot];
    if (stream->we_reset) return slot;
    stream->we_reset = true;
    stream->queued = 0;
    nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, id, code);
    if (provoked) mrt_h2_spend(session, MRT_H2_PROVOKED);
    return slot;
}

// MARK: Pulling

void mrt_h2_pull(mrt_h2 *session, mrt_h2_chunk *chunk) {
    memset(chunk, 0, sizeof *chunk);
    if (!session->fault) {
        const uint8_t *bytes = NULL;
        session->data_pending = false;
        const ssize_t count = nghttp2_session_mem_send(session->ng, &bytes);
        if (count > 0) {
            chunk->bytes = bytes;
            chunk->count = (size_t)count;
            if (!session->sent_settings) mrt_h2_patch_settings(session, chunk);
            return;
        }
        if (session->data_pending) {
            chunk->bytes = session->data_head;
            chunk->count = sizeof session->data_head;
            chunk->body = session->data_length;
            chunk->slot = session->data_slot;
            return;
        }
        if (count < 0) mrt_h2_fail(session, MRT_H2_VIOLATION, NGHTTP2_INTERNAL_ERROR);
    }
    if (session->fault && !session->final_pulled) {
        session->final_pulled = true;
        if (session->sent_goaway) return;
        chunk->bytes = session->final;
        chunk->count = sizeof session->final;
    }
}

bool mrt_h2_wants_pull(const mrt_h2 *session) {
    if (session->fault) return !session->final_pulled && !session->sent_goaway;
    return nghttp2_session_want_write(session->ng) != 0;
}
