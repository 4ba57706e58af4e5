// RFC 9113 section 8: which fields may be where, and what a message has to have.
#include "session.h"

#include <string.h>

static bool is(const uint8_t *bytes, const char *known, size_t length) { return memcmp(bytes, known, length) == 0; }

// A number that fits; -1 when it is none.
static int64_t number(const uint8_t *text, size_t length) {
    if (length == 0) return -1;
    int64_t value = 0;
    for (size_t at = 0; at < length; at++) {
        if (text[at] < '0' || text[at] > '9') return -1;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[at] - '0', &value)) return -1;
    }
    return value;
}

static mrt_h2_verdict check_length(mrt_h2 *session, const mrt_h2_block *block, const uint8_t *value, size_t length) {
    mrt_h2_stream *stream = &session->streams[session->block_slot];
    const int64_t size = number(value, length);
    // Of trailers it says nothing about the body; they are left without it.
    if (session->block_kind == MRT_H2_TRAILERS) return MRT_H2_LEAVE_OUT;
    if (session->block_kind == MRT_H2_RESPONSE) {
        // RFC 9110 section 8.6; servers in the wild say 0 with a 204.
        if (block->status == 204) return size == 0 ? MRT_H2_LEAVE_OUT : MRT_H2_MALFORMED;
        if (block->status / 100 == 1) return MRT_H2_MALFORMED;
        // RFC 9110 section 9.3.6.
        if (block->status / 100 == 2 && stream->is_connect) return MRT_H2_LEAVE_OUT;
    }
    // Twice the same is one time too many: two parsers may take either.
    if (size < 0 || stream->length >= 0) return MRT_H2_MALFORMED;
    stream->length = size;
    return MRT_H2_KEEP;
}

static bool is_trailers(const uint8_t *value, size_t length) {
    static const char known[] = "trailers";
    if (length != sizeof known - 1) return false;
    for (size_t at = 0; at < length; at++) {
        if ((value[at] | 0x20) != known[at]) return false;
    }
    return true;
}

mrt_h2_verdict mrt_h2_check_field(mrt_h2 *session, mrt_h2_block *block, const uint8_t *name, size_t name_length,
                                  const uint8_t *value, size_t value_length) {
    switch (name_length) {
    case 2: return is(name, "te", 2) && !is_trailers(value, value_length) ? MRT_H2_MALFORMED : MRT_H2_KEEP;
    case 4:
        if (session->block_kind != MRT_H2_REQUEST || !is(name, "host", 4)) return MRT_H2_KEEP;
        if (value_length == 0 || block->has_host) return MRT_H2_MALFORMED;
        block->has_host = true;
        return MRT_H2_KEEP;
    case 7: return is(name, "upgrade", 7) ? MRT_H2_MALFORMED : MRT_H2_KEEP;
    case 10: return is(name, "connection", 10) || is(name, "keep-alive", 10) ? MRT_H2_MALFORMED : MRT_H2_KEEP;
    case 14: return is(name, "content-length", 14) ? check_length(session, block, value, value_length) : MRT_H2_KEEP;
    case 16: return is(name, "proxy-connection", 16) ? MRT_H2_MALFORMED : MRT_H2_KEEP;
    case 17: return is(name, "transfer-encoding", 17) ? MRT_H2_MALFORMED : MRT_H2_KEEP;
    default: return MRT_H2_KEEP;
    }
}

// RFC 9113 section 8.3.1 and 8.5, RFC 8441 section 4. The path's and the others' forms are looked at when the head is taken.
static bool check_request(const mrt_h2 *session, const mrt_h2_block *block) {
    const uint32_t pseudo = session->pseudo;
    if (!(pseudo & MRT_H2_METHOD)) return false;
    const bool is_connect = block->method.length == 7 && is(session->text + block->method.start, "CONNECT", 7);
    if (is_connect && !(pseudo & MRT_H2_PROTOCOL)) {
        return (pseudo & MRT_H2_AUTHORITY) && !(pseudo & (MRT_H2_SCHEME | MRT_H2_PATH));
    }
    if (!(pseudo & MRT_H2_SCHEME) || !(pseudo & MRT_H2_PATH)) return false;
    if (pseudo & MRT_H2_PROTOCOL) return is_connect && (pseudo & MRT_H2_AUTHORITY);
    return (pseudo & MRT_H2_AUTHORITY) || block->has_host;
}

bool mrt_h2_check_head(mrt_h2 *session, mrt_h2_stream *stream, const mrt_h2_block *block, bool ends) {
    switch (session->block_kind) {
    case MRT_H2_REQUEST:
        if (!check_request(session, block)) return false;
        break;
    case MRT_H2_RESPONSE:
        // RFC 9113 section 8.6: there is no 101.
        if (!(session->pseudo & MRT_H2_STATUS) || block->status == 101) return false;
        // RFC 9113 section 8.1: a final response follows.
        if (block->status / 100 == 1) return !ends;
        // RFC 9110 sections 9.3.2, 15.3.5, 15.4.5: these have no body, whatever length they name.
        if (stream->is_head || block->status == 204 || block->status == 304) stream->length = 0;
        break;
    default:
        if (!ends) return false;
        break;
    }
    return !ends || mrt_h2_check_end(stream);
}

bool mrt_h2_check_data(const mrt_h2 *session, mrt_h2_stream *stream, size_t count) {
    stream->received += (int64_t)count;
    // Between a 1xx and the final response there is nothing.
    if (!session->config.server && !stream->seen_final) return false;
    return stream->length < 0 || stream->received <= stream->length;
}

bool mrt_h2_check_end(const mrt_h2_stream *stream) { return stream->length < 0 || stream->received == stream->length; }
