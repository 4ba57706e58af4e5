package import MartletConfig
package import MartletCore

/// What an endpoint's checks have come to so far. No clock and no socket: the results come in, the standing and the time to
/// the next check go out.
package struct CheckState: Equatable {
    package enum Standing: Sendable {
        case unchecked, healthy, unhealthy
    }

    package private(set) var standing: Standing
    /// Results in a row that speak against the standing.
    private var row = 0

    package init(_ standing: Standing = .unchecked) { self.standing = standing }

    /// True when the standing changed. The first result decides alone, either way.
    package mutating func record(isSuccess: Bool, _ config: HealthCheckConfig) -> Bool {
        switch standing {
        case .unchecked:
            standing = isSuccess ? .healthy : .unhealthy
            return true
        case .healthy:
            return count(isAgainst: !isSuccess, upTo: config.unhealthyThreshold, then: .unhealthy)
        case .unhealthy:
            return count(isAgainst: isSuccess, upTo: config.healthyThreshold, then: .healthy)
        }
    }

    private mutating func count(isAgainst: Bool, upTo threshold: Int, then next: Standing) -> Bool {
        row = isAgainst ? row + 1 : 0
        guard row >= threshold else { return false }
        row = 0
        standing = next
        return true
    }

    /// From the end of a check to the start of the next.
    package func wait(_ config: HealthCheckConfig, hasTraffic: Bool, _ random: inout WorkerRandom) -> Nanoseconds {
        // One that seems to be failing is looked at as often as a used one, used or not.
        let interval =
            standing == .unhealthy
            ? config.unhealthyInterval : hasTraffic || row > 0 ? config.interval : config.noTrafficInterval
        let base = Double(Nanoseconds(interval).rawValue)
        return Nanoseconds(rawValue: UInt64(base + base * config.jitter * random.fraction()))
    }
}
