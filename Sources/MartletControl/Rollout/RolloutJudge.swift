internal import MartletXDS

/// Whether what is seen of a change is good. A pure function of two groups of proxies: those that have it, and the others.
package struct RolloutJudge {
    package enum Verdict: Sendable, Equatable {
        case good
        /// Nothing is wrong, and not enough has been seen.
        case wait(String)
        case bad(String)
    }

    private let limits: RolloutLimits
    /// The policies that the change is about, as its proxies call them, and as the others do.
    private let policies: [(name: String, before: String)]

    package init(limits: RolloutLimits, policies: [(name: String, before: String)]) {
        (self.limits, self.policies) = (limits, policies)
    }

    /// Fewer failures than these say nothing.
    private static let minPolicyFailures: UInt64 = 3
    private static let minServerErrors: UInt64 = 5
    /// Requests on either side before their times are compared, and milliseconds that are no difference.
    private static let minTimed: UInt64 = 100
    private static let noise = 5.0

    /// - Parameter others: who have not got the change; the same proxies before they got it where there are no others.
    package func verdict(_ canary: ReportedTraffic, others: ReportedTraffic) -> Verdict {
        for (name, before) in policies {
            let (now, then) = (canary.policies[name] ?? PolicyTally(), others.policies[before] ?? PolicyTally())
            if let excess = excess(
                now.errors, of: now.runs, then.errors, of: then.runs, atLeast: Self.minPolicyFailures)
            {
                return .bad("policy \"\(name)\" errs: \(excess)")
            }
            if let excess = excess(
                now.budgetBreaches, of: now.runs, then.budgetBreaches, of: then.runs, atLeast: Self.minPolicyFailures)
            {
                return .bad("policy \"\(name)\" breaks its budget: \(excess)")
            }
        }
        if let excess = excess(
            canary.errors5xx, of: canary.requests, others.errors5xx, of: others.requests,
            atLeast: Self.minServerErrors)
        {
            return .bad("requests are answered with 5xx: \(excess)")
        }
        if canary.requests >= Self.minTimed, others.requests >= Self.minTimed,
            let now = canary.quantile(0.99), let then = others.quantile(0.99),
            now > then * limits.latency, now > then + Self.noise
        {
            return .bad(
                "requests are slow: one in a hundred takes more than \(Self.text(now)) ms, elsewhere \(Self.text(then)) ms"
            )
        }
        let seen = canary.requests
        guard seen >= UInt64(limits.requests) else { return .wait("\(seen) of \(limits.requests) requests seen") }
        return .good
    }

    /// What is too much; nil: it is not, or may be chance.
    private func excess(
        _ failed: UInt64, of all: UInt64, _ failedBefore: UInt64, of allBefore: UInt64, atLeast least: UInt64
    ) -> String? {
        // A counter that is read a moment later than another may be ahead of it.
        let all = max(all, failed)
        let allBefore = max(allBefore, failedBefore)
        guard failed >= least else { return nil }
        let share = Double(failed) / Double(all)
        let shareBefore = allBefore == 0 ? 0 : Double(failedBefore) / Double(allBefore)
        guard share - shareBefore > limits.errors / 100 else { return nil }
        // Two samples of the same share differ by more than three deviations once in some hundred times.
        if allBefore > 0 {
            let pooled = Double(failed + failedBefore) / Double(all + allBefore)
            let deviation = (pooled * (1 - pooled) * (1 / Double(all) + 1 / Double(allBefore))).squareRoot()
            guard share - shareBefore > 3 * deviation else { return nil }
        }
        let elsewhere = allBefore == 0 ? "" : ", elsewhere \(Self.text(shareBefore * 100))%"
        return "\(failed) of \(all), \(Self.text(share * 100))%\(elsewhere)"
    }

    private static func text(_ number: Double) -> String {
        let rounded = (number * 10).rounded() / 10
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
}
