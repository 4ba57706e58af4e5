internal import MartletCore
internal import MartletNet

protocol TCPUpstreamOwner: AnyObject {
    /// The socket is connected, and the owner's.
    func tcpConnected(_ upstream: TCPUpstream)
    /// It is closed and has left the cluster.
    func tcpConnectFailed(_ upstream: TCPUpstream, _ fault: ProxyFault)
}

/// One connection to an endpoint that carries a client's bytes: dialling, then somebody else's to use, until it is given back.
final class TCPUpstream: StreamSocketOwner, TimerTarget {
    let endpoint: WorkerEndpoint
    let socket: StreamSocket
    private let cluster: WorkerCluster
    private let loop: EventLoop
    private var owner: (any TCPUpstreamOwner)?
    private var account = EndpointAccount()
    private var timer = LazyTimer()
    private var deadline: Instant
    private(set) var isConnected = false
    private var isGone = false

    /// Dials. The outcome comes later, never from within this call.
    /// - Parameter header: what the endpoint is to get before everything else.
    init(
        _ cluster: WorkerCluster, _ endpoint: WorkerEndpoint, header: ProxyHeader?, owner: any TCPUpstreamOwner
    ) throws(SystemError) {
        self.cluster = cluster
        self.endpoint = endpoint
        self.owner = owner
        loop = cluster.worker.loop
        deadline = loop.now + cluster.connectTimeout
        socket = try endpoint.dial(loop, forHTTP: false)
        try socket.start(self)
        if let header { socket.writeAhead(header.encoded().span) }
        account.open(endpoint, at: loop.now)
        timer.require(deadline, loop, self)
    }

    func socketConnected(_ socket: StreamSocket) {
        isConnected = true
        timer.cancel(loop)
        account.report(.connected, of: endpoint, in: cluster)
        cluster.tcpConnected()
        // Whoever takes over reads when it is ready.
        socket.pauseReading()
        owner.take()?.tcpConnected(self)
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        guard !isConnected else { return }
        let isTLS = if case .tlsFailed = cluster.connectFailed(error, at: endpoint) { true } else { false }
        failed(.connectFailure, isTLS ? .upstreamTLSFailed : .connectFailed)
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard !isConnected, !isGone else { return }
        guard deadline <= loop.now else { return timer.require(deadline, loop, self) }
        failed(.timeout, .connectTimeout)
    }

    private func failed(_ outcome: AttemptOutcome, _ fault: ProxyFault) {
        account.report(outcome, of: endpoint, in: cluster)
        let owner = owner.take()
        leave(isFailure: true)
        owner?.tcpConnectFailed(self, fault)
    }

    /// The connection is over, or nobody wants it any more. Safe to call twice.
    func close() { leave(isFailure: false) }

    private func leave(isFailure: Bool) {
        guard !isGone else { return }
        isGone = true
        owner = nil
        timer.cancel(loop)
        account.close(endpoint)
        if isConnected { endpoint.keepSession(of: socket) }
        socket.close()
        cluster.tcpClosed(wasConnected: isConnected, isFailure: isFailure)
    }

    func socketReadable(_ socket: StreamSocket) {}
    func socketDrained(_ socket: StreamSocket) {}
    func socketClosed(_ socket: StreamSocket) {}
}
