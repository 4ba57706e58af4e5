package import MartletConfig
package import MartletCore
package import MartletNet
internal import Synchronization

/// One address of a cluster, shared by all workers: its load, and what is known of its health. Everything that changes is an
/// atomic of its own, read and written in relaxed order: a worker that learns of a change a moment later picks as if it
/// had happened a moment later.
package final class Endpoint: Sendable {
    package let address: SocketAddress
    /// `address:port`, as logs show it.
    package let name: String
    /// Other ways to name it, made here as requests may ask for it by one: without its port, and without the brackets of an IPv6
    /// address.
    private let bareName: String
    private let host: String
    /// At least 1.
    package let weight: UInt32
    package let zone: String?
    /// Requests at once while on probation.
    private let probationLimit: Int
    /// Requests under way, over all workers: what least_request compares.
    private let active = Atomic<Int>(0)
    /// Those of them that began on probation.
    private let probing = Atomic<Int>(0)
    private let status: Atomic<UInt32>
    /// When it began to take traffic anew, for slow start; 0 when it is warm.
    private let since: Atomic<UInt64>
    let latency: LatencyEstimate
    let outliers: OutlierCounts

    /// Bits of `status`.
    private enum Bit {
        static let unchecked: UInt32 = 1
        static let failedCheck: UInt32 = 2
        static let ejected: UInt32 = 4
        static let probation: UInt32 = 8
        /// It joined a cluster that was there already: once healthy it starts slowly.
        static let joined: UInt32 = 16

        static let unhealthy = unchecked | failedCheck | ejected
    }

    /// - Parameters:
    ///   - config: of its cluster; decides whether it counts as healthy before it was checked.
    ///   - joining: when it joined a cluster that was serving already; nil for a cluster's first endpoints.
    package init(
        address: SocketAddress, weight: UInt32, zone: String?, _ config: ClusterConfig, joining: Instant? = nil
    ) {
        self.address = address
        name = address.description
        host = address.host
        bareName = Self.withoutPort(name, address)
        self.weight = max(weight, 1)
        self.zone = zone
        probationLimit = config.outlierDetection?.halfOpenRequests ?? .max
        let isUnchecked = config.healthCheck != nil
        status = Atomic((isUnchecked ? Bit.unchecked : 0) | (joining != nil ? Bit.joined : 0))
        since = Atomic(isUnchecked ? 0 : joining?.nanoseconds ?? 0)
        latency = LatencyEstimate()
        outliers = OutlierCounts()
    }

    /// The same server under a changed configuration: what is known of its health goes on to be true, as far as the new
    /// configuration still asks for it.
    package init(of other: Endpoint, weight: UInt32, zone: String?, _ config: ClusterConfig) {
        address = other.address
        name = other.name
        host = other.host
        bareName = other.bareName
        self.weight = max(weight, 1)
        self.zone = zone
        probationLimit = config.outlierDetection?.halfOpenRequests ?? .max
        var bits = other.status.load(ordering: .relaxed)
        if config.healthCheck == nil { bits &= ~(Bit.unchecked | Bit.failedCheck) }
        if config.outlierDetection == nil { bits &= ~(Bit.ejected | Bit.probation) }
        status = Atomic(bits)
        since = Atomic(other.since.load(ordering: .relaxed))
        latency = LatencyEstimate(copying: other.latency)
        outliers = OutlierCounts(copying: other.outliers)
    }

    /// A unix path may have colons and has no port.
    private static func withoutPort(_ name: String, _ address: SocketAddress) -> String {
        guard address.family != .unix, let colon = name.utf8.lastIndex(of: 0x3A) else { return name }
        return String(name[..<colon])
    }

    /// `text` is this endpoint's address, with its port or without.
    package func isAt(_ text: String) -> Bool { name == text || bareName == text || host == text }

    // MARK: Load

    package var activeRequests: Int { active.load(ordering: .relaxed) }

    /// True on probation; to be told at the end.
    package func requestStarted() -> Bool {
        active.wrappingAdd(1, ordering: .relaxed)
        guard isOnProbation else { return false }
        probing.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    package func requestEnded(wasProbe: Bool) {
        active.wrappingSubtract(1, ordering: .relaxed)
        if wasProbe { probing.wrappingSubtract(1, ordering: .relaxed) }
    }

    // MARK: Health

    /// May be picked now. On probation only so many requests are let to it at once, those from before not counted; workers that
    /// pick in the same moment may exceed that by one each.
    package var isAvailable: Bool {
        let bits = status.load(ordering: .relaxed)
        if bits & (Bit.unhealthy | Bit.probation) == 0 { return true }
        return bits & Bit.unhealthy == 0 && probing.load(ordering: .relaxed) < probationLimit
    }

    /// Neither failed by its checks, nor yet to be checked, nor ejected.
    package var isHealthy: Bool { status.load(ordering: .relaxed) & Bit.unhealthy == 0 }
    package var isUnchecked: Bool { status.load(ordering: .relaxed) & Bit.unchecked != 0 }
    package var hasFailedCheck: Bool { status.load(ordering: .relaxed) & Bit.failedCheck != 0 }
    package var isEjected: Bool { status.load(ordering: .relaxed) & Bit.ejected != 0 }
    package var isOnProbation: Bool { status.load(ordering: .relaxed) & Bit.probation != 0 }

    /// What the health checks say now. Called from one thread.
    package func checked(isHealthy: Bool, at now: Instant) {
        if isHealthy {
            let old = status.bitwiseAnd(~(Bit.unchecked | Bit.failedCheck | Bit.joined), ordering: .relaxed).oldValue
            if old & (Bit.failedCheck | Bit.joined) != 0 { warmUp(from: now) }
        } else {
            status.bitwiseOr(Bit.failedCheck, ordering: .relaxed)
            status.bitwiseAnd(~Bit.unchecked, ordering: .relaxed)
        }
    }

    /// False when it was ejected already.
    func eject() -> Bool {
        let old = status.bitwiseOr(Bit.ejected, ordering: .relaxed).oldValue
        guard old & Bit.ejected == 0 else { return false }
        status.bitwiseAnd(~Bit.probation, ordering: .relaxed)
        return true
    }

    /// The ejection is over: on probation. False when it was not ejected.
    func release(at now: Instant) -> Bool {
        status.bitwiseOr(Bit.probation, ordering: .relaxed)
        let old = status.bitwiseAnd(~Bit.ejected, ordering: .relaxed).oldValue
        guard old & Bit.ejected != 0 else { return false }
        warmUp(from: now)
        return true
    }

    /// True for the one call that ends the probation.
    func endProbation() -> Bool {
        status.bitwiseAnd(~Bit.probation, ordering: .relaxed).oldValue & Bit.probation != 0
    }

    /// Meaningful while it is ejected.
    package var ejectedUntil: Instant { Instant(nanoseconds: outliers.ejectedUntil.load(ordering: .relaxed)) }
    /// How often it was ejected.
    package var ejections: UInt64 { outliers.ejections.load(ordering: .relaxed) }
    /// Why it was ejected last.
    var ejectionCause: String { EjectionCause(rawValue: outliers.cause.load(ordering: .relaxed))?.text ?? "" }

    // MARK: Slow start

    private func warmUp(from now: Instant) { since.store(now.nanoseconds, ordering: .relaxed) }

    /// The part of its weight that it has, 0 to 1.
    package func warmth(_ slowStart: SlowStart?, at now: Instant) -> Double {
        guard let slowStart else { return 1 }
        let since = self.since.load(ordering: .relaxed)
        guard since != 0 else { return 1 }
        return slowStart.part(after: now - Instant(nanoseconds: since))
    }
}

/// `slow_start`, ready for use.
package struct SlowStart: Sendable {
    private let window: Double
    private let exponent: Double
    private let least: Double

    package init(_ config: SlowStartConfig) {
        window = Double(Nanoseconds(config.window).rawValue)
        exponent = 1 / config.aggression
        least = config.minWeight
    }

    func part(after elapsed: Nanoseconds) -> Double {
        let time = Double(elapsed.rawValue) / window
        if time >= 1 { return 1 }
        return max(least, exponent == 1 ? time : FloatingMath.power(time, exponent))
    }
}
