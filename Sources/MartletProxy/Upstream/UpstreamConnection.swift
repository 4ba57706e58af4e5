internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// Who sent a request on a connection and hears its response: an attempt of an exchange, a call, a mirror.
protocol UpstreamReceiver: AnyObject {
    /// Where the decoder puts the response.
    var responseHead: ResponseHead { get }
    var responseTrailers: HeaderTable { get }
    var requestMethod: Method { get }
    var asksForUpgrade: Bool { get }

    /// The connection is up; queued bytes are on their way.
    func upstreamConnected()
    func upstreamInformational()
    /// `tunnels`: what follows is no HTTP.
    func upstreamHead(ended: Bool, tunnels: Bool)
    func upstreamBody(_ slice: ByteSlice, ended: Bool)
    /// Chunked body over; trailers, if any, are in `responseTrailers`.
    func upstreamTrailers()
    /// The connection left HTTP: these are the tunnel's bytes.
    func upstreamTunnel(_ slice: ByteSlice)
    func upstreamTunnelEnded()
    /// What was written has left for the kernel.
    func upstreamDrained()
    /// No (complete) response will come. The connection is gone.
    func upstreamFailed(_ failure: UpstreamFailure)
}

/// How an attempt failed: what happened, for retry and for the reply's wording.
enum UpstreamFailure: Equatable {
    case connectFailed(Int32)
    case connectTimeout
    /// Closed or reset before a complete response. `started`: some byte of it had come.
    case closed(started: Bool)
    case invalidResponse(HTTP1Fault)
}

extension UpstreamFailure {
    /// What it says about the endpoint.
    var outcome: AttemptOutcome {
        switch self {
        case .connectFailed, .connectTimeout: .connectFailure
        case .closed, .invalidResponse: .reset
        }
    }
}

/// One HTTP/1.1 connection to an endpoint: dialling, lent to one receiver at a time, or idle in its pool.
final class UpstreamConnection: StreamSocketOwner, TimerTarget {
    let cluster: WorkerCluster
    let endpoint: WorkerEndpoint
    private let loop: EventLoop
    private let buffers: BufferPool
    private let socket: StreamSocket
    private var decoder: HTTP1ResponseDecoder
    private var receiver: (any UpstreamReceiver)?
    /// The request lent for counts in the endpoint's load.
    private var isCounted = false
    private var isProbe = false
    private var lentAt: Instant
    private var isReported = false
    private var pending: ByteBuffer?
    private var timer = LazyTimer()
    private var connectDeadline: Instant
    private var idleDeadline = Instant.never

    private(set) var isConnected = false
    /// Requests sent on it, this one included.
    private(set) var requests = 0
    private var responseStarted = false
    private var sentWhenLent: UInt64 = 0
    private var isResponseDone = false
    private var isRequestDone = false
    private var isTunnel = false
    private var keepsAlive = true
    private var isPaused = false
    /// The receiver has changed within a response.
    private var isHandedOver = false

    init(cluster: WorkerCluster, endpoint: WorkerEndpoint) throws(SystemError) {
        self.cluster = cluster
        self.endpoint = endpoint
        loop = cluster.worker.loop
        buffers = loop.buffers
        decoder = HTTP1ResponseDecoder(limits: cluster.codecLimits)
        socket = try StreamSocket(loop: loop, connectingTo: endpoint.shared.address)
        lentAt = loop.now
        connectDeadline = loop.now + cluster.connectTimeout
        try socket.start(self)
        timer.require(connectDeadline, loop, self)
    }

    /// A request on it may meet a close that the server sent before it saw the request.
    var isReused: Bool { requests > 1 }
    var isOpen: Bool { !socket.isClosed }
    /// Some of the present request has left.
    var hasSent: Bool { socket.sentBytes != sentWhenLent }
    var queuedBytes: Int { socket.queuedBytes }

    // MARK: Lending

    func lend(to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        isCounted = true
        lentAt = loop.now
        isReported = false
        isProbe = endpoint.shared.requestStarted()
        isPaused = false
        requests += 1
        responseStarted = false
        sentWhenLent = socket.sentBytes
        isResponseDone = false
        isRequestDone = false
        idleDeadline = .never
        decoder.expect(requestMethod: receiver.requestMethod, askedForUpgrade: receiver.asksForUpgrade)
    }

    /// Tells how the attempt that the connection is lent to ended, for balancing and outlier detection. Only the first
    /// word counts: what breaks behind a response's head says nothing new.
    func report(_ outcome: AttemptOutcome) {
        guard !isReported else { return }
        isReported = true
        endpoint.report(outcome, latency: loop.now - lentAt)
    }

    func write(reserving space: Int, _ body: (ByteBuffer) -> Void) { socket.write(reserving: space, body) }
    func write(_ bytes: Span<UInt8>) { socket.write(bytes) }
    func write(_ slice: ByteSlice) { socket.write(slice) }
    /// Copies a small piece next to what is queued; a large one is shared.
    func put(_ slice: ByteSlice) {
        if slice.count <= ExchangeDriver.copyLimit { write(slice.bytes()) } else { write(slice) }
    }
    func askDrained() { socket.wantsDrained = true }

    /// The whole request has been written.
    func requestWritten() {
        isRequestDone = true
        if isResponseDone { finishExchange() }
    }

    /// The receiver takes no more for now.
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

    /// Somebody else takes what is still to come of the response.
    func handOver(to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        isHandedOver = true
        resumeReading()
    }

    /// Nobody wants the rest of the response. A short one is read to its end, so that the connection can be used again.
    func dropResponse() {
        guard isRequestDone else { return abandon() }
        idleDeadline = loop.now + DroppedResponse.time
        timer.require(idleDeadline, loop, self)
        handOver(to: DroppedResponse(self, receiver?.requestMethod ?? .get))
    }

    /// The receiver gives the request up; the connection cannot be used again.
    func abandon() {
        receiver = nil
        isAbandoned = true
        discard()
    }

    /// A tunnel's client sent its last byte.
    func tunnelRequestEnded() { socket.shutdownWhenFlushed() }

    // MARK: Socket events

    func socketConnected(_ socket: StreamSocket) {
        isConnected = true
        connectDeadline = .never
        cluster.connected(self)
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
                return fail(.invalidResponse(fault))
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
        if !isResponseDone, decoder.connectionClosed() {
            // RFC 9112 section 6.3: a response without length ends with its connection.
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
        if isConnected { lost() } else { fail(.connectFailed(error.code)) }
    }

    // MARK: End of an exchange

    private func stopCounting() {
        guard isCounted else { return }
        isCounted = false
        endpoint.shared.requestEnded(wasProbe: isProbe)
    }

    /// The receiver has taken the last of its response.
    func responseTaken() {
        receiver = nil
        stopCounting()
        if isRequestDone {
            finishExchange()
        } else {
            // The server answered before it had the whole request: the rest would be taken for the next one.
            discard()
        }
    }

    private func finishExchange() {
        guard receiver == nil, isOpen else { return }
        guard keepsAlive, pending == nil, !isTunnel, !socket.isWriteBroken else { return discard() }
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
        stopCounting()
        timer.cancel(loop)
        pending = nil
        if !isGone {
            isGone = true
            cluster.closed(self)
        }
        socket.close()
    }

    private var isGone = false
    /// Given up by who wanted it, not failed.
    private(set) var isAbandoned = false
}
