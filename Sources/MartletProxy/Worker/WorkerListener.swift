internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A listener of one snapshot on one worker: its own filters, and the counters of its exchanges.
final class WorkerListener {
    let name: String
    let chain: Chain
    let forwarding: Forwarding
    let clusters: ClusterTable
    /// For connections that carry no requests; nil where there may be none.
    let tcp: TCPService?
    private let accessLoggers: [AccessLogger]
    /// Traced requests are remembered beside the durations they took.
    private let hasExemplars: Bool

    let codecLimits: HTTP1Limits
    let opening: OpeningPlan
    let openings: OpeningCounts
    let http2Settings: HTTP2Settings
    let http2Limits: HTTP2Limits
    let http2Faults: HTTP2Counts
    let maxConnections: Int
    let headTimeout: Nanoseconds
    let idleTimeout: Nanoseconds
    let streamIdleTimeout: Nanoseconds
    let streamBuffer: Int
    /// A later snapshot is in force; exchanges that began here end here.
    var isReplaced = false

    let protocolErrors: Counter
    let rejectedConnections: Counter
    private let activeRequests: Gauge
    private let metrics: Metrics
    /// A cluster's number plus one, then the class of status; 0 is for exchanges that went to no cluster.
    private var outcomes: [[Outcome?]]

    private final class Outcome {
        let requests: Counter
        let duration: Histogram
        init(requests: Counter, duration: Histogram) {
            self.requests = requests
            self.duration = duration
        }
    }

    init(_ compiled: CompiledListener, clusters: ClusterTable, worker: Worker) {
        name = compiled.config.name
        forwarding = compiled.forwarding
        self.clusters = clusters
        let limits = compiled.config.limits
        codecLimits = HTTP1Limits(head: limits.requestHeaders.bytes, fields: limits.headerCount)
        http2Settings = HTTP2Settings(limits)
        http2Limits = HTTP2Limits(limits)
        maxConnections = limits.maxConnections
        headTimeout = limits.requestHeadersTimeout.map { Nanoseconds($0) } ?? .zero
        idleTimeout = limits.idleTimeout.map { Nanoseconds($0) } ?? .zero
        streamIdleTimeout = limits.streamIdleTimeout.map { Nanoseconds($0) } ?? .zero
        streamBuffer = limits.streamBuffer.bytes
        metrics = worker.metrics
        let labels = [("listener", name)]
        http2Faults = HTTP2Counts("martlet_http2", labels, metrics)
        opening = OpeningPlan(compiled.config, compiled.tls)
        openings = OpeningCounts(labels, metrics)
        protocolErrors = metrics.counter("martlet_downstream_protocol_errors_total", labels)
        rejectedConnections = metrics.counter("martlet_downstream_connections_rejected_total", labels)
        activeRequests = metrics.gauge("martlet_requests_active", labels)
        outcomes = [[Outcome?]](repeating: [Outcome?](repeating: nil, count: 6), count: clusters.count + 1)
        let slots = SlotCounter()
        let filters = compiled.filters.enumerated().map { position, filter in
            filter.make(
                FilterContext(position: position, listener: compiled.config.name, services: worker, slots: slots))
        }
        chain = Chain(
            filters: filters, routes: compiled.routes, bodyLimit: limits.filterBuffer,
            localReplies: compiled.localReplies)
        let loggers = compiled.accessLogs.map { AccessLogger($0, worker: worker) }
        accessLoggers = loggers
        tcp = compiled.tcp.map {
            TCPService(
                $0, of: compiled.config, clusters: clusters, accessLoggers: loggers, metrics: worker.metrics)
        }
        hasExemplars = compiled.hasExemplars
    }

    func requestStarted() { activeRequests.add(1) }

    /// Counts and logs a finished exchange.
    func requestEnded(_ exchange: Exchange) {
        activeRequests.add(-1)
        let duration = Instant.now() - exchange.started
        let status = exchange.response.status
        let outcome = outcome(cluster: exchange.plan?.cluster, status: exchange.hasSentHead ? status : 0)
        outcome.requests.add()
        outcome.duration.record(nanoseconds: duration.rawValue)
        if hasExemplars, let trace = exchange.trace, trace.isSampled {
            outcome.duration.exemplify(
                Exemplar(
                    traceHigh: trace.traceHigh, traceLow: trace.traceLow, nanoseconds: duration.rawValue, at: .now()))
        }
        for logger in accessLoggers { logger.record(exchange, duration: duration) }
    }

    private func outcome(cluster: Int?, status: UInt16) -> Outcome {
        let row = cluster.map { $0 + 1 } ?? 0
        let column = min(Int(status / 100), 5)
        if let known = outcomes[row][column] { return known }
        let labels = [
            ("listener", name), ("cluster", cluster.map { clusters[$0].name } ?? ""),
            ("response_class", column == 0 ? "none" : "\(column)xx"),
        ]
        let outcome = Outcome(
            requests: metrics.counter("martlet_requests_total", labels),
            duration: metrics.histogram("martlet_request_duration_seconds", labels))
        outcomes[row][column] = outcome
        return outcome
    }
}

/// The clusters of a snapshot on one worker, numbered as routes refer to them.
final class ClusterTable {
    private let clusters: [WorkerCluster]
    private let numbers: [String: Int]

    init(_ clusters: [WorkerCluster]) {
        self.clusters = clusters
        numbers = Dictionary(
            clusters.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    var count: Int { clusters.count }
    var all: [WorkerCluster] { clusters }
    subscript(number: Int) -> WorkerCluster { clusters[number] }
    func cluster(_ number: Int) -> WorkerCluster? { clusters.indices.contains(number) ? clusters[number] : nil }
    /// By name, as no two clusters of a snapshot share one: there may be ten thousand of them.
    func cluster(of runtime: ClusterRuntime) -> WorkerCluster? {
        guard let cluster = cluster(named: runtime.name), cluster.runtime === runtime else { return nil }
        return cluster
    }
    func cluster(named name: String) -> WorkerCluster? { numbers[name].flatMap { cluster($0) } }
}
