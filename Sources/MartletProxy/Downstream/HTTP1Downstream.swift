internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// A client's HTTP/1.1 connection: one exchange at a time, pipelined requests in order.
///
///     idle ──bytes──▶ reading head ──head──▶ exchange (reading body, writing response) ──▶ idle | lingering | closed
///                                              └─ 101 ─▶ tunnel ──▶ closed
final class HTTP1Downstream: StreamSocketOwner, TimerTarget {
    private enum State: UInt8 {
        case idle, exchange, tunnel
        /// The last response is on its way; what still comes is read and dropped, so that no reset overtakes it.
        case lingering
        case closed
    }

    private let worker: Worker
    private let listener: ListenerPort
    private let socket: StreamSocket
    private let client: Downstream
    private var decoder: HTTP1RequestDecoder
    private var driver: ExchangeDriver?
    /// Bytes read and not consumed: part of a head, or the next request while this one runs.
    private var pending: ByteBuffer?
    private var state = State.idle
    private var isConsuming = false
    private var hasEnded = false
    private var timer = LazyTimer()
    private var deadline: Instant
    private var requests = 0

    // How the response under way is framed.
    private var framing = BodyLength.none
    private var keepsAlive = true
    private var sendsBody = true
    private var requestIsHead = false

    init(worker: Worker, listener: ListenerPort, socket: StreamSocket, peer: SocketAddress) {
        self.worker = worker
        self.listener = listener
        self.socket = socket
        client = Downstream(
            directRemoteIP: peer.family == .unix ? "unix" : peer.host, directRemotePort: peer.port ?? 0,
            localAddress: listener.addressText, listener: listener.name, scheme: .http,
            connectionID: worker.nextConnectionID())
        decoder = HTTP1RequestDecoder(limits: listener.current.codecLimits)
        // A connection that never sends a request is closed like a head that never ends.
        deadline = worker.loop.now + listener.current.headTimeout
    }

    func start() throws(SystemError) {
        try socket.start(self)
        timer.require(deadline, worker.loop, self)
    }

    // MARK: Reading

    func socketConnected(_ socket: StreamSocket) {}

    func socketReadable(_ socket: StreamSocket) {
        let buffers = worker.loop.buffers
        for _ in 0..<Self.readsPerTurn {
            guard state != .closed, wantsBytes else { return socket.pauseReading() }
            var buffer: ByteBuffer? = buffers.takeScratch()
            defer { buffers.release(&buffer) }
            guard let scratch = buffer else { return }
            if let kept = pending {
                if kept.count >= scratch.capacity { return refuse(.headTooLarge) }
                scratch.append(kept.bytes())
            }
            switch socket.read(into: scratch) {
            case .bytes:
                let before = pending?.count ?? 0
                if state == .lingering { continue }
                pending = nil
                consume(scratch, newBytes: scratch.count - before)
            case .nothing: return
            case .end: return clientEnded()
            case .failed: return lost(.downstreamDisconnect)
            }
        }
        socket.readAgainNextTurn()
    }

    /// Bounded work a turn, so that one busy client cannot starve the rest.
    private static let readsPerTurn = 4

    /// Whether reading on would find a taker. A pipelined request waits until the one before is done; at most one
    /// buffer of it is kept.
    private var wantsBytes: Bool {
        switch state {
        case .idle, .lingering: true
        case .exchange:
            driver.map { !$0.isRequestComplete && $0.acceptsRequest } ?? false
        case .tunnel: driver?.acceptsRequest ?? false
        case .closed: false
        }
    }

    private func keep(_ buffer: ByteBuffer, from offset: Int) {
        guard offset < buffer.count else { return }
        let rest = buffer.bytes(in: offset..<buffer.count)
        if let present = pending, present.capacity >= rest.count, present !== buffer {
            present.removeAll()
            present.append(rest)
            return
        }
        var size = 256
        while size < rest.count { size *= 2 }
        let copy = ByteBuffer(capacity: size)
        copy.append(rest)
        pending = copy
    }

    private func consumePending() {
        guard let kept = pending, !isConsuming, state != .closed else { return }
        pending = nil
        consume(kept, newBytes: kept.count)
    }

    private func consume(_ buffer: ByteBuffer, newBytes: Int) {
        isConsuming = true
        defer { isConsuming = false }
        var offset = 0
        var headsLeft = Self.headsPerTurn
        while offset < buffer.count {
            switch state {
            case .closed, .lingering: return
            case .tunnel:
                driver?.requestBody(ByteSlice(buffer, offset..<buffer.count), ended: false)
                return
            case .idle:
                guard headsLeft > 0 else {
                    keep(buffer, from: offset)
                    return worker.consumeLater(self)
                }
                headsLeft -= 1
                guard head(buffer, &offset) else { return }
            case .exchange:
                guard let driver, !driver.isRequestComplete, driver.acceptsRequest else {
                    return keep(buffer, from: offset)
                }
                guard body(buffer, &offset, driver) else { return }
            }
        }
        if state == .idle { becomeIdle() }
    }

    /// Pipelined requests opened in one go; the rest waits a turn.
    private static let headsPerTurn = 32

    func consumeNow() {
        consumePending()
        guard state != .closed else { return }
        if state == .idle && hasEnded && pending == nil { return closeWhenSent() }
        if wantsBytes { socket.resumeReading() }
    }

    private func head(_ buffer: ByteBuffer, _ offset: inout Int) -> Bool {
        let driver = worker.takeDriver()
        let exchange = driver.exchange
        let step = decoder.decode(
            buffer.bytes(in: offset..<buffer.count), into: exchange.request, trailers: exchange.requestTrailers)
        offset += step.consumed
        switch step.event {
        case .head(let endsHere):
            requests += 1
            deadline = .never
            state = .exchange
            self.driver = driver
            keepsAlive = exchange.request.keepsAlive && !worker.isDraining
            requestIsHead = exchange.request.method == .head
            driver.open(self, client, listener.current, ended: endsHere)
            return state != .closed
        case .failed(let fault):
            refuse(fault, driver)
            return false
        default:
            exchange.recycle()
            worker.giveBack(driver)
            keep(buffer, from: offset)
            waitForHead()
            return false
        }
    }

    private func body(_ buffer: ByteBuffer, _ offset: inout Int, _ driver: ExchangeDriver) -> Bool {
        let exchange = driver.exchange
        let start = offset
        let step = decoder.decode(
            buffer.bytes(in: offset..<buffer.count), into: exchange.request, trailers: exchange.requestTrailers)
        offset += step.consumed
        switch step.event {
        case .body(let range, let last):
            let slice = ByteSlice(buffer, (start + range.lowerBound)..<(start + range.upperBound))
            driver.requestBody(slice, ended: last)
            return state != .closed
        case .end:
            if exchange.requestTrailers.isEmpty {
                driver.requestBody(ByteSlice(buffer, start..<start), ended: true)
            } else {
                driver.requestTrailers()
            }
            return state != .closed
        case .failed(let fault):
            listener.current.protocolErrors.add()
            driver.requestBroken(fault)
            return false
        default:
            keep(buffer, from: offset)
            return false
        }
    }

    // MARK: Waiting for requests

    private func becomeIdle() {
        pending = nil
        let idle = listener.current.idleTimeout
        deadline = idle > .zero ? worker.loop.now + idle : .never
        timer.require(deadline, worker.loop, self)
        if worker.isDraining && requests > 0 { closeWhenSent() }
    }

    private func waitForHead() {
        // The clock of a head runs from its first byte, however slowly the others come.
        let limit = listener.current.headTimeout
        guard !isWaitingForHead, limit > .zero else { return }
        isWaitingForHead = true
        deadline = worker.loop.now + limit
        timer.require(deadline, worker.loop, self)
    }

    private var isWaitingForHead = false {
        didSet { if !isWaitingForHead { deadline = .never } }
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard state != .closed else { return }
        guard deadline <= worker.loop.now else { return timer.require(deadline, worker.loop, self) }
        switch state {
        case .idle where isWaitingForHead: refuse(status: 408, "request-headers-timeout", .streamIdleTimeout)
        case .idle, .lingering: close()
        case .exchange, .tunnel, .closed: break
        }
    }

    /// The worker drains: idle connections go now, others after their exchange.
    func drain() {
        keepsAlive = false
        if state == .idle && pending == nil { closeWhenSent() }
    }

    /// The drain deadline has passed.
    func cut() {
        if driver != nil { driver?.give(up: .drain) } else { close() }
    }

    // MARK: The client goes

    private func clientEnded() {
        hasEnded = true
        switch state {
        case .idle, .lingering: closeWhenSent()
        case .exchange:
            // A client may send its end behind a whole request and still wait for the answer (RFC 9112 section 9.6).
            if driver?.isRequestComplete != true { lost(.downstreamDisconnect) }
        case .tunnel: driver?.tunnelClientEnded()
        case .closed: break
        }
    }

    private func lost(_ reason: ResetReason) {
        let driver = self.driver
        self.driver = nil
        close()
        driver?.downstreamFailed(reason)
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { lost(.downstreamDisconnect) }

    func socketDrained(_ socket: StreamSocket) { driver?.downstreamDrained() }

    private func close() {
        guard state != .closed else { return }
        state = .closed
        pending = nil
        timer.cancel(worker.loop)
        socket.close()
        listener.closed(self)
    }

    /// Lets the last response arrive before the connection goes.
    private func linger() {
        guard state != .closed else { return }
        state = .lingering
        pending = nil
        socket.shutdownWhenFlushed()
        deadline = worker.loop.now + Self.lingerTime
        timer.require(deadline, worker.loop, self)
        if hasEnded { return closeWhenSent() }
        socket.resumeReading()
    }

    private func closeWhenSent() {
        guard state != .closed else { return }
        state = .closed
        pending = nil
        timer.cancel(worker.loop)
        socket.closeWhenFlushed()
        listener.closed(self)
    }

    /// Envoy's `delayed_close_timeout`.
    private static let lingerTime = Nanoseconds.seconds(1)

    // MARK: Refusing

    /// Answers what is no request. There is no exchange to speak of, but it is counted and logged like one.
    private func refuse(_ fault: HTTP1Fault, _ driver: ExchangeDriver? = nil) {
        if let driver {
            driver.exchange.recycle()
            worker.giveBack(driver)
        }
        refuse(status: fault.status, "bad-request: \(fault.rawValue)", .downstreamProtocolError)
    }

    private func refuse(status: UInt16, _ reason: String, _ flag: ResponseFlag) {
        listener.current.protocolErrors.add()
        let driver = worker.takeDriver()
        self.driver = driver
        state = .exchange
        keepsAlive = false
        requestIsHead = false
        driver.refuse(self, client, listener.current, status: status, reason, flag)
    }
}

extension HTTP1Downstream: DownstreamStream {
    // MARK: The response

    func sendHead(_ exchange: Exchange, ended: Bool) {
        let request = exchange.request
        let response = exchange.response
        let bodiless = requestIsHead || response.status == 204 || response.status == 304
        sendsBody = !bodiless
        if request.asksForUpgrade && response.status != 101 { keepsAlive = false }
        if bodiless {
            framing = .none
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
        if worker.isDraining { keepsAlive = false }
        let connection: HTTP1Encoder.Connection
        if response.status == 101 {
            framing = .none
            connection = .upgrade
        } else if !keepsAlive {
            connection = .close
        } else {
            connection = request.version == .http10 ? .keepAlive : .keep
        }
        var fits = false
        let isLengthKept = bodiless && response.status != 204
        socket.write(reserving: HTTP1Encoder.sizeBound(response)) {
            fits = HTTP1Encoder.encode(
                response, framing: framing, connection: connection, keepsLength: isLengthKept, into: $0)
        }
        if !fits { driver?.responseUnsendable() }
    }

    func sendInformational(_ head: ResponseHead) {
        socket.write(reserving: HTTP1Encoder.sizeBound(head)) { _ = HTTP1Encoder.encodeInformational(head, into: $0) }
    }

    func sendContinue() {
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
        if case .untilClose = framing {
            guard state != .closed else { return }
            state = .closed
            pending = nil
            timer.cancel(worker.loop)
            socket.reset()
            listener.closed(self)
        } else {
            closeWhenSent()
        }
    }

    func exchangeEnded(requestComplete: Bool) {
        driver = nil
        guard state != .closed else { return }
        if case .untilClose = framing { keepsAlive = false }
        guard keepsAlive, requestComplete, state == .exchange else {
            // With nothing unread a close sends FIN behind the response; with something unread it would send a reset.
            return requestComplete && pending == nil && !isConsuming ? closeWhenSent() : linger()
        }
        state = .idle
        isWaitingForHead = false
        guard !isConsuming else { return }
        // Not from within this call: a pipelined flood of local replies would nest without bound.
        if pending != nil { return worker.consumeLater(self) }
        if hasEnded { return closeWhenSent() }
        becomeIdle()
        socket.resumeReading()
    }

    var queuedBytes: Int { socket.queuedBytes }
    func askDrained() { socket.wantsDrained = true }

    func resumeRequest() {
        guard state != .closed else { return }
        if pending != nil, !isConsuming { worker.consumeLater(self) } else { socket.resumeReading() }
    }

    func becomeTunnel() {
        state = .tunnel
        deadline = .never
        resumeRequest()
    }
}
