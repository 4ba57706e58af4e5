internal import MartletCore
internal import MartletXDS

/// One proxy's reports on one stream: the newest as it came, and what was counted until each of the last ones.
///
/// Counts only grow here: a proxy that has started anew, told by its instance, goes on where it was, and a count that steps
/// back without that adds nothing. They may wrap around; their differences are right all the same.
struct ReportHistory {
    private struct Sample {
        let at: ContinuousClock.Instant
        /// Sorted; samples with the same policies share it.
        let names: [String]
        /// Responses, durations, and four of each policy.
        let counts: [UInt64]
    }

    private struct Grown {
        var told = PolicyTally()
        var total = PolicyTally()
    }

    private(set) var newest: ProxyReport?
    private(set) var reportedAt: ContinuousClock.Instant?
    private var samples: [Sample] = []
    /// In `samples`.
    private var numbers = 0
    private var responses = [UInt64](repeating: 0, count: ProxyReport.classes)
    private var durations = [UInt64](repeating: 0, count: DurationBuckets.count)
    private var policies: [String: Grown] = [:]

    /// When there are more, what is long ago is known more coarsely, and never not at all.
    static let sampleLimit = 64
    /// Numbers in all samples, some 512 KiB; with very many policies there are fewer samples.
    static let countLimit = 65_536

    // MARK: Recording

    /// A report of a shape that was checked when it was read.
    mutating func record(_ report: ProxyReport, at now: ContinuousClock.Instant) {
        let isFirst = newest == nil
        let isNew = newest.map { $0.instance != report.instance } ?? false
        func step(_ old: UInt64, _ new: UInt64) -> UInt64 { isNew ? new : new > old ? new - old : 0 }
        if let newest {
            for (index, (old, new)) in zip(newest.responses, report.responses).enumerated() {
                responses[index] &+= step(old, new)
            }
            for (index, (old, new)) in zip(newest.durations, report.durations).enumerated() {
                durations[index] &+= step(old, new)
            }
        }
        forgetOthers(than: report)
        for policy in report.policies {
            var grown = policies[policy.name] ?? Grown()
            // What was before the first report is not this history's; a policy that comes later begins at nothing.
            if !isFirst { grown.total.add(policy.counts, since: grown.told, step) }
            grown.told = policy.counts
            policies[policy.name] = grown
        }
        newest = report
        reportedAt = now
        append(now)
    }

    /// Policies that are not reported any more, once there would be too many.
    private mutating func forgetOthers(than report: ProxyReport) {
        let new = report.policies.reduce(0) { $0 + (policies[$1.name] == nil ? 1 : 0) }
        guard policies.count + new > ProxyReport.policyLimit else { return }
        let names = Set(report.policies.map(\.name))
        policies = policies.filter { names.contains($0.key) }
    }

    private mutating func append(_ now: ContinuousClock.Instant) {
        var counts = responses + durations
        var names = policies.keys.sorted()
        if let last = samples.last, last.names == names { names = last.names }
        counts.reserveCapacity(counts.count + 4 * names.count)
        for name in names {
            let total = policies[name]?.total ?? PolicyTally()
            counts += [total.runs, total.errors, total.budgetBreaches, total.shadowDecisions]
        }
        samples.append(Sample(at: now, names: names, counts: counts))
        numbers += counts.count
        while samples.count > Self.sampleLimit || (numbers > Self.countLimit && samples.count > 3) { thin(now) }
    }

    /// Takes the sample away that is missed least: the gap that it leaves is the smallest beside its age. So gaps grow in
    /// proportion to age.
    private mutating func thin(_ now: ContinuousClock.Instant) {
        let next = (1..<samples.count - 1).min { left, right in cost(left, now) < cost(right, now) }
        guard let next else { return }
        numbers -= samples.remove(at: next).counts.count
    }

    private func cost(_ index: Int, _ now: ContinuousClock.Instant) -> Double {
        let age = now - samples[index].at
        return age > .zero ? (samples[index + 1].at - samples[index - 1].at) / age : .infinity
    }

    // MARK: Reading

    /// What happened from the last report that is not after `since`, or else from the first one known, until the newest. Nil
    /// without two reports to compare.
    func traffic(since: ContinuousClock.Instant) -> ReportedTraffic? {
        guard let last = samples.last, let first = samples.first else { return nil }
        // The newest are at the end, and are asked for most.
        let base = samples.last { $0.at <= since } ?? first
        guard base.at < last.at else { return nil }
        let fixed = responses.count + durations.count
        var counts = last.counts
        for (index, count) in base.counts.prefix(fixed).enumerated() { counts[index] &-= count }
        var traffic = ReportedTraffic(
            span: last.at - base.at, responses: Array(counts[..<responses.count]),
            durations: Array(counts[responses.count..<fixed]), policies: [:])
        let before = Dictionary(uniqueKeysWithValues: base.names.enumerated().map { ($0.element, $0.offset) })
        for (index, name) in last.names.enumerated() {
            let now = last.counts[(fixed + 4 * index)...].prefix(4)
            let then = before[name].map { Array(base.counts[(fixed + 4 * $0)...].prefix(4)) } ?? [0, 0, 0, 0]
            let steps = zip(now, then).map { $0 &- $1 }
            var tally = PolicyTally()
            (tally.runs, tally.errors, tally.budgetBreaches) = (steps[0], steps[1], steps[2])
            tally.shadowDecisions = steps[3]
            traffic.policies[name] = tally
        }
        return traffic
    }
}

extension PolicyTally {
    fileprivate mutating func add(
        _ new: PolicyTally, since old: PolicyTally, _ step: (UInt64, UInt64) -> UInt64
    ) {
        runs &+= step(old.runs, new.runs)
        errors &+= step(old.errors, new.errors)
        budgetBreaches &+= step(old.budgetBreaches, new.budgetBreaches)
        shadowDecisions &+= step(old.shadowDecisions, new.shadowDecisions)
    }
}
