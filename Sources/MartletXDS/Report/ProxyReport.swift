internal import MartletCore

/// What a proxy tells its control plane while it runs (`martlet.control.v1.ProxyReports`): what it has in force, and how its
/// traffic does. Counts are since the proxy's start.
package struct ProxyReport: Sendable, Equatable {
    /// Of one type of resource.
    package struct State: Sendable, Equatable {
        /// Of the last response whose resources are all in force, on all workers. Empty: there was none.
        package var version = ""
        /// Names of resources that were accepted and still wait for what they mention: the first `namesLimit` of them.
        package var waiting: [String] = []
        package var waitingCount = 0

        package init(version: String = "", waiting: [String] = [], waitingCount: Int? = nil) {
            self.version = version
            self.waiting = Array(waiting.prefix(ProxyReport.namesLimit))
            self.waitingCount = waitingCount ?? waiting.count
        }
    }

    package struct Policy: Sendable, Equatable {
        package var name: String
        /// Of its resource that is in force; empty: unknown.
        package var version = ""
        package var counts = PolicyTally()

        package init(name: String, version: String = "", counts: PolicyTally = PolicyTally()) {
            (self.name, self.version, self.counts) = (name, version, counts)
        }
    }

    /// Another one each time the proxy's process starts.
    package var instance: UInt64
    package var states: [ResourceType: State] = [:]
    /// Finished requests by the class of their response: none, 1xx, 2xx, 3xx, 4xx, 5xx.
    package var responses = [UInt64](repeating: 0, count: Self.classes)
    /// Of requests, by `DurationBuckets`.
    package var durations = [UInt64](repeating: 0, count: DurationBuckets.count)
    /// No name stands twice.
    package var policies: [Policy] = []

    package init(instance: UInt64) { self.instance = instance }

    package static let classes = 6
    package static let policyLimit = 1000
    package static let namesLimit = 100
    /// Bytes of a name or a version.
    package static let textLimit = 512
}

/// What became of a policy's runs.
package struct PolicyTally: Sendable, Equatable, Codable {
    package var runs: UInt64 = 0
    package var errors: UInt64 = 0
    package var budgetBreaches: UInt64 = 0
    /// Runs in shadow mode that would have changed or answered something.
    package var shadowDecisions: UInt64 = 0

    package init() {}
}

/// What a control plane answers to a report.
package struct ReportOrder: Sendable, Equatable {
    /// From one report to the next.
    package var interval: Duration

    /// A proxy keeps to it, whatever it is told.
    package static let bounds = Duration.milliseconds(100)...Duration.seconds(60)
    package static let standard = ReportOrder(interval: .seconds(1))

    package init(interval: Duration) { self.interval = interval }
}
