// The notes of what was received: events, and the heads they speak of.
#include "session.h"

#include <stdlib.h>
#include <string.h>

bool mrt_h2_grow(void **array, uint32_t *room, uint32_t count, size_t more, size_t size) {
    size_t next = *room ? *room : 32;
    while (next < count + more) next *= 2;
    void *grown = realloc(*array, next * size);
    if (!grown) return false;
    *array = grown;
    *room = (uint32_t)next;
    return true;
}

mrt_h2_event *mrt_h2_note(mrt_h2 *session, mrt_h2_kind kind, uint32_t slot) {
    if (!mrt_h2_ensure((void **)&session->events, &session->event_room, session->event_count, 1, sizeof *session->events)) {
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
    // The tag may have been set by an event before.
    if (event->slot != MRT_H2_NO_SLOT) event->tag = session->streams[event->slot].tag;
    if (event->kind == MRT_H2_CLOSED) mrt_h2_release(session, event->slot);
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
