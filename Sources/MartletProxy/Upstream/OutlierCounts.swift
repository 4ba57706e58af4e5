internal import MartletCore
internal import Synchronization

/// What outlier detection has counted of one endpoint, for all workers.
struct OutlierCounts: ~Copyable, Sendable {
    let consecutive5xx = Atomic<UInt32>(0)
    let consecutiveGateway = Atomic<UInt32>(0)
    let consecutiveLocal = Atomic<UInt32>(0)

    // Since the last look at rates.
    let total = Atomic<UInt32>(0)
    let successes = Atomic<UInt32>(0)
    let localTotal = Atomic<UInt32>(0)
    let localSuccesses = Atomic<UInt32>(0)

    /// When the ejection ends.
    let ejectedUntil: Atomic<UInt64>
    /// How many times the base time the last ejection was; goes down by one each interval that the endpoint is well.
    let multiplier: Atomic<UInt32>
    /// Ever.
    let ejections: Atomic<UInt64>
    /// `EjectionCause` of the last.
    let cause: Atomic<UInt8>
    /// Successes that end the probation.
    let probesLeft: Atomic<Int32>

    init() {
        ejectedUntil = Atomic(0)
        multiplier = Atomic(0)
        ejections = Atomic(0)
        cause = Atomic(0)
        probesLeft = Atomic(0)
    }

    /// Counts of the running interval begin anew.
    init(copying other: borrowing OutlierCounts) {
        ejectedUntil = Atomic(other.ejectedUntil.load(ordering: .relaxed))
        multiplier = Atomic(other.multiplier.load(ordering: .relaxed))
        ejections = Atomic(other.ejections.load(ordering: .relaxed))
        cause = Atomic(other.cause.load(ordering: .relaxed))
        probesLeft = Atomic(other.probesLeft.load(ordering: .relaxed))
    }
}

/// Why an endpoint was ejected, as logs and the admin API say it.
package enum EjectionCause: UInt8, CaseIterable, Sendable {
    case consecutive5xx = 1
    case consecutiveGatewayFailure
    case consecutiveLocalOriginFailure
    case successRate
    case localOriginSuccessRate
    case failurePercentage
    case localOriginFailurePercentage
    /// It failed on probation.
    case probation

    package var text: String {
        switch self {
        case .consecutive5xx: "consecutive_5xx"
        case .consecutiveGatewayFailure: "consecutive_gateway_failure"
        case .consecutiveLocalOriginFailure: "consecutive_local_origin_failure"
        case .successRate: "success_rate"
        case .localOriginSuccessRate: "local_origin_success_rate"
        case .failurePercentage: "failure_percentage"
        case .localOriginFailurePercentage: "local_origin_failure_percentage"
        case .probation: "half_open_failure"
        }
    }
}
