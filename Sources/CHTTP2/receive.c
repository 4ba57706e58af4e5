// Bytes in: frames, and what becomes of them. RFC 9113 sections 4 to 6.
#include "session.h"

#include <string.h>

static void violation(mrt_h2 *session, uint32_t code) { mrt_h2_fail(session, MRT_H2_VIOLATION, code); }

static void take_data(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    const uint32_t slot = mrt_h2_find(session, session->stream);
    if (session->ignored || slot == MRT_H2_NO_SLOT) return;
    if (!mrt_h2_check_data(session, &session->streams[slot], count)) {
        session->ignored = true;
        return mrt_h2_stream_error(session, slot, NGHTTP2_PROTOCOL_ERROR);
    }
    mrt_h2_event *event = mrt_h2_note(session, MRT_H2_DATA, slot);
    if (!event) return;
    event->a = (uint32_t)(bytes - session->input);
    event->b = (uint32_t)count;
}

// The end of a DATA frame: `left` of a header block is nothing now.
static void end_data(mrt_h2 *session) {
    const bool ends = (session->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const uint32_t extra = session->flags & NGHTTP2_FLAG_PADDED ? session->padding + 1 : 0;
    if (session->length > extra) {
        mrt_h2_earn(session, MRT_H2_PINGS, 2);
        mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
    } else if (!ends && !mrt_h2_spend(session, MRT_H2_EMPTY_DATA)) {
        // Padding alone is nothing, too.
        return;
    }
    const uint32_t slot = mrt_h2_find(session, session->stream);
    if (session->ignored || slot == MRT_H2_NO_SLOT) return;
    // Nobody else will.
    if (extra > 0) mrt_h2_consumed(session, session->stream, extra);
    if (!ends) return;
    mrt_h2_stream *stream = &session->streams[slot];
    if (!mrt_h2_check_end(stream)) {
        stream->peer_ended = true;
        return mrt_h2_stream_error(session, slot, NGHTTP2_PROTOCOL_ERROR);
    }
    stream->peer_ended = true;
    mrt_h2_event *last = session->event_count > session->walked ? &session->events[session->event_count - 1] : NULL;
    if (last && last->kind == MRT_H2_DATA && last->stream == session->stream) {
        last->ends = true;
    } else {
        mrt_h2_event *event = mrt_h2_note(session, MRT_H2_END, slot);
        if (event) event->ends = true;
    }
    mrt_h2_close_if_done(session, slot);
}

static void end_window_update(mrt_h2 *session) {
    const uint32_t increment = mrt_h2_get32(session->peek) & INT32_MAX;
    if (increment == 0) {
        violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    if (session->stream == 0) {
        session->window += increment;
        if (session->window > INT32_MAX) violation(session, NGHTTP2_FLOW_CONTROL_ERROR);
        return;
    }
    const uint32_t slot = mrt_h2_find(session, session->stream);
    if (slot == MRT_H2_NO_SLOT) return;
    session->streams[slot].window += increment;
    if (session->streams[slot].window > INT32_MAX) return mrt_h2_stream_error(session, slot, NGHTTP2_FLOW_CONTROL_ERROR);
    mrt_h2_enter_ring(session, slot);
}

static void end_goaway(mrt_h2 *session) {
    const int32_t last = (int32_t)(mrt_h2_get32(session->peek) & INT32_MAX);
    // RFC 9113 section 6.8: it may only become less.
    if (!session->config.server && last > session->goaway_last) {
        violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    session->goaway_last = last;
    session->draining = true;
    mrt_h2_event *event = mrt_h2_note(session, MRT_H2_GOAWAY, MRT_H2_NO_SLOT);
    if (event) {
        event->a = mrt_h2_get32(session->peek + 4);
        event->b = (uint32_t)last;
    }
    if (session->config.server) return;
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        if (session->streams[slot].live && session->streams[slot].id > last) {
            mrt_h2_close(session, slot, NGHTTP2_REFUSED_STREAM, MRT_H2_UNPROCESSED);
        }
    }
}

// The frame's last byte has come.
static void end_frame(mrt_h2 *session) {
    session->in_frame = false;
    session->head_size = 0;
    const bool is_ack = (session->flags & NGHTTP2_FLAG_ACK) != 0;
    switch (session->type) {
    case NGHTTP2_DATA: return end_data(session);
    case NGHTTP2_PRIORITY:
        // RFC 9113 section 5.3.1 leaves nothing of priorities but the frames; a stream that depends on itself stays an error.
        if ((mrt_h2_get32(session->peek) & INT32_MAX) == (uint32_t)session->stream) violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    case NGHTTP2_RST_STREAM: {
        const uint32_t slot = mrt_h2_find(session, session->stream);
        const uint32_t code = mrt_h2_get32(session->peek);
        if (slot == MRT_H2_NO_SLOT) return;
        session->streams[slot].peer_ended = true;
        return mrt_h2_close(session, slot, code, code == NGHTTP2_REFUSED_STREAM ? MRT_H2_UNPROCESSED : MRT_H2_BY_PEER);
    }
    case NGHTTP2_SETTINGS:
        if (is_ack) return;
        if (!session->seen_peer_streams) session->peer_streams = UINT32_MAX;
        mrt_h2_put_frame(session, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
        mrt_h2_note(session, MRT_H2_NEW_SETTINGS, MRT_H2_NO_SLOT);
        return;
    case NGHTTP2_PING:
        if (is_ack) {
            mrt_h2_event *event = mrt_h2_note(session, MRT_H2_PONG, MRT_H2_NO_SLOT);
            if (event) memcpy(&event->wide, session->peek, 8);
        } else {
            mrt_h2_put_frame(session, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, session->peek, 8);
        }
        return;
    case NGHTTP2_GOAWAY: return end_goaway(session);
    case NGHTTP2_WINDOW_UPDATE: return end_window_update(session);
    default: return;
    }
}

// Bytes of DATA, HEADERS or CONTINUATION; answers how many were used, at least one.
static size_t take_content(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    switch (session->part) {
    case MRT_H2_PAD_LENGTH: {
        session->padding = bytes[0];
        const bool has_priority = session->type == NGHTTP2_HEADERS && (session->flags & NGHTTP2_FLAG_PRIORITY);
        // RFC 9113 section 6.1: at least as long as what is left is too long.
        if (session->padding + (has_priority ? 5u : 0u) > session->left - 1) violation(session, NGHTTP2_PROTOCOL_ERROR);
        session->part = has_priority ? MRT_H2_PRIORITY : session->left - 1 == session->padding ? MRT_H2_PADDING : MRT_H2_CONTENT;
        return 1;
    }
    case MRT_H2_PRIORITY:
        session->peek[session->peek_size++] = bytes[0];
        if (session->peek_size == 5) {
            const uint32_t parent = mrt_h2_get32(session->peek) & INT32_MAX;
            if (parent == (uint32_t)session->stream) violation(session, NGHTTP2_PROTOCOL_ERROR);
            session->part = session->left - 1 == session->padding ? MRT_H2_PADDING : MRT_H2_CONTENT;
        }
        return 1;
    case MRT_H2_CONTENT: {
        const size_t whole = session->left - session->padding;
        const size_t part = count < whole ? count : whole;
        if (session->type == NGHTTP2_DATA) {
            take_data(session, bytes, part);
        } else {
            mrt_h2_inflate(session, bytes, part, false);
        }
        if (part == whole) session->part = MRT_H2_PADDING;
        return part;
    }
    case MRT_H2_PADDING: break;
    }
    return count;
}

static void take_payload(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    switch (session->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        while (count > 0 && !session->fault) {
            const size_t used = take_content(session, bytes, count);
            bytes += used;
            count -= used;
            session->left -= (uint32_t)used;
        }
        return;
    case NGHTTP2_SETTINGS:
        for (size_t at = 0; at < count && !session->fault; at++) {
            session->peek[session->peek_size++] = bytes[at];
            if (session->peek_size < 6) continue;
            session->peek_size = 0;
            mrt_h2_take_setting(session, (uint32_t)session->peek[0] << 8 | session->peek[1], mrt_h2_get32(session->peek + 2));
        }
        break;
    default:
        for (size_t at = 0; at < count && session->peek_size < sizeof session->peek; at++) {
            session->peek[session->peek_size++] = bytes[at];
        }
        break;
    }
    session->left -= (uint32_t)count;
}

// One frame, or as much of it as there is.
static size_t receive_frame(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    size_t used = 0;
    if (!session->in_frame) {
        if (session->head_size == 0 && count >= 9) {
            used = 9;
            if (!mrt_h2_frame_comes(session, bytes)) return count;
        } else {
            used = 9u - session->head_size < count ? 9u - session->head_size : count;
            memcpy(session->head + session->head_size, bytes, used);
            session->head_size += (uint8_t)used;
            if (session->head_size < 9) return used;
            if (!mrt_h2_frame_comes(session, session->head)) return count;
        }
    }
    const size_t payload = count - used < session->left ? count - used : session->left;
    if (payload > 0) take_payload(session, bytes + used, payload);
    if (session->fault) return count;
    if (session->left > 0) return used + payload;
    if ((session->type == NGHTTP2_HEADERS || session->type == NGHTTP2_CONTINUATION) &&
        (session->flags & NGHTTP2_FLAG_END_HEADERS)) {
        session->block_stream = 0;
        if (!mrt_h2_inflate(session, session->head, 0, true)) return count;
    }
    end_frame(session);
    return used + payload;
}

// MARK: All of it

// The 24 bytes that a client begins with.
static size_t receive_magic(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    const size_t part = count < session->magic_left ? count : session->magic_left;
    if (memcmp(&NGHTTP2_CLIENT_MAGIC[NGHTTP2_CLIENT_MAGIC_LEN - session->magic_left], bytes, part) != 0) {
        mrt_h2_fail(session, MRT_H2_BAD_PREFACE, NGHTTP2_PROTOCOL_ERROR);
    }
    session->magic_left -= (uint32_t)part;
    return part;
}

size_t mrt_h2_receive(mrt_h2 *session, const void *data, size_t count, uint64_t now) {
    const uint8_t *bytes = data;
    session->now = now;
    if (!session->started) {
        session->started = true;
        mrt_h2_fill(session);
    }
    mrt_h2_begin_batch(session);
    session->input = bytes;
    size_t at = 0;
    while (at < count) {
        // Nothing that comes after a failure means anything.
        if (session->fault) return count;
        // Without an event there is nothing to walk, and a block that is not whole is bounded by itself.
        if (session->event_count >= MRT_H2_BATCH_EVENTS ||
            (session->event_count > 0 && session->text_size >= MRT_H2_BATCH_TEXT)) {
            break;
        }
        at += session->magic_left > 0 ? receive_magic(session, bytes + at, count - at)
                                      : receive_frame(session, bytes + at, count - at);
    }
    // What we have to answer and the peer does not take. Heads of responses are there, too.
    if (!session->fault && (session->out_frames > session->config.queued_frames + 4 * (size_t)session->live ||
                            session->out_size > 4 * MRT_H2_MAX_SENT)) {
        mrt_h2_fail(session, MRT_H2_OUTPUT_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return at;
}
