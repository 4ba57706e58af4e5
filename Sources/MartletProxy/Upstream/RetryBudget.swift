package import MartletCore

/// Bounds the load that retries add to a cluster that fails, on one worker: of the last ten seconds' requests, retries that
/// failed may be no more than a share. A retry that succeeds has cost the cluster nothing it was not asked for, so one bad
/// endpoint among good ones does not use the budget up (decision 0012).
package struct RetryBudget {
    private struct Second {
        var requests = 0
        var failed = 0
        var succeeded = 0
    }

    /// One more than counted over: the present second is not over yet.
    private static let span: UInt64 = 10
    /// Failed retries that are always allowed: a share of few requests is none (Envoy's `min_retry_concurrency`).
    package static let minimum = 3
    /// Retries under way that have the benefit of the doubt, whatever the rate says: it is known only when some have ended.
    package static let burst = 50

    private var seconds = [Second](repeating: Second(), count: Int(span))
    private var total = Second()
    private var second: UInt64 = 0
    package private(set) var underWay = 0

    package init() {}

    package mutating func requestStarted(_ now: Instant) {
        turn(to: now)
        seconds[Int(second % Self.span)].requests += 1
        total.requests += 1
    }

    /// A retry may start; it is under way then.
    package mutating func takeRetry(share: Double, _ now: Instant) -> Bool {
        turn(to: now)
        let finished = total.failed + total.succeeded
        // Those under way will most likely end as those before did; but how those ended may be about to change.
        let alike = finished == 0 ? 0 : Double(underWay) * Double(total.failed) / Double(finished)
        let expected = max(alike, Double(underWay - Self.burst))
        guard Double(total.failed + 1) + expected <= max(Double(Self.minimum), share * Double(total.requests)) else {
            return false
        }
        underWay += 1
        return true
    }

    package mutating func retryEnded(failed: Bool, _ now: Instant) {
        turn(to: now)
        underWay -= 1
        if failed {
            seconds[Int(second % Self.span)].failed += 1
            total.failed += 1
        } else {
            seconds[Int(second % Self.span)].succeeded += 1
            total.succeeded += 1
        }
    }

    /// A request beside one that is under way: it adds to the load however it ends, and is paid for at once.
    package mutating func takeHedge(share: Double, _ now: Instant) -> Bool {
        guard takeRetry(share: share, now) else { return false }
        retryEnded(failed: true, now)
        return true
    }

    /// Given up by the client: it tells nothing of the cluster.
    package mutating func retryCancelled() { underWay -= 1 }

    private mutating func turn(to now: Instant) {
        let present = now.nanoseconds / 1_000_000_000
        guard present > second else { return }
        for passed in 1...min(present - second, Self.span) {
            let index = Int((second + passed) % Self.span)
            total.requests -= seconds[index].requests
            total.failed -= seconds[index].failed
            total.succeeded -= seconds[index].succeeded
            seconds[index] = Second()
        }
        second = present
    }
}
