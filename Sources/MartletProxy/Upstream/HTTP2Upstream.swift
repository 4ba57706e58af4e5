internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// One HTTP/2 connection to an endpoint, shared by as many requests as the endpoint takes at once.
final class HTTP2Upstream: UpstreamConnection, StreamSocketOwner, TimerTarget, OutputProducer {
    let cluster: WorkerCluster
    let endpoint: WorkerEndpoint
    let loop: EventLoop
    private let socket: StreamSocket
    let session: HTTP2Session
    private(set) var isConnected: Bool
    let isAbandoned = false
    private var isGone = false
    /// It takes no more requests.
    private var isDraining = false
    private var streams = StreamPlaces<HTTP2UpstreamStream>()
    private(set) var hasSettings = false
    private var isOutputDue = false
    /// Batches of frames handed to the socket.
    private(set) var flushes: UInt64 = 0
    private var requests: UInt64 = 0
    private var timer = LazyTimer()
    private var connectDeadline: Instant
    private var idleDeadline = Instant.never
    private var pingDeadline = Instant.never
    private var pongDeadline = Instant.never
    private var trimDeadline = Instant.never
    private var lastHeard: Instant

    /// - Parameter socket: dialling, or connected already; it is not started yet, or is somebody else's.
    init?(cluster: WorkerCluster, endpoint: WorkerEndpoint, socket: StreamSocket, isConnected: Bool) {
        guard let session = HTTP2Session(role: .client, settings: cluster.http2Settings, limits: cluster.http2Limits)
        else { return nil }
        self.cluster = cluster
        self.endpoint = endpoint
        loop = cluster.worker.loop
        self.socket = socket
        self.session = session
        self.isConnected = isConnected
        connectDeadline = isConnected ? .never : loop.now + cluster.connectTimeout
        lastHeard = loop.now
    }

    /// Before the first stream is opened.
    func start() throws(SystemError) {
        if isConnected {
            socket.owner = self
            watchLiveness()
        } else {
            try socket.start(self)
        }
        timer.require(connectDeadline, loop, self)
        needsOutput()
    }

    // MARK: Streams

    /// Requests that have not been answered.
    var activeStreams: Int { streams.count }
    /// Requests that wait for the connection.
    var waiting: Int { isConnected ? 0 : activeStreams }
    var isReused: Bool { requests > 1 }

    var takesStreams: Bool {
        !isGone && !isDraining && activeStreams < cluster.maxStreams && session.canOpenStream
            && (isConnected || activeStreams < Int(session.settings.assumedPeerStreams))
    }

    func open(for receiver: any UpstreamReceiver) -> HTTP2UpstreamStream {
        requests += 1
        idleDeadline = .never
        let stream = cluster.worker.takeUpstreamStream(at: endpoint)
        stream.begin(self, tag: streams.insert(stream), receiver)
        return stream
    }

    /// The stream is over, or was never begun.
    func close(_ stream: HTTP2UpstreamStream) {
        guard streams[stream.tag] === stream else { return }
        _ = streams.remove(stream.tag)
        guard !isGone else { return }
        if !isConnected { cluster.stoppedWaiting() }
        settle()
        cluster.streamFreed(self)
    }

    // MARK: Reading

    func socketConnected(_ socket: StreamSocket) {
        if let tls = socket.tls, tls.alpn != "h2" {
            let error = SystemError(tls: TLSFailure(.protocolError, "the endpoint does not offer HTTP/2 (ALPN h2)"))
            return fail(cluster.connectFailed(error, at: endpoint))
        }
        let count = waiting
        isConnected = true
        connectDeadline = .never
        lastHeard = loop.now
        cluster.connected(waiting: count)
        let open = streams
        open.forEach { $0.connected() }
        watchLiveness()
        needsOutput()
    }

    func socketReadable(_ socket: StreamSocket) {
        for _ in 0..<Self.readsPerTurn {
            guard !isGone else { return }
            var buffer: ByteBuffer? = loop.buffers.takeScratch()
            defer { loop.buffers.release(&buffer) }
            guard let scratch = buffer else { return }
            switch socket.read(into: scratch) {
            case .bytes:
                receive(scratch)
                guard !socket.isClosed, socket.mayHaveMore else { return }
            case .nothing: return
            case .end, .failed: return lost()
            }
        }
        socket.readAgainNextTurn()
    }

    private static let readsPerTurn = 8

    private func receive(_ buffer: ByteBuffer) {
        lastHeard = loop.now
        pongDeadline = .never
        var offset = 0
        while offset < buffer.count, !isGone {
            let base = offset
            offset += session.receive(buffer.bytes(in: offset..<buffer.count), now: loop.now)
            walkEvents(of: buffer, from: base)
            if case .failed(let fault, _) = session.state { return sessionFailed(fault) }
            if offset == base { break }
        }
        needsOutput()
        settle()
    }

    private func walkEvents(of buffer: ByteBuffer?, from base: Int) {
        let session = self.session
        while let event = session.nextEvent() {
            switch event.kind {
            case .response(let head, let endsHere): streams[event.tag]?.receivedHead(head, ended: endsHere)
            case .informational(let head): streams[event.tag]?.receivedInformational(head)
            case .data(let range, let endsHere):
                guard let buffer, let stream = streams[event.tag] else {
                    session.consumed(range.count, of: event.stream)
                    continue
                }
                stream.received(
                    ByteSlice(buffer, (base + range.lowerBound)..<(base + range.upperBound)), ended: endsHere)
            case .trailers(let head): streams[event.tag]?.receivedTrailers(head)
            case .end: streams[event.tag]?.receivedEnd()
            case .closed(let close): streams[event.tag]?.closed(close)
            case .drained: streams[event.tag]?.drained()
            case .settings:
                if !hasSettings { endpoint.keepSession(of: socket) }
                hasSettings = true
                let open = streams
                open.forEach { $0.settingsCame() }
                cluster.streamFreed(self)
            // What it will not answer ends as refused.
            case .goAway: drain()
            case .request, .pong: break
            }
        }
    }

    // MARK: Writing

    func needsOutput() {
        guard !isOutputDue, !isGone else { return }
        isOutputDue = true
        loop.hasOutput(self)
    }

    func produceOutput() {
        isOutputDue = false
        // What waits for a connection stays in the session, where it can be taken back.
        guard !isGone, isConnected else { return }
        let room = HTTP2Pace.outputAhead - socket.queuedBytes
        if room > 0, session.wantsFlush {
            flushes &+= 1
            _ = session.flush(into: socket, atMost: room)
        }
        walkEvents(of: nil, from: 0)
        guard !isGone else { return }
        if case .failed(let fault, _) = session.state { return sessionFailed(fault) }
        if session.wantsFlush { socket.wantsDrained = true }
        settle()
    }

    func socketDrained(_ socket: StreamSocket) { needsOutput() }

    // MARK: Waiting

    /// An unused connection waits for its next request, or goes.
    private func settle() {
        guard !isGone, isConnected, activeStreams == 0, session.openStreams == 0 else { return }
        if isDraining { return discard() }
        if trimDeadline == .never {
            trimDeadline = loop.now + HTTP2Pace.trimTime
            timer.require(trimDeadline, loop, self)
        }
        guard idleDeadline == .never, cluster.idleTimeout > .zero else { return }
        idleDeadline = loop.now + cluster.idleTimeout
        timer.require(idleDeadline, loop, self)
    }

    private func watchLiveness() {
        guard let interval = cluster.pingInterval else { return }
        pingDeadline = loop.now + interval
        timer.require(pingDeadline, loop, self)
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        let now = loop.now
        guard !isGone else { return }
        if connectDeadline <= now { return fail(.connectTimeout) }
        if idleDeadline <= now && activeStreams == 0 { return discard() }
        if trimDeadline <= now {
            trimDeadline = .never
            if activeStreams == 0 { session.trim() }
        }
        if pongDeadline <= now { return lost() }
        if pingDeadline <= now, let interval = cluster.pingInterval {
            pingDeadline = max(now, lastHeard) + interval
            if lastHeard + interval <= now && activeStreams > 0 {
                pongDeadline = now + cluster.pingTimeout
                session.ping(now.nanoseconds)
                needsOutput()
            }
        }
        timer.require(min(connectDeadline, idleDeadline, pingDeadline, pongDeadline, trimDeadline), loop, self)
    }

    // MARK: Ending

    /// Those under way finish; others go elsewhere.
    func drain() {
        guard !isDraining else { return }
        isDraining = true
        endpoint.forget(self)
        settle()
    }

    private func lost() {
        isConnected ? fail(.closed(started: false)) : fail(.connectFailed(0))
    }

    private func sessionFailed(_ fault: HTTP2Fault) {
        cluster.http2Counts.count(fault)
        _ = session.flush(into: socket, atMost: .max)
        fail(.invalidResponse(fault.rawValue))
    }

    private func fail(_ failure: UpstreamFailure) {
        let open = streams
        end()
        open.forEach { $0.connectionFailed(failure) }
    }

    func discard() {
        guard !isGone else { return }
        if isConnected, case .open = session.state {
            session.goAway(.noError)
            _ = session.flush(into: socket, atMost: .max)
        }
        fail(.closed(started: false))
    }

    private func end() {
        guard !isGone else { return }
        isGone = true
        cluster.http2Counts.add(session.counters)
        timer.cancel(loop)
        endpoint.forget(self)
        cluster.closed(self)
        streams = StreamPlaces()
        guard isConnected, !socket.isClosed else { return socket.close() }
        // What was queued last says why; who does not take it does not hold the socket.
        socket.closeWhenFlushed()
        if !socket.isClosed { _ = loop.arm(at: loop.now + .seconds(1), LastWords(socket), tag: 0) }
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        isConnected ? fail(.closed(started: false)) : fail(cluster.connectFailed(error, at: endpoint))
    }

    func socketClosed(_ socket: StreamSocket) {}
}

/// Closes a socket that has had its time.
private final class LastWords: TimerTarget {
    private let socket: StreamSocket
    init(_ socket: StreamSocket) { self.socket = socket }
    func timerFired(_ tag: UInt8) { socket.close() }
}
