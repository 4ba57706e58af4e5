internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// The way back: an exchange's response onto the client's connection, and what becomes of the connection after it.
extension HTTP1Downstream: DownstreamStream {
    // MARK: The response

    func sendHead(_ exchange: Exchange, ended: Bool, tunnels: Bool) -> Bool {
        let request = exchange.request
        let response = exchange.response
        let bodiless = requestIsHead || response.status == 204 || response.status == 304
        sendsBody = !bodiless
        exchange.sendsNoBody = bodiless
        // What came behind the head was meant for the tunnel; it must not be read as a request.
        let isConnect = request.method == .connect
        if (request.asksForUpgrade || isConnect) && !tunnels { keepsAlive = false }
        if bodiless || tunnels {
            framing = .none
        } else if isConnect && (200...299).contains(response.status) {
            // To its client a 2xx to CONNECT has no length (RFC 9110 section 9.3.6).
            framing = .untilClose
        } else if ended {
            framing = .exactly(0)
        } else if case .exactly = response.body {
            framing = response.body
        } else if request.version == .http10 {
            framing = .untilClose
            keepsAlive = false
        } else {
            framing = .chunked
        }
        if worker.isDraining || exchange.drainsConnection || closesEarly
            || worker.overload.actions.contains(.disableKeepAlive)
        {
            keepsAlive = false
        }
        let connection: HTTP1Encoder.Connection
        if tunnels {
            connection = isConnect ? .keep : .upgrade
        } else if !keepsAlive {
            connection = .close
        } else {
            connection = request.version == .http10 ? .keepAlive : .keep
        }
        var fits = false
        let isLengthKept = bodiless && response.status != 204
        socket.write(reserving: HTTP1Encoder.sizeBound(response)) {
            let start = $0.count
            fits = HTTP1Encoder.encode(
                response, framing: framing, connection: connection, keepsLength: isLengthKept, into: $0)
            if !fits { $0.truncate(to: start) }
        }
        // A broken socket takes nothing, and tells of it by itself.
        return fits || socket.isWriteBroken || socket.isClosed
    }

    /// The request is answered, nobody wants the rest of it, and it will not be read to its end: the client may know
    /// that before it sends another (RFC 9112 section 9.6).
    private var closesEarly: Bool {
        guard let driver, !driver.isRequestComplete, driver.attempt.ignoresRequest else { return false }
        guard !awaitsContinue, case .exactly(let length) = driver.request.body else { return awaitsContinue }
        return length > driver.exchange.requestBytes + UInt64(Self.maxDrained)
    }

    func sendInformational(_ head: ResponseHead) {
        socket.write(reserving: HTTP1Encoder.sizeBound(head)) { _ = HTTP1Encoder.encodeInformational(head, into: $0) }
    }

    func sendContinue() {
        awaitsContinue = false
        socket.write(reserving: 32) { $0.append(HTTP1Encoder.continueResponse) }
    }

    func sendBody(_ slice: ByteSlice, ended: Bool) {
        if state == .tunnel { return put(slice) }
        guard sendsBody else { return }
        if case .chunked = framing {
            if !slice.isEmpty {
                socket.write(reserving: HTTP1Encoder.chunkHeadBound) { HTTP1Encoder.chunkHead(slice.count, into: $0) }
                put(slice)
                socket.write(reserving: 2) { HTTP1Encoder.chunkTail(into: $0) }
            }
            if ended { socket.write(reserving: 8) { $0.append("0\r\n\r\n") } }
        } else {
            put(slice)
        }
    }

    private func put(_ slice: ByteSlice) {
        if slice.count <= ExchangeDriver.copyLimit {
            socket.write(slice.bytes())
        } else {
            socket.write(slice)
        }
    }

    func sendTrailers(_ trailers: HeaderTable) {
        guard sendsBody, case .chunked = framing else { return }
        var fits = false
        socket.write(reserving: HTTP1Encoder.sizeBound(trailers: trailers)) {
            fits = HTTP1Encoder.lastChunk(trailers, into: $0)
        }
        if !fits { driver?.responseUnsendable() }
    }

    func resetStream() {
        driver = nil
        // A length or a last chunk that is missing tells the client that the body is not whole. Where the body ends with
        // the connection only a reset does.
        if case .untilClose = framing { reset() } else { closeWhenSent() }
    }

    func exchangeEnded(requestComplete: Bool) {
        driver = nil
        guard state != .closed, state != .closing else { return }
        if case .untilClose = framing { keepsAlive = false }
        if !requestComplete && drainRequest() { return }
        guard keepsAlive, requestComplete, state == .exchange else {
            // With nothing unread a close sends FIN behind the response; with something unread it would send a reset.
            return requestComplete && pending == nil && !isConsuming ? closeWhenSent() : linger()
        }
        state = .idle
        isWaitingForHead = false
        guard !isConsuming else { return }
        // Not from within this call: a pipelined flood of local replies would nest without bound.
        if pending != nil { return consumeLater() }
        if hasEnded { return closeWhenSent() }
        becomeIdle()
        socket.resumeReading()
    }

    var queuedBytes: Int { socket.queuedBytes }
    func askDrained() { socket.wantsDrained = true }

    func resumeRequest() {
        guard state != .closed, state != .closing else { return }
        if pending != nil, !isConsuming { consumeLater() } else { socket.resumeReading() }
    }

    func becomeTunnel() {
        state = .tunnel
        deadline = .never
        resumeRequest()
    }
}
