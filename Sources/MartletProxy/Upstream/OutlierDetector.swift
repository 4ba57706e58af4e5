package import MartletConfig
package import MartletCore
internal import Synchronization

/// Ejects endpoints that answer worse than they should, and lets them back on probation. Workers report outcomes; `sweep` runs
/// in one place. All of it is told the time, so that a test may keep its own.
///
/// closed (healthy) -> ejected, for `base_ejection_time` times the number of ejections -> probation (half-open: few requests at
/// once) -> healthy after as many successes, or ejected again at the first failure, for twice as long.
package final class OutlierDetector: Sendable {
    private let config: OutlierConfig
    private let base: UInt64
    private let longest: UInt64
    private let jitter: UInt64
    package let interval: Nanoseconds
    /// Endpoints of the cluster, and those ejected of them.
    private let hosts = Atomic<Int>(0)
    private let ejected = Atomic<Int>(0)

    package init(_ config: OutlierConfig) {
        self.config = config
        base = Nanoseconds(config.baseEjectionTime).rawValue
        longest = Nanoseconds(config.maxEjectionTime).rawValue
        jitter = Nanoseconds(config.maxEjectionTimeJitter).rawValue
        interval = Nanoseconds(config.interval)
    }

    package var ejectedCount: Int { ejected.load(ordering: .relaxed) }

    /// The cluster's endpoints are these now.
    package func use(_ endpoints: [Endpoint]) {
        hosts.store(endpoints.count, ordering: .relaxed)
        ejected.store(endpoints.count { $0.isEjected }, ordering: .relaxed)
    }

    // MARK: Outcomes

    /// True when the endpoint's standing changed.
    package func record(
        _ outcome: AttemptOutcome, of endpoint: Endpoint, at now: Instant, _ random: inout WorkerRandom
    ) -> Bool {
        if config.splitsLocalOrigin {
            endpoint.outliers.localTotal.wrappingAdd(1, ordering: .relaxed)
            if outcome.isLocalOrigin {
                let row = endpoint.outliers.consecutiveLocal.wrappingAdd(1, ordering: .relaxed).newValue
                if endpoint.isOnProbation { return eject(endpoint, .probation, at: now, &random) }
                return check(row, config.consecutiveLocalOriginFailure)
                    && enforce(
                        endpoint, .consecutiveLocalOriginFailure, config.enforcing.consecutiveLocalOriginFailure,
                        at: now, &random)
            }
            endpoint.outliers.localSuccesses.wrappingAdd(1, ordering: .relaxed)
            Self.clear(endpoint.outliers.consecutiveLocal)
        }
        endpoint.outliers.total.wrappingAdd(1, ordering: .relaxed)
        guard outcome.isFailure else {
            endpoint.outliers.successes.wrappingAdd(1, ordering: .relaxed)
            Self.clear(endpoint.outliers.consecutive5xx)
            Self.clear(endpoint.outliers.consecutiveGateway)
            return endpoint.isOnProbation && passedProbe(endpoint)
        }
        let row = endpoint.outliers.consecutive5xx.wrappingAdd(1, ordering: .relaxed).newValue
        if endpoint.isOnProbation { return eject(endpoint, .probation, at: now, &random) }
        if outcome.isGatewayFailure {
            let row = endpoint.outliers.consecutiveGateway.wrappingAdd(1, ordering: .relaxed).newValue
            if check(row, config.consecutiveGatewayFailure),
                enforce(
                    endpoint, .consecutiveGatewayFailure, config.enforcing.consecutiveGatewayFailure, at: now, &random)
            {
                return true
            }
        } else {
            Self.clear(endpoint.outliers.consecutiveGateway)
        }
        return check(row, config.consecutive5xx)
            && enforce(endpoint, .consecutive5xx, config.enforcing.consecutive5xx, at: now, &random)
    }

    /// Mostly it is 0 already, and reading disturbs no other worker.
    private static func clear(_ count: borrowing Atomic<UInt32>) {
        if count.load(ordering: .relaxed) != 0 { count.store(0, ordering: .relaxed) }
    }

    /// Every so many in a row: an ejection that was not enforced, or not allowed, is tried again that much later.
    private func check(_ row: UInt32, _ threshold: Int) -> Bool {
        threshold > 0 && row % UInt32(threshold) == 0
    }

    private func passedProbe(_ endpoint: Endpoint) -> Bool {
        guard endpoint.outliers.probesLeft.wrappingSubtract(1, ordering: .relaxed).newValue <= 0 else { return false }
        return endpoint.endProbation()
    }

    // MARK: Ejection

    private func enforce(
        _ endpoint: Endpoint, _ cause: EjectionCause, _ likelihood: Double, at now: Instant,
        _ random: inout WorkerRandom
    ) -> Bool {
        guard likelihood >= 1 || random.fraction() < likelihood else { return false }
        return eject(endpoint, cause, at: now, &random)
    }

    private func eject(
        _ endpoint: Endpoint, _ cause: EjectionCause, at now: Instant, _ random: inout WorkerRandom
    ) -> Bool {
        guard !endpoint.isEjected, takePlace() else { return false }
        let old = endpoint.outliers.multiplier.load(ordering: .relaxed)
        let next = cause == .probation ? max(old, 1) &* 2 : old &+ 1
        let (product, overflow) = base.multipliedReportingOverflow(by: UInt64(next))
        let time = min(overflow ? .max : product, max(longest, base))
        let extra = jitter > 0 ? random.next() % (jitter + 1) : 0
        // Before the endpoint is marked: who sees the mark must not find an old time.
        endpoint.outliers.ejectedUntil.store(
            (now + Nanoseconds(rawValue: time &+ extra)).nanoseconds, ordering: .relaxed)
        endpoint.outliers.cause.store(cause.rawValue, ordering: .relaxed)
        guard endpoint.eject() else {
            // Another worker was faster.
            ejected.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        // No larger than what the longest time needs, so that it comes down in time.
        endpoint.outliers.multiplier.store(min(next, UInt32(clamping: longest / base + 1)), ordering: .relaxed)
        endpoint.outliers.ejections.wrappingAdd(1, ordering: .relaxed)
        Self.clear(endpoint.outliers.consecutive5xx)
        Self.clear(endpoint.outliers.consecutiveGateway)
        Self.clear(endpoint.outliers.consecutiveLocal)
        return true
    }

    /// Whether one more may be ejected. A cluster of one has nothing to fall back on.
    private func takePlace() -> Bool {
        let all = hosts.load(ordering: .relaxed)
        guard all > 1 else { return false }
        var present = ejected.load(ordering: .relaxed)
        while true {
            let isWithin = Double(present + 1) <= config.maxEjectionPercent * Double(all) + 1e-9
            guard isWithin || (present == 0 && config.alwaysEjectsOne) else { return false }
            let (done, seen) = ejected.compareExchange(
                expected: present, desired: present + 1, ordering: .relaxed)
            if done { return true }
            present = seen
        }
    }

    /// Lets an endpoint back, on probation. True when it was ejected.
    package func release(_ endpoint: Endpoint, at now: Instant) -> Bool {
        endpoint.outliers.probesLeft.store(Int32(config.halfOpenRequests), ordering: .relaxed)
        guard endpoint.release(at: now) else { return false }
        ejected.wrappingSubtract(1, ordering: .relaxed)
        return true
    }

    /// A health check of the endpoint succeeded.
    package func checkSucceeded(_ endpoint: Endpoint, at now: Instant) -> Bool {
        config.checkUnejects && endpoint.isEjected && release(endpoint, at: now)
    }

    // MARK: Sweep

    /// Lets those back whose time is over. True when there were any.
    package func releaseDue(_ endpoints: [Endpoint], at now: Instant) -> Bool {
        var changed = false
        for endpoint in endpoints where endpoint.isEjected {
            guard endpoint.ejectedUntil <= now else { continue }
            if release(endpoint, at: now) { changed = true }
        }
        return changed
    }

    /// When the next ejection ends; nil when nothing is ejected.
    package func nextRelease(_ endpoints: [Endpoint]) -> Instant? {
        endpoints.filter(\.isEjected).map(\.ejectedUntil).min()
    }

    /// The end of an interval: judges rates, and begins to count anew. True when an endpoint was ejected.
    package func sweep(_ endpoints: [Endpoint], at now: Instant, _ random: inout WorkerRandom) -> Bool {
        var changed = false
        let external = endpoints.map { Tally(endpoint: $0, $0.outliers.total, $0.outliers.successes) }
        let local = endpoints.map { Tally(endpoint: $0, $0.outliers.localTotal, $0.outliers.localSuccesses) }
        for endpoint in endpoints where !endpoint.isEjected && !endpoint.isOnProbation {
            let multiplier = endpoint.outliers.multiplier.load(ordering: .relaxed)
            if multiplier > 0 { endpoint.outliers.multiplier.store(multiplier - 1, ordering: .relaxed) }
        }
        let enforcing = config.enforcing
        for endpoint in lowRates(external) {
            changed = enforce(endpoint, .successRate, enforcing.successRate, at: now, &random) || changed
        }
        for endpoint in highFailures(external) {
            changed = enforce(endpoint, .failurePercentage, enforcing.failurePercentage, at: now, &random) || changed
        }
        guard config.splitsLocalOrigin else { return changed }
        for endpoint in lowRates(local) {
            changed =
                enforce(endpoint, .localOriginSuccessRate, enforcing.localOriginSuccessRate, at: now, &random)
                || changed
        }
        for endpoint in highFailures(local) {
            changed =
                enforce(
                    endpoint, .localOriginFailurePercentage, enforcing.failurePercentageLocalOrigin, at: now, &random)
                || changed
        }
        return changed
    }

    /// An interval's counts, taken from their endpoint.
    private struct Tally {
        let endpoint: Endpoint
        let total: Int
        let rate: Double

        init(endpoint: Endpoint, _ total: borrowing Atomic<UInt32>, _ successes: borrowing Atomic<UInt32>) {
            self.endpoint = endpoint
            let good = successes.exchange(0, ordering: .relaxed)
            self.total = Int(total.exchange(0, ordering: .relaxed))
            rate = self.total > 0 ? min(1, Double(good) / Double(self.total)) : 1
        }
    }

    /// Endpoints whose success rate is further below the mean than `stdev_factor` thousandths of the deviation.
    private func lowRates(_ tallies: [Tally]) -> [Endpoint] {
        let judged = tallies.filter { $0.total >= config.successRate.requestVolume }
        guard judged.count >= config.successRate.minimumHosts else { return [] }
        let count = Double(judged.count)
        let mean = judged.reduce(0) { $0 + $1.rate } / count
        let variance = judged.reduce(0) { $0 + ($1.rate - mean) * ($1.rate - mean) } / count
        let least = mean - Double(config.successRate.stdevFactor) / 1000 * variance.squareRoot()
        return judged.filter { $0.rate < least }.map(\.endpoint)
    }

    private func highFailures(_ tallies: [Tally]) -> [Endpoint] {
        let judged = tallies.filter { $0.total >= config.failurePercentage.requestVolume }
        guard judged.count >= config.failurePercentage.minimumHosts else { return [] }
        return judged.filter { 1 - $0.rate >= config.failurePercentage.threshold }.map(\.endpoint)
    }
}
