internal import MartletControl
internal import MartletXDS

package struct RolloutRequest: Codable, Sendable {
    package var files: [ApplyRequest.File]
    package var attachments: ApplyRequest.Attachments?
    package var message: String?
    package var expectedRevision: Int64?
    package var stages: [RolloutMessage.Stage]
    package var limits: RolloutMessage.Limits?

    package init(_ request: ApplyRequest, stages: [RolloutMessage.Stage], limits: RolloutMessage.Limits) {
        (files, attachments, message) = (request.files, request.attachments, request.message)
        (expectedRevision, self.stages, self.limits) = (request.expectedRevision, stages, limits)
    }
}

package struct PromoteRequest: Codable, Sendable {
    /// Past the stages that are left.
    package var all: Bool?
    /// Nothing is done unless it is in this one, from 1.
    package var stage: Int?

    package init(all: Bool, stage: Int) { (self.all, self.stage) = (all, stage) }
}

package struct AbortRequest: Codable, Sendable {
    package var message: String?

    package init(message: String?) { self.message = message }
}

package struct RolloutMessage: Codable, Sendable {
    package struct Stage: Codable, Sendable, Equatable {
        /// `shadow` or `canary`.
        package var kind: String
        /// `2`, `25%`, `zone=eu-1,label.tier=edge`.
        package var share: String
        package var seconds: Int?

        package init(kind: String, share: String, seconds: Int?) {
            (self.kind, self.share, self.seconds) = (kind, share, seconds)
        }
    }

    package struct Limits: Codable, Sendable, Equatable {
        package var errors: Double?
        package var latency: Double?
        package var requests: Int?
        package var patienceSeconds: Int?

        package init(errors: Double?, latency: Double?, requests: Int?, patienceSeconds: Int?) {
            (self.errors, self.latency, self.requests) = (errors, latency, requests)
            self.patienceSeconds = patienceSeconds
        }
    }

    package struct Document: Codable, Sendable {
        package var kind: String
        package var name: String
    }

    package struct Policy: Codable, Sendable {
        package var name: String
        package var runs: UInt64
        package var errors: UInt64
        package var budgetBreaches: UInt64
    }

    package struct Traffic: Codable, Sendable {
        package var requests: UInt64
        /// Answered with 5xx.
        package var serverErrors: UInt64
        package var p99Milliseconds: Double?
        package var policies: [Policy]
    }

    package struct Watch: Codable, Sendable {
        package var proxies: [String]
        /// Those that have not got the change yet.
        package var lacking: [String]
        package var canary: Traffic
        package var others: Traffic
        /// `others` are the same proxies before they got it.
        package var othersAreBefore: Bool
        package var finding: String
    }

    package var namespace: String
    package var author: String
    package var message: String
    package var startedAt: String
    package var endedAt: String?
    /// `running`, `promoted`, `rolled_back` or `aborted`.
    package var state: String
    package var reason: String
    package var documents: [Document]
    package var stages: [Stage]
    /// The present one, or the last that there was; from 1.
    package var stage: Int
    package var limits: Limits
    package var watch: Watch?
}

extension RolloutMessage {
    init(_ view: RolloutView) {
        let rollout = view.rollout
        (namespace, author, message) = (rollout.namespace, rollout.author, rollout.message)
        startedAt = APICoding.time(rollout.startedAt)
        endedAt = rollout.endedAt.map { APICoding.time($0) }
        (state, reason, stage) = (rollout.state.rawValue, rollout.reason, rollout.stage + 1)
        documents = rollout.changes.map { Document(kind: $0.kind, name: $0.name) }
        stages = rollout.plan.stages.map {
            Stage(kind: $0.kind.rawValue, share: $0.share.text, seconds: $0.seconds)
        }
        let limits = rollout.plan.limits
        self.limits = Limits(
            errors: limits.errors, latency: limits.latency, requests: limits.requests,
            patienceSeconds: limits.patience)
        watch = view.sight.map { Watch($0, rollout) }
    }
}

extension RolloutMessage.Watch {
    init(_ sight: RolloutSight, _ rollout: Rollout) {
        (proxies, lacking) = (sight.have, sight.lack)
        let names = rollout.judgedPolicies
        canary = RolloutMessage.Traffic(sight.canary, policies: Set(names.map(\.name)))
        others = RolloutMessage.Traffic(sight.others, policies: Set(names.map(\.before)))
        othersAreBefore = sight.isBefore
        finding = sight.finding
    }
}

extension RolloutMessage.Traffic {
    init(_ traffic: ReportedTraffic, policies names: Set<String>) {
        (requests, serverErrors) = (traffic.requests, traffic.errors5xx)
        p99Milliseconds = traffic.quantile(0.99)
        policies = traffic.policies.filter { names.contains($0.key) }.sorted { $0.key < $1.key }.map { name, tally in
            RolloutMessage.Policy(
                name: name, runs: tally.runs, errors: tally.errors, budgetBreaches: tally.budgetBreaches)
        }
    }
}
