internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// A client's HTTP/2 connection: many exchanges at a time, each on a stream of its own.
///
///     open ──drain, idle──▶ draining (GOAWAY sent; streams go on) ──last stream──▶ closing (the rest is sent) ──▶ closed
///
/// What comes is never stopped as a whole: a stream that does not take its body stops its client by its window, and how many
/// streams there are is bounded.
final class HTTP2Downstream: DownstreamConnection, StreamSocketOwner, TimerTarget, OutputProducer {
    enum State: UInt8 {
        case open, draining
        /// Nothing more is read; what is queued is still on its way.
        case closing
        case closed
    }

    let worker: Worker
    let loop: EventLoop
    let listener: ListenerPort
    let socket: StreamSocket
    let session: HTTP2Session
    private var client: Downstream
    var place = -1
    var state = State.open
    private var streams = StreamPlaces<HTTP2DownstreamStream>()
    /// Streams whose exchange is over while their response, or its end, is still to be sent.
    var leftovers: [HTTP2DownstreamStream] = []
    private var isOutputDue = false
    var timer = LazyTimer()
    var deadline = Instant.never
    var leftoverDeadline = Instant.never
    var headDeadline = Instant.never
    var writeDeadline = Instant.never
    var trimDeadline = Instant.never
    var shutdownDeadline = Instant.never
    var sentAtDeadline: UInt64 = 0
    private(set) var requests = 0

    /// Nil without memory.
    init?(worker: Worker, listener: ListenerPort, socket: StreamSocket, client: Downstream) {
        let current = listener.current
        guard let session = HTTP2Session(role: .server, settings: current.http2Settings, limits: current.http2Limits)
        else { return nil }
        self.worker = worker
        loop = worker.loop
        self.listener = listener
        self.socket = socket
        self.client = client
        self.session = session
    }

    func listenerRenamed() { client = client.at(listener: listener.name) }

    /// The socket is started already, and becomes this connection's.
    /// - Parameter bytes: what was read of it.
    func begin(with bytes: ByteBuffer?) {
        socket.owner = self
        let limit = listener.current.headTimeout
        deadline = limit > .zero ? loop.now + limit : .never
        timer.require(deadline, loop, self)
        needsOutput()
        if let bytes { receive(bytes) }
        guard state != .closed else { return }
        if worker.isDraining { drain() }
        socket.resumeReading()
        socket.readAgainNextTurn()
    }

    // MARK: Reading

    func socketConnected(_ socket: StreamSocket) {}

    /// Bounded work a turn, so that one busy client cannot starve the rest.
    private static let readsPerTurn = 4

    func socketReadable(_ socket: StreamSocket) {
        for _ in 0..<Self.readsPerTurn {
            guard state != .closed else { return }
            var buffer: ByteBuffer? = loop.buffers.takeScratch()
            defer { loop.buffers.release(&buffer) }
            guard let scratch = buffer else { return }
            switch socket.read(into: scratch) {
            case .bytes:
                if state == .closing { continue }
                receive(scratch)
                guard !socket.isClosed, socket.mayHaveMore else { return }
            case .nothing: return
            // Behind our own end it is the client's answer to it.
            case .end, .failed: return lost(.downstreamDisconnect)
            }
        }
        socket.readAgainNextTurn()
    }

    private func receive(_ buffer: ByteBuffer) {
        var offset = 0
        while offset < buffer.count, state == .open || state == .draining {
            let base = offset
            let taken = session.receive(buffer.bytes(in: offset..<buffer.count), now: loop.now)
            offset += taken
            walkEvents(of: buffer, from: base)
            if case .failed = session.state { return sessionFailed() }
            if taken == 0 && base == offset { break }
        }
        needsOutput()
        settle()
    }

    /// - Parameter buffer: nil for events that sending brought; they have no bytes.
    private func walkEvents(of buffer: ByteBuffer?, from base: Int) {
        let session = self.session
        while let event = session.nextEvent() {
            switch event.kind {
            case .request(let head, let endsHere): request(head, on: event.stream, ended: endsHere)
            case .data(let range, let endsHere):
                guard let buffer, let stream = streams[event.tag] else {
                    session.consumed(range.count, of: event.stream)
                    continue
                }
                stream.received(
                    ByteSlice(buffer, (base + range.lowerBound)..<(base + range.upperBound)), ended: endsHere)
            case .trailers(let head): streams[event.tag]?.receivedTrailers(head)
            case .end: streams[event.tag]?.receivedEnd()
            case .closed(let close): closed(event.tag, close)
            case .drained: streams[event.tag]?.drained()
            case .goAway: if state == .open { state = .draining }
            case .settings, .pong, .response, .informational: break
            }
        }
    }

    private func request(_ head: HTTP2Head, on id: Int32, ended: Bool) {
        // Reset in the segment that brought it: nobody waits for an answer, and upstream is not to be troubled with it. A flood of
        // such would have it open and close a connection for each.
        guard session.isOpen(id) else { return }
        requests += 1
        deadline = .never
        let driver = worker.takeDriver()
        let stream = worker.takeStream()
        session.setTag(streams.insert(stream), of: id)
        stream.begin(self, id, driver)
        do throws(HTTP2Fault) {
            try session.take(head, into: driver.request)
        } catch {
            listener.current.protocolErrors.add()
            let isHead = driver.request.method == .head
            driver.request.reset()
            // Its answer has no body, whatever else was wrong.
            if isHead { driver.request.setMethod("HEAD".utf8Span.span) }
            return driver.refuse(
                stream, client, listener.current, status: error.status, "bad-request: \(error.rawValue)",
                .downstreamProtocolError)
        }
        let tunnels = stream.asksForTunnel(driver.request)
        if worker.overload.actions.contains(.refuseRequests) {
            worker.overloadCounts.requests.add()
            driver.refuse(stream, client, listener.current, status: 503, "overloaded", .overloadManager)
        } else {
            driver.open(stream, client, listener.current, ended: ended || tunnels)
        }
    }

    private func closed(_ tag: Int, _ close: HTTP2Close) {
        guard let stream = streams.remove(tag) else { return }
        if stream.isLeftover { leftovers.removeAll { $0 === stream } }
        stream.ended(close)
        worker.giveBack(stream)
    }

    // MARK: Writing

    /// Something is to be sent at the end of this turn.
    func needsOutput() {
        guard !isOutputDue, state != .closed else { return }
        isOutputDue = true
        loop.hasOutput(self)
    }

    func produceOutput() {
        isOutputDue = false
        guard state != .closed else { return }
        if !flush() { watchWriting() }
        if !leftovers.isEmpty { finishLeftovers() }
        walkEvents(of: nil, from: 0)
        // Nothing more fits: the socket tells when it has room.
        if session.wantsFlush { socket.wantsDrained = true }
        guard state == .open || state == .draining else { return }
        if case .failed = session.state { return sessionFailed() }
        settle()
    }

    /// Into the socket, as much as it has room for; false when it has none.
    private func flush() -> Bool {
        let room = HTTP2Pace.outputAhead - socket.queuedBytes
        guard room > 0 else { return false }
        _ = session.flush(into: socket, atMost: room)
        return true
    }

    /// The response is out and the request is not all in: the client need not send the rest (RFC 9113 section 8.1). Never by
    /// asking for another turn of output: a full socket would be asked for ever, before it is written.
    private func finishLeftovers() {
        var isAny = false
        for stream in leftovers where session.hasSentEnd(of: stream.id) {
            session.reset(stream.id, .noError)
            isAny = true
        }
        if isAny { _ = flush() }
    }

    func socketDrained(_ socket: StreamSocket) {
        if state == .closing { return waitForClient() }
        needsOutput()
    }

    // MARK: The end of all streams

    /// Every exchange hears that its client is gone.
    func failStreams(_ reason: ResetReason) {
        leftovers = []
        streams.takeAll().forEach { stream in
            stream.lost(reason)
            worker.giveBack(stream)
        }
    }

    var hasStreams: Bool { streams.count > 0 }
    func forEachStream(_ body: (HTTP2DownstreamStream) -> Void) {
        let open = streams
        open.forEach(body)
    }
}
