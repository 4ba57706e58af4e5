// What we announce to the peer.
#include "session.h"

#include <string.h>

void mrt_h2_put32(uint8_t *to, uint32_t value) {
    for (int at = 0; at < 4; at++) to[at] = (uint8_t)(value >> (24 - 8 * at));
}

// nghttp2 ends a connection that opens one stream more than it may. We refuse the stream, which its client may then send
// again (RFC 9113 section 5.1.2), so nghttp2 is told of a bound that nobody reaches, and the peer, on the way out, of ours.
static const uint32_t unbounded = INT32_MAX;

bool mrt_h2_announce(mrt_h2 *session) {
    const mrt_h2_config *config = &session->config;
    nghttp2_settings_entry entries[8];
    size_t count = 0;
    if (config->server) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, unbounded};
    }
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config->stream_window};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, config->head};
    if (config->decoder_table != 4096) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, config->decoder_table};
    }
    if (config->server) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
        if (config->extended_connect) {
            entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
        }
    } else {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    }
    return nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, entries, count) == 0 &&
           nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)config->connection_window) == 0;
}

// `chunk` is a frame of ours; the first SETTINGS get the bound on streams that is meant.
void mrt_h2_patch_settings(mrt_h2 *session, mrt_h2_chunk *chunk) {
    if (!session->config.server || chunk->count < 15 || chunk->count > sizeof session->first_settings) return;
    if (chunk->bytes[3] != NGHTTP2_SETTINGS || (chunk->bytes[4] & NGHTTP2_FLAG_ACK)) return;
    session->sent_settings = true;
    memcpy(session->first_settings, chunk->bytes, chunk->count);
    for (size_t at = 9; at + 6 <= chunk->count; at += 6) {
        if (session->first_settings[at] == 0 && session->first_settings[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
            mrt_h2_put32(session->first_settings + at + 2, session->config.max_streams);
        }
    }
    chunk->bytes = session->first_settings;
}
