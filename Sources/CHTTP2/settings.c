// What we announce to the peer, and what it announces to us.
#include "session.h"

#include <string.h>

enum { MAX_FRAME = 16384 };

bool mrt_h2_announce(mrt_h2 *session) {
    const mrt_h2_config *config = &session->config;
    uint8_t payload[48];
    size_t size = 0;
#define ENTRY(id, value)                        \
    do {                                        \
        payload[size] = 0;                      \
        payload[size + 1] = (id);               \
        mrt_h2_put32(payload + size + 2, value); \
        size += 6;                              \
    } while (0)
    ENTRY(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config->stream_window);
    ENTRY(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, config->head);
    if (config->decoder_table != 4096) ENTRY(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, config->decoder_table);
    if (config->server) {
        ENTRY(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config->max_streams);
        ENTRY(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
        if (config->extended_connect) ENTRY(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
    } else {
        ENTRY(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
    }
#undef ENTRY
    if (!config->server) {
        uint8_t *to = mrt_h2_reserve(session, NGHTTP2_CLIENT_MAGIC_LEN);
        if (!to) return false;
        memcpy(to, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
        session->out_size += NGHTTP2_CLIENT_MAGIC_LEN;
    }
    mrt_h2_put_frame(session, NGHTTP2_SETTINGS, 0, 0, payload, size);
    session->unacknowledged = 1;
    if (config->connection_window > 65535) {
        mrt_h2_put_word(session, NGHTTP2_WINDOW_UPDATE, 0, config->connection_window - 65535);
    }
    return session->fault == MRT_H2_FINE;
}

static void violation(mrt_h2 *session, uint32_t code) { mrt_h2_fail(session, MRT_H2_VIOLATION, code); }

// RFC 9113 section 6.9.2: streams that are open get the difference; one too large is the connection's error.
static void change_window(mrt_h2 *session, uint32_t size) {
    const int64_t change = (int64_t)size - session->peer_window;
    session->peer_window = size;
    for (uint32_t slot = 0; slot < session->stream_room; slot++) {
        mrt_h2_stream *stream = &session->streams[slot];
        if (!stream->live) continue;
        stream->window += change;
        if (stream->window > INT32_MAX) return violation(session, NGHTTP2_FLOW_CONTROL_ERROR);
        if (stream->window > 0) {
            mrt_h2_enter_ring(session, slot);
        } else {
            mrt_h2_leave_ring(session, slot);
        }
    }
}

void mrt_h2_take_setting(mrt_h2 *session, uint32_t id, uint32_t value) {
    switch (id) {
    case NGHTTP2_SETTINGS_HEADER_TABLE_SIZE:
        // Every change is passed on, for a table that was smaller in between has lost entries (RFC 7541 section 4.2).
        if (value > session->config.encoder_table) value = session->config.encoder_table;
        if (nghttp2_hd_deflate_change_table_size(session->deflater, value) != 0) {
            mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        }
        return;
    case NGHTTP2_SETTINGS_ENABLE_PUSH:
        // RFC 9113 section 6.5.2: a server must not say that it takes pushes.
        if (value > 1 || (value == 1 && !session->config.server)) violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    case NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS:
        session->peer_streams = value;
        session->seen_peer_streams = true;
        return;
    case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > INT32_MAX) return violation(session, NGHTTP2_FLOW_CONTROL_ERROR);
        return change_window(session, value);
    case NGHTTP2_SETTINGS_MAX_FRAME_SIZE:
        if (value < MAX_FRAME || value > 0xFFFFFF) return violation(session, NGHTTP2_PROTOCOL_ERROR);
        // Larger ones would only make streams wait for each other.
        session->peer_frame = MAX_FRAME;
        return;
    case NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 section 3: what was allowed stays so.
        if (value > 1 || (value == 0 && session->peer_connects)) return violation(session, NGHTTP2_PROTOCOL_ERROR);
        session->peer_connects = value == 1;
        return;
    case NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES:
        if (value > 1) violation(session, NGHTTP2_PROTOCOL_ERROR);
        return;
    default: return;
    }
}
