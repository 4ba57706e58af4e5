/// The stages of a rollout, and what is too much.
package struct RolloutPlan: Sendable, Codable, Equatable {
    /// One at least; after the last all proxies get the change.
    package var stages: [RolloutStage]
    package var limits: RolloutLimits

    package static let stageLimit = 20

    package init(stages: [RolloutStage], limits: RolloutLimits = RolloutLimits()) {
        (self.stages, self.limits) = (stages, limits)
    }

    /// What of it is out of bounds; nil: nothing.
    var mistake: String? {
        guard !stages.isEmpty, stages.count <= Self.stageLimit else {
            return "a rollout has 1 to \(Self.stageLimit) stages, not \(stages.count)"
        }
        for stage in stages where !RolloutStage.secondsBounds.contains(stage.seconds) {
            return "a stage lasts \(RolloutStage.secondsBounds.lowerBound) s to a week, not \(stage.seconds) s"
        }
        return limits.mistake
    }
}

package struct RolloutStage: Sendable, Codable, Equatable {
    package enum Kind: String, Sendable, Codable {
        /// Policies run beside what is in force and only tell what they would have done.
        case shadow
        /// The change is in force.
        case canary
    }

    package var kind: Kind
    package var share: RolloutShare
    /// Seconds that all of its proxies must have had the change. Default 300, 1 to 604,800 (a week).
    package var seconds: Int

    package static let secondsBounds = 1...604_800

    package init(_ kind: Kind, _ share: RolloutShare, seconds: Int = 300) {
        (self.kind, self.share, self.seconds) = (kind, share, seconds)
    }
}

/// What a rollout is taken back for.
package struct RolloutLimits: Sendable, Codable, Equatable {
    /// Failed ones in a hundred, more than on the other proxies: runs of a policy that err or break their budget, and
    /// requests answered with 5xx. Default 1, 0 to 100.
    package var errors = 1.0
    /// The slowest one in a hundred may take this many times what it takes on the others. Default 2, 1 to 100.
    package var latency = 2.0
    /// Requests that proxies of a stage must have had before it counts as good. Default 100, 0 to a billion.
    package var requests = 100
    /// Seconds from a stage's beginning in which it must have come to its end, its own time not counted. Default 1,800, 10 to 604,800.
    package var patience = 1800

    package static let errorsBounds = 0.0...100.0
    package static let latencyBounds = 1.0...100.0
    package static let requestsBounds = 0...1_000_000_000
    package static let patienceBounds = 10...604_800

    package init() {}

    fileprivate var mistake: String? {
        if !Self.errorsBounds.contains(errors) { return "errors is a percentage from 0 to 100, not \(errors)" }
        if !Self.latencyBounds.contains(latency) { return "latency is a factor from 1 to 100, not \(latency)" }
        if !Self.requestsBounds.contains(requests) {
            return "requests is a number from 0 to a billion, not \(requests)"
        }
        return Self.patienceBounds.contains(patience) ? nil : "patience is 10 s to a week, not \(patience) s"
    }
}
