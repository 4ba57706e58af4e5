internal import MartletCore
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

/// A connection on its way to an endpoint that will say which HTTP it speaks (ALPN), for one taker.
final class UpstreamDial: UpstreamConnection, StreamSocketOwner, TimerTarget {
    private let cluster: WorkerCluster
    let endpoint: WorkerEndpoint
    let socket: StreamSocket
    let taker: any ConnectionTaker
    private(set) var isConnected = false
    var isAbandoned = false
    var waiting: Int { 1 }
    private var timer: TimerID?
    private var isOver = false

    init(_ cluster: WorkerCluster, _ endpoint: WorkerEndpoint, _ socket: StreamSocket, for taker: any ConnectionTaker) {
        self.cluster = cluster
        self.endpoint = endpoint
        self.socket = socket
        self.taker = taker
    }

    func start() throws(SystemError) {
        try socket.start(self)
        timer = cluster.worker.loop.arm(at: cluster.worker.loop.now + cluster.connectTimeout, self, tag: 0)
    }

    func socketConnected(_ socket: StreamSocket) {
        guard end() else { return }
        isConnected = true
        cluster.dialled(self, isHTTP2: socket.tls?.alpn == "h2")
    }

    func timerFired(_ tag: UInt8) {
        timer = nil
        fail(SystemError(call: "connect", code: ETIMEDOUT))
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        _ = cluster.connectFailed(error, at: endpoint)
        fail(error)
    }

    private func fail(_ error: SystemError) {
        guard end() else { return }
        socket.close()
        cluster.dialFailed(self, error)
    }

    private func end() -> Bool {
        guard !isOver else { return false }
        isOver = true
        if let timer { cluster.worker.loop.cancel(timer) }
        timer = nil
        return true
    }

    /// Nobody waits for it any more.
    func discard() {
        guard end() else { return }
        socket.close()
        cluster.closed(self)
    }

    func socketReadable(_ socket: StreamSocket) {}
    func socketDrained(_ socket: StreamSocket) {}
    func socketClosed(_ socket: StreamSocket) {}
}
