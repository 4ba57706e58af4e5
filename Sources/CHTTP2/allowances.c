// How often a peer may do what costs us and brings it nothing.
#include "session.h"

// At the first `mrt_h2_receive`, which is the first to know the time.
void mrt_h2_fill(mrt_h2 *session) {
    for (int at = 0; at < MRT_H2_ALLOWANCES; at++) {
        session->buckets[at].tokens = session->config.allowances[at].burst;
        session->buckets[at].filled = session->now;
    }
}

// Time is looked at only when a bucket is empty: in any span a peer gets at most the burst and what the time before brought,
// which is no more than another burst.
static bool refill(mrt_h2 *session, mrt_h2_counter counter) {
    mrt_h2_bucket *bucket = &session->buckets[counter];
    const mrt_h2_allowance *allowance = &session->config.allowances[counter];
    uint64_t passed = session->now > bucket->filled ? session->now - bucket->filled : 0;
    if (passed > 3600000000000u) passed = 3600000000000u;
    const uint64_t tokens = passed / 1000 * allowance->per_second / 1000000;
    if (tokens == 0) return false;
    bucket->filled = session->now;
    bucket->tokens = tokens < allowance->burst ? (uint32_t)tokens : allowance->burst;
    return bucket->tokens > 0;
}

bool mrt_h2_spend(mrt_h2 *session, mrt_h2_counter counter) {
    session->counts[counter]++;
    if (session->buckets[counter].tokens == 0 && !refill(session, counter)) {
        mrt_h2_fail(session, MRT_H2_ALLOWANCE + (int)counter, NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    session->buckets[counter].tokens--;
    return true;
}

void mrt_h2_earn(mrt_h2 *session, mrt_h2_counter counter, uint32_t tokens) {
    const uint32_t burst = session->config.allowances[counter].burst;
    const uint32_t now = session->buckets[counter].tokens;
    session->buckets[counter].tokens = burst - now < tokens ? burst : now + tokens;
}
