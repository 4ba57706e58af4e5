internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Several tries at once: the first answer that is not to be retried is the exchange's.
extension ExchangeDriver {
    /// `per_try_timeout` has passed: true when the try goes on with another beside it.
    func hedges(_ policy: RetryPolicy, _ cluster: WorkerCluster) -> Bool {
        guard policy.hedges, attempt.isRequestSent, attempt.upstream != nil || !attempt.hedges.isEmpty,
            mayTryAgain(policy, .timeout),
            exchange.attempts < policy.attempts, policy.wants(.timeout, response), cluster.takeHedge(policy)
        else { return false }
        avoidEndpoint(policy)
        countAttempt()
        // Before it starts: it may fail at once.
        let hedge = HedgedTry(self, cluster, policy)
        attempt.hedges.append(hedge)
        startTryTimeout()
        hedge.start()
        return true
    }

    func hedgesAt(_ endpoint: WorkerEndpoint) {
        if exchange.retryPolicy?.avoidsPreviousHosts == true { cannotReach(endpoint) }
    }

    private var isOnlyHedged: Bool {
        attempt.upstream == nil && !attempt.isWaiting && attempt.retry.resumesAt == .never && attempt.hedges.isEmpty
    }

    private func forget(_ hedge: HedgedTry) { attempt.hedges.removeAll { $0 === hedge } }

    func hedgeAnswered(_ hedge: HedgedTry, ended: Bool, isWanted: Bool) {
        forget(hedge)
        endHedge()
        guard isWanted else { return adopt(hedge, ended: ended) }
        // While another try runs, its answer may be a better one.
        guard isOnlyHedged else { return drop(hedge, ended: ended) }
        response.copy(from: hedge.responseHead)
        if retries(.response) {
            response.reset()
            return drop(hedge, ended: ended)
        }
        adopt(hedge, ended: ended)
    }

    func hedgeFailed(_ hedge: HedgedTry, _ outcome: RetryPolicy.Outcome) {
        forget(hedge)
        endHedge()
        guard isOnlyHedged, !retries(outcome) else { return }
        rescue(outcome == .connectFailure ? .connectFailed : .upstreamClosed)
    }

    private func drop(_ hedge: HedgedTry, ended: Bool) {
        let upstream = hedge.takeUpstream()
        if ended { upstream?.responseTaken() } else { upstream?.dropResponse() }
    }

    /// The hedge's answer is the exchange's; the other tries are given up.
    private func adopt(_ hedge: HedgedTry, ended: Bool) {
        let slow = attempt.upstream.take()
        slow?.abandon()
        stopWaiting()
        stopRetrying()
        response.copy(from: hedge.responseHead)
        attempt.upstream = hedge.takeUpstream()
        if let endpoint = attempt.upstream?.endpoint { exchange.upstreamAddress = endpoint.shared.name }
        if !ended { attempt.upstream?.handOver(to: self) }
        passHead(ended: ended, tunnels: false)
    }

    func stopHedges() {
        guard !attempt.hedges.isEmpty else { return }
        let hedges = attempt.hedges
        attempt.hedges = []
        for hedge in hedges {
            hedge.stop()
            endHedge()
        }
    }

    private func endHedge() {
        guard let cluster = attempt.cluster, let policy = exchange.retryPolicy else { return }
        cluster.endHedge(policy)
    }
}
