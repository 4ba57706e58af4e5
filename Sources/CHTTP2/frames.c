// Frames that are made here, one behind the other.
#include "session.h"

#include <stdlib.h>
#include <string.h>

void mrt_h2_put32(uint8_t *to, uint32_t value) {
    for (int at = 0; at < 4; at++) to[at] = (uint8_t)(value >> (24 - 8 * at));
}

uint32_t mrt_h2_get32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void mrt_h2_frame_head(uint8_t *to, size_t length, uint8_t type, uint8_t flags, int32_t stream) {
    to[0] = (uint8_t)(length >> 16);
    to[1] = (uint8_t)(length >> 8);
    to[2] = (uint8_t)length;
    to[3] = type;
    to[4] = flags;
    mrt_h2_put32(to + 5, (uint32_t)stream);
}

uint8_t *mrt_h2_reserve(mrt_h2 *session, size_t count) {
    if (!mrt_h2_ensure((void **)&session->out, &session->out_room, session->out_size, count, 1)) {
        mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return NULL;
    }
    return session->out + session->out_size;
}

void mrt_h2_put_frame(mrt_h2 *session, uint8_t type, uint8_t flags, int32_t stream, const void *payload, size_t count) {
    if (session->fault) return;
    uint8_t *to = mrt_h2_reserve(session, 9 + count);
    if (!to) return;
    mrt_h2_frame_head(to, count, type, flags, stream);
    if (count > 0) memcpy(to + 9, payload, count);
    session->out_size += 9 + (uint32_t)count;
    session->out_frames++;
}

void mrt_h2_put_word(mrt_h2 *session, uint8_t type, int32_t stream, uint32_t word) {
    uint8_t payload[4];
    mrt_h2_put32(payload, word);
    mrt_h2_put_frame(session, type, 0, stream, payload, 4);
}
