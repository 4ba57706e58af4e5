internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What a listener of one snapshot does on one worker with connections that carry no requests: where they go, and what is
/// counted and logged of them. A connection keeps the one it began with, and nothing else of its snapshot.
final class TCPService {
    let routes: TCPRoutes
    let clusters: ClusterTable
    let idleTimeout: Nanoseconds
    /// Zero is none.
    let maxDuration: Nanoseconds
    let bufferLimit: Int
    private let name: String
    private let metrics: Metrics
    private let accessLoggers: [AccessLogger]
    /// By a cluster's number.
    private var counts: [Counts?]
    private var failures: [String: Counter] = [:]
    /// Loggers write of exchanges.
    private let record = Exchange()

    /// What is counted of a listener's connections to one cluster.
    final class Counts {
        let connections: Counter
        let active: Gauge
        /// From clients, and from the cluster for them.
        let received: Counter
        let sent: Counter

        init(_ labels: [(String, String)], _ metrics: Metrics) {
            connections = metrics.counter("martlet_tcp_connections_total", labels)
            active = metrics.gauge("martlet_tcp_connections_active", labels)
            received = metrics.counter("martlet_tcp_received_bytes_total", labels)
            sent = metrics.counter("martlet_tcp_sent_bytes_total", labels)
        }
    }

    init(
        _ routes: TCPRoutes, of config: ListenerConfig, clusters: ClusterTable, accessLoggers: [AccessLogger],
        metrics: Metrics
    ) {
        self.routes = routes
        self.clusters = clusters
        self.accessLoggers = accessLoggers
        self.metrics = metrics
        name = config.name
        idleTimeout = config.limits.idleTimeout.map { Nanoseconds($0) } ?? .zero
        maxDuration = config.limits.maxConnectionDuration.map { Nanoseconds($0) } ?? .zero
        bufferLimit = config.limits.streamBuffer.bytes
        counts = [Counts?](repeating: nil, count: clusters.count)
    }

    func counts(of cluster: Int) -> Counts {
        if let known = counts[cluster] { return known }
        let made = Counts([("listener", name), ("cluster", clusters[cluster].name)], metrics)
        counts[cluster] = made
        return made
    }

    /// Counts and logs a connection that is over.
    func ended(_ connection: TCPDownstream, _ outcome: TCPOutcome) {
        if let reason = outcome.reason {
            let counter =
                failures[reason]
                ?? metrics.counter("martlet_tcp_connections_failed_total", [("listener", name), ("reason", reason)])
            failures[reason] = counter
            counter.add()
        }
        guard !accessLoggers.isEmpty else { return }
        record.recycle()
        record.isConnection = true
        record.downstream = connection.client
        record.clientIP = connection.client.directRemoteIP
        record.started = connection.started
        for flag in outcome.flags { record.flags.insert(flag) }
        record.reason = outcome.reason
        record.requestBytes = outcome.received
        record.responseBytes = outcome.sent
        record.attempts = connection.attempts
        record.upstreamAddress = connection.upstreamName
        record.clusterName = connection.clusterName
        let duration = Instant.now() - connection.started
        for logger in accessLoggers { logger.record(record, duration: duration, serverName: connection.serverName) }
    }
}

/// How a connection without requests ended.
struct TCPOutcome {
    var flags: [ResponseFlag] = []
    /// Nil when both sides were done.
    var reason: String?
    /// Bytes from the client, and to it.
    var received: UInt64 = 0
    var sent: UInt64 = 0

    init(_ fault: ProxyFault, attempts: Int) {
        let answer = fault.answer
        reason = answer.reason
        flags = [answer.flag]
        if attempts > 1, answer.flag == .upstreamConnectionFailure { flags.append(.upstreamRetryLimitExceeded) }
    }

    init(_ reset: ResetReason) {
        reason = reset.rawValue
        flags = [reset == .downstreamDisconnect ? .downstreamConnectionTermination : .localReset]
    }

    init(_ end: TCPRelay.End) {
        switch end {
        case .complete: break
        case .clientFailed: self = TCPOutcome(ResetReason.downstreamDisconnect)
        case .upstreamFailed:
            reason = ProxyFault.upstreamClosed.answer.reason
            flags = [.upstreamConnectionTermination]
        case .idleTimeout:
            reason = "idle-timeout"
            flags = [.streamIdleTimeout]
        case .maxDuration:
            reason = "max-connection-duration"
            flags = [.durationTimeout]
        case .cut: self = TCPOutcome(ResetReason.drain)
        }
    }
}
