internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// Carries one exchange between its client and its upstream. Pooled with its `Exchange`; one serves many requests.
///
/// Request items come from the downstream, pass the chain's request flow, and go to the attempt's connection; response
/// items come back through the response flow. Credit runs the other way: a side that has more queued than
/// `bufferLimit` stops the side that feeds it.
final class ExchangeDriver: ExchangeHost {
    unowned let worker: Worker
    private(set) lazy var exchange = Exchange(host: self)
    private(set) var downstream: (any DownstreamStream)?
    private(set) var listener: WorkerListener?
    /// Keeps the configuration that the exchange began with.
    private(set) var snapshot: WorkerSnapshot?

    var attempt = Attempt()
    var timer = LazyTimer()
    var requestDeadline = Instant.never
    var lastActivity = Instant(nanoseconds: 0)
    var idleTimeout = Nanoseconds.zero

    // What has happened so far.
    var isRequestComplete = false
    var isResponseHeadSent = false
    var isResponseComplete = false
    var isTunnel = false
    private var isFinishing = false
    private var sentContinue = false

    var services: any WorkerServices { worker }

    init(worker: Worker) { self.worker = worker }

    // MARK: Opening

    /// The head is in `exchange.request`. `ended`: the request has no body.
    func open(
        _ downstream: any DownstreamStream, _ client: Downstream, _ listener: WorkerListener,
        snapshot: WorkerSnapshot, ended: Bool
    ) {
        self.downstream = downstream
        self.listener = listener
        self.snapshot = snapshot
        isRequestComplete = ended
        isResponseHeadSent = false
        isResponseComplete = false
        isTunnel = false
        isFinishing = false
        sentContinue = false
        requestDeadline = .never
        let now = worker.loop.now
        lastActivity = now
        idleTimeout = listener.streamIdleTimeout
        exchange.open(chain: listener.chain, downstream: client, at: .now())
        listener.requestStarted()
        if idleTimeout > .zero { timer.require(now + idleTimeout, worker.loop, self) }
        let generation = exchange.generation
        if let reply = listener.forwarding.prepare(exchange, worker) {
            exchange.begin(reply)
        } else {
            exchange.requestFlow.headReceived(exchange, ended: ended)
        }
        if exchange.generation == generation && exchange.isOpen { pull() }
    }

    // MARK: From the client

    /// More of the request may be handed over.
    var acceptsRequest: Bool {
        guard exchange.requestFlow.acceptsMore, attempt.queuedBytes < Self.bufferLimit else { return false }
        // Behind a head that waits for a connection only a little body is kept.
        return !exchange.requestFlow.isHeadPassed || attempt.takesBody || !attempt.isStarted
    }

    /// Bytes queued towards one side before the other side is stopped.
    static let bufferLimit = 262_144

    func requestBody(_ slice: ByteSlice, ended: Bool) {
        lastActivity = worker.loop.now
        exchange.requestBytes &+= UInt64(slice.count)
        if ended { isRequestComplete = true }
        if isTunnel { return attempt.write(slice) }
        let generation = exchange.generation
        exchange.requestFlow.bodyReceived(exchange, BodyChunk(slice, isLast: ended))
        if exchange.generation == generation && exchange.isOpen { finishIfDone() }
    }

    func requestTrailers() {
        isRequestComplete = true
        let generation = exchange.generation
        exchange.requestFlow.trailersReceived(exchange)
        if exchange.generation == generation && exchange.isOpen { finishIfDone() }
    }

    /// The client is gone, or what it sent cannot be read further.
    func downstreamFailed(_ reason: ResetReason) {
        guard exchange.isOpen else { return }
        exchange.flags.insert(
            reason == .downstreamProtocolError ? .downstreamProtocolError : .downstreamConnectionTermination)
        if exchange.reason == nil { exchange.reason = reason.rawValue }
        downstream = nil
        finish()
    }

    func tunnelClientEnded() { attempt.connection?.tunnelRequestEnded() }

    /// The client took what was queued for it.
    func downstreamDrained() {
        lastActivity = worker.loop.now
        attempt.resumeReading()
    }

    /// Asks the client to go on when its request is wanted.
    func pull() {
        guard !isRequestComplete || isTunnel, acceptsRequest else { return }
        if exchange.request.expectsContinue && !sentContinue {
            // RFC 9110 section 10.1.1, as Envoy does it: the filters have let the head pass or ask for the body, so it will
            // be read. Upstream is not asked (`Forwarding` removed the field).
            sentContinue = true
            if !isResponseHeadSent { downstream?.sendContinue() }
        }
        downstream?.resumeRequest()
    }

    // MARK: ExchangeHost

    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {
        switch direction {
        case .request: startAttempt(ended: ended)
        case .response: sendResponseHead(ended: ended)
        }
    }

    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {
        switch direction {
        case .request:
            send(chunk, ended: ended)
        case .response:
            exchange.responseBytes &+= UInt64(chunk.count)
            if ended { isResponseComplete = true }
            downstream?.sendBody(chunk, ended: ended)
            afterResponseItem()
        }
    }

    func trailersPassed(_ direction: Direction, of exchange: Exchange) {
        switch direction {
        case .request: sendTrailers()
        case .response:
            isResponseComplete = true
            downstream?.sendTrailers(exchange.responseTrailers)
            afterResponseItem()
        }
    }

    func flowOpened(_ direction: Direction, of exchange: Exchange) {
        switch direction {
        case .request: pull()
        case .response: attempt.resumeReading()
        }
    }

    func replyStarted(of exchange: Exchange) {
        abandonAttempt()
        requestDeadline = .never
    }

    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) {
        exchange.flags.insert(.localReset)
        give(up: reason)
    }

    /// Ends the exchange without a (whole) response.
    func give(up reason: ResetReason) {
        guard exchange.isOpen else { return }
        if exchange.reason == nil { exchange.reason = reason.rawValue }
        let downstream = self.downstream
        self.downstream = nil
        downstream?.resetStream()
        finish()
    }

    // MARK: To the client

    private func sendResponseHead(ended: Bool) {
        isResponseHeadSent = true
        if ended { isResponseComplete = true }
        listener?.forwarding.prepareResponse(exchange)
        downstream?.sendHead(exchange, ended: ended)
        if exchange.response.status == 101 && attempt.isUpgraded {
            isTunnel = true
            requestDeadline = .never
            downstream?.becomeTunnel()
        }
        afterResponseItem()
    }

    private func afterResponseItem() {
        if let downstream, downstream.queuedBytes >= Self.bufferLimit { downstream.askDrained() }
        finishIfDone()
    }

    /// The response's receiver has room.
    var acceptsResponse: Bool {
        exchange.responseFlow.acceptsMore && (downstream?.queuedBytes ?? 0) < Self.bufferLimit
    }

    func finishIfDone() {
        guard isResponseComplete, exchange.isOpen, !isTunnel else { return }
        finish()
    }

    // MARK: Finishing

    /// Ends the exchange, however it went: end hooks, metrics, access log, back to the pool. Exactly once.
    func finish() {
        guard exchange.isOpen, !isFinishing else { return }
        isFinishing = true
        abandonAttempt()
        let downstream = self.downstream
        self.downstream = nil
        worker.cancelCalls(of: exchange)
        exchange.finish()
        listener?.requestEnded(exchange, worker)
        let requestComplete = isRequestComplete
        listener = nil
        snapshot = nil
        attempt = Attempt()
        exchange.recycle()
        worker.giveBack(self)
        downstream?.exchangeEnded(requestComplete: requestComplete)
    }
}

extension ExchangeDriver: TimerTarget {
    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard exchange.isOpen else { return }
        let now = worker.loop.now
        if requestDeadline <= now { return rescue(.requestTimeout) }
        let idleDeadline = idleTimeout > .zero ? lastActivity + idleTimeout : .never
        if idleDeadline <= now { return rescue(.streamIdleTimeout) }
        timer.require(min(idleDeadline, requestDeadline), worker.loop, self)
    }
}
