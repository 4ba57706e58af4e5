// The notes of what was received: events, and the heads they speak of.
#include "session.h"

#include <stdlib.h>
#include <string.h>

// Makes room for `more` elements behind `count`.
static bool ensure(void **array, uint32_t *room, uint32_t count, size_t more, size_t size) {
    if (count + more <= *room) return true;
    size_t next = *room ? *room : 32;
    while (next < count + more) next *= 2;
    void *grown = realloc(*array, next * size);
    if (!grown) return false;
    *array = grown;
    *room = (uint32_t)next;
    return true;
}

mrt_h2_event *mrt_h2_note(mrt_h2 *session, mrt_h2_kind kind, uint32_t slot) {
    if (!ensure((void **)&session->events, &session->event_room, session->event_count, 1, sizeof *session->events)) {
        mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return NULL;
    }
    mrt_h2_event *event = &session->events[session->event_count++];
    memset(event, 0, sizeof *event);
    event->kind = (uint8_t)kind;
    event->slot = slot;
    if (slot != MRT_H2_NO_SLOT) {
        event->stream = session->streams[slot].id;
        event->tag = session->streams[slot].tag;
    }
    return event;
}

bool mrt_h2_next(mrt_h2 *session, mrt_h2_event *event) {
    if (session->walked == session->event_count) return false;
    *event = session->events[session->walked++];
    if (event->kind == MRT_H2_CLOSED) {
        mrt_h2_release(session, event->slot);
    } else if (event->slot != MRT_H2_NO_SLOT) {
        // The tag may have been set by an event before.
        event->tag = session->streams[event->slot].tag;
    }
    if (session->walked == session->event_count) session->walked = session->event_count = 0;
    return true;
}

// What was read is gone, but for a block that is not whole.
void mrt_h2_begin_batch(mrt_h2 *session) {
    if (session->event_count > 0) return;
    if (!session->in_block) {
        session->block_count = session->field_count = session->text_size = 0;
        return;
    }
    mrt_h2_block *block = &session->blocks[session->block_count - 1];
    const uint32_t start = block->text.start;
    const uint32_t first = block->first_field;
    if (session->block_count == 1 && start == 0 && first == 0) return;
    memmove(session->text, session->text + start, session->text_size - start);
    memmove(session->fields, session->fields + first, (session->field_count - first) * sizeof *session->fields);
    session->text_size -= start;
    session->field_count -= first;
    for (uint32_t at = 0; at < session->field_count; at++) session->fields[at].name -= start;
    mrt_h2_range *ranges[] = {&block->method, &block->scheme, &block->path, &block->authority, &block->protocol};
    for (size_t at = 0; at < sizeof ranges / sizeof *ranges; at++) {
        if (ranges[at]->length) ranges[at]->start -= start;
    }
    block->text.start = 0;
    block->first_field = 0;
    session->blocks[0] = *block;
    session->block_count = 1;
}

bool mrt_h2_get_block(const mrt_h2 *session, uint32_t index, mrt_h2_block *block) {
    if (index >= session->block_count) return false;
    *block = session->blocks[index];
    return true;
}

const uint8_t *mrt_h2_text(const mrt_h2 *session) { return session->text; }
const mrt_h2_field *mrt_h2_fields(const mrt_h2 *session) { return session->fields; }

// MARK: Heads

// Ends the stream, and what is left of the block is decompressed, for the table's sake, and not looked at.
static int refuse(mrt_h2 *session, int32_t id, uint32_t code) {
    session->in_block = false;
    nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, id, code);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int mrt_h2_on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    mrt_h2 *session = user;
    const int32_t id = frame->hd.stream_id;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    uint32_t slot = mrt_h2_find(session, id);
    if (slot == MRT_H2_NO_SLOT) {
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
        if (session->live >= session->config.max_streams) {
            // What still comes for it is no fault.
            mrt_h2_bury(session, id, false);
            if (!mrt_h2_spend(session, MRT_H2_STRAY_FRAMES)) return 0;
            return refuse(session, id, NGHTTP2_REFUSED_STREAM);
        }
        slot = mrt_h2_open(session, id);
        if (slot == MRT_H2_NO_SLOT) {
            mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        session->counts[MRT_H2_STREAMS]++;
        // Every stream gets its turn. By default nghttp2 would send one response to its end before the next.
        const nghttp2_extpri fair = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
        nghttp2_session_change_extpri_stream_priority(ng, id, &fair, 1);
    }
    if (!ensure((void **)&session->blocks, &session->block_room, session->block_count, 1, sizeof *session->blocks)) {
        mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    mrt_h2_block *block = &session->blocks[session->block_count++];
    memset(block, 0, sizeof *block);
    block->stream = id;
    block->text.start = session->text_size;
    block->first_field = session->field_count;
    session->in_block = true;
    session->block_total = 0;
    return 0;
}

static mrt_h2_range append(mrt_h2 *session, const uint8_t *bytes, size_t length) {
    const mrt_h2_range range = {session->text_size, (uint32_t)length};
    memcpy(session->text + session->text_size, bytes, length);
    session->text_size += (uint32_t)length;
    return range;
}

// As HTTP/1.1 writes it, so that a field goes on to such a server as it lies here.
static void append_field(mrt_h2 *session, const uint8_t *name, size_t name_length, const uint8_t *value,
                         size_t value_length) {
    append(session, name, name_length);
    append(session, (const uint8_t *)": ", 2);
    append(session, value, value_length);
    append(session, (const uint8_t *)"\r\n", 2);
}

static bool is(const uint8_t *name, const char *known, size_t length) { return memcmp(name, known, length) == 0; }

// nghttp2 has seen to it that a pseudo-header is one that may be here, comes once, before all fields, and is not empty.
static void append_pseudo(mrt_h2 *session, mrt_h2_block *block, const uint8_t *name, size_t name_length,
                          const uint8_t *value, size_t value_length) {
    if (name_length == 5 && is(name, ":path", 5)) {
        block->path = append(session, value, value_length);
    } else if (name_length == 7 && is(name, ":method", 7)) {
        block->method = append(session, value, value_length);
    } else if (name_length == 7 && is(name, ":scheme", 7)) {
        block->scheme = append(session, value, value_length);
    } else if (name_length == 7 && is(name, ":status", 7)) {
        for (size_t at = 0; at < value_length && at < 3; at++) block->status = block->status * 10 + (value[at] - '0');
    } else if (name_length == 9 && is(name, ":protocol", 9)) {
        block->protocol = append(session, value, value_length);
    } else if (name_length == 10 && is(name, ":authority", 10)) {
        block->authority.start = session->text_size + 6;
        block->authority.length = (uint32_t)value_length;
        append_field(session, (const uint8_t *)"host", 4, value, value_length);
    }
}

int mrt_h2_on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    (void)ng;
    (void)flags;
    mrt_h2 *session = user;
    if (!session->in_block) return 0;
    mrt_h2_block *block = &session->blocks[session->block_count - 1];
    // A field that is not kept costs time all the same: one byte can stand for one of 4,096 (RFC 7541 section 7.3).
    session->block_total += name_length + value_length + 4;
    if (session->block_total > session->config.head || block->field_count >= session->config.fields) {
        if (session->block_total > session->config.head) block->too_large = true;
        if (name_length == 0 || name[0] != ':') {
            if (block->field_count >= session->config.fields) block->too_many = true;
        }
        if (session->block_total > (size_t)session->config.head * 2) {
            session->counts[MRT_H2_TOO_LARGE]++;
            return refuse(session, frame->hd.stream_id, NGHTTP2_ENHANCE_YOUR_CALM);
        }
        return 0;
    }
    const size_t needed = name_length + value_length + 4;
    if (!ensure((void **)&session->text, &session->text_room, session->text_size, needed, 1) ||
        !ensure((void **)&session->fields, &session->field_room, session->field_count, 1, sizeof *session->fields)) {
        mrt_h2_fail(session, MRT_H2_NO_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (name_length > 0 && name[0] == ':') {
        append_pseudo(session, block, name, name_length, value, value_length);
        return 0;
    }
    session->fields[session->field_count++] =
        (mrt_h2_field){session->text_size, (uint32_t)name_length, (uint32_t)value_length};
    block->field_count++;
    append_field(session, name, name_length, value, value_length);
    return 0;
}

// RFC 9113 section 8.2.1: a message with such a field is malformed. Left to itself nghttp2 would drop the field only.
int mrt_h2_on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                             const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    (void)ng;
    (void)frame;
    (void)name;
    (void)name_length;
    (void)value;
    (void)value_length;
    (void)flags;
    ((mrt_h2 *)user)->in_block = false;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void mrt_h2_end_block(mrt_h2 *session, const nghttp2_frame *frame) {
    const uint32_t slot = mrt_h2_find(session, frame->hd.stream_id);
    if (!session->in_block || slot == MRT_H2_NO_SLOT) return;
    session->in_block = false;
    mrt_h2_stream *stream = &session->streams[slot];
    mrt_h2_block *block = &session->blocks[session->block_count - 1];
    block->text.length = session->text_size - block->text.start;
    block->answers_head = stream->is_head;
    if (block->too_large || block->too_many) session->counts[MRT_H2_TOO_LARGE]++;
    mrt_h2_kind kind = MRT_H2_TRAILERS;
    if (session->config.server) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) kind = MRT_H2_REQUEST;
    } else if (!stream->seen_final) {
        kind = block->status / 100 == 1 ? MRT_H2_INFORMATIONAL : MRT_H2_RESPONSE;
        stream->seen_final = kind == MRT_H2_RESPONSE;
        if (kind == MRT_H2_INFORMATIONAL && ++stream->informationals > session->config.informational) {
            nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_ENHANCE_YOUR_CALM);
            return;
        }
    }
    mrt_h2_event *event = mrt_h2_note(session, kind, slot);
    if (!event) return;
    event->a = session->block_count - 1;
    event->ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (event->ends) stream->peer_ended = true;
}
