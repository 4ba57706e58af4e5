// What may come, and on which stream: all that a frame's header tells. RFC 9113 sections 4 to 6.
#include "session.h"

// Not among nghttp2's types.
enum { PRIORITY_UPDATE = 0x10, MAX_FRAME = 16384, MAX_SETTINGS = 32 };

static bool violation(mrt_h2 *session, uint32_t code) {
    mrt_h2_fail(session, MRT_H2_VIOLATION, code);
    return false;
}

void mrt_h2_stream_error(mrt_h2 *session, uint32_t slot, uint32_t code) {
    mrt_h2_put_word(session, NGHTTP2_RST_STREAM, session->streams[slot].id, code);
    mrt_h2_close(session, slot, code, MRT_H2_FAILED);
    if (session->config.server) {
        mrt_h2_spend(session, MRT_H2_PROVOKED);
    } else {
        // A server provokes no more of them than we make requests, and the others on the connection are not to pay for a bad answer.
        session->counts[MRT_H2_PROVOKED]++;
    }
}

// MARK: Streams

// Never used by either side.
static bool is_idle(const mrt_h2 *session, int32_t id) { return (id & 1) == 0 || id > session->last_peer_stream; }

// A frame of a message for a stream that is over: passed over, when whoever sent it may not have known. False: it must have.
static bool check_closed(mrt_h2 *session) {
    session->ignored = true;
    const mrt_h2_grave *grave = mrt_h2_grave_of(session, session->stream);
    // RFC 9113 section 5.1, closed.
    if (grave && grave->by_peer) return violation(session, NGHTTP2_STREAM_CLOSED);
    if (!grave && session->config.server && !session->sent_goaway && session->type == NGHTTP2_HEADERS) {
        // RFC 9113 section 5.1.1: a number smaller than one before it, that was never used; or of a stream that was over too long
        // ago to be remembered.
        if (mrt_h2_is_forgotten(session, session->stream)) return mrt_h2_spend(session, MRT_H2_STRAY_FRAMES);
        return violation(session, NGHTTP2_PROTOCOL_ERROR);
    }
    return mrt_h2_spend(session, MRT_H2_STRAY_FRAMES);
}

static bool data_comes(mrt_h2 *session) {
    const int32_t id = session->stream;
    const bool is_padded = (session->flags & NGHTTP2_FLAG_PADDED) != 0;
    if (id == 0 || is_idle(session, id)) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    if (is_padded && session->length == 0) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    session->part = is_padded ? MRT_H2_PAD_LENGTH : MRT_H2_CONTENT;
    // RFC 9113 section 6.9.1: all of the frame counts, whatever becomes of it.
    if (session->length > session->receivable) return violation(session, NGHTTP2_FLOW_CONTROL_ERROR);
    session->receivable -= session->length;
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot == MRT_H2_NO_SLOT) {
        if (!check_closed(session)) return false;
        mrt_h2_give_back(session, session->length);
        return true;
    }
    mrt_h2_stream *stream = &session->streams[slot];
    if (stream->peer_ended) return violation(session, NGHTTP2_STREAM_CLOSED);
    if (!session->config.server && !stream->seen_final && stream->informationals == 0) {
        return violation(session, NGHTTP2_PROTOCOL_ERROR);
    }
    stream->unconsumed += session->length;
    if (session->length > stream->receivable) {
        session->ignored = true;
        mrt_h2_stream_error(session, slot, NGHTTP2_FLOW_CONTROL_ERROR);
        return !session->fault;
    }
    stream->receivable -= session->length;
    return true;
}

// A stream that the client opens. False: the connection failed.
static bool stream_comes(mrt_h2 *session, bool ends) {
    const int32_t id = session->stream;
    session->last_peer_stream = id;
    if (session->sent_goaway) {
        // RFC 9113 section 6.8: we said that we would not look.
        session->ignored = true;
        return true;
    }
    if (session->live >= session->config.max_streams) {
        // RFC 9113 section 5.1.2. The client may send it again.
        session->ignored = true;
        mrt_h2_bury(session, id, false);
        mrt_h2_put_word(session, NGHTTP2_RST_STREAM, id, NGHTTP2_REFUSED_STREAM);
        return mrt_h2_spend(session, MRT_H2_REFUSED);
    }
    const uint32_t slot = mrt_h2_open(session, id);
    if (slot == MRT_H2_NO_SLOT) return mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR), false;
    mrt_h2_begin_block(session, slot, MRT_H2_REQUEST, ends);
    return !session->fault;
}

static bool headers_come(mrt_h2 *session) {
    const int32_t id = session->stream;
    const bool ends = (session->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool is_server = session->config.server;
    if (id == 0 || (id & 1) == 0 || (!is_server && is_idle(session, id))) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    const uint32_t pad = session->flags & NGHTTP2_FLAG_PADDED ? 1 : 0;
    if (session->length < pad) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    if ((session->flags & NGHTTP2_FLAG_PRIORITY) && session->length < pad + 5) {
        return violation(session, NGHTTP2_FRAME_SIZE_ERROR);
    }
    session->part = pad ? MRT_H2_PAD_LENGTH : session->flags & NGHTTP2_FLAG_PRIORITY ? MRT_H2_PRIORITY : MRT_H2_CONTENT;
    mrt_h2_earn(session, MRT_H2_PINGS, 2);
    mrt_h2_earn(session, MRT_H2_WINDOW_UPDATES, 10);
    mrt_h2_earn(session, MRT_H2_PRIORITIES, 4);
    mrt_h2_earn(session, MRT_H2_STRAY_FRAMES, 10);
    session->block_stream = id;
    session->block_continuations = 0;
    session->block_empty = 0;
    session->block_bytes = session->length;
    const uint32_t slot = mrt_h2_find(session, id);
    if (slot != MRT_H2_NO_SLOT) {
        mrt_h2_stream *stream = &session->streams[slot];
        if (stream->peer_ended) return violation(session, NGHTTP2_STREAM_CLOSED);
        const bool is_trailers = is_server || stream->seen_final;
        mrt_h2_begin_block(session, slot, is_trailers ? MRT_H2_TRAILERS : MRT_H2_RESPONSE, ends);
        return !session->fault;
    }
    if (is_server && id > session->last_peer_stream) return stream_comes(session, ends);
    return check_closed(session);
}

static bool continuation_comes(mrt_h2 *session) {
    if (session->block_stream == 0 || session->block_stream != session->stream) {
        return violation(session, NGHTTP2_PROTOCOL_ERROR);
    }
    session->counts[MRT_H2_CONTINUATIONS]++;
    session->part = MRT_H2_CONTENT;
    session->block_continuations++;
    session->block_bytes += session->length;
    if (session->length == 0) session->block_empty++;
    // Compressed, a block is hardly ever larger than what it says.
    if (session->block_continuations > session->config.continuations ||
        session->block_empty > session->config.empty_continuations ||
        session->block_bytes > session->config.head * 2) {
        return mrt_h2_fail(session, MRT_H2_CONTINUATION_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM), false;
    }
    return true;
}

// MARK: A frame's header

// Of a frame whose length is always the same.
static bool is_sized(mrt_h2 *session, uint32_t length) {
    return session->length == length || violation(session, NGHTTP2_FRAME_SIZE_ERROR);
}

// Of a frame that is of the connection, or of a stream.
static bool is_placed(mrt_h2 *session, bool on_stream) {
    return (session->stream != 0) == on_stream || violation(session, NGHTTP2_PROTOCOL_ERROR);
}

static bool settings_come(mrt_h2 *session) {
    if (!is_placed(session, false)) return false;
    if (session->flags & NGHTTP2_FLAG_ACK) {
        if (!is_sized(session, 0)) return false;
        if (session->unacknowledged == 0) return violation(session, NGHTTP2_PROTOCOL_ERROR);
        session->unacknowledged--;
        // From here on its encoder keeps to our table.
        nghttp2_hd_inflate_change_table_size(session->inflater, session->config.decoder_table);
        return true;
    }
    if (session->length % 6) return violation(session, NGHTTP2_FRAME_SIZE_ERROR);
    if (session->length > 6 * MAX_SETTINGS) {
        return mrt_h2_fail(session, MRT_H2_ALLOWANCE + MRT_H2_SETTINGS, NGHTTP2_ENHANCE_YOUR_CALM), false;
    }
    return mrt_h2_spend(session, MRT_H2_SETTINGS);
}

static bool reset_comes(mrt_h2 *session) {
    if (!is_placed(session, true) || !is_sized(session, 4)) return false;
    if (is_idle(session, session->stream)) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    if (mrt_h2_find(session, session->stream) == MRT_H2_NO_SLOT) return mrt_h2_spend(session, MRT_H2_STRAY_FRAMES);
    if (session->config.server) return mrt_h2_spend(session, MRT_H2_RESETS);
    session->counts[MRT_H2_RESETS]++;
    return true;
}

bool mrt_h2_frame_comes(mrt_h2 *session, const uint8_t *head) {
    session->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    session->type = head[3];
    session->flags = head[4];
    session->stream = (int32_t)(mrt_h2_get32(head + 5) & INT32_MAX);
    session->left = session->length;
    session->padding = 0;
    session->peek_size = 0;
    session->ignored = false;
    session->in_frame = true;
    if (session->length > MAX_FRAME) return violation(session, NGHTTP2_FRAME_SIZE_ERROR);
    if (!session->seen_settings) {
        // RFC 9113 section 3.4.
        if (session->type != NGHTTP2_SETTINGS || (session->flags & NGHTTP2_FLAG_ACK)) {
            return violation(session, NGHTTP2_PROTOCOL_ERROR);
        }
        session->seen_settings = true;
    }
    if (session->block_stream && session->type != NGHTTP2_CONTINUATION) return violation(session, NGHTTP2_PROTOCOL_ERROR);
    switch (session->type) {
    case NGHTTP2_DATA: return data_comes(session);
    case NGHTTP2_HEADERS: return headers_come(session);
    case NGHTTP2_CONTINUATION: return continuation_comes(session);
    case NGHTTP2_PRIORITY:
        return is_placed(session, true) && is_sized(session, 5) && mrt_h2_spend(session, MRT_H2_PRIORITIES);
    case NGHTTP2_RST_STREAM: return reset_comes(session);
    // RFC 9113 section 8.4: we said in our first frame that we take none.
    case NGHTTP2_PUSH_PROMISE: return violation(session, NGHTTP2_PROTOCOL_ERROR);
    case NGHTTP2_SETTINGS: return settings_come(session);
    case NGHTTP2_GOAWAY:
        if (!is_placed(session, false)) return false;
        if (session->length < 8) return violation(session, NGHTTP2_FRAME_SIZE_ERROR);
        return mrt_h2_spend(session, MRT_H2_SETTINGS);
    case NGHTTP2_PING:
        return is_placed(session, false) && is_sized(session, 8) && mrt_h2_spend(session, MRT_H2_PINGS);
    case NGHTTP2_WINDOW_UPDATE:
        if (!is_sized(session, 4)) return false;
        if (session->stream && is_idle(session, session->stream)) return violation(session, NGHTTP2_PROTOCOL_ERROR);
        return mrt_h2_spend(session, MRT_H2_WINDOW_UPDATES);
    case PRIORITY_UPDATE: return mrt_h2_spend(session, MRT_H2_PRIORITIES);
    default: return mrt_h2_spend(session, MRT_H2_UNKNOWN_FRAMES);
    }
}
