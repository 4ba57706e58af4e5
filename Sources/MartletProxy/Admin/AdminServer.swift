internal import MartletConfig
internal import MartletCore
internal import MartletHTTP
internal import MartletNet

/// What the admin API asks of the process.
protocol AdminBackend: AnyObject {
    func readiness() -> (isReady: Bool, reason: String)
    /// `wantsOpenMetrics`: the scraper takes OpenMetrics; whether it gets that is the configuration's to say.
    func metricsText(wantsOpenMetrics: Bool, _ done: @escaping (String, StaticString) -> Void)
    func configJSON() -> String
    func clustersJSON(_ done: @escaping (String) -> Void)
    func policiesJSON() -> String
    func controlPlaneJSON() -> String
    func reload(_ done: @escaping (AdminReply) -> Void)
    func startDraining()
}

struct AdminReply {
    var status: UInt16
    var type: StaticString = "application/json"
    var body: String
    var allow: String?
}

/// The admin API: a small HTTP/1.1 server on the supervisor's loop, over the proxy's own codec.
final class AdminServer {
    private let loop: EventLoop
    private var listener: ListenerSocket?
    private unowned let backend: any AdminBackend
    private var connections: [ObjectIdentifier: AdminConnection] = [:]
    private static let maxConnections = 64
    let address: String

    init(loop: EventLoop, address config: ConfigAddress, backend: any AdminBackend) throws(SystemError) {
        self.loop = loop
        self.backend = backend
        guard let socketAddress = SocketAddress(config) else {
            throw SystemError(call: "admin address \(config)", code: 22)
        }
        try BoundSocket.requireFree(socketAddress)
        let bound = try BoundSocket(socketAddress)
        address = bound.address.description
        listener = try ListenerSocket(
            loop: loop, bound, starved: { _ in },
            accepted: { [unowned self] socket, _ in self.accept(socket) })
    }

    private func accept(_ socket: StreamSocket) {
        guard connections.count < Self.maxConnections else { return socket.reset() }
        let connection = AdminConnection(loop: loop, socket: socket, server: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.start()
    }

    func closed(_ connection: AdminConnection) { connections[ObjectIdentifier(connection)] = nil }

    // MARK: Paths

    private static let paths: [(path: String, method: String, about: String)] = [
        ("/ready", "GET", "200 when requests are served, 503 with the reason otherwise"),
        ("/live", "GET", "200 while the process runs"),
        ("/metrics", "GET", "Prometheus text"),
        ("/config", "GET", "the configuration in force"),
        ("/clusters", "GET", "endpoints and their load"),
        ("/policies", "GET", "Lua policies, their runs and errors"),
        ("/control_plane", "GET", "how the proxy stands with its control plane"),
        ("/reload", "POST", "load the configuration anew"),
        ("/drain", "POST", "finish what is under way, then exit"),
    ]

    func handle(_ request: RequestHead, _ done: @escaping (AdminReply) -> Void) {
        if let refusal = Self.refusal(request) { return done(refusal) }
        let path = request.path().string()
        guard let known = Self.paths.first(where: { $0.path == path }) else {
            let list = Self.paths.map { "\($0.method.padded(4)) \($0.path.padded(14)) \($0.about)" }.joined(
                separator: "\n")
            return done(
                AdminReply(status: path == "/" ? 200 : 404, type: "text/plain", body: list + "\n"))
        }
        let method = request.methodBytes().string()
        guard method == known.method || (known.method == "GET" && method == "HEAD") else {
            return done(
                AdminReply(
                    status: 405, type: "text/plain", body: "\(path) takes \(known.method)\n", allow: known.method))
        }
        switch path {
        case "/ready":
            let (isReady, reason) = backend.readiness()
            done(AdminReply(status: isReady ? 200 : 503, type: "text/plain", body: reason + "\n"))
        case "/live": done(AdminReply(status: 200, type: "text/plain", body: "live\n"))
        case "/metrics":
            let wants = request.headers.string(.accept)?.contains("application/openmetrics-text") == true
            backend.metricsText(wantsOpenMetrics: wants) { done(AdminReply(status: 200, type: $1, body: $0)) }
        case "/config": done(AdminReply(status: 200, body: backend.configJSON()))
        case "/clusters": backend.clustersJSON { done(AdminReply(status: 200, body: $0)) }
        case "/policies": done(AdminReply(status: 200, body: backend.policiesJSON()))
        case "/control_plane": done(AdminReply(status: 200, body: backend.controlPlaneJSON()))
        case "/reload": backend.reload(done)
        default:
            backend.startDraining()
            done(AdminReply(status: 200, type: "text/plain", body: "draining\n"))
        }
    }

    /// A page in an operator's browser must not be able to drain a proxy, nor a rebound name to read its configuration.
    private static func refusal(_ request: RequestHead) -> AdminReply? {
        let headers = request.headers
        let site = HeaderName("sec-fetch-site").flatMap { headers.string($0) }
        if headers.contains(.origin) || (site != nil && site != "none" && site != "same-origin") {
            return AdminReply(status: 403, type: "text/plain", body: "not from a web page\n")
        }
        var host = request.authority().string()
        if let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") { host = String(host[..<colon]) }
        let isLiteral = host.hasPrefix("[") || host.utf8.allSatisfy { $0 == 0x2E || $0.isDigit }
        guard isLiteral || host == "localhost" || host.isEmpty else {
            return AdminReply(
                status: 403, type: "text/plain", body: "ask by address or localhost, not \(host.prefix(100))\n")
        }
        return nil
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
