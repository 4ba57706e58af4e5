internal import MartletCore
internal import MartletNet

/// An endpoint on one worker: its idle connections, the most recently used last.
final class WorkerEndpoint {
    let shared: Endpoint
    var idle: [HTTP1Upstream] = []
    /// HTTP/2 connections that take requests.
    private(set) var sessions: [HTTP2Upstream] = []
    private(set) var isRemoved = false

    /// Whom its certificate must be for, for HTTP and for bytes that are passed on; nil: clear text.
    private let tls: (http: TLSClientTarget, tcp: TLSClientTarget)?
    private let resumesSessions: Bool
    /// The newest that the endpoint has offered.
    private var session: TLSClientSession?

    init(_ shared: Endpoint, _ tls: ClusterTLS?) {
        self.shared = shared
        self.tls = tls.map { ($0.target(for: shared, isHTTP: true), $0.target(for: shared, isHTTP: false)) }
        resumesSessions = tls?.resumesSessions ?? false
    }

    func dial(_ loop: EventLoop, forHTTP isHTTP: Bool = true) throws(SystemError) -> StreamSocket {
        guard let tls else { return try StreamSocket(loop: loop, connectingTo: shared.address) }
        let target = isHTTP ? tls.http : tls.tcp
        return try StreamSocket(loop: loop, connectingTo: shared.address, tls: target, resuming: session)
    }

    /// Keeps what the endpoint offered on `socket`, for the next one.
    func keepSession(of socket: StreamSocket) {
        guard resumesSessions, let offered = socket.takeTLSSession() else { return }
        session = offered
    }

    func add(_ session: HTTP2Upstream) { sessions.append(session) }
    func forget(_ session: HTTP2Upstream) { sessions.removeAll { $0 === session } }

    /// Unused connections.
    var idleCount: Int { sessions.reduce(idle.count) { $0 + ($1.isConnected && $1.activeStreams == 0 ? 1 : 0) } }

    /// Closes the one that was unused for longest. False when there is none.
    func dropIdle() -> Bool {
        if let oldest = idle.first {
            oldest.discard()
            return true
        }
        guard let session = sessions.first(where: { $0.isConnected && $0.activeStreams == 0 }) else { return false }
        session.discard()
        return true
    }

    func forget(_ connection: HTTP1Upstream) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }

    /// The cluster has it no more.
    func remove() {
        isRemoved = true
        closeIdle()
    }

    func closeIdle() {
        let connections = idle
        idle = []
        for connection in connections { connection.discard() }
        for session in sessions { session.drain() }
    }
}
