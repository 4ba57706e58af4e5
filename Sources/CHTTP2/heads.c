// Heads and trailers as they come out of nghttp2's decompressor, checked and put down as HTTP/1.1 would write them.
//
// RFC 9113 section 8 is followed here and in `messages.c`.
#include "session.h"

#include <string.h>

// Ends the stream, and what is left of the block is decompressed, for the table's sake, and not looked at.
static void refuse(mrt_h2 *session, uint32_t code) {
    session->in_block = false;
    mrt_h2_stream_error(session, session->block_slot, code);
}

static void out_of_memory(mrt_h2 *session) { mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR); }

void mrt_h2_begin_block(mrt_h2 *session, uint32_t slot, mrt_h2_kind kind, bool ends) {
    if (!mrt_h2_ensure((void **)&session->blocks, &session->block_room, session->block_count, 1,
                       sizeof *session->blocks)) {
        return out_of_memory(session);
    }
    mrt_h2_block *block = &session->blocks[session->block_count++];
    memset(block, 0, sizeof *block);
    block->stream = session->streams[slot].id;
    block->text.start = session->text_size;
    block->first_field = session->field_count;
    session->in_block = true;
    session->block_ends = ends;
    session->block_slot = slot;
    session->block_kind = kind;
    session->block_total = 0;
    session->pseudo = 0;
    session->seen_field = false;
}

// MARK: One field

// RFC 9110 section 5.1: a token, and RFC 9113 section 8.2.1: without upper case.
static const uint8_t name_bytes[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

static uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// One to seven bytes, some of them twice.
static uint64_t load_short(const uint8_t *bytes, size_t length) {
    if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + length - 4, 4);
        return (uint64_t)last << 32 | first;
    }
    return bytes[0] * (ones & ~(uint64_t)0xFFFF00) | (uint64_t)bytes[length / 2] << 8 | (uint64_t)bytes[length - 1] << 16;
}

// Whether `is` holds for eight bytes at a time of all there are, the last of which may overlap.
#define EVERY_WORD(is, bytes, length)                                                     \
    ({                                                                                    \
        bool every = true;                                                                \
        if ((length) < 8) {                                                               \
            every = is(load_short((bytes), (length)));                                    \
        } else {                                                                          \
            size_t at = 0;                                                                \
            for (; every && at + 8 <= (length); at += 8) every = is(load((bytes) + at));  \
            if (every && at < (length)) every = is(load((bytes) + (length) - 8));         \
        }                                                                                 \
        every;                                                                            \
    })

// Whether all eight bytes are letters of lower case, digits or hyphens, as in nearly every name.
static bool is_plain(uint64_t word) {
    const uint64_t letters = (word + ones * 0x1F) & ~(word + ones * 0x05);
    const uint64_t digits = (word + ones * 0x50) & ~(word + ones * 0x46);
    const uint64_t hyphens = ~((word ^ (ones * '-')) + ones * 0x7F);
    // Only without high bits do the sums stay in their bytes.
    return !(word & highs) && (~(letters | digits | hyphens) & highs) == 0;
}

static bool is_name(const uint8_t *name, size_t length) {
    if (length == 0) return false;
    if (EVERY_WORD(is_plain, name, length)) return true;
    uint8_t fine = 1;
    for (size_t at = 0; at < length; at++) fine &= name_bytes[name[at]];
    return fine;
}

// Whether none of the eight bytes is a control character; a tab is one here.
static bool is_printable(uint64_t word) {
    const uint64_t delete = word ^ (ones * 0x7F);
    return !((((word - ones * 0x20) & ~word) | ((delete - ones) & ~delete)) & highs);
}

// RFC 9113 section 8.2.1: no control characters but tabs, and no space or tab at either end.
static bool is_value(const uint8_t *value, size_t length) {
    if (length == 0) return true;
    const uint8_t first = value[0], last = value[length - 1];
    if (first == ' ' || first == '\t' || last == ' ' || last == '\t') return false;
    if (EVERY_WORD(is_printable, value, length)) return true;
    for (size_t at = 0; at < length; at++) {
        if ((value[at] < 0x20 && value[at] != '\t') || value[at] == 0x7F) return false;
    }
    return true;
}

static bool is(const uint8_t *bytes, size_t length, const char *known, size_t known_length) {
    return length == known_length && memcmp(bytes, known, known_length) == 0;
}
#define IS(bytes, length, known) is(bytes, length, known, sizeof known - 1)

static mrt_h2_range append(mrt_h2 *session, const uint8_t *bytes, size_t length) {
    const mrt_h2_range range = {session->text_size, (uint32_t)length};
    memcpy(session->text + session->text_size, bytes, length);
    session->text_size += (uint32_t)length;
    return range;
}

// As HTTP/1.1 writes it, so that a field goes on to such a server as it lies here.
static void append_field(mrt_h2 *session, const uint8_t *name, size_t name_length, const uint8_t *value,
                         size_t value_length) {
    uint8_t *to = session->text + session->text_size;
    memcpy(to, name, name_length);
    to += name_length;
    *to++ = ':';
    *to++ = ' ';
    memcpy(to, value, value_length);
    to += value_length;
    *to++ = '\r';
    *to++ = '\n';
    session->text_size = (uint32_t)(to - session->text);
}

// RFC 9113 section 8.3: before all fields, once, known, of this kind of message, and of some value.
static bool take_pseudo(mrt_h2 *session, mrt_h2_block *block, const uint8_t *name, size_t name_length,
                        const uint8_t *value, size_t length) {
    if (session->seen_field || length == 0) return false;
    mrt_h2_pseudo which;
    if (session->block_kind == MRT_H2_RESPONSE) {
        if (!IS(name, name_length, ":status") || length != 3) return false;
        which = MRT_H2_STATUS;
        for (size_t at = 0; at < 3; at++) {
            if (value[at] < '0' || value[at] > '9') return false;
            block->status = block->status * 10 + (value[at] - '0');
        }
    } else if (session->block_kind != MRT_H2_REQUEST) {
        return false;
    } else if (IS(name, name_length, ":path")) {
        which = MRT_H2_PATH;
    } else if (IS(name, name_length, ":method")) {
        which = MRT_H2_METHOD;
    } else if (IS(name, name_length, ":scheme")) {
        which = MRT_H2_SCHEME;
    } else if (IS(name, name_length, ":authority")) {
        which = MRT_H2_AUTHORITY;
    } else if (IS(name, name_length, ":protocol") && session->config.extended_connect) {
        which = MRT_H2_PROTOCOL;
    } else {
        return false;
    }
    if (session->pseudo & which) return false;
    session->pseudo |= which;
    switch (which) {
    case MRT_H2_PATH: block->path = append(session, value, length); break;
    case MRT_H2_METHOD: block->method = append(session, value, length); break;
    case MRT_H2_SCHEME: block->scheme = append(session, value, length); break;
    case MRT_H2_PROTOCOL: block->protocol = append(session, value, length); break;
    case MRT_H2_AUTHORITY:
        block->authority.start = session->text_size + 6;
        block->authority.length = (uint32_t)length;
        append_field(session, (const uint8_t *)"host", 4, value, length);
        break;
    case MRT_H2_STATUS: break;
    }
    return true;
}

static void take_field(mrt_h2 *session, const uint8_t *name, size_t name_length, const uint8_t *value,
                       size_t value_length) {
    mrt_h2_block *block = &session->blocks[session->block_count - 1];
    const size_t size = name_length + value_length + 4;
    // A field that is not kept costs time all the same: one byte can stand for one of 4,096 (RFC 7541 section 7.3).
    session->block_total += size;
    if (session->block_total > session->config.head || block->field_count >= session->config.fields) {
        if (session->block_total > session->config.head) block->too_large = true;
        if (block->field_count >= session->config.fields) block->too_many = true;
        if (session->block_total > (size_t)session->config.head * 2) {
            session->counts[MRT_H2_TOO_LARGE]++;
            return refuse(session, NGHTTP2_ENHANCE_YOUR_CALM);
        }
        return;
    }
    if (!mrt_h2_ensure((void **)&session->text, &session->text_room, session->text_size, size, 1) ||
        !mrt_h2_ensure((void **)&session->fields, &session->field_room, session->field_count, 1,
                       sizeof *session->fields)) {
        return out_of_memory(session);
    }
    if (!is_value(value, value_length)) return refuse(session, NGHTTP2_PROTOCOL_ERROR);
    if (name_length > 0 && name[0] == ':') {
        if (take_pseudo(session, block, name, name_length, value, value_length)) return;
        return refuse(session, NGHTTP2_PROTOCOL_ERROR);
    }
    session->seen_field = true;
    if (!is_name(name, name_length)) return refuse(session, NGHTTP2_PROTOCOL_ERROR);
    switch (mrt_h2_check_field(session, block, name, name_length, value, value_length)) {
    case MRT_H2_MALFORMED: return refuse(session, NGHTTP2_PROTOCOL_ERROR);
    case MRT_H2_LEAVE_OUT: return;
    case MRT_H2_KEEP: break;
    }
    session->fields[session->field_count++] =
        (mrt_h2_field){session->text_size, (uint32_t)name_length, (uint32_t)value_length};
    block->field_count++;
    append_field(session, name, name_length, value, value_length);
}

static void end_block(mrt_h2 *session) {
    session->in_block = false;
    const uint32_t slot = session->block_slot;
    mrt_h2_stream *stream = &session->streams[slot];
    mrt_h2_block *block = &session->blocks[session->block_count - 1];
    const bool ends = session->block_ends;
    block->text.length = session->text_size - block->text.start;
    block->answers_head = stream->is_head;
    const bool is_cut = block->too_large || block->too_many;
    if (is_cut && (ends || session->block_kind != MRT_H2_TRAILERS)) {
        // What is wrong with the rest of it is not told any more.
        session->counts[MRT_H2_TOO_LARGE]++;
        // A request that has gone upstream is taken back for its trailers, as for a reset.
        if (session->block_kind == MRT_H2_TRAILERS && session->config.server && !mrt_h2_spend(session, MRT_H2_PROVOKED)) return;
    } else if (!mrt_h2_check_head(session, stream, block, ends)) {
        stream->peer_ended = ends;
        return mrt_h2_stream_error(session, slot, NGHTTP2_PROTOCOL_ERROR);
    }
    mrt_h2_kind kind = session->block_kind;
    if (kind == MRT_H2_RESPONSE) {
        if (block->status / 100 == 1) kind = MRT_H2_INFORMATIONAL;
        stream->seen_final = kind == MRT_H2_RESPONSE;
        if (kind == MRT_H2_INFORMATIONAL && ++stream->informationals > session->config.informational) {
            return mrt_h2_stream_error(session, slot, NGHTTP2_ENHANCE_YOUR_CALM);
        }
    }
    mrt_h2_event *event = mrt_h2_note(session, kind, slot);
    if (!event) return;
    event->a = session->block_count - 1;
    event->ends = ends;
    if (ends) {
        stream->peer_ended = true;
        mrt_h2_close_if_done(session, slot);
    }
}

bool mrt_h2_inflate(mrt_h2 *session, const uint8_t *bytes, size_t count, bool is_last) {
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        const ssize_t used = nghttp2_hd_inflate_hd2(session->inflater, &field, &flags, bytes, count, is_last);
        if (used < 0) {
            mrt_h2_fail(session, MRT_H2_VIOLATION, NGHTTP2_COMPRESSION_ERROR);
            return false;
        }
        bytes += used;
        count -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && session->in_block) {
            take_field(session, field.name, field.namelen, field.value, field.valuelen);
            if (session->fault) return false;
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(session->inflater);
            if (session->in_block) end_block(session);
            return !session->fault;
        }
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && count == 0) return true;
    }
}
