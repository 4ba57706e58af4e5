/// A rollout as it is shown, with what is seen of it while it runs.
package struct RolloutView: Sendable {
    package let rollout: Rollout
    /// Nil: nobody watches it here, for it is over or has just begun.
    package let sight: RolloutSight?
}
