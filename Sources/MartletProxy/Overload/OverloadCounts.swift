internal import MartletFilter

/// What a worker has refused and shed.
struct OverloadCounts {
    let connections, connectionsBeyond, requests, idle, streams: Counter

    init(_ metrics: Metrics) {
        func counter(_ action: String) -> Counter { metrics.counter("martlet_overload_\(action)_total") }
        connections = counter("refused_connections")
        connectionsBeyond = counter("connections_beyond_max")
        requests = counter("refused_requests")
        idle = counter("closed_idle")
        streams = counter("reset_streams")
    }
}
