/// What was seen last of the present stage of a rollout.
package struct RolloutSight: Sendable {
    /// Proxies that have got the change, and those that have not.
    package var have: [String] = []
    package var lack: [String] = []
    /// Since each of its proxies got the change.
    package var canary = ReportedTraffic.none
    /// Since the stage began.
    package var others = ReportedTraffic.none
    /// `others` are the same proxies before they got the change, for there are no others that do anything.
    package var isBefore = false
    /// What comes of it, in words.
    package var finding = "not looked at yet"

    package init() {}
}
