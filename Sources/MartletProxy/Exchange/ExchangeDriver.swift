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
    let worker: Worker
    let exchange: Exchange
    // Parts of the two above, held here too: a step further away each use would count references.
    let loop: EventLoop
    let request: RequestHead
    let response: ResponseHead
    private let requestTrailerTable: HeaderTable
    let requestFlow: ChainFlow
    let responseFlow: ChainFlow
    private(set) var downstream: (any DownstreamStream)?
    /// Of the snapshot that the exchange began with: a reload in between does not change what it runs by.
    private(set) var listener: WorkerListener?
    var attempt = Attempt()
    var timer = LazyTimer()
    var requestDeadline = Instant.never
    var lastActivity = Instant(nanoseconds: 0)
    var idleTimeout = Nanoseconds.zero
    /// Bytes queued towards one side before the other side is stopped (`stream_buffer`).
    private(set) var bufferLimit = 0

    // What has happened so far.
    var isRequestComplete = false
    var isResponseHeadSent = false
    var isResponseComplete = false
    var isTunnel = false
    /// The client sent a CONNECT. No filter makes one, or something else of one: whose bytes are whose would change.
    private(set) var isConnect = false
    private var isFinishing = false
    private var sentContinue = false

    var services: any WorkerServices { worker }

    init(worker: Worker) {
        self.worker = worker
        loop = worker.loop
        exchange = Exchange()
        request = exchange.request
        response = exchange.response
        requestTrailerTable = exchange.requestTrailers
        requestFlow = exchange.requestFlow
        responseFlow = exchange.responseFlow
        exchange.attach(self)
    }

    // MARK: Opening

    /// Reads more of the request that `decoder` is at.
    func decode(_ decoder: inout HTTP1RequestDecoder, _ bytes: Span<UInt8>) -> HTTP1Step {
        decoder.decode(bytes, into: request, trailers: requestTrailerTable)
    }

    /// The head is in `exchange.request`. `ended`: the request has no body.
    func open(
        _ downstream: any DownstreamStream, _ client: Downstream, _ listener: WorkerListener, ended: Bool
    ) {
        begin(downstream, client, listener, ended: ended)
        let generation = exchange.generation
        if let reply = listener.forwarding.prepare(exchange, worker) {
            exchange.begin(reply)
        } else {
            requestFlow.headReceived(exchange, ended: ended)
        }
        if exchange.generation == generation && exchange.isOpen { pull() }
    }

    /// Answers bytes that are no request. No filter sees it, but it is counted and logged.
    func refuse(
        _ downstream: any DownstreamStream, _ client: Downstream, _ listener: WorkerListener, status: UInt16,
        _ reason: String, _ flag: ResponseFlag
    ) {
        begin(downstream, client, listener, ended: true)
        exchange.answerPastFilters(.refusal(status, reason, flag: flag))
    }

    private func begin(
        _ downstream: any DownstreamStream, _ client: Downstream, _ listener: WorkerListener, ended: Bool
    ) {
        self.downstream = downstream
        if self.listener !== listener { self.listener = listener }
        bufferLimit = listener.streamBuffer
        if worker.overload.actions.contains(.shrinkBuffers) {
            bufferLimit = min(bufferLimit, OverloadActions.shrunkBuffer)
        }
        isRequestComplete = ended
        isResponseHeadSent = false
        isResponseComplete = false
        isTunnel = false
        isConnect = request.method == .connect
        request.scheme = client.scheme
        isFinishing = false
        sentContinue = false
        requestDeadline = .never
        let now = loop.now
        lastActivity = now
        idleTimeout = listener.streamIdleTimeout
        // When the poll that brought the request returned: waiting for its turn counts.
        exchange.open(chain: listener.chain, downstream: client, at: now)
        if ended { exchange.requestEnded = now }
        listener.requestStarted()
        if idleTimeout > .zero { timer.require(now + idleTimeout, loop, self) }
    }

    /// Lets go of the last exchange's listener; for pooled drivers after a reload.
    func forgetListener() {
        guard !exchange.isOpen else { return }
        listener = nil
        exchange.forgetChain()
    }

    // MARK: From the client

    /// More of the request may be handed over.
    var acceptsRequest: Bool {
        requestFlow.acceptsMore && hasRoom(.request, of: exchange)
    }

    func hasRoom(_ direction: Direction, of exchange: Exchange) -> Bool {
        switch direction {
        case .request:
            // Behind a head that waits for a connection only a little body is kept.
            attempt.queuedBytes < bufferLimit
                && (!requestFlow.isHeadPassed || attempt.takesBody || !attempt.isStarted)
        case .response: (downstream?.queuedBytes ?? 0) < bufferLimit
        }
    }

    /// Lets filters put out what they have left. False when the exchange is over then.
    private func goOn(_ flow: ChainFlow) -> Bool {
        guard flow.hasRests else { return true }
        let generation = exchange.generation
        flow.goOn(exchange)
        return exchange.generation == generation && exchange.isOpen
    }

    func requestBody(_ slice: ByteSlice, ended: Bool) {
        lastActivity = loop.now
        exchange.requestBytes &+= UInt64(slice.count)
        if ended && !isTunnel { requestEnded() }
        if isTunnel {
            attempt.upstream?.sendBody(slice)
            if attempt.queuedBytes >= bufferLimit { attempt.upstream?.askDrained() }
            return
        }
        let generation = exchange.generation
        requestFlow.bodyReceived(exchange, BodyChunk(slice, isLast: ended))
        if exchange.generation == generation && exchange.isOpen { finishIfDone() }
    }

    func requestTrailers() {
        requestEnded()
        let generation = exchange.generation
        requestFlow.trailersReceived(exchange)
        if exchange.generation == generation && exchange.isOpen { finishIfDone() }
    }

    private func requestEnded() {
        isRequestComplete = true
        exchange.requestEnded = loop.now
        if attempt.isStarted { startRequestTimeout() }
    }

    /// The route's timeout runs from the request's last byte (Envoy's `timeout`): a slow upload is the idle timeout's affair.
    func startRequestTimeout() {
        if exchange.retryPolicy != nil { startTryTimeout() }
        guard let timeout = exchange.plan?.timeout, timeout > .zero else { return }
        requestDeadline = min(requestDeadline, loop.now + timeout)
        timer.require(requestDeadline, loop, self)
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

    /// The request's body cannot be read on.
    func requestBroken(_ fault: String) {
        isRequestComplete = false
        rescue(.brokenRequest(fault))
    }

    /// A response filter put something into the head or trailers that cannot be sent.
    func responseUnsendable() {
        exchange.reason = ProxyFault.invalidResponseHead.answer.reason
        give(up: .filter)
    }

    func tunnelClientEnded() { attempt.upstream?.tunnelRequestEnded() }

    /// The client took what was queued for it.
    func downstreamDrained() {
        lastActivity = loop.now
        guard goOn(responseFlow), isTunnel || responseFlow.acceptsMore else { return }
        attempt.resumeReading()
    }

    /// Asks the client to go on when its request is wanted.
    func pull() {
        guard goOn(requestFlow) else { return }
        guard !isRequestComplete || isTunnel, acceptsRequest else { return }
        if request.expectsContinue && !sentContinue {
            // RFC 9110 section 10.1.1, as Envoy does it: the filters have let the head pass or ask for the body, so it will
            // be read. Upstream is not asked (`Forwarding` removed the field).
            sentContinue = true
            if !isResponseHeadSent { downstream?.sendContinue() }
        }
        downstream?.resumeRequest()
    }

    /// From now on to the end of the exchange. What is queued beyond it already has to be asked for when it has gone: nobody
    /// has, while it was within the limit.
    func shrinkBuffer(to limit: Int) {
        guard bufferLimit > limit else { return }
        bufferLimit = limit
        if let downstream, downstream.queuedBytes >= limit { downstream.askDrained() }
        if attempt.queuedBytes >= limit { attempt.upstream?.askDrained() }
    }

    /// Bytes of both messages that the exchange keeps.
    var heldBytes: Int {
        attempt.queuedBytes + attempt.replay.bytes + requestFlow.collectedBytes + responseFlow.collectedBytes
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
            // A filter changed the body without saying so: what was promised cannot be kept, and more would be read as the
            // next response.
            if case .exactly(let length) = response.body,
                exchange.responseBytes > length || (ended && exchange.responseBytes != length)
            {
                exchange.flags.insert(.localReset)
                exchange.reason = ProxyFault.bodyLengthMismatch.answer.reason
                return give(up: .filter)
            }
            if ended { isResponseComplete = true }
            if let downstream {
                downstream.sendBody(chunk, ended: ended)
                if !ended && downstream.queuedBytes >= bufferLimit { downstream.askDrained() }
            }
            finishIfDone()
        }
    }

    func trailersPassed(_ direction: Direction, of exchange: Exchange) {
        switch direction {
        case .request: sendTrailers()
        case .response:
            isResponseComplete = true
            downstream?.sendTrailers(exchange.responseTrailers)
            finishIfDone()
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
        exchange.hasSentHead = true
        if ended { isResponseComplete = true }
        listener?.forwarding.prepareResponse(exchange, worker)
        // A reply that took the response's place has given the upstream connection up.
        let tunnels = attempt.isUpgraded && attempt.upstream != nil
        // A filter made another status of it: neither side would know where the message ends.
        if tunnels && !opensTunnel(response.status) { return responseUnsendable() }
        if let downstream, !downstream.sendHead(exchange, ended: ended, tunnels: tunnels) {
            // Once: what takes its place can be sent, or nothing can.
            guard exchange.reason != ProxyFault.invalidResponseHead.answer.reason else { return responseUnsendable() }
            isResponseHeadSent = false
            exchange.hasSentHead = false
            isResponseComplete = false
            return rescue(.invalidResponseHead)
        }
        if tunnels && exchange.isOpen {
            isTunnel = true
            requestDeadline = .never
            downstream?.becomeTunnel()
        }
        // A client that takes nothing is seen with the body; behind a head alone nothing can pile up.
        finishIfDone()
    }

    private func opensTunnel(_ status: UInt16) -> Bool {
        isConnect ? (200...299).contains(status) : status == 101
    }

    /// The response's receiver has room.
    var acceptsResponse: Bool { responseFlow.acceptsMore && hasRoom(.response, of: exchange) }

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
        let downstream = self.downstream.take()
        worker.cancelCalls(of: exchange)
        exchange.finish()
        listener?.requestEnded(exchange)
        let requestComplete = isRequestComplete
        attempt.reset()
        exchange.recycle()
        worker.giveBack(self)
        downstream?.exchangeEnded(requestComplete: requestComplete)
    }
}

extension ExchangeDriver: TimerTarget {
    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard exchange.isOpen else { return }
        let now = loop.now
        if requestDeadline <= now { return requestTimedOut() }
        if attempt.retry.nextEvent <= now {
            retryTimerFired()
            guard exchange.isOpen else { return }
        }
        let idleDeadline = idleTimeout > .zero ? lastActivity + idleTimeout : .never
        if idleDeadline <= now {
            if isRequestComplete { attempt.upstream?.report(.timeout) }
            return rescue(isRequestComplete ? .streamIdleTimeout : .requestIdleTimeout)
        }
        timer.require(min(idleDeadline, requestDeadline, attempt.retry.nextEvent), loop, self)
    }
}
