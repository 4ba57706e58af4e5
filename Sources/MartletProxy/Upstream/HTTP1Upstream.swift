internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// One HTTP/1.1 connection to an endpoint: dialling, lent to one receiver at a time, or idle in its pool.
final class HTTP1Upstream: UpstreamStream, UpstreamConnection, StreamSocketOwner, TimerTarget {
    let cluster: WorkerCluster
    let endpoint: WorkerEndpoint
    private let loop: EventLoop
    private let buffers: BufferPool
    private let socket: StreamSocket
    private var decoder: HTTP1ResponseDecoder
    private var receiver: (any UpstreamReceiver)?
    private var account = EndpointAccount()
    private var pending: ByteBuffer?
    private var timer = LazyTimer()
    private var connectDeadline: Instant
    private var idleDeadline = Instant.never

    private(set) var isConnected: Bool
    /// Requests sent on it, this one included.
    private(set) var requests = 0
    private var responseStarted = false
    private var sentWhenLent: UInt64 = 0
    private var isResponseDone = false
    private var isRequestDone = false
    private var isTunnel = false
    private var isChunked = false
    private var keepsAlive = true
    private var isPaused = false
    /// The receiver has changed within a response.
    private var isHandedOver = false

    /// - Parameter socket: dialling, or connected already and somebody else's.
    init(cluster: WorkerCluster, endpoint: WorkerEndpoint, socket: StreamSocket, isConnected: Bool) {
        self.cluster = cluster
        self.endpoint = endpoint
        loop = cluster.worker.loop
        buffers = loop.buffers
        decoder = HTTP1ResponseDecoder(limits: cluster.codecLimits)
        self.socket = socket
        self.isConnected = isConnected
        connectDeadline = isConnected ? .never : loop.now + cluster.connectTimeout
    }

    func start() throws(SystemError) {
        if isConnected { socket.owner = self } else { try socket.start(self) }
        timer.require(connectDeadline, loop, self)
    }

    var isReused: Bool { requests > 1 }
    var mayBeRefused: Bool { false }
    var waiting: Int { isConnected ? 0 : 1 }
    var isOpen: Bool { !socket.isClosed }
    var hasSent: Bool { socket.sentBytes != sentWhenLent }
    var queuedBytes: Int { socket.queuedBytes }

    // MARK: Lending

    func lend(to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        account.open(endpoint, at: loop.now)
        isPaused = false
        requests += 1
        responseStarted = false
        sentWhenLent = socket.sentBytes
        isResponseDone = false
        isRequestDone = false
        idleDeadline = .never
        decoder.expect(requestMethod: receiver.requestMethod, askedForUpgrade: receiver.asksForUpgrade)
    }

    func report(_ outcome: AttemptOutcome) { account.report(outcome, of: endpoint, in: cluster) }

    // MARK: The request

    func sendHead(_ request: RequestHead, ended: Bool) -> Bool {
        isChunked = request.body == .chunked
        if request.asksForUpgrade {
            let worker = cluster.worker
            WebSocketUpgrade.completeRequest(request, random: (worker.randomBits(), worker.randomBits()))
        }
        var fits = false
        socket.write(reserving: HTTP1Encoder.sizeBound(request)) { fits = HTTP1Encoder.encode(request, into: $0) }
        if fits && ended { requestWritten() }
        return fits
    }

    func sendBody(_ slice: ByteSlice) {
        guard !slice.isEmpty else { return }
        if isChunked {
            socket.write(reserving: HTTP1Encoder.chunkHeadBound) { HTTP1Encoder.chunkHead(slice.count, into: $0) }
        }
        if slice.count <= ExchangeDriver.copyLimit { socket.write(slice.bytes()) } else { socket.write(slice) }
        if isChunked { socket.write(reserving: 2) { HTTP1Encoder.chunkTail(into: $0) } }
    }

    func endBody(_ trailers: HeaderTable?) -> Bool {
        if isChunked, let trailers, !trailers.isEmpty {
            var fits = false
            socket.write(reserving: HTTP1Encoder.sizeBound(trailers: trailers)) {
                fits = HTTP1Encoder.lastChunk(trailers, into: $0)
            }
            if !fits { return false }
        } else if isChunked {
            socket.write(reserving: 8) { $0.append("0\r\n\r\n") }
        }
        requestWritten()
        return true
    }

    func askDrained() { socket.wantsDrained = true }

    /// The whole request has been written.
    private func requestWritten() {
        isRequestDone = true
        if isResponseDone { finishExchange() }
    }

    func pauseReading() {
        isPaused = true
        socket.pauseReading()
    }

    func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        consumePending()
        if isOpen && !isPaused { socket.resumeReading() }
    }

    func handOver(to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        isHandedOver = true
        resumeReading()
    }

    /// A short response is read to its end, so that the connection can be used again.
    func dropResponse() {
        guard isRequestDone else { return abandon() }
        idleDeadline = loop.now + DroppedResponse.time
        timer.require(idleDeadline, loop, self)
        handOver(to: DroppedResponse(self))
    }

    func abandon() {
        receiver = nil
        isAbandoned = true
        discard()
    }

    func tunnelRequestEnded() { socket.shutdownWhenFlushed() }

    // MARK: Socket events

    func socketConnected(_ socket: StreamSocket) {
        isConnected = true
        connectDeadline = .never
        cluster.connected(waiting: 1)
        receiver?.upstreamConnected()
    }

    func socketReadable(_ socket: StreamSocket) {
        // Bounded work a turn: a server that sends without end does not keep the others waiting.
        for _ in 0..<Self.readsPerTurn {
            let kept = pending.take()
            var buffer: ByteBuffer? = buffers.takeScratch(behind: kept)
            defer { buffers.release(&buffer) }
            guard let scratch = buffer else { return }
            switch socket.read(into: scratch) {
            case .bytes:
                // An answer to what has not been asked: the server's idea of who is next is not ours.
                if receiver != nil && socket.sentBytes == sentWhenLent { return fail(.closed(started: false)) }
                responseStarted = true
                consume(scratch)
                guard isOpen, !isPaused, socket.mayHaveMore else { return }
            case .nothing:
                if kept != nil { keep(scratch, from: 0) }
                return
            case .end: return ended()
            case .failed: return lost()
            }
        }
        socket.readAgainNextTurn()
    }

    private static let readsPerTurn = 8

    private func keep(_ buffer: ByteBuffer, from offset: Int) {
        guard offset < buffer.count else { return }
        let rest = buffer.bytes(in: offset..<buffer.count)
        let copy = ByteBuffer(capacity: max(rest.count, 256))
        copy.append(rest)
        pending = copy
    }

    private func consumePending() {
        guard let kept = pending.take() else { return }
        consume(kept)
    }

    /// Decodes what `buffer` holds; pieces of body go on as slices of it.
    private func consume(_ buffer: ByteBuffer, from start: Int = 0) {
        // Bytes nobody asked for: a response to no request (RFC 9112 section 9.2: close).
        guard let receiver else { return discard() }
        let head = receiver.responseHead
        let trailers = receiver.responseTrailers
        let total = buffer.count
        var offset = start
        while offset < total {
            if isPaused { return keep(buffer, from: offset) }
            if isTunnel {
                return receiver.upstreamTunnel(ByteSlice(buffer, offset..<total))
            }
            let step = decoder.decode(buffer.bytes(in: offset..<total), into: head, trailers: trailers)
            let start = offset
            offset += step.consumed
            let hasMore = offset < total
            switch step.event {
            case .needMore:
                return keep(buffer, from: offset)
            case .informational:
                receiver.upstreamInformational()
            case .head(let endsHere):
                keepsAlive = head.keepsAlive
                if endsHere { responseDone(hasMore: hasMore) }
                receiver.upstreamHead(ended: endsHere, tunnels: false)
            case .upgraded:
                isTunnel = true
                keepsAlive = false
                receiver.upstreamHead(ended: false, tunnels: true)
            case .body(let range, let last):
                let slice = ByteSlice(buffer, (start + range.lowerBound)..<(start + range.upperBound))
                if last { responseDone(hasMore: hasMore) }
                receiver.upstreamBody(slice, ended: last)
            case .end:
                responseDone(hasMore: hasMore)
                receiver.upstreamTrailers()
            case .failed(let fault):
                return fail(.invalidResponse(fault.rawValue))
            }
            guard isOpen else { return }
            // Lent to somebody else meanwhile.
            if self.receiver !== receiver {
                guard isHandedOver else { return }
                isHandedOver = false
                return consume(buffer, from: offset)
            }
        }
    }

    /// `hasMore`: bytes nobody asked for follow the response (RFC 9112 section 9.2), so nobody may use the connection again.
    private func responseDone(hasMore: Bool) {
        isResponseDone = true
        if decoder.closesConnection || hasMore { keepsAlive = false }
    }

    /// The peer sent its end.
    private func ended() {
        guard let receiver else { return discard() }
        if isTunnel {
            self.receiver = nil
            receiver.upstreamTunnelEnded()
            return discard()
        }
        // RFC 9112 section 6.3: a response without length ends with its connection; one over TLS only with close_notify, for
        // anybody can make a connection end (section 9.8).
        if !isResponseDone, !socket.endedWithoutCloseNotify, decoder.connectionClosed() {
            isResponseDone = true
            keepsAlive = false
            receiver.upstreamTrailers()
            if isOpen { discard() }
            return
        }
        lost()
    }

    private func lost() {
        if isResponseDone {
            receiver = nil
            return discard()
        }
        fail(.closed(started: responseStarted))
    }

    private func fail(_ failure: UpstreamFailure) {
        let receiver = self.receiver
        self.receiver = nil
        discard()
        receiver?.upstreamFailed(failure)
    }

    func socketDrained(_ socket: StreamSocket) { receiver?.upstreamDrained() }

    func socketClosed(_ socket: StreamSocket) {}

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        isConnected ? lost() : fail(cluster.connectFailed(error, at: endpoint))
    }

    // MARK: End of an exchange

    func responseTaken() {
        receiver = nil
        idleDeadline = .never
        account.close(endpoint)
        if isRequestDone {
            finishExchange()
        } else {
            // The server answered before it had the whole request: the rest would be taken for the next one.
            discard()
        }
    }

    private func finishExchange() {
        guard receiver == nil, isOpen else { return }
        // Of one that closes now too: where every request has a connection of its own, resumption counts most.
        if requests == 1 { endpoint.keepSession(of: socket) }
        guard keepsAlive, pending == nil, !isTunnel, !socket.isWriteBroken, !cluster.tellsClients else {
            return discard()
        }
        if cluster.idleTimeout > .zero {
            idleDeadline = loop.now + cluster.idleTimeout
            timer.require(idleDeadline, loop, self)
        }
        cluster.returned(self)
        socket.resumeReading()
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        if !isConnected && connectDeadline <= loop.now { return fail(.connectTimeout) }
        if idleDeadline <= loop.now { return discard() }
        timer.require(isConnected ? idleDeadline : connectDeadline, loop, self)
    }

    /// Closes and leaves the pool. Safe to call twice.
    func discard() {
        account.close(endpoint)
        timer.cancel(loop)
        pending = nil
        if !isGone {
            isGone = true
            endpoint.forget(self)
            cluster.closed(self)
        }
        socket.close()
    }

    private var isGone = false
    /// Given up by who wanted it, not failed.
    private(set) var isAbandoned = false
}
