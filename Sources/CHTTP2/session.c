// A session's life, and what concerns the connection as a whole.
#include "session.h"

#include <stdlib.h>
#include <string.h>

// MARK: Life

mrt_h2 *mrt_h2_new(const mrt_h2_config *config) {
    mrt_h2 *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    session->config = *config;
    session->free_slot = session->ring = session->pulled_slot = MRT_H2_NO_SLOT;
    session->magic_left = config->server ? NGHTTP2_CLIENT_MAGIC_LEN : 0;
    // A client's first stream is 1.
    session->last_peer_stream = config->server ? 0 : -1;
    session->goaway_last = INT32_MAX;
    session->peer_streams = config->peer_streams;
    session->peer_window = 65535;
    session->peer_frame = 16384;
    session->window = 65535;
    session->receivable = config->connection_window;
    const bool works = nghttp2_hd_inflate_new2(&session->inflater, mrt_h2_memory()) == 0 &&
                       nghttp2_hd_deflate_new2(&session->deflater, config->encoder_table, mrt_h2_memory()) == 0 &&
                       mrt_h2_announce(session);
    if (works) return session;
    mrt_h2_free(session);
    return NULL;
}

void mrt_h2_free(mrt_h2 *session) {
    if (!session) return;
    if (session->inflater) nghttp2_hd_inflate_del(session->inflater);
    if (session->deflater) nghttp2_hd_deflate_del(session->deflater);
    for (uint32_t slot = 0; slot < session->stream_room; slot++) free(session->streams[slot].trailers);
    mrt_h2_free_arrays(session);
    free(session);
}

void mrt_h2_close(mrt_h2 *session, uint32_t slot, uint32_t code, mrt_h2_how how) {
    mrt_h2_stream *stream = &session->streams[slot];
    if (!stream->live) return;
    mrt_h2_bury(session, stream->id, stream->peer_ended);
    if (session->pulled_slot == slot) session->pulled_slot = MRT_H2_NO_SLOT;
    // The connection's window is not to shrink by what nobody will take now.
    mrt_h2_give_back(session, (int64_t)stream->unconsumed);
    if (session->in_block && session->block_slot == slot) session->in_block = false;
    mrt_h2_event *event = mrt_h2_note(session, MRT_H2_CLOSED, slot);
    if (event) {
        event->a = code;
        event->b = how;
    }
    mrt_h2_forget(session, slot);
    if (!event) mrt_h2_release(session, slot);
}

void mrt_h2_close_if_done(mrt_h2 *session, uint32_t slot) {
    const mrt_h2_stream *stream = &session->streams[slot];
    if (stream->live && stream->we_ended && stream->peer_ended && stream->queued == 0) {
        mrt_h2_close(session, slot, NGHTTP2_NO_ERROR, MRT_H2_COMPLETE);
    }
}

void mrt_h2_fail(mrt_h2 *session, mrt_h2_fault fault, uint32_t code) {
    if (session->fault) return;
    session->fault = fault;
    session->fault_code = code;
    session->in_block = false;
    memset(session->final, 0, sizeof session->final);
    mrt_h2_frame_head(session->final, 8, NGHTTP2_GOAWAY, 0, 0);
    if (session->config.server) mrt_h2_put32(session->final + 9, (uint32_t)session->last_peer_stream);
    mrt_h2_put32(session->final + 13, code);
    // Nothing will be heard of them any more.
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        if (session->streams[slot].live) mrt_h2_close(session, slot, code, MRT_H2_FAILED);
    }
}

// MARK: Windows

// RFC 9113 section 6.9: by halves, so that a peer that sends without pause hears of it in time and not at every frame.
void mrt_h2_give_back(mrt_h2 *session, int64_t count) {
    session->consumed += count;
    if (session->consumed == 0 || session->consumed < session->config.connection_window / 2) return;
    mrt_h2_put_word(session, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)session->consumed);
    session->receivable += session->consumed;
    session->consumed = 0;
}

void mrt_h2_consumed(mrt_h2 *session, int32_t id, size_t count) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return;
    mrt_h2_stream *stream = &session->streams[slot];
    if (count > stream->unconsumed) count = stream->unconsumed;
    stream->unconsumed -= count;
    mrt_h2_give_back(session, (int64_t)count);
    if (stream->peer_ended) return;
    stream->consumed += (int64_t)count;
    if (stream->consumed == 0 || stream->consumed < session->config.stream_window / 2) return;
    mrt_h2_put_word(session, NGHTTP2_WINDOW_UPDATE, id, (uint32_t)stream->consumed);
    stream->receivable += stream->consumed;
    stream->consumed = 0;
}

bool mrt_h2_stalled(const mrt_h2 *session, int32_t id) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return false;
    const mrt_h2_stream *stream = &session->streams[slot];
    return stream->queued > 0 && (session->window <= 0 || stream->window <= 0);
}

// MARK: The connection

mrt_h2_fault mrt_h2_failure(const mrt_h2 *session, uint32_t *code) {
    *code = session->fault_code;
    return session->fault;
}

bool mrt_h2_draining(const mrt_h2 *session) { return session->draining; }
uint64_t mrt_h2_count(const mrt_h2 *session, mrt_h2_counter counter) { return session->counts[counter]; }
uint32_t mrt_h2_open_streams(const mrt_h2 *session) { return session->live; }

bool mrt_h2_in_head(const mrt_h2 *session) { return session->block_stream != 0; }

size_t mrt_h2_held(const mrt_h2 *session) {
    return session->text_room + session->field_room * sizeof *session->fields +
           session->block_room * sizeof *session->blocks + session->event_room * sizeof *session->events;
}

size_t mrt_h2_encoder_table(const mrt_h2 *session) {
    return nghttp2_hd_deflate_get_dynamic_table_size(session->deflater);
}

bool mrt_h2_can_open(const mrt_h2 *session) {
    return !session->config.server && !session->fault && !session->draining &&
           session->live < session->peer_streams && session->last_peer_stream < INT32_MAX - 1;
}

bool mrt_h2_peer_connects(const mrt_h2 *session) { return session->peer_connects; }

void mrt_h2_set_tag(mrt_h2 *session, int32_t id, int64_t tag) {
    uint32_t slot = mrt_h2_find(session, id);
    // Over already, and not walked: a request and its reset came together.
    for (uint32_t at = session->walked; slot == MRT_H2_NO_SLOT && at < session->event_count; at++) {
        if (session->events[at].stream == id) slot = session->events[at].slot;
    }
    if (slot != MRT_H2_NO_SLOT) session->streams[slot].tag = tag;
}

void mrt_h2_ping(mrt_h2 *session, uint64_t payload) {
    uint8_t bytes[8];
    memcpy(bytes, &payload, 8);
    mrt_h2_put_frame(session, NGHTTP2_PING, 0, 0, bytes, 8);
}

static void put_goaway(mrt_h2 *session, uint32_t last) {
    uint8_t payload[8] = {0};
    mrt_h2_put32(payload, last);
    mrt_h2_put_frame(session, NGHTTP2_GOAWAY, 0, 0, payload, 8);
}

void mrt_h2_announce_shutdown(mrt_h2 *session) {
    if (session->config.server && !session->sent_goaway) put_goaway(session, INT32_MAX);
}

void mrt_h2_goaway(mrt_h2 *session) {
    if (session->fault || session->sent_goaway) return;
    session->draining = true;
    session->sent_goaway = true;
    put_goaway(session, session->config.server ? (uint32_t)session->last_peer_stream : 0);
}
