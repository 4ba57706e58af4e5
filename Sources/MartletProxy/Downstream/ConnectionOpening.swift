internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// A client's connection until it is known what it speaks: what a proxy in front says of it, what its first bytes tell, its
/// TLS handshake.
///
///     proxyHeader ──▶ detecting ──▶ handshaking ──▶ HTTP/1.1 | HTTP/2 | TCP
///
/// A listener that needs none of it makes its connections at once.
final class ConnectionOpening: DownstreamConnection, StreamSocketOwner, TimerTarget {
    private enum Stage: UInt8 { case proxyHeader, detecting, handshaking, over }

    private let worker: Worker
    private let port: ListenerPort
    private let socket: StreamSocket
    private let peer: SocketAddress
    private var client: Downstream
    /// Of the listener as it was when the connection came.
    private let plan: OpeningPlan
    var place = -1
    private var stage: Stage
    private var timer: TimerID?
    /// What has been read and belongs to what comes.
    private var bytes: ByteBuffer?
    private var hasEnded = false
    private var isDraining = false
    private var isCountedHandshake = false
    private var isHelloAwaited = false

    init(_ worker: Worker, _ port: ListenerPort, _ socket: StreamSocket, _ peer: SocketAddress, _ client: Downstream) {
        self.worker = worker
        self.port = port
        self.socket = socket
        self.peer = peer
        self.client = client
        plan = port.current.opening
        stage = plan.proxyProtocol == nil ? .detecting : .proxyHeader
    }

    func start() throws(SystemError) {
        try socket.start(self)
        if let settings = plan.proxyProtocol {
            if !settings.isRequired, !believesPeer { return afterProxyHeader() }
            wait(Nanoseconds(settings.timeout))
        } else {
            afterProxyHeader()
        }
    }

    private func wait(_ time: Nanoseconds) {
        if let timer { worker.loop.cancel(timer) }
        timer = worker.loop.arm(at: worker.loop.now + time, self, tag: 0)
    }

    func timerFired(_ tag: UInt8) {
        timer = nil
        switch stage {
        case .proxyHeader:
            // Who may do without one and says nothing waits for the server, or keeps the connection for later.
            if plan.proxyProtocol?.isRequired == false, bytes == nil { return afterProxyHeader() }
            refuse(.proxyHeaderTimeout)
        // Who says nothing for so long waits for the server to speak first.
        case .detecting: detect(isFinal: true)
        case .handshaking: refuse(.handshakeTimeout)
        case .over: break
        }
    }

    // MARK: Reading

    func socketReadable(_ socket: StreamSocket) {
        guard stage == .proxyHeader || stage == .detecting else { return }
        var buffer: ByteBuffer? = worker.loop.buffers.takeScratch(behind: bytes)
        defer { worker.loop.buffers.release(&buffer) }
        guard let scratch = buffer else { return }
        switch socket.read(into: scratch) {
        case .bytes: keep(scratch, from: 0)
        case .nothing: return
        case .end:
            // A client may send all it has, and its end behind it.
            hasEnded = true
            return stage == .detecting && (bytes != nil || plan.hasTarget)
                ? detect(isFinal: true) : refuse(.clientGone)
        case .failed: return refuse(.clientGone)
        }
        switch stage {
        case .proxyHeader: proxyHeader()
        case .detecting: detect(isFinal: false)
        case .handshaking, .over: break
        }
        if stage == .proxyHeader || stage == .detecting { socket.readAgainNextTurn() }
    }

    private func keep(_ buffer: ByteBuffer, from offset: Int) {
        let rest = buffer.bytes(in: offset..<buffer.count)
        guard !rest.isEmpty else { return bytes = nil }
        let copy = ByteBuffer(capacity: max(256, rest.count))
        copy.append(rest)
        bytes = copy
    }

    // MARK: The PROXY header

    private var believesPeer: Bool {
        guard !plan.trusted.isEmpty else { return true }
        return IPAddress(peer.host).map { plan.trusted.contains($0) } ?? false
    }

    private func proxyHeader() {
        guard let settings = plan.proxyProtocol else { return afterProxyHeader() }
        guard believesPeer else { return refuse(.proxyHeaderUntrusted) }
        guard let bytes else { return }
        switch ProxyHeader.decode(bytes.bytes()) {
        case .needMore: return
        case .absent:
            if settings.isRequired { return refuse(.proxyHeaderMissing) }
        case .fault(let fault):
            worker.log(.debug, "\(port.name): \(client.directRemoteAddress): \(fault.rawValue)", of: nil)
            return refuse(.proxyHeaderMalformed)
        case .header(let header, let consumed):
            keep(bytes, from: consumed)
            if case .known(let source, let destination) = header.origin {
                client = client.forwarded(
                    for: source.family == .unix ? "unix" : source.host, port: source.port ?? 0,
                    to: destination.description)
            }
        }
        afterProxyHeader()
    }

    private func afterProxyHeader() {
        stage = .detecting
        if let time = plan.detectTime {
            wait(time)
            detect(isFinal: false)
        } else {
            go(plan.isTLS ? .tls : plan.isHTTP ? .http1 : .other)
        }
    }

    // MARK: What it speaks

    private func detect(isFinal: Bool) {
        if plan.peeksName { return peekName(isFinal: isFinal) }
        let seen = bytes ?? worker.emptyBuffer
        guard let kind = ProtocolSniffer.kind(of: seen.bytes(), isFinal: isFinal) else { return }
        go(kind)
    }

    /// Where it goes is chosen by the name it asks for; the handshake passes through.
    private func peekName(isFinal: Bool) {
        guard let bytes else {
            guard isFinal else { return }
            return plan.hasTarget ? openTCP(serverName: nil) : refuse(.clientHelloTimeout)
        }
        switch ClientHello.peek(bytes.bytes()) {
        case .needMore:
            guard isFinal else { return }
            // It has begun: what is waited for is no longer whether it will.
            guard let rest = plan.helloTime, !hasEnded, !isHelloAwaited else { return refuse(.clientHelloTimeout) }
            isHelloAwaited = true
            wait(rest)
        case .hello(let hello): openTCP(serverName: hello.serverName)
        case .fault(let fault):
            worker.log(.debug, "\(port.name): \(client.directRemoteAddress): \(fault.rawValue)", of: nil)
            // What is no TLS names nothing; what is broken TLS must not come to where names are not looked at.
            guard fault == .notTLS else { return refuse(.clientHelloMalformed) }
            plan.hasTarget ? openTCP(serverName: nil) : refuse(.notTLS)
        }
    }

    private func go(_ kind: ProtocolSniffer.Kind) {
        switch kind {
        case .tls:
            guard plan.isTLS else { return refuse(.unexpectedTLS) }
            secure()
        case .http1, .http2:
            guard !plan.isTLS || plan.isTLSOptional else { return refuse(.notTLS) }
            plan.isHTTP ? openHTTP() : openTCP(serverName: nil)
        case .other:
            guard plan.hasTarget else {
                // The HTTP/1.1 decoder says what is wrong with it.
                return plan.isTLS && !plan.isTLSOptional ? refuse(.notTLS) : openHTTP()
            }
            openTCP(serverName: nil)
        }
    }

    // MARK: TLS

    private func secure() {
        guard let tls = plan.tls else { return refuse(.unexpectedTLS) }
        guard port.handshakes < tls.maxHandshakes else { return refuse(.tooManyHandshakes) }
        stage = .handshaking
        wait(tls.handshakeTimeout)
        do throws(SystemError) {
            try socket.startTLS(tls.context, alreadyRead: bytes.take())
            port.handshakes += 1
            isCountedHandshake = true
        } catch {
            refuse(.handshakeFailed)
        }
    }

    func socketConnected(_ socket: StreamSocket) {
        guard stage == .handshaking, let details = socket.tls else { return }
        client = client.secured(by: details)
        port.current.openings.handshakes.add()
        if details.isResumed { port.current.openings.resumptions.add() }
        if !plan.isHTTP { return openTCP(serverName: details.serverName) }
        details.alpn == "h2" ? openHTTP2() : openHTTP()
    }

    // MARK: Its connection

    private func leave() -> ByteBuffer? {
        if let timer { worker.loop.cancel(timer) }
        timer = nil
        stage = .over
        if isCountedHandshake { port.handshakes -= 1 }
        isCountedHandshake = false
        return bytes.take()
    }

    private func openHTTP() {
        let bytes = leave()
        let next = HTTP1Downstream(worker: worker, listener: port, socket: socket, client: client)
        port.replace(self, with: next)
        next.begin(with: bytes)
        if isDraining { next.drain() }
    }

    private func openHTTP2() {
        let bytes = leave()
        guard let next = HTTP2Downstream(worker: worker, listener: port, socket: socket, client: client) else {
            socket.close()
            return port.closed(self)
        }
        port.replace(self, with: next)
        next.begin(with: bytes)
        if isDraining { next.drain() }
    }

    private func openTCP(serverName: String?) {
        guard let service = port.current.tcp else { return refuse(.notTLS) }
        let bytes = leave()
        let next = TCPDownstream(
            worker: worker, listener: port, service: service, socket: socket, client: client, serverName: serverName)
        port.replace(self, with: next)
        next.begin(with: bytes, hasEnded: hasEnded)
    }

    // MARK: Ending

    private func refuse(_ reason: OpeningRefusal) {
        guard stage != .over else { return }
        _ = leave()
        port.current.openings.count(reason)
        socket.reset()
        port.closed(self)
    }

    func socketDrained(_ socket: StreamSocket) {}
    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        guard stage == .handshaking, let failure = error.tls, failure.kind != .ended else {
            return refuse(.clientGone)
        }
        let words = "listener \(port.name): no TLS with \(client.directRemoteAddress): \(failure)"
        if let line = port.current.openings.words(of: words, at: worker.loop.now) { worker.log(.info, line, of: nil) }
        refuse(OpeningRefusal(failure))
    }
    func socketClosed(_ socket: StreamSocket) {}

    func listenerRenamed() { client = client.at(listener: port.name) }
    /// What it becomes drains.
    func drain() { isDraining = true }
    func cut() { refuse(.drained) }
    func closeIfIdle() -> Bool { false }
    func shrinkBuffers(to limit: Int) {}
    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder]) {}
    func shed(_ driver: ExchangeDriver) {}
}
