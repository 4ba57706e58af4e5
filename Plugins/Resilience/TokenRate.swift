/// How a token bucket fills, as the generic cell rate algorithm has it (ITU-T I.371): all there is to know of a bucket is
/// when it will be full again, one number. Pure: whoever asks brings the time.
struct TokenRate: Sendable, Equatable {
    /// Nanoseconds in which a token comes, rounded up: never more than the limit, and a millionth less at most.
    let interval: UInt64
    /// Tokens that fit.
    let burst: UInt64
    /// Nanoseconds in which an empty bucket fills.
    let span: UInt64

    /// A limit beyond a million requests a second is none.
    static let minInterval: UInt64 = 1000
    /// A bucket that fills more slowly is a mistake; and no sum overflows below.
    static let maxSpan: UInt64 = 365 * 86_400 * 1_000_000_000

    /// Nil when a token comes faster, or a bucket fills more slowly, than the bounds allow.
    init?(requests: UInt64, per: UInt64, burst: UInt64) {
        guard requests > 0, burst > 0, per / requests >= Self.minInterval else { return nil }
        interval = per / requests + (per % requests == 0 ? 0 : 1)
        let (span, overflow) = interval.multipliedReportingOverflow(by: burst)
        guard !overflow, span <= Self.maxSpan else { return nil }
        self.burst = burst
        self.span = span
    }

    struct Take: Equatable {
        var isAllowed: Bool
        /// When the bucket is full again. When nothing was taken, as before.
        var full: UInt64
        /// Tokens left.
        var remaining: UInt64
        /// Nanoseconds until the next request would be allowed; zero when one is left.
        var wait: UInt64
    }

    /// Takes a token at `now` from a bucket that is full again at `full`.
    func take(from full: UInt64, at now: UInt64) -> Take {
        let missing = full > now ? full &- now : 0
        guard missing &+ interval <= span else {
            return Take(isAllowed: false, full: full, remaining: 0, wait: missing &+ interval &- span)
        }
        let left = span &- (missing &+ interval)
        return Take(
            isAllowed: true, full: now &+ missing &+ interval, remaining: left / interval,
            wait: left >= interval ? 0 : interval &- left)
    }
}
