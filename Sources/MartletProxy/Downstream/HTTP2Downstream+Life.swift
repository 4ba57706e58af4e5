internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// How a client's HTTP/2 connection waits, and how it ends.
extension HTTP2Downstream {
    /// After anything happened: an idle connection waits for its next request, one that drains closes behind its last.
    func settle() {
        guard state == .open || state == .draining else { return }
        watchHead()
        guard !hasStreams, session.openStreams == 0 else {
            deadline = .never
            if !leftovers.isEmpty && leftoverDeadline == .never { watchLeftovers() }
            return
        }
        guard state == .open else { return shutdownDeadline == .never ? closeWhenSent() : () }
        if trimDeadline == .never {
            trimDeadline = loop.now + HTTP2Pace.trimTime
            timer.require(trimDeadline, loop, self)
        }
        guard deadline == .never else { return }
        let idle = listener.current.idleTimeout
        deadline = idle > .zero ? loop.now + idle : .never
        timer.require(deadline, loop, self)
    }

    /// The clock of a head runs from its first frame, however slowly the others come.
    private func watchHead() {
        guard session.isReceivingHead else { return headDeadline = .never }
        let limit = listener.current.headTimeout
        guard headDeadline == .never, limit > .zero else { return }
        headDeadline = loop.now + limit
        timer.require(headDeadline, loop, self)
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        let now = loop.now
        guard state != .closed else { return }
        if state == .closing {
            guard deadline <= now else { return timer.require(deadline, loop, self) }
            return flushTimedOut()
        }
        if shutdownDeadline <= now {
            shutdownDeadline = .never
            session.goAway(.noError)
            needsOutput()
        }
        if headDeadline <= now {
            listener.current.protocolErrors.add()
            session.goAway(.enhanceYourCalm)
            _ = session.flush(into: socket, atMost: .max)
            failStreams(.downstreamProtocolError)
            return closeWhenSent()
        }
        if trimDeadline <= now {
            trimDeadline = .never
            if !hasStreams { session.trim() }
        }
        if writeDeadline <= now {
            writeDeadline = .never
            if socket.queuedBytes > 0, socket.sentBytes == sentAtDeadline { return lost(.downstreamDisconnect) }
            watchWriting()
        }
        if deadline <= now { return goAway() }
        if leftoverDeadline <= now {
            leftoverDeadline = .never
            dropStalledLeftovers()
        }
        timer.require(
            min(deadline, shutdownDeadline, leftoverDeadline, headDeadline, writeDeadline, trimDeadline), loop, self)
    }

    /// No more requests; those under way are served.
    func goAway() {
        guard state == .open || state == .draining else { return }
        state = .draining
        shutdownDeadline = .never
        session.goAway(.noError)
        needsOutput()
        settle()
    }

    func drain() {
        guard state == .open else { return }
        // A request may have come since the last poll.
        socket.readNow()
        endAfterStreams()
    }

    /// No further streams. In two steps, so that no request crosses the last word on the wire (RFC 9113 section 6.8).
    func endAfterStreams() {
        guard state == .open else { return }
        state = .draining
        session.announceShutdown()
        needsOutput()
        shutdownDeadline = loop.now + Self.noticeTime
        timer.require(shutdownDeadline, loop, self)
    }

    /// How long after its notice the final GOAWAY follows: longer than most round trips.
    private static let noticeTime = Nanoseconds.seconds(1)

    func closeIfIdle() -> Bool {
        guard state == .open, !hasStreams, session.openStreams == 0 else { return false }
        socket.readNow()
        guard state == .open, !hasStreams, session.openStreams == 0 else { return false }
        goAway()
        return true
    }

    func cut() {
        forEachStream { $0.driver?.give(up: .drain) }
        close()
    }

    // MARK: Memory

    func shrinkBuffers(to limit: Int) { forEachStream { $0.driver?.shrinkBuffer(to: limit) } }

    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder]) {
        forEachStream { stream in
            guard let driver = stream.driver else { return }
            let held = stream.heldBytes + driver.heldBytes
            guard held >= bytes else { return }
            holders.append(
                MemoryHolder(connection: self, driver: driver, bytes: held, started: driver.exchange.started))
        }
    }

    func shed(_ driver: ExchangeDriver) {
        var isOurs = false
        forEachStream { if $0.driver === driver { isOurs = true } }
        if isOurs { driver.rescue(.overloaded) }
    }

    // MARK: Clients that do not read

    /// Responses whose exchange is over have nobody else who watches them.
    private func watchLeftovers() {
        for stream in leftovers { stream.queuedAtDeadline = session.queuedBytes(of: stream.id) }
        leftoverDeadline = loop.now + flushTime
        timer.require(leftoverDeadline, loop, self)
    }

    private func dropStalledLeftovers() {
        let stalled = leftovers.filter {
            let queued = session.queuedBytes(of: $0.id)
            return !session.hasSentEnd(of: $0.id) && queued >= $0.queuedAtDeadline
        }
        // Who opens no window, again and again, makes us do this.
        for stream in stalled { session.reset(stream.id, .cancel, provoked: true) }
        if !stalled.isEmpty { needsOutput() }
        if leftovers.count > stalled.count { watchLeftovers() }
    }

    /// A reader that takes nothing for so long is gone.
    private var flushTime: Nanoseconds {
        let idle = listener.current.streamIdleTimeout
        return idle > .zero ? min(idle, .seconds(30)) : .seconds(30)
    }

    /// The kernel takes nothing for a client that reads nothing, so no stream can be told anything either.
    func watchWriting() {
        guard writeDeadline == .never, socket.queuedBytes > 0 else { return }
        let idle = listener.current.streamIdleTimeout
        sentAtDeadline = socket.sentBytes
        writeDeadline = loop.now + (idle > .zero ? idle : Self.maxWriteTime)
        timer.require(writeDeadline, loop, self)
    }

    private static let maxWriteTime = Nanoseconds.seconds(300)

    private func flushTimedOut() {
        guard socket.queuedBytes > 0, socket.sentBytes != sentAtDeadline else { return close() }
        waitForFlush()
    }

    private func waitForFlush() {
        sentAtDeadline = socket.sentBytes
        deadline = loop.now + flushTime
        timer.require(deadline, loop, self)
    }

    // MARK: Ending

    /// The session cannot go on. Its GOAWAY says why.
    func sessionFailed() {
        guard state == .open || state == .draining, case .failed(let fault, _) = session.state else { return }
        listener.current.protocolErrors.add()
        listener.current.http2Faults.count(fault)
        _ = session.flush(into: socket, atMost: .max)
        failStreams(.downstreamProtocolError)
        closeWhenSent()
    }

    func closeWhenSent() {
        guard state == .open || state == .draining else { return }
        if case .open = session.state { session.goAway(.noError) }
        _ = session.flush(into: socket, atMost: .max)
        state = .closing
        // What the client still sends is read and dropped: a close with something unread would reset the connection, and what
        // the kernel has not delivered would be lost with it.
        if socket.queuedBytes == 0 { return waitForClient() }
        socket.wantsDrained = true
        waitForFlush()
    }

    /// The last has been handed to the kernel.
    func waitForClient() {
        socket.shutdownWhenFlushed()
        sentAtDeadline = socket.sentBytes
        deadline = loop.now + HTTP1Downstream.lingerTime
        timer.cancel(loop)
        timer.require(deadline, loop, self)
        socket.resumeReading()
        socket.readAgainNextTurn()
    }

    func lost(_ reason: ResetReason) {
        guard state != .closed else { return }
        socket.close()
        if state == .open || state == .draining {
            state = .closing
            failStreams(reason)
        }
        gone()
    }

    func close() { lost(.downstreamDisconnect) }

    func gone() {
        guard state != .closed else { return }
        state = .closed
        timer.cancel(loop)
        listener.current.http2Faults.add(session.counters)
        listener.closed(self)
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { lost(.downstreamDisconnect) }
    func socketClosed(_ socket: StreamSocket) { gone() }
}
