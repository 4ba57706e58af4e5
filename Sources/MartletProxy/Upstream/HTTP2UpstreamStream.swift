internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// One request and its response on an HTTP/2 connection to an endpoint. Pooled by the worker.
final class HTTP2UpstreamStream: UpstreamStream {
    private var connection: HTTP2Upstream?
    private(set) var endpoint: WorkerEndpoint
    private(set) var tag = 0
    /// 0 before the head was sent.
    private(set) var id: Int32 = 0
    private var receiver: (any UpstreamReceiver)?
    private var account = EndpointAccount()
    /// The head asks for a tunnel.
    private var upgrade: RequestHead?
    /// Sent when it is known whether the endpoint opens tunnels.
    private var isHeadDeferred = false
    private var isTunnelAsked = false
    private var isTunnel = false
    /// Ours is over.
    private var isRequestDone = false
    private var hasHead = false
    /// All of the response has come; some of it may be held.
    private var isResponseDone = false
    private var isClosed = false
    private var isPaused = false
    private var isDelivering = false
    private var held = HeldMessage()
    private var flushesBefore: UInt64 = 0

    init(_ endpoint: WorkerEndpoint) { self.endpoint = endpoint }

    func begin(_ connection: HTTP2Upstream, tag: Int, _ receiver: any UpstreamReceiver) {
        self.connection = connection
        endpoint = connection.endpoint
        self.tag = tag
        self.receiver = receiver
        id = 0
        upgrade = nil
        isHeadDeferred = false
        isTunnelAsked = false
        isTunnel = false
        isRequestDone = false
        hasHead = false
        isResponseDone = false
        isClosed = false
        isPaused = false
        isDelivering = false
        held.removeAll()
        isReused = connection.isReused
        flushesBefore = connection.flushes
        account.open(connection.endpoint, at: connection.loop.now)
    }

    // MARK: UpstreamStream: the request

    private(set) var isReused = false
    /// The endpoint may refuse it unseen: what it needs to be sent again is kept.
    var mayBeRefused: Bool { true }
    /// Handed to the socket counts: what the kernel did with it nobody can say.
    var hasSent: Bool { id != 0 && (connection?.flushes ?? .max) != flushesBefore }
    var queuedBytes: Int { id == 0 ? early.bytes : connection?.session.queuedBytes(of: id) ?? 0 }

    /// What was sent while the head waits.
    private var early = HeldBody()

    func sendHead(_ request: RequestHead, ended: Bool) -> Bool {
        guard let connection else { return true }
        isTunnelAsked = request.asksForUpgrade || request.method == .connect
        if request.asksForUpgrade {
            upgrade = request
            guard connection.hasSettings else {
                isHeadDeferred = true
                return true
            }
            guard connection.session.peerAllowsExtendedConnect else {
                cannotUpgrade()
                return true
            }
        }
        flushesBefore = connection.flushes
        guard let id = connection.session.sendRequest(request, ended: ended && !isTunnelAsked, tag: tag) else {
            return false
        }
        self.id = id
        isRequestDone = ended && !isTunnelAsked
        connection.needsOutput()
        return true
    }

    /// Not from within the call that sends: its caller has not finished with it.
    private func cannotUpgrade() {
        guard let connection else { return }
        connection.loop.runNextTurn(RefusedUpgrade(self))
    }

    fileprivate func refuseUpgrade() {
        guard receiver != nil, id == 0 else { return }
        leave()
        fail(.invalidResponse("the endpoint opens no tunnels over HTTP/2"))
    }

    func settingsCame() {
        guard isHeadDeferred, let upgrade, let connection else { return }
        isHeadDeferred = false
        guard connection.session.peerAllowsExtendedConnect else { return refuseUpgrade() }
        guard connection.session.canOpenStream else {
            leave()
            return fail(.refused)
        }
        guard let id = connection.session.sendRequest(upgrade, ended: false, tag: tag) else {
            leave()
            return fail(.invalidResponse("the request cannot be sent over HTTP/2"))
        }
        self.id = id
        for slice in early.pieces { connection.session.sendData(slice, ended: false, on: id) }
        early.removeAll()
        connection.needsOutput()
    }

    func sendBody(_ slice: ByteSlice) {
        guard let connection, !isClosed, !isRequestDone, !slice.isEmpty else { return }
        guard id != 0 else { return early.append(slice) }
        connection.session.sendData(slice, ended: false, on: id)
        connection.needsOutput()
    }

    func endBody(_ trailers: HeaderTable?) -> Bool {
        guard let connection, !isClosed, !isRequestDone, id != 0 else { return true }
        if let trailers, !trailers.isEmpty {
            guard connection.session.sendTrailers(trailers, on: id) else { return false }
        } else {
            connection.session.sendData(connection.cluster.worker.nothing, ended: true, on: id)
        }
        isRequestDone = true
        connection.needsOutput()
        return true
    }

    func tunnelRequestEnded() { _ = endBody(nil) }

    func askDrained() {
        guard let connection, id != 0, !isClosed else { return }
        connection.session.askDrained(id, left: HTTP2Pace.drainedAt)
        connection.needsOutput()
    }

    func drained() { receiver?.upstreamDrained() }

    func connected() { receiver?.upstreamConnected() }

    func report(_ outcome: AttemptOutcome) {
        guard let cluster = connection?.cluster else { return }
        account.report(outcome, of: endpoint, in: cluster)
    }

    // MARK: The response

    func receivedInformational(_ head: HTTP2Head) {
        guard let receiver, let session = connection?.session else { return }
        do throws(HTTP2Fault) {
            try session.take(head, into: receiver.responseHead)
        } catch {
            return refuse(error)
        }
        receiver.upstreamInformational()
    }

    func receivedHead(_ head: HTTP2Head, ended: Bool) {
        guard let receiver, let session = connection?.session else { return }
        let response = receiver.responseHead
        do throws(HTTP2Fault) {
            try session.take(head, into: response)
        } catch {
            return refuse(error)
        }
        hasHead = true
        isTunnel = isTunnelAsked && (200...299).contains(response.status) && !ended
        if isTunnel, let upgrade { WebSocketUpgrade.answerUpgrade(response, to: upgrade) }
        if ended { isResponseDone = true }
        receiver.upstreamHead(ended: ended, tunnels: isTunnel)
    }

    func received(_ slice: ByteSlice, ended: Bool) {
        if ended { isResponseDone = true }
        guard receiver != nil else {
            connection?.session.consumed(slice.count, of: id)
            return
        }
        guard !isPaused, !isDelivering, held.isEmpty else {
            return held.append(slice, ended: ended)
        }
        deliver(slice, ended: ended)
    }

    private func deliver(_ slice: ByteSlice, ended: Bool) {
        guard let receiver else { return }
        isDelivering = true
        connection?.session.consumed(slice.count, of: id)
        connection?.needsOutput()
        if isTunnel {
            if !slice.isEmpty { receiver.upstreamTunnel(slice) }
            isDelivering = false
            if ended { endTunnel() }
        } else {
            receiver.upstreamBody(slice, ended: ended)
            isDelivering = false
        }
    }

    func receivedTrailers(_ head: HTTP2Head) {
        isResponseDone = true
        guard let receiver, let session = connection?.session else { return }
        do throws(HTTP2Fault) {
            try session.take(head, into: receiver.responseTrailers)
        } catch {
            return refuse(error)
        }
        guard !isPaused, !isDelivering, held.isEmpty else { return held.appendTrailers() }
        receiver.upstreamTrailers()
    }

    func receivedEnd() {
        isResponseDone = true
        guard !isPaused, !isDelivering, held.isEmpty else { return held.appendTrailers() }
        if isTunnel { endTunnel() } else { receiver?.upstreamTrailers() }
    }

    private func endTunnel() {
        let receiver = self.receiver.take()
        account.close(endpoint)
        finishRequest()
        receiver?.upstreamTunnelEnded()
    }

    func pauseReading() { isPaused = true }

    func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        deliverHeld()
    }

    private func deliverHeld() {
        while receiver != nil, !isPaused, !isDelivering {
            switch held.takeNext() {
            case .body(let slice, let ended): deliver(slice, ended: ended)
            case .end:
                guard let nothing = connection?.cluster.worker.nothing else { return }
                deliver(nothing, ended: true)
            case .trailers: if isTunnel { endTunnel() } else { receiver?.upstreamTrailers() }
            case nil: return
            }
        }
    }

    func handOver(to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        resumeReading()
    }

    // MARK: Ending

    func responseTaken() {
        receiver = nil
        account.close(endpoint)
        finishRequest()
        recycleIfDone()
    }

    /// The response is all there is to be had; what is left of the request nobody needs.
    private func finishRequest() {
        // Also what was handed over and waits for a window that may never come.
        guard let connection, !isClosed, id != 0, !connection.session.hasSentEnd(of: id) else { return }
        isRequestDone = true
        connection.session.reset(id, .noError)
        connection.needsOutput()
    }

    func dropResponse() { abandon() }

    func abandon() {
        receiver = nil
        account.close(endpoint)
        dropHeld()
        guard let connection, !isClosed else { return }
        guard id != 0 else { return leave() }
        connection.session.reset(id, .cancel)
        connection.needsOutput()
    }

    private func dropHeld() {
        guard !held.isEmpty else { return }
        connection?.session.consumed(held.bytes, of: id)
        held.removeAll()
    }

    /// What came cannot be used.
    private func refuse(_ fault: HTTP2Fault) {
        if let connection, !isClosed {
            connection.session.reset(id, .protocolError)
            connection.needsOutput()
        }
        fail(.invalidResponse(fault.rawValue))
    }

    /// The session is done with the stream.
    func closed(_ close: HTTP2Close) {
        isClosed = true
        if receiver != nil && !isResponseDone {
            switch close {
            case .refused: fail(.refused)
            case .failed: fail(.invalidResponse("the response breaks the rules of HTTP/2"))
            case .complete, .resetByPeer, .reset: fail(.closed(started: hasHead))
            }
        }
        leave()
        // An upload that waits for room need not any more.
        if isResponseDone { receiver?.upstreamDrained() }
        recycleIfDone()
    }

    func connectionFailed(_ failure: UpstreamFailure) {
        let wasOpen = !isClosed
        isClosed = true
        leave()
        guard receiver != nil, wasOpen else { return }
        // All of it is here, held for a slow client.
        if isResponseDone { return }
        if case .closed = failure { return fail(.closed(started: hasHead)) }
        fail(failure)
    }

    private func fail(_ failure: UpstreamFailure) {
        let receiver = self.receiver.take()
        account.close(endpoint)
        held.removeAll()
        receiver?.upstreamFailed(failure)
    }

    private func leave() {
        guard let connection else { return }
        isClosed = true
        early.removeAll()
        connection.close(self)
    }

    /// Pooled only when it went well: after a failure somebody may still ask it something.
    private func recycleIfDone() {
        guard isClosed, receiver == nil, isResponseDone, let connection else { return }
        self.connection = nil
        upgrade = nil
        held.removeAll()
        connection.cluster.worker.giveBack(self)
    }
}

/// Tells a stream in the next turn that its upgrade was refused.
private final class RefusedUpgrade: TimerTarget {
    private let stream: HTTP2UpstreamStream
    init(_ stream: HTTP2UpstreamStream) { self.stream = stream }
    func timerFired(_ tag: UInt8) { stream.refuseUpgrade() }
}
