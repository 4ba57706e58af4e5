internal import MartletCore
internal import MartletFilter
internal import MartletXDS

extension ProxyReport {
    /// The metrics that a report is made of.
    enum Source {
        static let requests = "martlet_requests_total"
        static let durations = "martlet_request_duration_seconds"
        static let runs = "martlet_policy_runs_total"
        static let errors = "martlet_policy_errors_total"
        static let breaches = "martlet_policy_budget_breaches_total"
        static let shadow = "martlet_policy_shadow_decisions_total"
        static let counters = [requests, runs, errors, breaches, shadow]
    }

    private static let classNames = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]

    /// - Parameters:
    ///   - metrics: of all workers, as far as `Source` names them.
    ///   - policyVersions: of policies that a control plane sent, by name.
    init(
        instance: UInt64, states: [ResourceType: State], metrics: MetricsCopy, policyVersions: [String: String]
    ) {
        self.init(instance: instance)
        self.states = states
        durations = metrics.histograms[Metrics.Series(Source.durations, [])]?.buckets ?? durations
        var tallies: [String: PolicyTally] = [:]
        for (series, value) in metrics.counters {
            if series.name == Source.requests {
                guard let name = series.value(of: "response_class"), let number = Self.classNames.firstIndex(of: name)
                else { continue }
                responses[number] &+= value
                continue
            }
            guard let policy = series.value(of: "policy"), policy.utf8.count <= Self.textLimit else { continue }
            switch series.name {
            case Source.runs: tallies[policy, default: PolicyTally()].runs &+= value
            case Source.errors: tallies[policy, default: PolicyTally()].errors &+= value
            case Source.breaches: tallies[policy, default: PolicyTally()].budgetBreaches &+= value
            case Source.shadow: tallies[policy, default: PolicyTally()].shadowDecisions &+= value
            default: break
            }
        }
        policies = tallies.sorted { $0.key < $1.key }.prefix(Self.policyLimit).map { name, tally in
            Policy(name: name, version: policyVersions[name] ?? "", counts: tally)
        }
    }
}
