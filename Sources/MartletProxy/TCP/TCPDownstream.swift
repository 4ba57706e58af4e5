internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// A client's connection whose bytes go to a cluster and back, whatever they say.
///
///     dialling ──connected──▶ relaying ──both sides done, one broken, time──▶ closed
///        └────no endpoint, no connection, client gone──────────────────────▶
final class TCPDownstream: DownstreamConnection, StreamSocketOwner {
    private let worker: Worker
    private let listener: ListenerPort
    private let service: TCPService
    private let socket: StreamSocket
    private(set) var client: Downstream
    /// What the client asked for in TLS, whether that ended here or passes through.
    let serverName: String?
    let started: Instant
    var place = -1

    private var clusterNumber: Int?
    private var upstream: TCPUpstream?
    private var relay: TCPRelay?
    private var early: ByteBuffer?
    private var clientHasEnded = false
    private var isOver = false
    private var tried: [WorkerEndpoint] = []
    private(set) var attempts = 0
    /// `address:port` of the endpoint dialled last.
    private(set) var upstreamName: String?

    /// - Parameters:
    ///   - socket: started already.
    ///   - serverName: lower case; nil when there was none.
    init(
        worker: Worker, listener: ListenerPort, service: TCPService, socket: StreamSocket, client: Downstream,
        serverName: String?
    ) {
        self.worker = worker
        self.listener = listener
        self.service = service
        self.socket = socket
        self.client = client
        self.serverName = serverName ?? client.tls?.serverName
        started = worker.loop.now
    }

    var clusterName: String? { clusterNumber.map { service.clusters[$0].name } }
    private var cluster: WorkerCluster? { clusterNumber.map { service.clusters[$0] } }

    /// The socket becomes this connection's.
    /// - Parameters:
    ///   - bytes: what was read of it.
    ///   - hasEnded: and the client has sent its last byte.
    func begin(with bytes: ByteBuffer?, hasEnded: Bool) {
        socket.owner = self
        // Until there is somebody to give it to.
        socket.pauseReading()
        early = bytes
        clientHasEnded = hasEnded
        guard let target = service.routes.target(for: serverName) else { return fail(.noRoute) }
        guard let number = target.cluster(worker.randomBits()) else { return fail(.noCluster) }
        clusterNumber = number
        let counts = service.counts(of: number)
        counts.connections.add()
        counts.active.add(1)
        dial()
    }

    // MARK: Dialling

    private func dial() {
        guard let cluster else { return fail(.noCluster) }
        attempts += 1
        switch cluster.dial(
            for: self, header: cluster.runtime.config.proxyHeader(for: client, serverName: serverName), owner: self)
        {
        case .dialling(let upstream):
            self.upstream = upstream
            upstreamName = upstream.endpoint.shared.name
        case .refused(.dialFailed), .refused(.tlsFailed):
            tryAgain(.connectFailed)
        case .refused(.noHealthyUpstream): fail(.noHealthyUpstream)
        case .refused(.overflow(let kind)): fail(.overflow(kind))
        case .refused(.circuitOpen): fail(.circuitOpen)
        }
    }

    private func tryAgain(_ fault: ProxyFault) {
        guard attempts < service.routes.maxConnectAttempts else { return fail(fault) }
        dial()
    }

    /// The client is told by a reset that it was not served.
    private func fail(_ fault: ProxyFault) { over(TCPOutcome(fault, attempts: attempts)) }

    // MARK: The client while it waits

    func socketConnected(_ socket: StreamSocket) {}
    func socketReadable(_ socket: StreamSocket) {}
    func socketDrained(_ socket: StreamSocket) {}
    func socketClosed(_ socket: StreamSocket) {}

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        over(TCPOutcome(ResetReason.downstreamDisconnect))
    }

    // MARK: The port's calls

    func listenerRenamed() { client = client.at(listener: listener.name) }

    /// It may go on until the deadline: where its bytes could be cut only its ends know.
    func drain() {}

    func cut() {
        guard let relay else { return over(TCPOutcome(ResetReason.drain)) }
        relay.cut()
    }

    /// Whether it is waited for cannot be told.
    func closeIfIdle() -> Bool { false }
    func shrinkBuffers(to limit: Int) { relay?.shrinkBuffers(to: limit) }
    func settleCounts() { relay?.settle() }
    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder]) {}
    func shed(_ driver: ExchangeDriver) {}

    // MARK: Ending

    private func over(_ outcome: TCPOutcome) {
        guard !isOver else { return }
        isOver = true
        if let clusterNumber { service.counts(of: clusterNumber).active.add(-1) }
        upstream.take()?.close()
        relay = nil
        early = nil
        tried = []
        socket.reset()
        service.ended(self, outcome)
        listener.closed(self)
    }
}

extension TCPDownstream: EndpointChooser {
    var hashKey: UInt64? {
        guard cluster?.runtime.config.loadBalancing.isByHash == true else { return nil }
        return StableHash.of(client.directRemoteIP)
    }

    func prefers(_ endpoint: WorkerEndpoint) -> Bool { !tried.contains { $0 === endpoint } }

    func cannotReach(_ endpoint: WorkerEndpoint) {
        tried.append(endpoint)
        upstreamName = endpoint.shared.name
    }
}

extension TCPDownstream: TCPUpstreamOwner, TCPRelayOwner {
    func tcpConnectFailed(_ upstream: TCPUpstream, _ fault: ProxyFault) {
        self.upstream = nil
        tried.append(upstream.endpoint)
        tryAgain(fault)
    }

    func tcpConnected(_ upstream: TCPUpstream) {
        guard let clusterNumber else { return }
        let relay = TCPRelay(
            client: socket, upstream: upstream.socket, idleTimeout: service.idleTimeout,
            deadline: service.maxDuration > .zero ? started + service.maxDuration : .never,
            bufferLimit: service.bufferLimit, counts: service.counts(of: clusterNumber), owner: self)
        self.relay = relay
        tried = []
        var bytes = early.take()
        defer { worker.loop.buffers.release(&bytes) }
        if let bytes {
            relay.start(early: bytes.bytes(), clientHasEnded: clientHasEnded)
        } else {
            relay.start(early: Span(), clientHasEnded: clientHasEnded)
        }
    }

    func relayEnded(_ end: TCPRelay.End) {
        var outcome = TCPOutcome(end)
        if let relay { (outcome.received, outcome.sent) = relay.clientBytes }
        over(outcome)
    }
}
