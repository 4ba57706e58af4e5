// Memory of nghttp2's compression tables: every head takes and gives back a few small blocks. They are kept by size in lists of
// the thread, which is a worker for as long as it lives.
#include "session.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP = 64,      // sizes are multiples of it
    CLASSES = 16,   // up to 1,024 bytes
    KEPT = 256,     // blocks of each size that are kept at most
};

// Before every block: its class, and beside it what keeps the alignment of malloc.
typedef union header {
    struct {
        uint32_t class;  // CLASSES: malloc's alone
    };
    union header *next;
    max_align_t alignment;
} header;

static _Thread_local struct {
    header *blocks;
    uint32_t count;
} kept[CLASSES];

static void *take(size_t size, void *user) {
    (void)user;
    const size_t class = size == 0 ? 0 : (size - 1) / STEP;
    header *block;
    if (class < CLASSES && kept[class].blocks) {
        block = kept[class].blocks;
        kept[class].blocks = block->next;
        kept[class].count--;
    } else {
        if (size > SIZE_MAX - sizeof *block) return NULL;
        block = malloc(sizeof *block + (class < CLASSES ? (class + 1) * STEP : size));
        if (!block) return NULL;
    }
    block->class = class < CLASSES ? (uint32_t)class : CLASSES;
    return block + 1;
}

static void give_back(void *memory, void *user) {
    (void)user;
    if (!memory) return;
    header *block = (header *)memory - 1;
    const uint32_t class = block->class;
    if (class == CLASSES || kept[class].count == KEPT) return free(block);
    block->next = kept[class].blocks;
    kept[class].blocks = block;
    kept[class].count++;
}

static void *take_zeroed(size_t count, size_t size, void *user) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    void *memory = take(total, user);
    return memory ? memset(memory, 0, total) : NULL;
}

static void *resize(void *memory, size_t size, void *user) {
    if (!memory) return take(size, user);
    header *block = (header *)memory - 1;
    const uint32_t class = block->class;
    if (class == CLASSES && size > CLASSES * STEP) {
        block = realloc(block, sizeof *block + size);
        return block ? block + 1 : NULL;
    }
    // A block of malloc's that shrinks so far is copied as one of ours.
    const size_t room = class == CLASSES ? size : (class + 1) * (size_t)STEP;
    if (class != CLASSES && size <= room) return memory;
    void *next = take(size, user);
    if (!next) return NULL;
    memcpy(next, memory, room < size ? room : size);
    give_back(memory, user);
    return next;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MRT_H2_PLAIN_MEMORY
#endif
#endif

nghttp2_mem *mrt_h2_memory(void) {
#ifdef MRT_H2_PLAIN_MEMORY
    // A block that is kept is one whose wrong use would not be found.
    (void)take;
    (void)give_back;
    (void)take_zeroed;
    (void)resize;
    return NULL;
#else
    static nghttp2_mem memory = {NULL, take, give_back, take_zeroed, resize};
    return &memory;
#endif
}
