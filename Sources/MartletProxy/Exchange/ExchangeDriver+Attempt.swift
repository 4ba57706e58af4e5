internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// The attempt: from the routed request to the response's last byte.
extension ExchangeDriver: ConnectionTaker {
    /// Pieces up to this size are copied next to what is queued already; larger ones are shared, and each holds the whole
    /// buffer it was read into, nine times as much at most.
    static let copyLimit = 8192

    // MARK: Towards upstream

    func startAttempt(ended: Bool) {
        guard let plan = exchange.plan, let clusters = listener?.clusters else { return rescue(.noRoute) }
        guard let cluster = clusters.cluster(plan.cluster) else { return rescue(.noCluster) }
        attempt.isStarted = true
        attempt.cluster = cluster
        exchange.clusterName = cluster.name
        attempt.isRequestSent = ended
        if case .exactly(let length) = request.body { attempt.remainingLength = length }
        guard cluster.runtime.limits.requests.take() else {
            cluster.refused(.requests)
            return rescue(.overflow(.requests))
        }
        attempt.holdsRequestSlot = true
        exchange.upstreamStarted = loop.now
        guard startDeadline() else { return }
        if isRequestComplete { startRequestTimeout() }
        if plan.idleTimeout > .zero {
            idleTimeout = plan.idleTimeout
            timer.require(loop.now + idleTimeout, loop, self)
        }
        for mirror in plan.mirrors {
            guard let target = clusters.cluster(mirror) else { continue }
            attempt.mirrors.append(worker.mirror(exchange, to: target, ended: ended))
        }
        exchange.attempts += 1
        attempt.isWaiting = true
        if let policy = exchange.retryPolicy { startRetrying(policy, cluster) }
        cluster.take(for: self)
    }

    func upstreamReady(_ upstream: any UpstreamStream) {
        attempt.isWaiting = false
        attempt.upstream = upstream
        exchange.upstreamAddress = upstream.endpoint.shared.name
        attempt.retry.endpoint = ObjectIdentifier(upstream.endpoint)
        attempt.canReplay = upstream.isReused && request.method.isIdempotent && !attempt.hasReplayed
        let mayResend = attempt.canReplay || (upstream.mayBeRefused && attempt.refusals < Attempt.maxRefusals)
        attempt.keepLimit = max(mayResend ? Attempt.replayLimit : 0, bodyKeptForRetries)
        guard writeRequest(on: upstream) else { return rescue(.invalidRequestHead) }
        if attempt.replay.bytes > attempt.keepLimit { attempt.forgetReplay() }
        if upstream.queuedBytes >= bufferLimit { upstream.askDrained() }
        pull()
    }

    /// Writes the head, and of the body what passed the chain before there was a connection or has to be sent again. False
    /// when a filter made something of it that cannot be sent.
    func writeRequest(on upstream: any UpstreamStream) -> Bool {
        guard (request.method == .connect) == isConnect, !request.asksForUpgrade || request.hasPlainUpgrade else {
            return false
        }
        sendDeadline()
        guard upstream.sendHead(request, ended: attempt.isRequestSent && !attempt.replayEnded) else { return false }
        for slice in attempt.replay.pieces { upstream.sendBody(slice) }
        return !attempt.replayEnded || upstream.endBody(exchange.requestTrailers)
    }

    func send(_ slice: ByteSlice, ended: Bool) {
        guard !attempt.ignoresRequest else { return }
        if ended { attempt.isRequestSent = true }
        if let remaining = attempt.remainingLength {
            guard UInt64(slice.count) <= remaining, !ended || UInt64(slice.count) == remaining else {
                // A filter changed the body without saying so; sending it would desynchronise the connection.
                return rescue(.bodyLengthMismatch)
            }
            attempt.remainingLength = remaining - UInt64(slice.count)
        }
        for mirror in attempt.mirrors { mirror.send(slice, ended: ended) }
        remember(slice, ended: ended)
        guard let upstream = attempt.upstream else { return }
        upstream.sendBody(slice)
        if ended, !upstream.endBody(exchange.requestTrailers) { return rescue(.invalidRequestHead) }
        if upstream.queuedBytes >= bufferLimit { upstream.askDrained() }
    }

    func sendTrailers() {
        guard !attempt.ignoresRequest else { return }
        attempt.isRequestSent = true
        attempt.replayEnded = true
        for mirror in attempt.mirrors { mirror.endBody() }
        guard let upstream = attempt.upstream else { return }
        if !upstream.endBody(exchange.requestTrailers) { rescue(.invalidRequestHead) }
    }

    /// Keeps what was sent for as long as it may have to be sent again.
    private func remember(_ slice: ByteSlice, ended: Bool) {
        if ended { attempt.replayEnded = true }
        guard !slice.isEmpty else { return }
        let waitsForConnection = attempt.upstream == nil
        if waitsForConnection || attempt.replay.bytes + slice.count <= attempt.keepLimit {
            attempt.replay.append(slice)
        } else {
            attempt.forgetReplay()
            attempt.isBodyGone = true
        }
    }

    func upstreamRefused(_ reason: ConnectionRefusal) {
        attempt.isWaiting = false
        switch reason {
        case .dialFailed, .tlsFailed: break
        default: endTry(failed: true)
        }
        switch reason {
        case .noHealthyUpstream: rescue(.noHealthyUpstream)
        case .overflow(let kind): rescue(.overflow(kind))
        case .circuitOpen: rescue(.circuitOpen)
        case .dialFailed: if !retries(.connectFailure) { rescue(.connectFailed) }
        case .tlsFailed: if !retries(.connectFailure) { rescue(.upstreamTLSFailed) }
        }
    }

    // MARK: From upstream

    var responseHead: ResponseHead { response }
    var responseTrailers: HeaderTable { exchange.responseTrailers }
    var requestMethod: Method { request.method }
    var asksForUpgrade: Bool { request.asksForUpgrade }
    var endpointOverride: (address: String, isStrict: Bool)? { exchange.upstreamOverride }
    var toldClient: Downstream? { exchange.downstream }
    var hashKey: UInt64? { exchange.hashKey }
    private var wantsMore: Bool { isTunnel ? (downstream?.queuedBytes ?? 0) < bufferLimit : acceptsResponse }

    func upstreamConnected() {}

    func upstreamInformational() {
        lastActivity = loop.now
        let head = exchange.response
        // 100 is answered here already (see `pull`); others, such as 103, are the client's to see.
        if head.status != 100 && request.version != .http10 { downstream?.sendInformational(head) }
        head.reset()
    }

    func upstreamHead(ended: Bool, tunnels: Bool) {
        lastActivity = loop.now
        attempt.upstream?.report(.status(response.status))
        if exchange.retryPolicy != nil, !tunnels, answersWithRetry(ended: ended) { return }
        passHead(ended: ended, tunnels: tunnels)
    }

    /// The response goes on to the client.
    func passHead(ended: Bool, tunnels: Bool) {
        exchange.upstreamResponded = loop.now
        if let cookie = exchange.newCookie { response.headers.append(.setCookie, cookie.span) }
        attempt.hasResponse = true
        endTry(failed: false)
        stopHedges()
        attempt.forgetReplay()
        attempt.isUpgraded = tunnels
        if tunnels && !isUpgradeAsked { return rescue(.invalidResponse(HTTP1Fault.unexpectedUpgrade.rawValue)) }
        if ended { releaseConnection() }
        responseFlow.headReceived(exchange, ended: ended)
        if !ended { pauseIfFull() }
    }

    /// RFC 9110 section 7.8: a server may not switch to a protocol that the client did not name.
    private var isUpgradeAsked: Bool {
        if isConnect { return true }
        let asked = request.headers
        let answered = exchange.response.headers
        guard let name = asked.first(id: .upgrade), let place = answered.firstIndex(id: .upgrade),
            answered.firstIndex(id: .upgrade, from: place + 1) == nil
        else { return false }
        return name.equalsIgnoringCase(answered.value(at: place))
    }

    func upstreamBody(_ slice: ByteSlice, ended: Bool) {
        lastActivity = loop.now
        if ended { releaseConnection() }
        responseFlow.bodyReceived(exchange, BodyChunk(slice, isLast: ended))
        if !ended { pauseIfFull() }
    }

    func upstreamTrailers() {
        releaseConnection()
        responseFlow.trailersReceived(exchange)
    }

    private func pauseIfFull() {
        guard !wantsMore, let upstream = attempt.upstream else { return }
        upstream.pauseReading()
        if let downstream, downstream.queuedBytes >= bufferLimit { downstream.askDrained() }
    }

    func upstreamDrained() {
        lastActivity = loop.now
        pull()
    }

    func upstreamTunnel(_ slice: ByteSlice) {
        lastActivity = loop.now
        exchange.responseBytes &+= UInt64(slice.count)
        downstream?.sendBody(slice, ended: false)
        pauseIfFull()
    }

    func upstreamTunnelEnded() {
        attempt.upstream = nil
        isTunnel = false
        isResponseComplete = true
        finish()
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        let upstream = attempt.upstream.take()
        // RFC 9112 section 9.3.1: the server may have closed an idle connection just as the request was sent on it.
        if isResendable(after: failure), let cluster = attempt.cluster {
            if failure == .refused { attempt.refusals += 1 } else { attempt.hasReplayed = true }
            response.reset()
            if exchange.retryPolicy != nil { countAttempt() } else { exchange.attempts += 1 }
            worker.replays.add()
            attempt.isWaiting = true
            return cluster.take(for: self, fresh: true)
        }
        upstream?.report(failure.outcome)
        if retries(RetryPolicy.Outcome(failure, wasSent: upstream?.hasSent ?? false)) { return }
        switch failure {
        case .connectFailed: rescue(.connectFailed)
        case .connectTimeout: rescue(.connectTimeout)
        case .tlsFailed: rescue(.upstreamTLSFailed)
        case .closed: rescue(.upstreamClosed)
        case .invalidResponse(let fault): rescue(.invalidResponse(fault))
        case .refused: rescue(.upstreamRefused)
        }
    }

    /// Nothing is lost by sending it again: the server has not looked at it, or it is the race above.
    private func isResendable(after failure: UpstreamFailure) -> Bool {
        switch failure {
        case .closed(started: false): mayReplay
        case .refused:
            attempt.refusals < Attempt.maxRefusals && !attempt.isBodyGone && attempt.hedges.isEmpty && !isConnect
        default: false
        }
    }

    /// A retry policy's number of attempts holds for this too, but for the first of them.
    private var mayReplay: Bool {
        guard attempt.canReplay, !attempt.hasReplayed, attempt.hedges.isEmpty else { return false }
        guard let policy = exchange.retryPolicy, exchange.attempts > 1 else { return true }
        return exchange.attempts < policy.attempts
    }

    // MARK: Ending

    /// The response has arrived whole: the connection is free before the client has taken it.
    private func releaseConnection() {
        let upstream = attempt.upstream.take()
        if !attempt.isRequestSent {
            attempt.ignoresRequest = true
            attempt.cutMirrors()
        }
        giveBackRequestSlot()
        upstream?.responseTaken()
    }

    private func giveBackRequestSlot() {
        guard attempt.holdsRequestSlot else { return }
        attempt.holdsRequestSlot = false
        attempt.cluster?.runtime.limits.requests.giveBack()
    }

    /// Nothing more is wanted from upstream.
    func abandonAttempt() {
        attempt.ignoresRequest = true
        stopRetrying()
        if !attempt.isRequestSent { attempt.cutMirrors() }
        stopWaiting()
        let upstream = attempt.upstream.take()
        giveBackRequestSlot()
        upstream?.abandon()
    }
}
