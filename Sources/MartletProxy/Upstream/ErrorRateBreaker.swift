package import MartletConfig
package import MartletCore
internal import Synchronization

/// A cluster's circuit breaker by error rate, for all workers: closed until too many requests of the last `window` failed; open
/// for `open_for`, when nothing is sent; half-open, when a few requests are, all of which must succeed. It is told the time,
/// so that a test may keep its own.
package final class ErrorRateBreaker: Sendable {
    package enum State: UInt8, Sendable {
        case closed, open, halfOpen

        package var text: String {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        }
    }

    private let threshold: Double
    private let minimum: UInt64
    private let bucketLength: UInt64
    private let openFor: Nanoseconds
    private let probes: Int

    private let present = Atomic<UInt8>(State.closed.rawValue)
    /// Open: until when. Half-open: until when the probes have time; a round that comes to nothing, because nobody waited for
    /// its answers, is followed by another.
    private let until = Atomic<UInt64>(0)
    private let halfOpenSince = Atomic<UInt64>(0)
    private let admitted = Atomic<Int>(0)
    private let successes = Atomic<Int>(0)
    private let openings = Atomic<UInt64>(0)
    /// The window in ten parts. Each is a number of its time, then requests and failures, in one word, so that they change
    /// together: 24 bits, 20 and 20.
    private let buckets: [Bucket]

    private final class Bucket: Sendable {
        let word = Atomic<UInt64>(0)
    }

    package init(_ config: ErrorRateConfig) {
        threshold = config.threshold
        minimum = UInt64(config.minimumRequests)
        bucketLength = max(Nanoseconds(config.window).rawValue / 10, 1)
        openFor = Nanoseconds(config.openFor)
        probes = config.halfOpenRequests
        buckets = (0..<10).map { _ in Bucket() }
    }

    package var state: State { State(rawValue: present.load(ordering: .relaxed)) ?? .closed }
    /// How often it opened.
    package var openCount: UInt64 { openings.load(ordering: .relaxed) }
    package var openUntil: Instant { Instant(nanoseconds: until.load(ordering: .relaxed)) }

    // MARK: Before a request

    /// Whether a request may be sent. `changed`: the state is another one now.
    package func admit(at now: Instant) -> (isAdmitted: Bool, changed: Bool) {
        // The order makes what was stored before the state seen with it.
        guard let state = State(rawValue: present.load(ordering: .acquiring)), state != .closed else {
            return (true, false)
        }
        let end = until.load(ordering: .relaxed)
        var changed = false
        if now.nanoseconds >= end {
            // One of those who come now begins the round.
            let next = (now + openFor).nanoseconds
            if until.compareExchange(expected: end, desired: next, ordering: .relaxed).exchanged {
                admitted.store(0, ordering: .relaxed)
                successes.store(0, ordering: .relaxed)
                halfOpenSince.store(now.nanoseconds, ordering: .relaxed)
                changed =
                    present.compareExchange(
                        expected: State.open.rawValue, desired: State.halfOpen.rawValue, ordering: .releasing
                    ).exchanged
            }
        }
        guard self.state != .open else { return (false, changed) }
        if self.state == .closed { return (true, changed) }
        return (admitted.wrappingAdd(1, ordering: .relaxed).newValue <= probes, changed)
    }

    // MARK: After it

    /// - Parameter started: when the request was sent: what was sent before the circuit was half-open says nothing of now.
    /// - Returns: the state is another one now.
    package func record(isFailure: Bool, started: Instant, at now: Instant) -> Bool {
        switch state {
        case .open: return false
        case .closed:
            count(isFailure, now)
            guard isFailure, isTooMuch(now) else { return false }
            return open(from: .closed, at: now)
        case .halfOpen:
            guard started.nanoseconds >= halfOpenSince.load(ordering: .relaxed) else { return false }
            if isFailure { return open(from: .halfOpen, at: now) }
            guard successes.wrappingAdd(1, ordering: .relaxed).newValue >= probes else { return false }
            // Before the state: what failed before must not open it again.
            for bucket in buckets { bucket.word.store(0, ordering: .relaxed) }
            return present.compareExchange(
                expected: State.halfOpen.rawValue, desired: State.closed.rawValue, ordering: .releasing
            ).exchanged
        }
    }

    private func open(from state: State, at now: Instant) -> Bool {
        until.store((now + openFor).nanoseconds, ordering: .relaxed)
        let changed = present.compareExchange(
            expected: state.rawValue, desired: State.open.rawValue, ordering: .releasing
        ).exchanged
        if changed { openings.wrappingAdd(1, ordering: .relaxed) }
        return changed
    }

    // MARK: The window

    private static let countBits: UInt64 = 20
    private static let countMask: UInt64 = (1 << countBits) - 1

    private func epoch(_ now: Instant) -> UInt64 { now.nanoseconds / bucketLength & 0xFF_FFFF }

    private func count(_ isFailure: Bool, _ now: Instant) {
        let epoch = epoch(now)
        let bucket = buckets[Int(epoch % 10)]
        var old = bucket.word.load(ordering: .relaxed)
        while true {
            var next = old >> (2 * Self.countBits) == epoch ? old : epoch << (2 * Self.countBits)
            // Full, at a million requests a tenth of the window: the ratio is known well enough.
            if (next >> Self.countBits) & Self.countMask == Self.countMask { return }
            next += 1 << Self.countBits
            if isFailure { next += 1 }
            let (done, seen) = bucket.word.compareExchange(expected: old, desired: next, ordering: .relaxed)
            if done { return }
            old = seen
        }
    }

    private func isTooMuch(_ now: Instant) -> Bool {
        let epoch = epoch(now)
        var total: UInt64 = 0
        var failures: UInt64 = 0
        for bucket in buckets {
            let word = bucket.word.load(ordering: .relaxed)
            guard (epoch &- (word >> (2 * Self.countBits))) & 0xFF_FFFF < 10 else { continue }
            total += (word >> Self.countBits) & Self.countMask
            failures += word & Self.countMask
        }
        return total >= minimum && Double(failures) >= threshold * Double(total)
    }
}
