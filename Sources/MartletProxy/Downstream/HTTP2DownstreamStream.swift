internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// One request and its response on a client's HTTP/2 connection. Pooled by the worker.
final class HTTP2DownstreamStream: DownstreamStream {
    private var connection: HTTP2Downstream?
    private(set) var id: Int32 = 0
    private(set) var driver: ExchangeDriver?
    /// At most a window of it.
    private var held = HeldMessage()
    private var isDelivering = false
    private var isTunnel = false
    private var sendsBody = true
    private var isHeadSent = false
    /// Our side has said its last.
    private var isEnded = false
    /// In the chain an HTTP/1.1 upgrade stands for this extended CONNECT (RFC 8441).
    private var isExtendedConnect = false
    /// What follows the head is no body.
    private var asksForTunnel = false
    private(set) var isLeftover = false
    var queuedAtDeadline = 0

    func begin(_ connection: HTTP2Downstream, _ id: Int32, _ driver: ExchangeDriver) {
        self.connection = connection
        self.id = id
        self.driver = driver
        held.removeAll()
        isDelivering = false
        isTunnel = false
        sendsBody = true
        isHeadSent = false
        isEnded = false
        isExtendedConnect = false
        asksForTunnel = false
        isLeftover = false
    }

    /// The head is there. True when what follows is for a tunnel.
    func asksForTunnel(_ request: RequestHead) -> Bool {
        isExtendedConnect = request.asksForUpgrade
        asksForTunnel = request.asksForUpgrade || request.method == .connect
        return asksForTunnel
    }

    // MARK: The request

    var heldBytes: Int { held.bytes + queuedBytes }

    func received(_ slice: ByteSlice, ended: Bool) {
        guard let driver else {
            // Answered already: the rest is dropped until the client has heard of it.
            connection?.session.consumed(slice.count, of: id)
            return
        }
        guard isTaking, held.isEmpty, driver.acceptsRequest else {
            return held.append(slice, ended: ended)
        }
        deliver(slice, ended: ended, to: driver)
        deliverHeld()
    }

    /// What comes can be handed on at once.
    private var isTaking: Bool { !isDelivering && (isTunnel || !asksForTunnel) }

    private func deliver(_ slice: ByteSlice, ended: Bool, to driver: ExchangeDriver) {
        isDelivering = true
        // The client may send as much again: it hears of that only when it is told.
        connection?.session.consumed(slice.count, of: id)
        connection?.needsOutput()
        let endsTunnel = isTunnel && ended
        driver.requestBody(slice, ended: ended)
        if endsTunnel, self.driver === driver { driver.tunnelClientEnded() }
        isDelivering = false
    }

    func receivedEnd() {
        guard let driver else { return }
        guard isTaking, held.isEmpty else { return held.appendEnd() }
        deliver(driver.worker.nothing, ended: true, to: driver)
        deliverHeld()
    }

    func receivedTrailers(_ head: HTTP2Head) {
        guard let driver, let session = connection?.session else { return }
        do throws(HTTP2Fault) {
            try session.take(head, into: driver.exchange.requestTrailers)
        } catch {
            return driver.requestBroken(error.rawValue)
        }
        guard isTaking, held.isEmpty else { return held.appendTrailers() }
        driver.requestTrailers()
    }

    func resumeRequest() {
        deliverHeld()
    }

    private func deliverHeld() {
        while let driver, isTaking, !held.isEmpty, driver.acceptsRequest {
            switch held.takeNext() {
            case .body(let slice, let ended): deliver(slice, ended: ended, to: driver)
            case .end: deliver(driver.worker.nothing, ended: true, to: driver)
            case .trailers: driver.requestTrailers()
            case nil: return
            }
        }
    }

    // MARK: The response

    func sendHead(_ exchange: Exchange, ended: Bool, tunnels: Bool) -> Bool {
        // A client that has reset its stream takes nothing, and the exchange hears of that.
        guard let connection, connection.session.isOpen(id) else { return true }
        let request = exchange.request
        let response = exchange.response
        let isHead = request.method == .head
        let bodiless = !tunnels && (isHead || response.status == 204 || response.status == 304)
        sendsBody = !bodiless
        exchange.sendsNoBody = bodiless
        if connection.worker.isDraining || exchange.drainsConnection
            || connection.worker.overload.actions.contains(.disableKeepAlive)
        {
            connection.endAfterStreams()
        }
        if isExtendedConnect { WebSocketUpgrade.answerConnect(response, isOpen: tunnels) }
        let endsHere = (ended && !tunnels) || bodiless
        let framing = bodiless || tunnels ? BodyLength.none : ended ? .exactly(0) : response.body
        let isSent = connection.session.sendResponse(
            response, framing: framing, keepsLength: bodiless && response.status != 204, ended: endsHere, on: id)
        isHeadSent = isSent
        if isSent && endsHere { isEnded = true }
        connection.needsOutput()
        return isSent
    }

    func sendInformational(_ head: ResponseHead) {
        guard let connection else { return }
        _ = connection.session.sendInformational(head, on: id)
        connection.needsOutput()
    }

    func sendContinue() {
        guard let connection else { return }
        let head = connection.worker.continueHead
        _ = connection.session.sendInformational(head, on: id)
        connection.needsOutput()
    }

    func sendBody(_ slice: ByteSlice, ended: Bool) {
        guard let connection, sendsBody, !isEnded, !slice.isEmpty || ended else { return }
        if ended { isEnded = true }
        connection.session.sendData(slice, ended: ended, on: id)
        connection.needsOutput()
    }

    func sendTrailers(_ trailers: HeaderTable) {
        guard let connection, sendsBody, !isEnded, connection.session.isOpen(id) else { return }
        isEnded = true
        guard !trailers.isEmpty else {
            connection.session.sendData(connection.worker.nothing, ended: true, on: id)
            return connection.needsOutput()
        }
        guard connection.session.sendTrailers(trailers, on: id) else {
            driver?.responseUnsendable()
            return
        }
        connection.needsOutput()
    }

    func resetStream() {
        driver = nil
        dropHeld()
        guard let connection else { return }
        // It may be for want of a window that the exchange came to nothing: that the client has made.
        let isStalled = connection.session.isStalled(id)
        connection.session.reset(id, isHeadSent ? .internalError : .cancel, provoked: isStalled)
        connection.needsOutput()
    }

    func exchangeEnded(requestComplete: Bool) {
        driver = nil
        dropHeld()
        guard let connection else { return }
        if isTunnel && !isEnded {
            isEnded = true
            connection.session.sendData(connection.worker.nothing, ended: true, on: id)
        }
        isLeftover = true
        // Until it has been looked at once it has not stalled.
        queuedAtDeadline = .max
        connection.leftovers.append(self)
        connection.needsOutput()
    }

    private func dropHeld() {
        guard !held.isEmpty else { return }
        connection?.session.consumed(held.bytes, of: id)
        held.removeAll()
    }

    var queuedBytes: Int { connection?.session.queuedBytes(of: id) ?? 0 }

    func askDrained() {
        guard let connection else { return }
        connection.session.askDrained(id, left: HTTP2Pace.drainedAt)
        connection.needsOutput()
    }

    func drained() { driver?.downstreamDrained() }

    func becomeTunnel() {
        isTunnel = true
        resumeRequest()
    }

    // MARK: Ending

    /// The stream is over.
    func ended(_ close: HTTP2Close) {
        if case .failed = close { lost(.downstreamProtocolError) } else { lost(.downstreamDisconnect) }
    }

    /// Nobody is there any more to send to.
    func lost(_ reason: ResetReason) {
        let driver = self.driver.take()
        held.removeAll()
        connection = nil
        driver?.downstreamFailed(reason)
    }
}
