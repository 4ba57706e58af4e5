internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// Trying again: what the chain's retry filter asked for, as long as the client has seen nothing of a response.
extension ExchangeDriver {
    // MARK: The first try

    func startRetrying(_ policy: RetryPolicy, _ cluster: WorkerCluster) {
        cluster.retryBudget.requestStarted(loop.now)
        let headers = request.headers
        attempt.retry.isNested = !policy.retriesNested && headers.firstIndex(id: .xMartletAttempt) != nil
        // Proxies behind this one leave the retrying to it.
        if !attempt.retry.isNested { Self.number(1, headers) }
    }

    private static func number(_ attempt: Int, _ headers: HeaderTable) {
        let digits = InlineArray<2, UInt8> {
            attempt < 10 && $0 == 0 ? 0x30 : 0x30 + UInt8($0 == 0 ? attempt / 10 : attempt % 10)
        }
        headers.set(.xMartletAttempt, digits.span.extracting((attempt < 10 ? 1 : 0)..<2))
    }

    /// Bytes of the body kept in case the request is sent again.
    var bodyKeptForRetries: Int {
        guard let policy = exchange.retryPolicy, policy.attempts > exchange.attempts, !attempt.retry.isNested else {
            return 0
        }
        return policy.bodyLimit
    }

    /// `per_try_timeout` runs from when the whole request is there to be answered.
    func startTryTimeout() {
        guard let policy = exchange.retryPolicy, policy.perTryTimeout > .zero, attempt.retry.resumesAt == .never,
            !attempt.hasResponse, !attempt.ignoresRequest
        else { return }
        attempt.retry.tryDeadline = loop.now + policy.perTryTimeout
        timer.require(attempt.retry.tryDeadline, loop, self)
    }

    // MARK: After a try

    /// A response head has come: true when another try takes its place.
    func answersWithRetry(ended: Bool) -> Bool {
        guard let policy = exchange.retryPolicy, policy.wants(.response, response) else {
            endTry(failed: false)
            return false
        }
        guard retries(.response) else { return false }
        let upstream = attempt.upstream.take()
        if ended && attempt.isRequestSent { upstream?.responseTaken() } else { upstream?.dropResponse() }
        response.reset()
        exchange.responseTrailers.reset()
        return true
    }

    /// True when another try follows, or goes on beside, one that came to `outcome`. The connection is the caller's to let go of.
    func retries(_ outcome: RetryPolicy.Outcome) -> Bool {
        guard let policy = exchange.retryPolicy, !responseFlow.hasBegun, !isResponseHeadSent,
            let cluster = attempt.cluster
        else { return false }
        endTry(failed: true)
        avoidEndpoint(policy)
        // A head that could not be read may have left part of itself.
        if outcome != .response { response.reset() }
        // One of those beside it may yet answer.
        if !attempt.hedges.isEmpty {
            startTryTimeout()
            return true
        }
        guard policy.wants(outcome, response), mayTryAgain(policy, outcome) else { return false }
        guard exchange.attempts < policy.attempts else {
            if policy.attempts > 1 {
                cluster.retries.exhausted.add()
                exchange.flags.insert(.upstreamRetryLimitExceeded)
            }
            return false
        }
        guard let wait = wait(policy, outcome), loop.now + wait < requestDeadline,
            idleTimeout == .zero || wait < idleTimeout, takeBudget(policy, cluster)
        else { return false }
        attempt.retry.isCounted = true
        attempt.retry.resumesAt = loop.now + wait
        timer.require(attempt.retry.resumesAt, loop, self)
        return true
    }

    func mayTryAgain(_ policy: RetryPolicy, _ outcome: RetryPolicy.Outcome) -> Bool {
        !attempt.retry.isNested && !attempt.isBodyGone && !request.asksForUpgrade && !isConnect
            && policy.isSafe(outcome, request, response)
    }

    /// Nil: longer than is worth waiting for. What upstream asks for is a time that all it asks would come back at: up to half as
    /// much again keeps them apart.
    private func wait(_ policy: RetryPolicy, _ outcome: RetryPolicy.Outcome) -> Nanoseconds? {
        let random = worker.random.fraction()
        if outcome == .response, policy.maxRetryAfter > .zero {
            let headers = response.headers
            if let value = headers.first(id: .retryAfter), let asked = RetryAfter.wait(value, now: .now()),
                asked > .zero
            {
                guard asked <= policy.maxRetryAfter else { return nil }
                return Nanoseconds(rawValue: asked.rawValue + UInt64(Double(asked.rawValue) * random / 2))
            }
        }
        return policy.backoff.wait(before: exchange.attempts, random: random)
    }

    /// Takes a retry from what the cluster allows.
    func takeBudget(_ policy: RetryPolicy, _ cluster: WorkerCluster) -> Bool {
        if cluster.takeRetry(policy) { return true }
        exchange.flags.insert(.upstreamOverflow)
        return false
    }

    /// The present try is over; if it was a retry, the cluster hears how it went.
    func endTry(failed: Bool) {
        attempt.retry.tryDeadline = .never
        guard attempt.retry.isCounted, let cluster = attempt.cluster, let policy = exchange.retryPolicy else { return }
        attempt.retry.isCounted = false
        cluster.finishRetry(policy, failed: failed)
    }

    /// The exchange needs no further try, or gets none.
    func stopRetrying() {
        guard let policy = exchange.retryPolicy else { return }
        stopHedges()
        attempt.retry.resumesAt = .never
        attempt.retry.tryDeadline = .never
        guard attempt.retry.isCounted else { return }
        attempt.retry.isCounted = false
        attempt.cluster?.cancelRetry(policy)
    }

    func stopWaiting() {
        guard attempt.isWaiting else { return }
        attempt.isWaiting = false
        attempt.cluster?.stopWaiting(self)
    }

    // MARK: Time

    func requestTimedOut() {
        // How little time a stranger gives says nothing of the endpoint: else any client could have good ones ejected.
        if attempt.strangersDeadline == .never || requestDeadline < attempt.strangersDeadline {
            attempt.upstream?.report(.timeout)
            endTry(failed: true)
        }
        rescue(.requestTimeout)
    }

    func retryTimerFired() {
        let now = loop.now
        if attempt.retry.resumesAt <= now {
            attempt.retry.resumesAt = .never
            tryAgain()
        } else if attempt.retry.tryDeadline <= now {
            attempt.retry.tryDeadline = .never
            tryTimedOut()
        }
    }

    private func tryTimedOut() {
        guard let policy = exchange.retryPolicy, let cluster = attempt.cluster else { return }
        attempt.upstream?.report(.timeout)
        if hedges(policy, cluster) { return }
        // With tries side by side there is no other to make room for: they have until the request's own deadline.
        if !attempt.hedges.isEmpty || (policy.hedges && attempt.upstream != nil) { return }
        guard retries(.timeout) else { return rescue(.tryTimeout) }
        stopWaiting()
        let upstream = attempt.upstream.take()
        upstream?.abandon()
    }

    func countAttempt() {
        exchange.attempts += 1
        if !attempt.retry.isNested { Self.number(exchange.attempts, request.headers) }
    }

    private func tryAgain() {
        guard let cluster = attempt.cluster else { return }
        countAttempt()
        exchange.upstreamStarted = loop.now
        if isRequestComplete { startTryTimeout() }
        attempt.isWaiting = true
        cluster.take(for: self)
    }

    /// Another endpoint than the present one is to be preferred from now on.
    func avoidEndpoint(_ policy: RetryPolicy) {
        guard policy.avoidsPreviousHosts, let endpoint = attempt.retry.endpoint else { return }
        attempt.retry.endpoint = nil
        attempt.retry.tried.append(endpoint)
    }

    func cannotReach(_ endpoint: WorkerEndpoint) {
        guard exchange.retryPolicy != nil else { return }
        attempt.retry.tried.append(ObjectIdentifier(endpoint))
    }

    /// Endpoints that failed this request are asked again only when there is no other.
    func prefers(_ endpoint: WorkerEndpoint) -> Bool {
        attempt.retry.tried.isEmpty || !attempt.retry.tried.contains(ObjectIdentifier(endpoint))
    }

    // MARK: Deadlines

    /// Takes over the deadline that came with the request. False when it has passed already.
    func startDeadline() -> Bool {
        guard let received = RequestDeadline.received(request.headers) else { return true }
        attempt.hasDeadline = true
        requestDeadline = exchange.started + received
        if listener?.forwarding.trustsClients == false { attempt.strangersDeadline = requestDeadline }
        guard requestDeadline > loop.now else {
            requestTimedOut()
            return false
        }
        timer.require(requestDeadline, loop, self)
        return true
    }

    /// Tells upstream how long it has: what is left of a deadline that came with the request, or of a timeout that the
    /// route sets.
    func sendDeadline() {
        guard let plan = exchange.plan else { return }
        let policy = exchange.retryPolicy
        // A try that goes on beside the next has the whole request's time.
        let perTry = policy?.hedges == false ? policy?.perTryTimeout ?? .zero : .zero
        guard attempt.hasDeadline || plan.sendsDeadline || perTry > .zero else { return }
        let now = loop.now
        var left: Nanoseconds? = requestDeadline == .never ? nil : requestDeadline - now
        // Until the whole request is there its timeout does not run.
        if left == nil, plan.timeout > .zero { left = plan.timeout }
        if perTry > .zero { left = min(left ?? perTry, perTry) }
        if let left { RequestDeadline.send(left, in: request.headers) }
    }
}
