// The matcher of pattern.c, as the functions of search.c use it.
#ifndef MRT_PATTERN_H
#define MRT_PATTERN_H

#include "internal.h"

enum { MRT_MAX_CAPTURES = 32 };

struct matcher {
    lua_State *L;
    const char *subject, *subject_end, *pattern_end;
    int depth;
    int captures;
    struct {
        const char *start;
        ptrdiff_t length;
    } capture[MRT_MAX_CAPTURES];
};

/// The end of what pattern `p` matches at `s`, or NULL. `captures` and `depth` must be 0. Raises when the pattern is
/// malformed or the budget is spent.
const char *mrt_match(struct matcher *m, const char *s, const char *p);
/// Pushes capture `level`, or the whole match [start, end) when the pattern has none.
void mrt_push_capture(struct matcher *m, int level, const char *start, const char *end);
/// Pushes every capture, or the whole match when there are none and `start` is not NULL; how many.
int mrt_push_captures(struct matcher *m, const char *start, const char *end);

#endif
