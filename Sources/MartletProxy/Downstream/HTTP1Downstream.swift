internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// A client's HTTP/1.1 connection: one exchange at a time, pipelined requests in order.
///
///     idle ──bytes──▶ reading head ──head──▶ exchange (reading body, writing response) ──▶ idle | lingering | closed
///                                              ├─ answered early ─▶ draining ──▶ idle | lingering
///                                              └─ 101 ─▶ tunnel ──▶ closing ──▶ closed
final class HTTP1Downstream: DownstreamConnection, StreamSocketOwner, TimerTarget {
    enum State: UInt8 {
        case idle, exchange, tunnel
        /// The request was answered before all of it had come; the rest is read and dropped, so that the connection can
        /// serve the next.
        case draining
        /// The last response is on its way; what still comes is read and dropped, so that no reset overtakes it.
        case lingering
        /// Nothing more is read; what is queued is still on its way.
        case closing
        case closed
    }

    let worker: Worker
    let loop: EventLoop
    private let buffers: BufferPool
    let listener: ListenerPort
    let socket: StreamSocket
    private var client: Downstream
    private var decoder: HTTP1RequestDecoder
    var driver: ExchangeDriver?
    var place = -1
    /// Bytes read and not consumed: part of a head, or the next request while this one runs.
    var pending: ByteBuffer?
    var state = State.idle
    var isConsuming = false
    var hasEnded = false
    /// What was read goes on in the next turn.
    private(set) var isConsumeLater = false
    var timer = LazyTimer()
    var deadline: Instant
    private(set) var requests = 0

    // How the response under way is framed.
    var framing = BodyLength.none
    var keepsAlive = true
    var sendsBody = true
    var requestIsHead = false
    /// The client waits for a 100 that it has not been sent: nobody knows whether its body will come.
    var awaitsContinue = false
    /// Bytes of an answered request that may still be dropped.
    private var drainAllowance = 0

    var isWaitingForHead = false {
        didSet { if !isWaitingForHead { deadline = .never } }
    }

    var sentAtDeadline: UInt64 = 0

    init(worker: Worker, listener: ListenerPort, socket: StreamSocket, client: Downstream) {
        self.worker = worker
        loop = worker.loop
        buffers = loop.buffers
        self.listener = listener
        self.socket = socket
        self.client = client
        decoder = HTTP1RequestDecoder(limits: listener.current.codecLimits)
        // A connection that never sends a request is closed like a head that never ends.
        let limit = listener.current.headTimeout
        deadline = limit > .zero ? loop.now + limit : .never
    }

    /// The exchange under way goes on under the old name.
    func listenerRenamed() { client = client.at(listener: listener.name) }

    func start() throws(SystemError) {
        try socket.start(self)
        timer.require(deadline, loop, self)
    }

    /// The socket is started already, and becomes this connection's.
    /// - Parameter bytes: what was read of it.
    func begin(with bytes: ByteBuffer?) {
        socket.owner = self
        timer.require(deadline, loop, self)
        if let bytes { consume(bytes, newBytes: bytes.count) }
        guard state != .closed, socket.owner === self else { return }
        if worker.isDraining { drain() }
        guard state != .closed else { return }
        socket.readAgainNextTurn()
    }

    // MARK: Reading

    func socketConnected(_ socket: StreamSocket) {}

    func socketReadable(_ socket: StreamSocket) {
        for _ in 0..<Self.readsPerTurn {
            guard state != .closed else { return }
            guard wantsBytes else { return stopReading() }
            var buffer: ByteBuffer? = buffers.takeScratch(behind: pending)
            defer { buffers.release(&buffer) }
            guard let scratch = buffer else { return }
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

    private func stopReading() {
        socket.pauseReading()
        // Over TLS a client that is gone is told from one that only ends its sending, and need not be read for that.
        socket.watchesPeer = true
        if state == .exchange && socket.isCutShort { return lost(.downstreamDisconnect) }
        // The client does not take its answers; its further requests wait until it does.
        if state == .idle && !isConsumeLater { socket.wantsDrained = true }
    }

    /// Bounded work a turn, so that one busy client cannot starve the rest.
    private static let readsPerTurn = 4

    /// Whether reading on would find a taker. A pipelined request waits until the one before is done; at most one
    /// buffer of it is kept.
    var wantsBytes: Bool {
        switch state {
        // Not while answers to earlier requests pile up: a client that only sends would fill our memory.
        case .idle: !isConsumeLater && socket.queuedBytes < listener.current.streamBuffer
        case .draining, .lingering: true
        case .exchange:
            driver.map { !$0.isRequestComplete && $0.acceptsRequest } ?? false
        case .tunnel: driver?.acceptsRequest ?? false
        case .closing, .closed: false
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
        if requests == 0, state == .idle, client.tls?.alpn == nil {
            switch HTTP2Preface.match(buffer.bytes()) {
            case .no: break
            case .partial:
                keep(buffer, from: 0)
                return waitForHead()
            case .yes: return becomeHTTP2(buffer)
            }
        }
        isConsuming = true
        defer { isConsuming = false }
        var offset = 0
        var headsLeft = Self.headsPerTurn
        while offset < buffer.count {
            switch state {
            case .closing, .closed, .lingering: return
            case .tunnel:
                driver?.requestBody(ByteSlice(buffer, offset..<buffer.count), ended: false)
                return
            case .idle:
                decoder.limits = listener.current.codecLimits
                guard headsLeft > 0, socket.queuedBytes < listener.current.streamBuffer else {
                    keep(buffer, from: offset)
                    return headsLeft > 0 ? stopReading() : consumeLater()
                }
                headsLeft -= 1
                guard head(buffer, &offset) else { return }
            case .draining: guard drop(buffer, &offset) else { return }
            case .exchange:
                guard let driver, !driver.isRequestComplete, driver.acceptsRequest else {
                    return keep(buffer, from: offset)
                }
                guard body(buffer, &offset, driver) else { return }
            }
        }
        if state == .idle { becomeIdle() }
    }

    /// The client speaks HTTP/2 without having asked (RFC 9113 section 3.3).
    private func becomeHTTP2(_ buffer: ByteBuffer) {
        guard let next = HTTP2Downstream(worker: worker, listener: listener, socket: socket, client: client) else {
            return close()
        }
        state = .closed
        timer.cancel(loop)
        listener.replace(self, with: next)
        next.begin(with: buffer)
    }

    /// Pipelined requests opened in one go; the rest waits a turn.
    private static let headsPerTurn = 32

    func consumeLater() {
        guard !isConsumeLater else { return }
        isConsumeLater = true
        worker.consumeLater(self)
    }

    func consumeNow() {
        isConsumeLater = false
        guard state != .closed else { return }
        consumePending()
        guard state != .closed else { return }
        if state == .idle && hasEnded && pending == nil { return closeWhenSent() }
        if wantsBytes { socket.resumeReading() } else { stopReading() }
    }

    private func head(_ buffer: ByteBuffer, _ offset: inout Int) -> Bool {
        let driver = worker.takeDriver()
        let step = driver.decode(&decoder, buffer.bytes(in: offset..<buffer.count))
        offset += step.consumed
        switch step.event {
        case .head(let endsHere):
            requests += 1
            deadline = .never
            state = .exchange
            self.driver = driver
            keepsAlive = driver.request.keepsAlive && !worker.isDraining
            requestIsHead = driver.request.method == .head
            awaitsContinue = driver.request.expectsContinue
            if worker.overload.actions.contains(.refuseRequests) {
                worker.overloadCounts.requests.add()
                keepsAlive = false
                driver.refuse(self, client, listener.current, status: 503, "overloaded", .overloadManager)
            } else {
                driver.open(self, client, listener.current, ended: endsHere)
            }
            return state != .closed
        case .failed(let fault):
            refuse(fault, driver)
            return false
        default:
            driver.exchange.recycle()
            worker.giveBack(driver)
            // The rest of this head will not come.
            if hasEnded {
                closeWhenSent()
                return false
            }
            keep(buffer, from: offset)
            waitForHead()
            return false
        }
    }

    private func body(_ buffer: ByteBuffer, _ offset: inout Int, _ driver: ExchangeDriver) -> Bool {
        let start = offset
        let step = driver.decode(&decoder, buffer.bytes(in: offset..<buffer.count))
        offset += step.consumed
        switch step.event {
        case .body(let range, let last):
            let slice = ByteSlice(buffer, (start + range.lowerBound)..<(start + range.upperBound))
            driver.requestBody(slice, ended: last)
            return state != .closed
        case .end:
            if driver.exchange.requestTrailers.isEmpty {
                driver.requestBody(ByteSlice(buffer, start..<start), ended: true)
            } else {
                driver.requestTrailers()
            }
            return state != .closed
        case .failed(let fault):
            listener.current.protocolErrors.add()
            // Where this request ends nobody can say, so nothing behind it is one.
            keepsAlive = false
            driver.requestBroken(fault.rawValue)
            return false
        default:
            keep(buffer, from: offset)
            return false
        }
    }

    /// A piece of a request that has been answered. False when there is nothing more to be done with `buffer`.
    private func drop(_ buffer: ByteBuffer, _ offset: inout Int) -> Bool {
        let step = decoder.decode(
            buffer.bytes(in: offset..<buffer.count), into: worker.droppedHead, trailers: worker.droppedTrailers)
        offset += step.consumed
        drainAllowance -= step.consumed
        var isOver = false
        switch step.event {
        case .body(_, let last): isOver = last
        case .end:
            worker.droppedTrailers.reset()
            isOver = true
        case .failed:
            linger()
            return false
        default:
            keep(buffer, from: offset)
            return false
        }
        if isOver {
            state = .idle
            isWaitingForHead = false
        } else if drainAllowance <= 0 {
            linger()
            return false
        }
        return true
    }

    /// The response is out and the request is not all in. False when what is left is not worth reading.
    func drainRequest() -> Bool {
        guard keepsAlive, !awaitsContinue, !hasEnded, state == .exchange else { return false }
        state = .draining
        drainAllowance = Self.maxDrained
        deadline = loop.now + Self.lingerTime
        timer.require(deadline, loop, self)
        if !isConsuming {
            if pending != nil { consumeLater() } else { socket.resumeReading() }
        }
        return true
    }

    static let maxDrained = 262_144

    // MARK: Refusing

    /// Answers what is no request. There is no exchange to speak of, but it is counted and logged like one.
    private func refuse(_ fault: HTTP1Fault, _ driver: ExchangeDriver? = nil) {
        if let driver {
            driver.exchange.recycle()
            worker.giveBack(driver)
        }
        refuse(status: fault.status, "bad-request: \(fault.rawValue)", .downstreamProtocolError)
    }

    func refuse(status: UInt16, _ reason: String, _ flag: ResponseFlag) {
        listener.current.protocolErrors.add()
        let driver = worker.takeDriver()
        self.driver = driver
        state = .exchange
        keepsAlive = false
        requestIsHead = false
        driver.refuse(self, client, listener.current, status: status, reason, flag)
    }
}
