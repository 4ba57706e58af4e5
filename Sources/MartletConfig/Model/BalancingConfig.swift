/// How a cluster's endpoints are chosen, beyond the name of the policy.
package struct BalancingConfig: Sendable, Equatable {
    /// `ring_hash`: points on the ring, shared out by weight. Default 1024 and 8388608, 1 to 8388608.
    package var ringSize = 1024...8_388_608
    /// `maglev`: slots of the table, a prime. Default 65537, 3 to 5000011.
    package var maglevTableSize = 65_537
    /// `peak_ewma`: the time in which what was measured loses weight to 1/e. Default 10s, 100ms to 1h.
    package var latencyDecay = Duration.seconds(10)
    /// Below this share of healthy endpoints all are used, healthy or not. Default 0.5; 0 is never.
    package var panicThreshold = 0.5
    /// Nil: zones are not looked at.
    package var zonePreference: ZonePreferenceConfig?
    /// Nil: an endpoint gets its whole share at once.
    package var slowStart: SlowStartConfig?

    init() {}

    init(_ section: ConfigSection, _ policy: ClusterConfig.LoadBalancing) {
        if let ring = Self.section("ring_hash", for: .ringHash, policy, section) {
            let most = ring.int("max_ring_size", default: ringSize.upperBound, in: 1...8_388_608)
            let least = ring.int("min_ring_size", default: min(ringSize.lowerBound, most), in: 1...8_388_608)
            if least > most {
                ring.error(at: "min_ring_size", "is above max_ring_size", hint: "write \(most) or less")
            }
            ringSize = min(least, most)...most
        }
        if let maglev = Self.section("maglev", for: .maglev, policy, section) {
            maglevTableSize = maglev.int("table_size", default: maglevTableSize, in: 3...5_000_011)
            if !Self.isPrime(maglevTableSize) {
                maglev.error(
                    at: "table_size", "\(maglevTableSize) is not a prime", hint: "such as 251, 4099, 65537, 655373")
            }
        }
        if let ewma = Self.section("peak_ewma", for: .peakEWMA, policy, section) {
            latencyDecay = ewma.duration(
                "decay", default: latencyDecay, in: .milliseconds(100) ... .seconds(3600))
        }
        panicThreshold = section.percent("panic_threshold", default: panicThreshold)
        zonePreference = section.section("zone_preference").map { ZonePreferenceConfig($0) }
        slowStart = section.raw("slow_start").map { SlowStartConfig($0, in: section) }
        guard policy == .ringHash || policy == .maglev else { return }
        for key in ["zone_preference", "slow_start"] where section.has(key) {
            section.error(
                at: key, "has no meaning for \(policy.rawValue), whose choice is the key's alone", hint: "remove it")
        }
    }

    /// The settings of one policy; written for another one they would be ignored.
    private static func section(
        _ key: String, for wanted: ClusterConfig.LoadBalancing, _ policy: ClusterConfig.LoadBalancing,
        _ section: ConfigSection
    ) -> ConfigSection? {
        guard let found = section.section(key) else { return nil }
        if policy != wanted {
            section.error(
                at: key, "is not used", hint: "write load_balancing: \(wanted.rawValue), or remove it")
        }
        return found
    }

    private static func isPrime(_ number: Int) -> Bool {
        guard number > 2, number % 2 == 1 else { return number == 2 }
        var divisor = 3
        while divisor * divisor <= number {
            if number % divisor == 0 { return false }
            divisor += 2
        }
        return true
    }
}

/// Endpoints in the proxy's own zone first, as long as enough of them are healthy.
package struct ZonePreferenceConfig: Sendable, Equatable {
    /// Of the healthy share of the zone's endpoints, what the zone is trusted to carry: at 1.4 it takes all requests until
    /// fewer than 1/1.4 of its endpoints are healthy (Envoy's overprovisioning factor). Default 1.4, 1 to 10.
    package var overprovisioning = 1.4
    /// Fewer healthy endpoints in the zone than this and there is no preference. Default 1, 1 to 100000.
    package var minEndpoints = 1

    init(_ section: ConfigSection) {
        overprovisioning = section.percent("overprovisioning", default: overprovisioning, in: 1...10)
        minEndpoints = section.int("min_endpoints", default: minEndpoints, in: 1...100_000)
    }
}

/// What an endpoint that is new or healthy again gets at first: a share that grows.
package struct SlowStartConfig: Sendable, Equatable {
    /// Until the whole share. 1s to 1h.
    package var window: Duration
    /// The share grows as time to the power of 1/aggression. Default 1: in proportion to time. 0.1 to 10.
    package var aggression = 1.0
    /// Never below this part of the share. Default 0.1, 0.01 to 1.
    package var minWeight = 0.1

    /// Reads `30s` and `{ window: 30s, ... }`.
    init(_ node: ConfigNode, in section: ConfigSection) {
        let bounds = Duration.seconds(1) ... .seconds(3600)
        if case .scalar = node.content {
            window = section.read(node, .duration(in: bounds)) ?? .seconds(30)
            return
        }
        let settings = section.section(of: node)
        window = settings.duration(required: "window", in: bounds)
        aggression = settings.double("aggression", default: aggression, in: 0.1...10)
        minWeight = settings.percent("min_weight", default: minWeight, in: 0.01...1)
    }
}

extension BalancingConfig {
    func members(_ policy: ClusterConfig.LoadBalancing) -> [(String, ConfigJSON?)] {
        var members: [(String, ConfigJSON?)] = [("load_balancing", .string(policy.rawValue))]
        switch policy {
        case .ringHash:
            let sizes: [(String, ConfigJSON?)] = [
                ("min_ring_size", .number(ringSize.lowerBound)), ("max_ring_size", .number(ringSize.upperBound)),
            ]
            members.append(("ring_hash", .object(sizes)))
        case .maglev: members.append(("maglev", .object([("table_size", .number(maglevTableSize))])))
        case .peakEWMA:
            members.append(("peak_ewma", .object([("decay", .string(ConfigText.duration(latencyDecay)))])))
        case .roundRobin, .leastRequest, .random: break
        }
        members.append(("panic_threshold", .string(ConfigText.percent(panicThreshold))))
        if let zonePreference {
            members.append(
                (
                    "zone_preference",
                    .object([
                        ("overprovisioning", .string(ConfigText.percent(zonePreference.overprovisioning))),
                        ("min_endpoints", .number(zonePreference.minEndpoints)),
                    ])
                ))
        }
        if let slowStart {
            members.append(
                (
                    "slow_start",
                    .object([
                        ("window", .string(ConfigText.duration(slowStart.window))),
                        ("aggression", .decimal(slowStart.aggression)),
                        ("min_weight", .string(ConfigText.percent(slowStart.minWeight))),
                    ])
                ))
        }
        return members
    }
}
