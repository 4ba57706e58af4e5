internal import MartletCore
internal import MartletNet

/// One request's account with its endpoint: its part of the load, and the one word on how it went.
struct EndpointAccount {
    private var isCounted = false
    private var isProbe = false
    private var isReported = false
    private var opened = Instant(nanoseconds: 0)

    mutating func open(_ endpoint: WorkerEndpoint, at now: Instant) {
        isCounted = true
        isReported = false
        opened = now
        isProbe = endpoint.shared.requestStarted()
    }

    /// The request is no load any more.
    mutating func close(_ endpoint: WorkerEndpoint) {
        guard isCounted else { return }
        isCounted = false
        endpoint.shared.requestEnded(wasProbe: isProbe)
    }

    mutating func report(_ outcome: AttemptOutcome, of endpoint: WorkerEndpoint, in cluster: WorkerCluster) {
        guard !isReported else { return }
        isReported = true
        cluster.report(outcome, of: endpoint.shared, latency: cluster.worker.loop.now - opened)
    }
}
