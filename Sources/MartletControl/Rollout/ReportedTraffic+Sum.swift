internal import MartletCore
internal import MartletXDS

/// Traffic of several proxies together, each counted from some report of it on.
extension ReportedTraffic {
    package static let none = ReportedTraffic(
        span: .zero, responses: Array(repeating: 0, count: ProxyReport.classes),
        durations: Array(repeating: 0, count: DurationBuckets.count), policies: [:])

    /// What a proxy has counted since an earlier report of it, or since its start where its process is another one. Counts only
    /// grow: one that does not is taken for one that stands.
    init(_ report: ProxyReport, since earlier: ProxyReport?) {
        let earlier = earlier?.instance == report.instance ? earlier : nil
        func less(_ now: [UInt64], _ then: [UInt64]?) -> [UInt64] {
            guard let then else { return now }
            return zip(now, then).map { $0 >= $1 ? $0 - $1 : 0 }
        }
        self.init(
            span: .zero, responses: less(report.responses, earlier?.responses),
            durations: less(report.durations, earlier?.durations), policies: [:])
        for policy in report.policies {
            let now = policy.counts.numbers
            let then = earlier?.policies.first { $0.name == policy.name }?.counts.numbers
            policies[policy.name] = PolicyTally(numbers: less(now, then))
        }
    }

    mutating func add(_ other: ReportedTraffic) {
        func sum(_ one: [UInt64], _ other: [UInt64]) -> [UInt64] { zip(one, other).map { $0 &+ $1 } }
        responses = sum(responses, other.responses)
        durations = sum(durations, other.durations)
        for (name, tally) in other.policies {
            policies[name] = PolicyTally(numbers: sum((policies[name] ?? PolicyTally()).numbers, tally.numbers))
        }
    }

    /// Milliseconds within which that share of all requests had ended, as if those of a bucket were spread evenly over it. Nil:
    /// there were none.
    /// - Parameter share: 0 to 1.
    package func quantile(_ share: Double) -> Double? {
        let total = durations.reduce(0) { $0 + Double($1) }
        guard total > 0 else { return nil }
        var (below, low) = (0.0, 0.0)
        for (bound, bucket) in zip(DurationBuckets.bounds, durations) {
            let count = Double(bucket)
            if count > 0, below + count >= share * total {
                return low + (bound - low) * max(0, share * total - below) / count
            }
            below += count
            low = bound
        }
        // How much longer than the highest bound nobody knows.
        return low
    }
}

extension PolicyTally {
    fileprivate var numbers: [UInt64] { [runs, errors, budgetBreaches, shadowDecisions] }

    fileprivate init(numbers: [UInt64]) {
        self.init()
        (runs, errors, budgetBreaches, shadowDecisions) = (numbers[0], numbers[1], numbers[2], numbers[3])
    }
}
