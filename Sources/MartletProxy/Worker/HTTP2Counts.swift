internal import MartletFilter
internal import MartletHTTP

/// What HTTP/2 peers did that is bounded, a listener's clients or a cluster's endpoints, and which of them were sent away for it.
final class HTTP2Counts {
    private let metrics: Metrics
    private let prefix: String
    private let labels: [(String, String)]
    private var faults: [HTTP2Fault: Counter] = [:]
    private let frames: [(counter: Counter, of: (HTTP2Counters) -> UInt64)]

    init(_ prefix: String, _ labels: [(String, String)], _ metrics: Metrics) {
        self.metrics = metrics
        self.prefix = prefix
        self.labels = labels
        let kinds: [(String, (HTTP2Counters) -> UInt64)] = [
            ("reset_received", { $0.resetsReceived }), ("reset_provoked", { $0.resetsProvoked }),
            ("continuation", { $0.continuations }), ("settings", { $0.settings }), ("ping", { $0.pings }),
            ("empty_data", { $0.emptyData }), ("priority", { $0.priorities }),
            ("window_update", { $0.windowUpdates }), ("unknown", { $0.unknownFrames }), ("stray", { $0.strayFrames }),
            ("refused_stream", { $0.refusedStreams }), ("head_too_large", { $0.headsTooLarge }),
        ]
        frames = kinds.map { (metrics.counter(prefix + "_frames_total", labels + [("kind", $0.0)]), $0.1) }
    }

    /// A connection was given up for it.
    func count(_ fault: HTTP2Fault) {
        if let counter = faults[fault] { return counter.add() }
        let counter = metrics.counter(prefix + "_connections_failed_total", labels + [("fault", fault.label)])
        faults[fault] = counter
        counter.add()
    }

    /// A connection is over.
    func add(_ counters: HTTP2Counters) {
        for entry in frames {
            let count = entry.of(counters)
            if count > 0 { entry.counter.add(count) }
        }
    }
}
