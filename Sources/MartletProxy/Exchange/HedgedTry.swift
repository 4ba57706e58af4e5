internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A further try beside one that takes too long (Envoy's `hedge_on_per_try_timeout`). It becomes the exchange's try when it
/// is the first with an answer to pass on.
final class HedgedTry: ConnectionTaker {
    private unowned let driver: ExchangeDriver
    private let cluster: WorkerCluster
    private let policy: RetryPolicy
    private(set) var upstream: (any UpstreamStream)?
    private var isWaiting = true
    /// It tells of itself only while it runs.
    private var isRunning = true

    let responseHead = ResponseHead()
    let responseTrailers = HeaderTable()
    var requestMethod: Method { driver.request.method }
    var asksForUpgrade: Bool { false }

    init(_ driver: ExchangeDriver, _ cluster: WorkerCluster, _ policy: RetryPolicy) {
        self.driver = driver
        self.cluster = cluster
        self.policy = policy
    }

    func start() { cluster.take(for: self) }

    var hashKey: UInt64? { driver.hashKey }
    var toldClient: Downstream? { driver.toldClient }
    func prefers(_ endpoint: WorkerEndpoint) -> Bool { driver.prefers(endpoint) }

    func upstreamReady(_ upstream: any UpstreamStream) {
        isWaiting = false
        self.upstream = upstream
        driver.hedgesAt(upstream.endpoint)
        if !driver.writeRequest(on: upstream) { fail(.reset(wasSent: false)) }
    }

    func upstreamRefused(_ reason: ConnectionRefusal) {
        isWaiting = false
        fail(.connectFailure)
    }

    func upstreamHead(ended: Bool, tunnels: Bool) {
        guard isRunning else { return }
        isRunning = false
        upstream?.report(.status(responseHead.status))
        driver.hedgeAnswered(self, ended: ended, isWanted: tunnels || policy.wants(.response, responseHead))
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        let wasSent = upstream?.hasSent ?? false
        upstream?.report(failure.outcome)
        upstream = nil
        fail(RetryPolicy.Outcome(failure, wasSent: wasSent))
    }

    private func fail(_ outcome: RetryPolicy.Outcome) {
        guard isRunning else { return }
        stop()
        driver.hedgeFailed(self, outcome)
    }

    func cannotReach(_ endpoint: WorkerEndpoint) { driver.cannotReach(endpoint) }

    /// Gives its upstream away, to be used on or dropped.
    func takeUpstream() -> (any UpstreamStream)? { upstream.take() }

    /// Nothing more is wanted of it.
    func stop() {
        isRunning = false
        if isWaiting { cluster.stopWaiting(self) }
        isWaiting = false
        let upstream = self.upstream.take()
        upstream?.abandon()
    }

    func upstreamConnected() {}
    func upstreamInformational() { responseHead.reset() }
    func upstreamBody(_ slice: ByteSlice, ended: Bool) {}
    func upstreamTrailers() {}
    func upstreamTunnel(_ slice: ByteSlice) {}
    func upstreamTunnelEnded() {}
    func upstreamDrained() {}
}
