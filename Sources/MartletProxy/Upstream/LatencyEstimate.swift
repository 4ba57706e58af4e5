internal import MartletCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// What a request to an endpoint is likely to take: a moving average that jumps up to every peak and forgets with time, as
/// Finagle's and Linkerd's. One an endpoint, for all workers. Two that write at once may lose one of the two samples,
/// which the next ones make good.
struct LatencyEstimate: ~Copyable, Sendable {
    /// Bits of a Double: nanoseconds; 0 when nothing was measured yet.
    private let average: Atomic<UInt64>
    private let updated: Atomic<UInt64>

    init() {
        average = Atomic(0)
        updated = Atomic(0)
    }

    init(copying other: borrowing LatencyEstimate) {
        average = Atomic(other.average.load(ordering: .relaxed))
        updated = Atomic(other.updated.load(ordering: .relaxed))
    }

    /// Nanoseconds, not faded; nil when nothing was measured yet.
    var measured: Double? {
        let value = Double(bitPattern: average.load(ordering: .relaxed))
        return value > 0 ? value : nil
    }

    /// A failure never makes an endpoint look faster, however soon it comes: each doubles what is expected, from 10ms to 10s.
    func record(_ latency: Nanoseconds, isFailure: Bool, at now: Instant, decay: Double) {
        var sample = max(Double(latency.rawValue), 1)
        let old = Double(bitPattern: average.load(ordering: .relaxed))
        if isFailure { sample = max(sample, min(max(old * 2, 1e7), 1e10)) }
        if old > sample {
            let weight = fading(at: now, decay)
            sample = old * weight + sample * (1 - weight)
        }
        average.store(sample.bitPattern, ordering: .relaxed)
        updated.store(now.nanoseconds, ordering: .relaxed)
    }

    /// What one more request would cost: the time it would take were those under way served one after the other. It fades while
    /// nothing is measured, so that an endpoint that was slow is tried again. One that has never answered costs nothing until
    /// a request is under way to it, and then more than any that has.
    func cost(active: Int, at now: Instant, decay: Double) -> Double {
        let value = Double(bitPattern: average.load(ordering: .relaxed))
        guard value > 0 else { return active == 0 ? 0 : Self.unknown * Double(active + 1) }
        return value * fading(at: now, decay) * Double(active + 1)
    }

    private func fading(at now: Instant, _ decay: Double) -> Double {
        let elapsed = now - Instant(nanoseconds: updated.load(ordering: .relaxed))
        return FloatingMath.exponential(-Double(elapsed.rawValue) / decay)
    }

    /// Nanoseconds: an hour.
    private static let unknown = 3.6e12
}

/// The two functions that need the C library.
enum FloatingMath {
    static func exponential(_ value: Double) -> Double { exp(value) }
    static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}
