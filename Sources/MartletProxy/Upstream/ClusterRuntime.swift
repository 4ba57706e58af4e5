package import MartletConfig
internal import MartletCore
package import MartletNet
internal import Synchronization

/// A cluster as all workers share it: its configuration and what is counted across workers. It outlives a reload that
/// leaves its configuration unchanged, and with it its connection pools.
package final class ClusterRuntime: Sendable {
    package let config: ClusterConfig
    package var name: String { config.name }
    /// Everything of the configuration that matters to connections; where it was written does not.
    let fingerprint: String
    /// Counts against `circuit_breaker`. Read and written by every worker; relaxed order is enough for limits.
    package let limits: ClusterAllowances
    // The present endpoints: set at load, and by the resolver for a DNS cluster. Workers keep their own copy, sent to
    // them by message; this one is for new workers' snapshots and the admin API.
    private let endpoints: Locked<[Endpoint]>

    package init(config: ClusterConfig, endpoints: [Endpoint]) {
        self.config = config
        fingerprint = Self.fingerprint(config)
        limits = ClusterAllowances(config.circuitBreaker)
        self.endpoints = Locked(endpoints)
    }

    static func fingerprint(_ config: ClusterConfig) -> String {
        """
        \(config.name) \(config.source) \(config.loadBalancing) \(config.connectTimeout) \(String(describing: config.idleTimeout)) \
        \(config.limits) \(config.circuitBreaker)
        """
    }

    package var currentEndpoints: [Endpoint] { endpoints.withLock { $0 } }

    /// Takes what a name stands for now; endpoints that stay keep their object, and so their counts. Returns the new list
    /// when it differs from the old one.
    package func update(resolved addresses: [SocketAddress]) -> [Endpoint]? {
        endpoints.withLock { present in
            var known: [String: Endpoint] = [:]
            for endpoint in present { known[endpoint.name] = endpoint }
            let next = addresses.map { known[$0.description] ?? Endpoint(address: $0, weight: 1, zone: nil) }
            guard next.map(ObjectIdentifier.init) != present.map(ObjectIdentifier.init) else { return nil }
            present = next
            return next
        }
    }
}

/// One address of a cluster, shared by all workers.
package final class Endpoint: Sendable {
    package let address: SocketAddress
    /// `address:port`, as logs show it.
    package let name: String
    /// At least 1.
    package let weight: UInt32
    package let zone: String?
    /// Requests under way, over all workers: what least_request compares.
    private let active = Atomic<Int>(0)

    package init(address: SocketAddress, weight: UInt32, zone: String?) {
        self.address = address
        name = address.description
        self.weight = max(weight, 1)
        self.zone = zone
    }

    /// `text` is this endpoint's address, with its port or without.
    func isAt(_ text: String) -> Bool { name == text || name.hasPrefix(text + ":") || address.host == text }

    package var activeRequests: Int { active.load(ordering: .relaxed) }
    func requestStarted() { active.add(1, ordering: .relaxed) }
    func requestEnded() { active.subtract(1, ordering: .relaxed) }
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
        if used.add(1, ordering: .relaxed).newValue <= limit { return true }
        used.subtract(1, ordering: .relaxed)
        return false
    }

    /// Takes one although the ceiling may be reached.
    func force() { used.add(1, ordering: .relaxed) }
    func giveBack() { used.subtract(1, ordering: .relaxed) }
}
