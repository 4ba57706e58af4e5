// Bytes in: every frame's header is looked at here, then the frame is nghttp2's.
#include "session.h"

#include <string.h>

// Frame types that nghttp2 does not name.
enum { PRIORITY_UPDATE = 0x10 };

static void violation(mrt_h2 *session, uint32_t code) { mrt_h2_fail(session, MRT_H2_VIOLATION, code); }

static void feed(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    const ssize_t result = nghttp2_session_mem_recv(session->ng, bytes, count);
    if (result >= 0 || session->fault) return;
    switch (result) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return mrt_h2_fail(session, MRT_H2_BAD_PREFACE, NGHTTP2_PROTOCOL_ERROR);
    case NGHTTP2_ERR_FLOODED: return mrt_h2_fail(session, MRT_H2_OUTPUT_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
    case NGHTTP2_ERR_NOMEM: return mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
    default: return mrt_h2_fail(session, MRT_H2_VIOLATION, NGHTTP2_INTERNAL_ERROR);
    }
}

// DATA or HEADERS for a stream that is not open. False: the connection failed. nghttp2 keeps no memory of streams that are
// over and would pass over such frames in silence.
static bool check_closed(mrt_h2 *session) {
    const int32_t id = session->stream;
    const bool is_theirs = session->config.server;
    if (id == 0 || session->draining || (id & 1) == 0) return true;
    if (is_theirs && id > session->last_peer_stream) return true;
    const mrt_h2_grave *grave = mrt_h2_grave_of(session, id);
    if (grave && grave->by_peer) {
        // RFC 9113 section 5.1, closed.
        violation(session, NGHTTP2_STREAM_CLOSED);
        return false;
    }
    if (!grave && is_theirs && session->type == NGHTTP2_HEADERS) {
        // RFC 9113 section 5.1.1: a number smaller than one before it, that was never used.
        violation(session, NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    return mrt_h2_spend(session, MRT_H2_STRAY_FRAMES);
}

static bool headers_come(mrt_h2 *session) {
    const int32_t id = session->stream;
    if (mrt_h2_find(session, id) == MRT_H2_NO_SLOT) {
        if (!check_closed(session)) return false;
        if (session->config.server && id > session->last_peer_stream && (id & 1)) session->last_peer_stream = id;
    }
    mrt_h2_earn(session, MRT_H2_PINGS, 2);
    mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
    mrt_h2_earn(session, MRT_H2_PRIORITIES, 4);
    mrt_h2_earn(session, MRT_H2_STRAY_FRAMES, 10);
    if (!(session->flags & NGHTTP2_FLAG_END_HEADERS)) {
        session->block_stream = id;
        session->block_continuations = 0;
        session->block_empty = 0;
        session->block_bytes = session->length;
    }
    return true;
}

static bool continuation_comes(mrt_h2 *session) {
    session->counts[MRT_H2_CONTINUATIONS]++;
    if (session->block_stream != session->stream) return true;
    session->block_continuations++;
    session->block_bytes += session->length;
    if (session->length == 0) session->block_empty++;
    // Compressed, a block is hardly ever larger than what it says.
    if (session->block_continuations > session->config.continuations ||
        session->block_empty > session->config.empty_continuations ||
        session->block_bytes > session->config.head * 2) {
        mrt_h2_fail(session, MRT_H2_CONTINUATION_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    if (session->flags & NGHTTP2_FLAG_END_HEADERS) session->block_stream = 0;
    return true;
}

// The nine bytes of a frame's header are known. False: the connection failed.
static bool frame_comes(mrt_h2 *session, const uint8_t *head) {
    session->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    session->type = head[3];
    session->flags = head[4];
    session->stream = (int32_t)(((uint32_t)head[5] & 0x7F) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
                                head[8]);
    session->left = session->length;
    session->peek_size = 0;
    session->in_frame = true;
    // Anything but a CONTINUATION inside of a header block is nghttp2's to refuse.
    if (session->block_stream && session->type != NGHTTP2_CONTINUATION) return true;
    const bool is_ack = (session->flags & NGHTTP2_FLAG_ACK) != 0;
    switch (session->type) {
    case NGHTTP2_DATA: return mrt_h2_find(session, session->stream) != MRT_H2_NO_SLOT || check_closed(session);
    case NGHTTP2_HEADERS: return headers_come(session);
    case NGHTTP2_CONTINUATION: return continuation_comes(session);
    case NGHTTP2_PRIORITY:
        if (session->stream == 0) return violation(session, NGHTTP2_PROTOCOL_ERROR), false;
        return mrt_h2_spend(session, MRT_H2_PRIORITIES);
    case NGHTTP2_RST_STREAM:
        if (mrt_h2_find(session, session->stream) == MRT_H2_NO_SLOT) return mrt_h2_spend(session, MRT_H2_STRAY_FRAMES);
        if (session->config.server) return mrt_h2_spend(session, MRT_H2_RESETS);
        session->counts[MRT_H2_RESETS]++;
        return true;
    case NGHTTP2_PUSH_PROMISE:
        // RFC 9113 section 8.4: we said in our first frame that we take none.
        return violation(session, NGHTTP2_PROTOCOL_ERROR), false;
    case NGHTTP2_SETTINGS: return is_ack || mrt_h2_spend(session, MRT_H2_SETTINGS);
    case NGHTTP2_GOAWAY: return mrt_h2_spend(session, MRT_H2_SETTINGS);
    case NGHTTP2_PING: return mrt_h2_spend(session, MRT_H2_PINGS);
    case NGHTTP2_WINDOW_UPDATE: return mrt_h2_spend(session, MRT_H2_WINDOW_UPDATES);
    case PRIORITY_UPDATE: return mrt_h2_spend(session, MRT_H2_PRIORITIES);
    default: return mrt_h2_spend(session, MRT_H2_UNKNOWN_FRAMES);
    }
}

// RFC 9113 section 6.9.2: a change that makes any window too large is the connection's error. nghttp2 takes it for the stream's.
static void check_window(mrt_h2 *session, int64_t size) {
    const int64_t change =
        size - nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    if (change <= 0) return;
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        if (!session->streams[slot].live) continue;
        const int32_t id = session->streams[slot].id;
        if (nghttp2_session_get_stream_remote_window_size(session->ng, id) + change > INT32_MAX) {
            return violation(session, NGHTTP2_FLOW_CONTROL_ERROR);
        }
    }
}

static uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Bytes of the frame's payload, before nghttp2 gets them.
static void look_at_payload(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    if (session->type == NGHTTP2_DATA && session->left == session->length && count > 0) session->peek[0] = bytes[0];
    session->left -= (uint32_t)count;
    if (session->type == NGHTTP2_PRIORITY) {
        for (size_t at = 0; at < count && session->peek_size < 4; at++) session->peek[session->peek_size++] = bytes[at];
    } else if (session->type == NGHTTP2_SETTINGS) {
        for (size_t at = 0; at < count && !session->fault; at++) {
            session->peek[session->peek_size++] = bytes[at];
            if (session->peek_size < 6) continue;
            session->peek_size = 0;
            const uint32_t size = word(session->peek + 2);
            if (session->peek[0] == 0 && session->peek[1] == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE && size <= INT32_MAX) {
                check_window(session, size);
            }
        }
    }
}

// The frame's last byte was fed.
static void frame_came(mrt_h2 *session) {
    session->in_frame = false;
    session->head_size = 0;
    switch (session->type) {
    case NGHTTP2_DATA:
        // Padding alone is nothing, too.
        if (session->length > (session->flags & NGHTTP2_FLAG_PADDED ? session->peek[0] + 1u : 0u)) {
            mrt_h2_earn(session, MRT_H2_PINGS, 2);
            mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
        } else if (!(session->flags & NGHTTP2_FLAG_END_STREAM)) {
            mrt_h2_spend(session, MRT_H2_EMPTY_DATA);
        }
        return;
    case NGHTTP2_PRIORITY: {
        if (session->peek_size < 4) return;
        const uint32_t parent = word(session->peek) & INT32_MAX;
        // RFC 9113 section 5.3.1 leaves nothing of priorities but the frames; a stream that depends on itself stays an error.
        if (parent == (uint32_t)session->stream) violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    default: return;
    }
}

// One frame, or as much of it as there is.
static size_t receive_frame(mrt_h2 *session, const uint8_t *bytes, size_t count) {
    size_t used = 0;
    if (!session->in_frame) {
        if (session->head_size == 0 && count >= 9) {
            if (!frame_comes(session, bytes)) return count;
            const size_t payload = count - 9 < session->left ? count - 9 : session->left;
            look_at_payload(session, bytes + 9, payload);
            if (!session->fault) feed(session, bytes, 9 + payload);
            if (session->left == 0) frame_came(session);
            return 9 + payload;
        }
        used = 9u - session->head_size < count ? 9u - session->head_size : count;
        memcpy(session->head + session->head_size, bytes, used);
        session->head_size += (uint8_t)used;
        if (session->head_size < 9) return used;
        if (!frame_comes(session, session->head)) return count;
        feed(session, session->head, 9);
    }
    const size_t payload = count - used < session->left ? count - used : session->left;
    if (payload > 0) {
        look_at_payload(session, bytes + used, payload);
        if (!session->fault) feed(session, bytes + used, payload);
    }
    if (session->left == 0) frame_came(session);
    return used + payload;
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
        if (session->magic_left > 0) {
            const size_t part = count - at < session->magic_left ? count - at : session->magic_left;
            feed(session, bytes + at, part);
            session->magic_left -= (uint32_t)part;
            at += part;
            continue;
        }
        at += receive_frame(session, bytes + at, count - at);
    }
    if (!session->fault) {
        // What we have to answer and the peer does not take. Heads of responses are in the same queue.
        const size_t queued = nghttp2_session_get_outbound_queue_size(session->ng);
        if (queued > session->config.queued_frames + 4 * (size_t)session->live) {
            mrt_h2_fail(session, MRT_H2_OUTPUT_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
        }
    }
    return at;
}
