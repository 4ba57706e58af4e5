internal import MartletXDS

/// Which version of each type is in force: a response is accepted at once, while what came in it may wait for more.
struct VersionsInForce {
    private var accepted: [ResourceType: String] = [:]
    private(set) var states: [ResourceType: ProxyReport.State] = [:]

    mutating func accept(_ version: String, _ type: ResourceType) { accepted[type] = version }

    /// What is in force has changed.
    /// - Parameter waiting: names of resources that are not in force, or not in their last version.
    mutating func update(waiting: [ResourceType: [String]]) {
        for type in ResourceType.allCases {
            let names = waiting[type] ?? []
            guard let accepted = accepted[type] ?? (names.isEmpty ? nil : "") else {
                // Nothing of it was ever accepted; what was kept from the last run may have waited.
                states[type] = nil
                continue
            }
            let version = names.isEmpty ? accepted : states[type]?.version ?? ""
            states[type] = ProxyReport.State(version: version, waiting: names)
        }
    }
}
