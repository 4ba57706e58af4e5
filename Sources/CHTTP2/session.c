// A session's life, and what concerns the connection as a whole.
#include "session.h"

#include <stdlib.h>
#include <string.h>

// MARK: What nghttp2 tells

static int malformed(mrt_h2 *session, mrt_h2_stream *stream) {
    nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_PROTOCOL_ERROR);
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    (void)ng;
    mrt_h2 *session = user;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: mrt_h2_end_block(session, frame); return 0;
    case NGHTTP2_DATA: {
        if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
        const uint32_t slot = mrt_h2_find(session, frame->hd.stream_id);
        if (slot == MRT_H2_NO_SLOT) return 0;
        mrt_h2_stream *stream = &session->streams[slot];
        stream->peer_ended = true;
        if (!mrt_h2_check_end(stream)) return malformed(session, stream);
        if (session->event_count > session->walked) {
            mrt_h2_event *last = &session->events[session->event_count - 1];
            if (last->kind == MRT_H2_DATA && last->stream == frame->hd.stream_id) {
                last->ends = true;
                return 0;
            }
        }
        mrt_h2_event *event = mrt_h2_note(session, MRT_H2_END, slot);
        if (event) event->ends = true;
        return 0;
    }
    case NGHTTP2_RST_STREAM: {
        const uint32_t slot = mrt_h2_find(session, frame->hd.stream_id);
        if (slot != MRT_H2_NO_SLOT) session->streams[slot].peer_reset = true;
        return 0;
    }
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) mrt_h2_note(session, MRT_H2_NEW_SETTINGS, MRT_H2_NO_SLOT);
        return 0;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            mrt_h2_event *event = mrt_h2_note(session, MRT_H2_PONG, MRT_H2_NO_SLOT);
            if (event) memcpy(&event->wide, frame->ping.opaque_data, 8);
        }
        return 0;
    case NGHTTP2_GOAWAY: {
        session->draining = true;
        mrt_h2_event *event = mrt_h2_note(session, MRT_H2_GOAWAY, MRT_H2_NO_SLOT);
        if (event) {
            event->a = frame->goaway.error_code;
            event->b = (uint32_t)frame->goaway.last_stream_id;
        }
        return 0;
    }
    default: return 0;
    }
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *user) {
    (void)ng;
    (void)flags;
    mrt_h2 *session = user;
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot == MRT_H2_NO_SLOT) {
        nghttp2_session_consume(session->ng, id, count);
        return 0;
    }
    mrt_h2_stream *stream = &session->streams[slot];
    stream->unconsumed += count;
    if (!mrt_h2_check_data(session, stream, count)) return malformed(session, stream);
    mrt_h2_event *event = mrt_h2_note(session, MRT_H2_DATA, slot);
    if (!event) return 0;
    event->a = (uint32_t)(bytes - session->input);
    event->b = (uint32_t)count;
    return 0;
}

static void note_closed(mrt_h2 *session, uint32_t slot, uint32_t code, mrt_h2_how how) {
    mrt_h2_event *event = mrt_h2_note(session, MRT_H2_CLOSED, slot);
    if (event) {
        event->a = code;
        event->b = how;
    }
    mrt_h2_forget(session, slot);
    if (!event) mrt_h2_release(session, slot);
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user) {
    mrt_h2 *session = user;
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot == MRT_H2_NO_SLOT) return 0;
    const mrt_h2_stream *stream = &session->streams[slot];
    mrt_h2_how how = MRT_H2_FAILED;
    if (stream->peer_reset) {
        how = code == NGHTTP2_REFUSED_STREAM ? MRT_H2_UNPROCESSED : MRT_H2_BY_PEER;
    } else if (stream->we_reset) {
        how = MRT_H2_BY_US;
    } else if (code == NGHTTP2_NO_ERROR && stream->peer_ended && stream->we_ended) {
        how = MRT_H2_COMPLETE;
    } else if (code == NGHTTP2_REFUSED_STREAM) {
        how = MRT_H2_UNPROCESSED;
    }
    mrt_h2_bury(session, id, stream->peer_ended || stream->peer_reset);
    // The connection's window is not to shrink by what nobody will take now.
    if (stream->unconsumed > 0) nghttp2_session_consume_connection(ng, stream->unconsumed);
    note_closed(session, slot, code, how);
    return 0;
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    (void)ng;
    mrt_h2 *session = user;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: {
        const uint32_t slot = mrt_h2_find(session, frame->hd.stream_id);
        if (slot != MRT_H2_NO_SLOT) session->streams[slot].sent_head = true;
        return 0;
    }
    case NGHTTP2_RST_STREAM: {
        const uint32_t slot = mrt_h2_find(session, frame->hd.stream_id);
        if (slot != MRT_H2_NO_SLOT && session->streams[slot].we_reset) return 0;
        if (frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM) {
            session->counts[MRT_H2_REFUSED]++;
        } else {
            mrt_h2_spend(session, MRT_H2_PROVOKED);
        }
        return 0;
    }
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR) {
            // nghttp2 found the fault, and has just said so.
            session->sent_goaway = true;
            mrt_h2_fail(session, MRT_H2_VIOLATION, frame->goaway.error_code);
        }
        return 0;
    default: return 0;
    }
}

// A stream that was never opened and yet was reset: what still comes for it is no fault.
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user) {
    (void)ng;
    mrt_h2 *session = user;
    if (error == NGHTTP2_ERR_REFUSED_STREAM) mrt_h2_bury(session, frame->hd.stream_id, false);
    return 0;
}

// MARK: Life

static bool make_session(mrt_h2 *session, const nghttp2_option *option) {
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, mrt_h2_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, mrt_h2_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, mrt_h2_on_send_data);
    const int result = session->config.server
                           ? nghttp2_session_server_new3(&session->ng, callbacks, session, option, mrt_h2_memory())
                           : nghttp2_session_client_new3(&session->ng, callbacks, session, option, mrt_h2_memory());
    nghttp2_session_callbacks_del(callbacks);
    return result == 0;
}

mrt_h2 *mrt_h2_new(const mrt_h2_config *config) {
    mrt_h2 *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    session->config = *config;
    session->free_slot = MRT_H2_NO_SLOT;
    session->magic_left = config->server ? NGHTTP2_CLIENT_MAGIC_LEN : 0;
    nghttp2_option *option = NULL;
    if (nghttp2_option_new(&option) != 0) return free(session), NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, config->peer_streams);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, config->encoder_table);
    nghttp2_option_set_max_send_header_block_length(option, 2 * MRT_H2_MAX_SENT);
    nghttp2_option_set_max_outbound_ack(option, config->queued_frames);
    // What is counted here is not to be counted there with other bounds.
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    nghttp2_option_set_max_continuations(option, (size_t)config->continuations + 1);
    const bool works = make_session(session, option) && mrt_h2_announce(session);
    nghttp2_option_del(option);
    if (works) return session;
    mrt_h2_free(session);
    return NULL;
}

void mrt_h2_free(mrt_h2 *session) {
    if (!session) return;
    if (session->ng) nghttp2_session_del(session->ng);
    for (uint32_t slot = 0; slot < session->stream_room; slot++) free(session->streams[slot].trailers);
    free(session->streams);
    free(session->map);
    free(session->events);
    free(session->blocks);
    free(session->fields);
    free(session->text);
    free(session->nva);
    free(session);
}

void mrt_h2_fail(mrt_h2 *session, mrt_h2_fault fault, uint32_t code) {
    if (session->fault) return;
    session->fault = fault;
    session->fault_code = code;
    session->in_block = false;
    memset(session->final, 0, sizeof session->final);
    session->final[2] = 8;
    session->final[3] = NGHTTP2_GOAWAY;
    mrt_h2_put32(session->final + 9, (uint32_t)nghttp2_session_get_last_proc_stream_id(session->ng));
    mrt_h2_put32(session->final + 13, code);
    // Nothing will be heard of them any more.
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        if (session->streams[slot].live) note_closed(session, slot, code, MRT_H2_FAILED);
    }
}

// MARK: The connection

void mrt_h2_consumed(mrt_h2 *session, int32_t id, size_t count) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (session->fault || slot == MRT_H2_NO_SLOT) return;
    mrt_h2_stream *stream = &session->streams[slot];
    if (count > stream->unconsumed) count = stream->unconsumed;
    stream->unconsumed -= count;
    if (count > 0) nghttp2_session_consume(session->ng, id, count);
}

mrt_h2_fault mrt_h2_failure(const mrt_h2 *session, uint32_t *code) {
    *code = session->fault_code;
    return session->fault;
}

bool mrt_h2_draining(const mrt_h2 *session) { return session->draining; }
uint64_t mrt_h2_count(const mrt_h2 *session, mrt_h2_counter counter) { return session->counts[counter]; }
bool mrt_h2_in_head(const mrt_h2 *session) {
    return session->in_block || session->block_stream != 0 || (session->in_frame && session->type == NGHTTP2_HEADERS);
}

size_t mrt_h2_held(const mrt_h2 *session) {
    return session->text_room + session->field_room * sizeof *session->fields + session->block_room * sizeof *session->blocks +
           session->event_room * sizeof *session->events;
}

size_t mrt_h2_encoder_table(const mrt_h2 *session) {
    return nghttp2_session_get_hd_deflate_dynamic_table_size(session->ng);
}

uint32_t mrt_h2_open_streams(const mrt_h2 *session) { return session->live; }

bool mrt_h2_can_open(const mrt_h2 *session) {
    return !session->fault && !session->draining && session->live < mrt_h2_peer_streams(session) &&
           nghttp2_session_get_next_stream_id(session->ng) <= INT32_MAX;
}

uint32_t mrt_h2_peer_streams(const mrt_h2 *session) {
    return nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool mrt_h2_peer_connects(const mrt_h2 *session) {
    return nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void mrt_h2_set_tag(mrt_h2 *session, int32_t id, int64_t tag) {
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot != MRT_H2_NO_SLOT) session->streams[slot].tag = tag;
}

bool mrt_h2_stalled(const mrt_h2 *session, int32_t id) {
    if (session->fault) return false;
    const bool is_connection = nghttp2_session_get_remote_window_size(session->ng) <= 0;
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        const mrt_h2_stream *stream = &session->streams[slot];
        if (!stream->live || stream->queued == 0 || (id && stream->id != id) || !stream->sent_head) continue;
        if (is_connection || nghttp2_session_get_stream_remote_window_size(session->ng, stream->id) <= 0) return true;
    }
    return false;
}

void mrt_h2_ping(mrt_h2 *session, uint64_t payload) {
    uint8_t bytes[8];
    memcpy(bytes, &payload, 8);
    if (!session->fault) nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, bytes);
}

void mrt_h2_announce_shutdown(mrt_h2 *session) {
    if (!session->fault && session->config.server) nghttp2_submit_shutdown_notice(session->ng);
}

void mrt_h2_goaway(mrt_h2 *session) {
    if (session->fault) return;
    session->draining = true;
    nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session->ng),
                          NGHTTP2_NO_ERROR, NULL, 0);
}
