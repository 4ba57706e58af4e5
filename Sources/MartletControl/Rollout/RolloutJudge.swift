internal import Foundation
internal import MartletCore
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
    private static let minSlow: UInt64 = 3
    /// Requests on either side before their times are compared, and milliseconds that are no difference.
    private static let minTimed: UInt64 = 100
    private static let noise = 5.0

    /// - Parameter others: who have not got the change; the same proxies before they got it where there are no others.
    package func verdict(_ canary: ReportedTraffic, others: ReportedTraffic) -> Verdict {
        var doubts: [String] = []
        func look(_ what: String, _ now: Sample, _ then: Sample, atLeast least: UInt64, limit: Double) -> Verdict? {
            guard now.failed >= least, now.share - then.share > limit / 100 else { return nil }
            let elsewhere = then.all == 0 ? "" : ", elsewhere \(Self.text(then.share * 100))%"
            let words = "\(what): \(now.failed) of \(now.all), \(Self.text(now.share * 100))%\(elsewhere)"
            if now.isBeyondChance(then) { return .bad(words) }
            doubts.append("\(words), which may be chance")
            return nil
        }
        for (name, before) in policies {
            let (now, then) = (canary.policies[name] ?? PolicyTally(), others.policies[before] ?? PolicyTally())
            let bad =
                look(
                    "policy \"\(name)\" errs", Sample(now.errors, of: now.runs), Sample(then.errors, of: then.runs),
                    atLeast: Self.minPolicyFailures, limit: limits.errors)
                ?? look(
                    "policy \"\(name)\" breaks its budget", Sample(now.budgetBreaches, of: now.runs),
                    Sample(then.budgetBreaches, of: then.runs), atLeast: Self.minPolicyFailures, limit: limits.errors)
            if let bad { return bad }
        }
        let bad =
            look(
                "requests are answered with 5xx", Sample(canary.errors5xx, of: canary.requests),
                Sample(others.errors5xx, of: others.requests), atLeast: Self.minServerErrors, limit: limits.errors)
            ?? slow(canary, others).flatMap { look($0.what, $0.now, $0.then, atLeast: Self.minSlow, limit: 1) }
        if let bad { return bad }
        guard canary.requests >= UInt64(clamping: limits.requests) else {
            return .wait("\(canary.requests) of \(limits.requests) requests seen")
        }
        if let doubt = doubts.first { return .wait(doubt) }
        return limits.requests == 0 ? .good : unused(canary).map { .wait("policy \"\($0)\" has not run yet") } ?? .good
    }

    /// What a policy does that never runs nobody has seen. In a shadow stage one has either name.
    private func unused(_ canary: ReportedTraffic) -> String? {
        let groups = Dictionary(grouping: policies, by: \.before)
        return groups.keys.sorted().first { before in
            groups[before]?.allSatisfy { canary.policies[$0.name]?.runs ?? 0 == 0 } ?? false
        }
    }

    /// Requests that took longer than they may, by the time that the slowest in a hundred of the others took.
    private func slow(
        _ canary: ReportedTraffic, _ others: ReportedTraffic
    ) -> (what: String, now: Sample, then: Sample)? {
        guard canary.requests >= Self.minTimed, others.requests >= Self.minTimed, let then = others.quantile(0.99)
        else { return nil }
        let allowed = max(then * limits.latency, then + Self.noise)
        guard let bound = DurationBuckets.bounds.firstIndex(where: { $0 >= allowed }) else { return nil }
        func slower(_ traffic: ReportedTraffic) -> Sample {
            Sample(traffic.durations.dropFirst(bound + 1).reduce(0, &+), of: traffic.requests)
        }
        return (
            "requests are slow, more than \(Self.text(DurationBuckets.bounds[bound])) ms", slower(canary),
            slower(others)
        )
    }

    /// So many of so many.
    private struct Sample {
        let failed: UInt64
        let all: UInt64

        /// A counter that is read a moment later than another may be ahead of it.
        init(_ failed: UInt64, of all: UInt64) { (self.failed, self.all) = (failed, max(all, failed)) }

        var share: Double { all == 0 ? 0 : Double(failed) / Double(all) }

        /// By the ratio of likelihoods: twice its logarithm is beyond 9 as seldom as three standard deviations are, also where one side
        /// is small and has no failures, which the difference of shares is a poor measure of. Counts are a proxy's word, and may be
        /// any number.
        func isBeyondChance(_ other: Sample) -> Bool {
            guard other.all > 0 else { return true }
            let pooled = (Double(failed) + Double(other.failed)) / (Double(all) + Double(other.all))
            func part(_ seen: Double, of all: Double, _ share: Double) -> Double {
                seen > 0 ? seen * log(seen / (all * share)) : 0
            }
            let deviance = [self, other].reduce(0) { sum, sample in
                let (failed, all) = (Double(sample.failed), Double(sample.all))
                return sum + 2 * (part(failed, of: all, pooled) + part(all - failed, of: all, 1 - pooled))
            }
            return share > other.share && deviance > 9
        }
    }

    private static func text(_ number: Double) -> String {
        let rounded = (number * 10).rounded() / 10
        return rounded == rounded.rounded() && rounded.magnitude < 1e9 ? "\(Int(rounded))" : "\(rounded)"
    }
}
