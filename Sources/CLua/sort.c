// A heap sort: no memory of its own, no bad case, and a budget looked at on the way. The C library's sort has neither.
#include <string.h>

#include "internal.h"

enum { MAX_WIDTH = 64 };

void mrt_sort(lua_State *L, void *base, size_t count, size_t width, int (*compare)(const void *, const void *)) {
    char *items = base, held[MAX_WIDTH];
    if (width > MAX_WIDTH || count < 2) return;
    // Lists that are in order already are common, and this is all they cost.
    bool sorted = true;
    for (size_t at = 1; sorted && at < count; at++) {
        if (at % 16 == 0) mrt_charge(L, 8);
        sorted = compare(items + (at - 1) * width, items + at * width) <= 0;
    }
    if (sorted) return;
    size_t first = count / 2, end = count;
    for (;;) {
        if (first > 0) {
            memcpy(held, items + --first * width, width);
        } else {
            if (--end == 0) return;
            memcpy(held, items + end * width, width);
            memcpy(items + end * width, items, width);
        }
        // Sift: the held item sinks from `first` until no child is larger.
        size_t at = first;
        mrt_charge(L, 2);
        for (size_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && compare(items + child * width, items + (child + 1) * width) < 0) child++;
            if (compare(held, items + child * width) >= 0) break;
            memcpy(items + at * width, items + child * width, width);
        }
        memcpy(items + at * width, held, width);
    }
}
