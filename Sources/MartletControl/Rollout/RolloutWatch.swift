package import MartletXDS

/// Watches one stage of one rollout: what its proxies do from when they have the change on, and what the others do meanwhile.
/// It keeps no time of its own and asks nobody, so that tests say what is seen, and when.
package struct RolloutWatch: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// Go on watching, and why.
        case wait(String)
        /// It was good for as long as it had to be.
        case moveOn
        case rollBack(String)

        var description: String {
            switch self {
            case .wait(let reason): reason
            case .moveOn: "good"
            case .rollBack(let reason): reason
            }
        }
    }

    private struct Baseline {
        /// Nil: its process has started since, and all that it has counted counts.
        var report: ProxyReport?
        var instance: UInt64
        var restarts = 0
    }

    package let rollout: Rollout
    package private(set) var sight = RolloutSight()
    private let begun: ContinuousClock.Instant
    private var canaries: [String: Baseline] = [:]
    private var others: [String: Baseline] = [:]
    private var oldRefusals: [String: String] = [:]
    /// When the last of its proxies got the change.
    private var complete: ContinuousClock.Instant?
    /// Since when some of its proxies have been missed.
    private var lacking: ContinuousClock.Instant?

    /// A change that makes its proxies start again so often is not good. Once is whoever looks after them.
    private static let restartLimit = 2

    private static let fewOthers: UInt64 = 100
    /// A proxy that goes to another replica, or starts anew, is away for some seconds, however long the stage has lasted.
    private static let absence = Duration.seconds(30)

    /// - Parameter age: of its stage: another replica may have watched it before.
    package init(_ rollout: Rollout, age: Duration = .zero, now: ContinuousClock.Instant) {
        (self.rollout, begun) = (rollout, now - max(.zero, age))
    }

    /// - Parameter proxies: all that are connected.
    /// - Parameter missing: why these may not be all. Nil: they are.
    /// - Parameter report: the newest of one; nil: nothing.
    package mutating func look(
        at proxies: [ProxyStatus], missing: String? = nil, now: ContinuousClock.Instant,
        report: (ProxyStatus) -> ProxyReport?
    ) -> Outcome {
        let outcome = outcome(proxies, missing, now, report)
        sight.finding = outcome.description
        return outcome
    }

    private mutating func outcome(
        _ proxies: [ProxyStatus], _ missing: String?, _ now: ContinuousClock.Instant,
        _ report: (ProxyStatus) -> ProxyReport?
    ) -> Outcome {
        // A connection that is half gone may stand beside the one that took its place, at another replica with another clock.
        func age(_ proxy: ProxyStatus) -> Duration { proxy.report?.age ?? .seconds(1 << 32) }
        var newest: [String: ProxyStatus] = [:]
        for proxy in proxies where rollout.isOpen(to: proxy.proxy) {
            if let known = newest[proxy.id], (age(known), -known.connectedAt) <= (age(proxy), -proxy.connectedAt) {
                continue
            }
            newest[proxy.id] = proxy
        }
        let own = newest.values.sorted { $0.id < $1.id }
        let chosen = RolloutMembers(rollout)
        let (members, rest) = (own.filter { chosen.covers($0.proxy) }, own.filter { !chosen.covers($0.proxy) })
        if let refusal = refusal(members) { return .rollBack(refusal) }
        (sight.have, sight.lack) = ([], [])
        for member in members {
            let has = (member.appliedRevision ?? 0) >= rollout.revision && report(member) != nil
            if has || canaries[member.id] != nil { canaries[member.id] = noted(canaries[member.id], report(member)) }
            has ? sight.have.append(member.id) : sight.lack.append(member.id)
        }
        let connected = Set(members.map(\.id))
        // One that had it and has gone is missed, too.
        let absent = Set(rollout.members).union(canaries.keys).subtracting(connected).sorted()
        sight.lack += absent
        for other in rest { others[other.id] = noted(others[other.id], report(other)) }
        add(members, rest, report)
        if let (id, _) = canaries.sorted(by: { $0.key < $1.key }).first(where: {
            $0.value.restarts >= Self.restartLimit
        }) {
            return .rollBack("\(id) has started anew \(Self.restartLimit) times since it got the change")
        }
        let judge = RolloutJudge(limits: rollout.plan.limits, policies: rollout.judgedPolicies)
        let verdict = judge.verdict(sight.canary, others: sight.others)
        if case .bad(let reason) = verdict { return .rollBack(reason) }
        if !sight.lack.isEmpty || sight.have.isEmpty {
            complete = nil
            lacking = lacking ?? now
            if let missing, !absent.isEmpty || members.isEmpty {
                return late(now) ?? .wait("\(missing), and some of these proxies may be with it")
            }
            let count = sight.have.count + sight.lack.count
            return late(now) ?? .wait("\(sight.have.count) of \(count) proxies have it and report")
        }
        // Which ones there are with it nobody knows.
        if let missing, case .selected = rollout.presentStage.share {
            lacking = lacking ?? now
            return late(now, missing)
                ?? .wait("\(missing), and some of these proxies may be with it")
        }
        lacking = nil
        let since = complete ?? now
        complete = since
        let left = Duration.seconds(rollout.presentStage.seconds) - (now - since)
        guard left <= .zero else { return .wait("good so far, for another \(max(1, left.components.seconds)) s") }
        if case .wait(let reason) = verdict { return late(now, reason) ?? .wait(reason) }
        return .moveOn
    }

    private func late(_ now: ContinuousClock.Instant, _ reason: String = "") -> Outcome? {
        let patience = rollout.plan.limits.patience
        guard now - begun > .seconds(patience + rollout.presentStage.seconds) else { return nil }
        if let lacking, now - lacking < Self.absence { return nil }
        let missing = sight.lack.prefix(5).joined(separator: ", ")
        let words = missing.isEmpty ? reason : "\(missing) had not got it, or do not report"
        return .rollBack("\(words), in \(patience) s more than its time")
    }

    /// A proxy that refuses what the rollout has brought. What it refused before is nobody's fault here.
    private mutating func refusal(_ members: [ProxyStatus]) -> String? {
        for member in members where member.state == .refused {
            let reason = member.feeds.compactMap { $0.refusal?.message }.joined(separator: "; ")
            if member.sentRevision < rollout.revision {
                oldRefusals[member.id] = reason
            } else if oldRefusals[member.id] != reason {
                return "\(member.id) refuses it: \(reason)"
            }
        }
        return nil
    }

    private func noted(_ known: Baseline?, _ report: ProxyReport?) -> Baseline? {
        guard let report else { return known }
        var baseline = known ?? Baseline(report: report, instance: report.instance)
        if baseline.instance != report.instance {
            // What it counted before is lost; it counts from 0 now.
            baseline.restarts += 1
            baseline.report = nil
            baseline.instance = report.instance
        }
        return baseline
    }

    private mutating func add(
        _ members: [ProxyStatus], _ rest: [ProxyStatus], _ report: (ProxyStatus) -> ProxyReport?
    ) {
        func sum(_ proxies: [ProxyStatus], _ baselines: [String: Baseline]) -> ReportedTraffic {
            var sum = ReportedTraffic.none
            for proxy in proxies {
                guard let baseline = baselines[proxy.id], let newest = report(proxy) else { continue }
                sum.add(ReportedTraffic(newest, since: baseline.report))
            }
            return sum
        }
        sight.canary = sum(members, canaries)
        sight.others = sum(rest, others)
        // Few say less than what was before.
        let before = rollout.before ?? ReportedTraffic.none
        sight.isBefore = sight.others.requests < Self.fewOthers && before.requests > sight.others.requests
        if sight.isBefore { sight.others = before }
    }
}
