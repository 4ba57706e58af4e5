internal import GRPCCore
package import GRPCNIOTransportHTTP2Posix
package import MartletControl
internal import NIOCore
internal import ServiceLifecycle

/// Serves xDS over gRPC, and takes what proxies report, until its group ends.
package struct DiscoveryServer: Sendable {
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let ready: @Sendable (_ port: Int) -> Void

    /// What a client may send at once: 100,000 names of resources are some five million bytes.
    private static let requestLimit = 16 << 20
    /// A client that has gone without a word is noticed after that time and `patience`.
    private static let keepalive = Duration.seconds(30)
    private static let patience = Duration.seconds(10)

    package init(
        control: MeshControl, host: String, port: Int, security: HTTP2ServerTransport.Posix.TransportSecurity,
        identifier: String, now: @escaping @Sendable () -> Int64,
        ready: @escaping @Sendable (_ port: Int) -> Void
    ) {
        let transport = HTTP2ServerTransport.Posix(
            address: host.contains(":") ? .ipv6(host: host, port: port) : .ipv4(host: host, port: port),
            transportSecurity: security,
            config: .defaults {
                $0.rpc.maxRequestPayloadSize = Self.requestLimit
                $0.connection.keepalive.time = Self.keepalive
                $0.connection.keepalive.timeout = Self.patience
                $0.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(5)
                $0.connection.keepalive.clientBehavior.allowWithoutCalls = true
            })
        server = GRPCServer(
            transport: transport,
            services: [
                DiscoveryService(control: control, identifier: identifier, now: now),
                ReportService(fleet: control.fleet),
            ])
        self.ready = ready
    }

    package func run() async throws {
        let (server, ready) = (server, ready)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.serve() }
            group.addTask {
                guard let address = try await server.listeningAddress else { return }
                if let port = address.ipv4?.port ?? address.ipv6?.port { ready(port) }
            }
            group.addTask {
                // Streams of discovery have no end of their own; their proxies come back to whoever serves then.
                try await gracefulShutdown()
                server.beginGracefulShutdown()
                throw CancellationError()
            }
            do {
                while try await group.next() != nil {}
            } catch is CancellationError {
                group.cancelAll()
            }
        }
    }
}
