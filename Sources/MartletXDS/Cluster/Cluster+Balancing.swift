internal import MartletXDSMessages
internal import SwiftProtobuf

// How endpoints are chosen: `load_balancing`, its settings, `panic_threshold` and `slow_start`.

extension ClusterMessage {
    private static let policies: [(String, LbPolicy)] = [
        ("round_robin", .roundRobin), ("least_request", .leastRequest), ("random", .random), ("ring_hash", .ringHash),
        ("maglev", .maglev),
    ]

    mutating func writeBalancing(_ cluster: DocumentSection) {
        let policy = cluster.text("load_balancing") ?? "round_robin"
        // What comes nearest to `peak_ewma`, for others.
        lbPolicy = Self.policies.first { $0.0 == policy }?.1 ?? .leastRequest
        if let ring = cluster.section("ring_hash") {
            if let size = ring.int("min_ring_size") { ringHashLbConfig.minimumRingSize = .init(UInt64(size)) }
            if let size = ring.int("max_ring_size") { ringHashLbConfig.maximumRingSize = .init(UInt64(size)) }
        }
        if let size = cluster.section("maglev")?.int("table_size") { maglevLbConfig.tableSize = .init(UInt64(size)) }
        if let threshold = cluster.percent("panic_threshold") {
            commonLbConfig.healthyPanicThreshold = .init(fraction: threshold)
        }
        guard let start = SlowStartConfig(cluster["slow_start"]) else { return }
        switch lbPolicy {
        case .roundRobin: roundRobinLbConfig.slowStartConfig = start
        case .leastRequest: leastRequestLbConfig.slowStartConfig = start
        default: break
        }
    }

    func readBalancing(_ cluster: inout DocumentSection, _ reading: ResourceReading) {
        if let policy = Self.policies.first(where: { $0.1 == lbPolicy })?.0 {
            if lbPolicy != .roundRobin { cluster["load_balancing"] = .text(policy) }
        } else {
            reading.unsupported("lb_policy", "\(lbPolicy)")
        }
        switch lbConfig {
        case .ringHashLbConfig(let ring):
            if ring.hashFunction != .xxHash { reading.warning("ring_hash_lb_config: keys are hashed by Martlet's own") }
            var sizes = DocumentSection()
            if ring.hasMinimumRingSize { sizes["min_ring_size"] = .int(ring.minimumRingSize.value) }
            if ring.hasMaximumRingSize { sizes["max_ring_size"] = .int(ring.maximumRingSize.value) }
            cluster.put("ring_hash", sizes)
        case .maglevLbConfig(let maglev):
            if maglev.hasTableSize { cluster["maglev"] = .object(("table_size", .int(maglev.tableSize.value))) }
        case .roundRobinLbConfig(let config):
            if config.hasSlowStartConfig { cluster["slow_start"] = config.slowStartConfig.document }
        case .leastRequestLbConfig(let config):
            if config.hasSlowStartConfig { cluster["slow_start"] = config.slowStartConfig.document }
        case nil: break
        }
        if commonLbConfig.hasHealthyPanicThreshold {
            cluster["panic_threshold"] = commonLbConfig.healthyPanicThreshold.document
        }
    }
}

extension ClusterMessage.SlowStartConfig {
    /// `30s`, or a mapping. Envoy wants a key for everything that may be changed while it runs.
    fileprivate init?(_ document: Document?) {
        guard let document else { return nil }
        let settings = document.section ?? DocumentSection([("window", document)])
        guard let window = settings.duration("window") else { return nil }
        self.init()
        slowStartWindow = .init(window)
        if let aggression = settings.double("aggression") {
            self.aggression.defaultValue = aggression
            self.aggression.runtimeKey = "martlet.slow_start.aggression"
        }
        if let weight = settings.percent("min_weight") { minWeightPercent = .init(fraction: weight) }
    }

    fileprivate var document: Document {
        let window = slowStartWindow.document
        guard hasAggression || hasMinWeightPercent else { return window }
        let factor = aggression.defaultValue
        let text = factor == factor.rounded() && abs(factor) < 1e9 ? "\(Int(factor))" : "\(factor)"
        return .object(
            ("window", window), ("aggression", hasAggression ? .word(text) : nil),
            ("min_weight", hasMinWeightPercent ? minWeightPercent.document : nil))
    }
}
