// MartletControlServer/API is the control plane's door for people and their programs: JSON over HTTP. What it may be asked is the table
// in APIRoute+Table.swift; what it does with it is the control plane's.

internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
package import Logging
internal import MartletConfig
package import MartletControl
internal import MartletCore
internal import NIOCore
internal import NIOSSL
internal import ServiceLifecycle

/// Serves the API until its group ends.
package struct ControlAPI: Sendable {
    private let application: Application<APIResponder>

    /// Connections beyond this wait.
    private static let connectionLimit = 1024
    /// A connection on which nothing comes for so long is closed.
    private static let idleTimeout = TimeAmount.seconds(60)

    /// - Parameters:
    ///   - replicaToken: lets other replicas read. Nil: there are none.
    ///   - unready: why the control plane is not ready; nil: it is.
    ///   - ready: hears the address, once it is listened on.
    package init(
        control: any ControlPlane, instances: any InstanceRegistry, settings: APISettings, audit: AuditLog,
        replicaToken: String? = nil, logger: Logger,
        unready: @escaping @Sendable () async -> String? = { nil },
        ready: @escaping @Sendable (_ address: String) -> Void = { _ in }
    ) throws {
        let desk = APIDesk(
            control: control, instances: instances, audit: audit, counters: APICounters(), unready: unready)
        let responder = APIResponder(
            desk: desk, access: Access(settings.tokens, replicaToken: replicaToken), bodyLimit: settings.bodyLimit.bytes
        )
        let http = HTTPServerBuilder.http1(configuration: .init(idleTimeout: Self.idleTimeout))
        let address: BindAddress
        switch settings.address {
        case .unix(let path): address = .unixDomainSocket(path: path)
        case .ipv4(_, let port), .ipv6(_, _, let port):
            address = .hostname(settings.address.host, port: Int(port))
        }
        let scheme = settings.tls == nil ? "http" : "https"
        var quiet = logger
        quiet.logLevel = .warning
        application = Application(
            responder: responder,
            server: try settings.tls.map { try .tls(http, tlsConfiguration: try $0.server()) } ?? http,
            configuration: ApplicationConfiguration(
                address: address, availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionLimit)),
            onServerRunning: { channel in
                if case .unix(let path) = settings.address { return ready("unix:\(path)") }
                let port = channel.localAddress?.port ?? 0
                ready(
                    "\(scheme)://\(settings.address.host.contains(":") ? "[\(settings.address.host)]" : settings.address.host):\(port)"
                )
            }, logger: quiet)
    }

    package func run() async throws { try await application.run() }
}
