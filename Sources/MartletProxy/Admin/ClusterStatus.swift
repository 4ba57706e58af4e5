internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What the admin API and the metrics say of a cluster's health.
struct ClusterStatus {
    private let runtime: ClusterRuntime
    private let monitor: HealthMonitor?
    private let set: EndpointSet
    private let now: Instant
    private let slowStart: SlowStart?

    init(_ runtime: ClusterRuntime, _ monitor: HealthMonitor?, now: Instant) {
        self.runtime = runtime
        self.monitor = monitor
        self.now = now
        set = runtime.currentSet
        slowStart = runtime.config.balancing.slowStart.map { SlowStart($0) }
    }

    // MARK: JSON

    var members: [(String, String)] {
        [
            ("endpoints_healthy", "\(set.healthyCount)"), ("panic", "\(set.isPanicking)"),
            ("zone", runtime.localZone.map(JSONText.string) ?? "null"),
            ("local_zone_percent", runtime.localZone == nil ? "null" : "\(Int((set.localShare * 100).rounded()))"),
            ("circuit_breaker", breaker), ("endpoints", JSONText.array(set.endpoints.map(json))),
        ]
    }

    private var breaker: String {
        guard let breaker = runtime.breaker else { return "null" }
        let state = breaker.state
        return JSONText.object([
            ("state", JSONText.string(state.text)), ("opened", "\(breaker.openCount)"),
            ("open_for_ms", state == .open ? milliseconds(until: breaker.openUntil) : "null"),
        ])
    }

    private func json(_ endpoint: Endpoint) -> String {
        let standing = EndpointStanding(endpoint)
        let weight = Double(endpoint.weight) * endpoint.warmth(slowStart, at: now)
        return JSONText.object([
            ("address", JSONText.string(endpoint.name)), ("weight", "\(endpoint.weight)"),
            ("effective_weight", Self.decimal(weight)), ("zone", endpoint.zone.map(JSONText.string) ?? "null"),
            ("health", JSONText.string(standing.rawValue)),
            ("reason", reason(of: endpoint, standing).map(JSONText.string) ?? "null"),
            ("ejected", "\(endpoint.isEjected)"),
            ("ejected_for_ms", endpoint.isEjected ? milliseconds(until: endpoint.ejectedUntil) : "null"),
            ("ejections", "\(endpoint.ejections)"), ("requests_active", "\(endpoint.activeRequests)"),
            ("latency_ms", endpoint.latency.measured.map { Self.decimal($0 / 1_000_000) } ?? "null"),
        ])
    }

    private func reason(of endpoint: Endpoint, _ standing: EndpointStanding) -> String? {
        switch standing {
        case .ejected, .probation: endpoint.ejectionCause
        case .unhealthy, .healthy, .unchecked: monitor?.failure(of: endpoint, in: runtime)
        }
    }

    private func milliseconds(until end: Instant) -> String { "\(Int((end - now).milliseconds.rounded(.up)))" }

    /// To a thousandth.
    private static func decimal(_ number: Double) -> String { "\((number * 1000).rounded() / 1000)" }

    // MARK: Metrics

    func add(to copy: inout MetricsCopy) {
        let labels = [("cluster", runtime.name)]
        func gauge(_ name: String, _ labels: [(String, String)], _ value: Int) {
            copy.gauges[Metrics.Series(name, labels)] = Int64(value)
        }
        gauge("martlet_cluster_endpoints", labels, set.endpoints.count)
        gauge("martlet_cluster_endpoints_healthy", labels, set.healthyCount)
        gauge("martlet_cluster_panic", labels, set.isPanicking ? 1 : 0)
        if let breaker = runtime.breaker {
            gauge("martlet_circuit_breaker_state", labels, Int(breaker.state.rawValue))
            copy.counters[Metrics.Series("martlet_circuit_breaker_opened_total", labels)] = breaker.openCount
        }
        if let checks = monitor?.checks(runtime), runtime.config.healthCheck != nil {
            copy.counters[Metrics.Series("martlet_health_checks_total", labels + [("result", "success")])] =
                checks.succeeded
            copy.counters[Metrics.Series("martlet_health_checks_total", labels + [("result", "failure")])] =
                checks.failed
        }
        for endpoint in set.endpoints {
            let labels = labels + [("endpoint", endpoint.name)]
            gauge("martlet_endpoint_healthy", labels, endpoint.isHealthy ? 1 : 0)
            guard runtime.outliers != nil else { continue }
            gauge("martlet_endpoint_ejected", labels, endpoint.isEjected ? 1 : 0)
            copy.counters[Metrics.Series("martlet_endpoint_ejections_total", labels)] = endpoint.ejections
        }
    }
}
