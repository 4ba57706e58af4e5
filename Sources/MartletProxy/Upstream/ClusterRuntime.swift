package import MartletConfig
internal import MartletCore
internal import MartletNet
internal import Synchronization

/// A cluster as all workers share it: its configuration, its endpoints and what is known of them, and what is counted across
/// workers. It outlives a reload that leaves its configuration unchanged, and with it its connection pools.
package final class ClusterRuntime: Sendable {
    package let config: ClusterConfig
    package var name: String { config.name }
    /// Everything of the configuration that matters to connections; where it was written does not.
    let fingerprint: String
    /// Nil: clear text.
    let tls: ClusterTLS?
    /// Where the proxy runs, if the cluster prefers endpoints there.
    let localZone: String?
    /// Counts against `circuit_breaker`. Read and written by every worker; relaxed order is enough for limits.
    package let limits: ClusterAllowances
    package let outliers: OutlierDetector?
    package let breaker: ErrorRateBreaker?
    /// Nanoseconds in which a latency fades; nil where latencies are not kept.
    private let latencyDecay: Double?
    /// Whether outcomes of attempts are of any interest.
    let keepsOutcomes: Bool
    // The present endpoints: set at load, by the resolver for a DNS cluster, and when their health changes. Workers use the set
    // they were last told of; this one is for new workers' snapshots and the admin API.
    private let current: Locked<EndpointSet>
    private let traffic = Atomic<Bool>(false)

    /// - Parameter present: the cluster of this name before a reload, whose requests under way still count, and whose circuit
    ///   stays open if it is, unless what they are counted against has changed.
    package init(
        config: ClusterConfig, endpoints: [Endpoint], localZone: String? = nil, tls: ClusterTLS? = nil,
        files: UInt64 = 0, present: ClusterRuntime? = nil
    ) {
        self.config = config
        self.tls = tls
        self.localZone = config.balancing.zonePreference == nil ? nil : localZone
        fingerprint = Self.fingerprint(config, localZone: localZone, files: files)
        let counted = present?.config.circuitBreaker == config.circuitBreaker ? present : nil
        limits = counted?.limits ?? ClusterAllowances(config.circuitBreaker)
        outliers = config.outlierDetection.map { OutlierDetector($0) }
        outliers?.use(endpoints)
        breaker = counted?.breaker ?? config.circuitBreaker.errorRate.map { ErrorRateBreaker($0) }
        latencyDecay =
            config.loadBalancing == .peakEWMA
            ? Double(Nanoseconds(config.balancing.latencyDecay).rawValue) : nil
        keepsOutcomes = outliers != nil || breaker != nil || latencyDecay != nil
        current = Locked(EndpointSet(endpoints, config, localZone: self.localZone))
    }

    /// - Parameter files: a digest of those that the configuration names.
    static func fingerprint(_ config: ClusterConfig, localZone: String?, files: UInt64) -> String {
        let zone = config.balancing.zonePreference == nil ? nil : localZone
        return """
            \(config.name) \(config.source) \(config.loadBalancing) \(config.connectTimeout) \
            \(String(describing: config.idleTimeout)) \(config.limits) \(config.circuitBreaker) \(config.balancing) \
            \(String(describing: config.healthCheck)) \(String(describing: config.outlierDetection)) \
            \(config.protocol) \(String(describing: config.tls)) \(String(describing: config.proxyProtocol)) \(config.http2) \
            \(String(describing: zone)) \(files)
            """
    }

    package var currentSet: EndpointSet { current.withLock { $0 } }
    package var currentEndpoints: [Endpoint] { currentSet.endpoints }

    /// Takes what a name stands for now; endpoints that stay keep their object, and so their counts and their health. True when
    /// the list differs from the old one. Slow for a large ring, which is built here: not for a thread that others wait for.
    func update(resolved addresses: [SocketAddress], at now: Instant = .now()) -> Bool {
        replaceSet { present in
            var known: [String: Endpoint] = [:]
            for endpoint in present.endpoints { known[endpoint.name] = endpoint }
            // The first answer makes the cluster; who comes later joins it.
            let joining = present.endpoints.isEmpty ? nil : now
            let next = addresses.map {
                known[$0.description] ?? Endpoint(address: $0, weight: 1, zone: nil, config, joining: joining)
            }
            guard !next.elementsEqual(present.endpoints, by: { $0 === $1 }) else { return nil }
            return next
        }
    }

    /// Makes a new set of the same endpoints: their health has changed.
    func refresh() { _ = replaceSet { $0.endpoints } }

    /// The set is made outside the lock, which workers take too; when another one was put in place meanwhile, once more.
    private func replaceSet(_ endpoints: (EndpointSet) -> [Endpoint]?) -> Bool {
        while true {
            let present = currentSet
            guard let next = endpoints(present) else { return false }
            let made = EndpointSet(next, config, localZone: localZone, present: present)
            let isDone = current.withLock { set in
                guard set === present else { return false }
                set = made
                return true
            }
            guard isDone else { continue }
            outliers?.use(next)
            return true
        }
    }

    // MARK: Outcomes

    /// How an attempt ended. True when that changed the standing of the endpoint or of the cluster.
    func record(
        _ outcome: AttemptOutcome, of endpoint: Endpoint, latency: Nanoseconds, at now: Instant,
        _ random: inout WorkerRandom
    ) -> Bool {
        if let latencyDecay {
            endpoint.latency.record(latency, isFailure: outcome.isFailure, at: now, decay: latencyDecay)
        }
        var changed = false
        if let outliers { changed = outliers.record(outcome, of: endpoint, at: now, &random) }
        if let breaker {
            let started = Instant(nanoseconds: (now - Instant(nanoseconds: latency.rawValue)).rawValue)
            if breaker.record(isFailure: outcome.isFailure, started: started, at: now) { changed = true }
        }
        return changed
    }

    /// The cluster has had a request.
    var hasTraffic: Bool { traffic.load(ordering: .relaxed) }
    func sawTraffic() { if !hasTraffic { traffic.store(true, ordering: .relaxed) } }
}

/// Envoy's circuit-breaker thresholds, counted over all workers: going beyond one is refused at once instead of queued.
package final class ClusterAllowances: Sendable {
    package enum Kind: Int, CaseIterable, Sendable {
        case connections, pending, requests, retries
    }

    package let connections: Allowance
    package let pending: Allowance
    package let requests: Allowance
    package let retries: Allowance

    init(_ config: CircuitBreakerConfig) {
        connections = Allowance(config.maxConnections)
        pending = Allowance(config.maxPendingRequests)
        requests = Allowance(config.maxRequests)
        retries = Allowance(config.maxRetries)
    }
}

/// A count with a ceiling that any worker may take from.
package final class Allowance: Sendable {
    package let limit: Int
    private let used = Atomic<Int>(0)

    init(_ limit: Int) { self.limit = limit }

    package var inUse: Int { used.load(ordering: .relaxed) }

    /// False when the ceiling is reached. Never overshoots: the slot is taken first and given back if it was one too many.
    func take() -> Bool {
        if used.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
        used.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    /// Takes one although the ceiling may be reached.
    func force() { used.wrappingAdd(1, ordering: .relaxed) }
    func giveBack() { used.wrappingSubtract(1, ordering: .relaxed) }
}
