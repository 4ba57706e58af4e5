#if canImport(Glibc)
internal import Glibc
#endif

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
public struct Instant: Sendable, Comparable, Hashable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Later than every real instant.
    public static let never = Instant(nanoseconds: .max)

    /// Reads the clock. On Linux this is no system call (vDSO).
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates at `never`.
    public static func + (instant: Instant, span: Nanoseconds) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.rawValue)
        return overflow ? .never : Instant(nanoseconds: sum)
    }

    /// How long ago `other` was; zero when it is later.
    public static func - (instant: Instant, other: Instant) -> Nanoseconds {
        Nanoseconds(rawValue: instant.nanoseconds > other.nanoseconds ? instant.nanoseconds - other.nanoseconds : 0)
    }
}

/// A length of time on the request path: 64 bits, where `Duration` has 128. Configuration uses `Duration`.
public struct Nanoseconds: Sendable, Comparable, Hashable, RawRepresentable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Negative durations become zero; those beyond 292 years saturate.
    public init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else {
            rawValue = 0
            return
        }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        rawValue = overflow ? .max / 2 : min(product &+ UInt64(attoseconds / 1_000_000_000), .max / 2)
    }

    public static func < (left: Nanoseconds, right: Nanoseconds) -> Bool { left.rawValue < right.rawValue }
    public static let zero = Nanoseconds(rawValue: 0)
    /// These saturate at 292 years.
    public static func milliseconds(_ count: UInt64) -> Nanoseconds { product(count, 1_000_000) }
    public static func seconds(_ count: UInt64) -> Nanoseconds { product(count, 1_000_000_000) }

    private static func product(_ count: UInt64, _ unit: UInt64) -> Nanoseconds {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return Nanoseconds(rawValue: overflow ? .max / 2 : min(product, .max / 2))
    }
    public var milliseconds: Double { Double(rawValue) / 1_000_000 }
}

/// Wall-clock time, in nanoseconds since 1970, for logs and headers; never for measuring.
public struct WallClock: Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func now() -> WallClock {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallClock(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// Stops at 1970.
    public static func - (time: WallClock, span: Nanoseconds) -> WallClock {
        WallClock(nanoseconds: time.nanoseconds > span.rawValue ? time.nanoseconds - span.rawValue : 0)
    }
}
