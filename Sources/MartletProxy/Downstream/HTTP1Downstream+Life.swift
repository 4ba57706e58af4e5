internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// How a client's connection waits, and how it ends: nothing that was promised to the client is lost, and no wait is without
/// end.
extension HTTP1Downstream {
    // MARK: Waiting for requests

    func becomeIdle() {
        pending = nil
        let idle = listener.current.idleTimeout
        deadline = idle > .zero ? loop.now + idle : .never
        timer.require(deadline, loop, self)
        if worker.isDraining && requests > 0 { closeWhenSent() }
    }

    func waitForHead() {
        // The clock of a head runs from its first byte, however slowly the others come.
        let limit = listener.current.headTimeout
        guard !isWaitingForHead, limit > .zero else { return }
        isWaitingForHead = true
        deadline = loop.now + limit
        timer.require(deadline, loop, self)
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard state != .closed else { return }
        guard deadline <= loop.now else { return timer.require(deadline, loop, self) }
        switch state {
        case .idle where isWaitingForHead: refuse(status: 408, "request-headers-timeout", .streamIdleTimeout)
        case .idle: close()
        case .draining, .lingering, .closing: flushTimedOut()
        case .exchange, .tunnel, .closed: break
        }
    }

    /// A reader that takes what it gets, however slowly, is not cut off; one that takes nothing is.
    func flushTimedOut() {
        guard socket.queuedBytes > 0, socket.sentBytes != sentAtDeadline else { return close() }
        waitForFlush(flushTime)
    }

    func waitForFlush(_ time: Nanoseconds) {
        sentAtDeadline = socket.sentBytes
        deadline = loop.now + time
        timer.require(deadline, loop, self)
    }

    /// A reader that takes nothing for so long is gone.
    var flushTime: Nanoseconds {
        let idle = listener.current.streamIdleTimeout
        return idle > .zero ? min(idle, Self.maxFlushTime) : Self.maxFlushTime
    }
    private static let maxFlushTime = Nanoseconds.seconds(30)

    func drain() {
        keepsAlive = false
        guard state == .idle, pending == nil else { return }
        // A request may have come since the last poll, on a fresh connection above all.
        socket.readNow()
        guard state == .idle, pending == nil else { return }
        if requests > 0 { return closeWhenSent() }
        deadline = min(deadline, loop.now + Self.lingerTime)
        timer.require(deadline, loop, self)
    }

    func closeIfIdle() -> Bool {
        guard state == .idle, pending == nil, !isConsumeLater else { return false }
        // A request may have come since the last poll.
        socket.readNow()
        guard state == .idle, pending == nil, !isConsumeLater else { return false }
        closeWhenSent()
        return true
    }

    func shrinkBuffers(to limit: Int) { driver?.shrinkBuffer(to: limit) }

    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder]) {
        guard let driver else { return }
        let held = (pending?.count ?? 0) + socket.queuedBytes + driver.heldBytes
        guard held >= bytes else { return }
        holders.append(MemoryHolder(connection: self, driver: driver, bytes: held, started: driver.exchange.started))
    }

    func shed(_ driver: ExchangeDriver) {
        guard driver === self.driver else { return }
        keepsAlive = false
        driver.rescue(.overloaded)
    }

    func cut() {
        if driver != nil { driver?.give(up: .drain) }
        close()
    }

    // MARK: The client goes

    func clientEnded() {
        hasEnded = true
        switch state {
        case .idle where pending != nil && !wantsBytes: break  // whole requests that wait their turn
        case .idle, .draining, .lingering: closeWhenSent()
        case .exchange:
            // A client may send its end behind a whole request and still wait for the answer (RFC 9112 section 9.6). Over TLS
            // it says so first.
            if driver?.isRequestComplete != true || socket.endedWithoutCloseNotify { lost(.downstreamDisconnect) }
        case .tunnel: driver?.tunnelClientEnded()
        case .closing, .closed: break
        }
    }

    func lost(_ reason: ResetReason) {
        let driver = self.driver
        self.driver = nil
        close()
        driver?.downstreamFailed(reason)
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { lost(.downstreamDisconnect) }

    func socketDrained(_ socket: StreamSocket) {
        switch state {
        case .lingering: waitForFlush(Self.lingerTime)
        case .idle:
            if pending != nil { consumeLater() } else { socket.resumeReading() }
        default: driver?.downstreamDrained()
        }
    }

    func socketClosed(_ socket: StreamSocket) { gone() }

    func close() {
        guard state != .closed else { return }
        socket.close()
        gone()
    }

    /// With a TCP reset: the client must not take what it got for the whole.
    func reset() {
        guard state != .closed else { return }
        socket.reset()
        gone()
    }

    func gone() {
        guard state != .closed else { return }
        state = .closed
        pending = nil
        timer.cancel(loop)
        listener.closed(self)
    }

    /// Lets the last response arrive before the connection goes. The client has a moment to hear of its end, counted from
    /// when everything has been sent.
    func linger() {
        guard state != .closed, state != .closing else { return }
        if hasEnded { return closeWhenSent() }
        state = .lingering
        pending = nil
        let isFlushed = socket.queuedBytes == 0
        socket.shutdownWhenFlushed()
        if !isFlushed { socket.wantsDrained = true }
        waitForFlush(isFlushed ? Self.lingerTime : flushTime)
        socket.resumeReading()
    }

    /// Counted among the listener's connections until the last byte has left: a drain waits for it.
    func closeWhenSent() {
        guard state != .closed, state != .closing else { return }
        state = .closing
        pending = nil
        socket.pauseReading()
        waitForFlush(flushTime)
        socket.closeWhenFlushed()
    }

    /// Envoy's `delayed_close_timeout`.
    static let lingerTime = Nanoseconds.seconds(1)
}
