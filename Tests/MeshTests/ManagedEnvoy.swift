import Foundation
import MartletTesting

/// A real Envoy under the control plane.
final class ManagedEnvoy {
    private let admin: UInt16
    private let folder: URL
    private let tool: TalkingTool

    /// - Parameter method: `GRPC` or `DELTA_GRPC`.
    init(_ mesh: MeshServer, _ id: String, method: String) throws {
        let python = try PeerEnvironment.python("envoy-requirements.txt")
        let libraries = URL(fileURLWithPath: python).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("lib")
        let program = try FileManager.default.contentsOfDirectory(atPath: libraries.path)
            .map { libraries.appendingPathComponent("\($0)/site-packages/envoy/_bin/envoy").path }
            .first(where: FileManager.default.isExecutableFile)
        guard let program else { throw TestProxy.NotReady(description: "there is no Envoy in \(libraries.path)") }
        admin = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-envoy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("envoy.yaml")
        try """
        node: { id: \(id), cluster: default }
        admin: { address: { socket_address: { address: 127.0.0.1, port_value: \(admin) } } }
        dynamic_resources:
          ads_config:
            api_type: \(method)
            transport_api_version: V3
            set_node_on_first_message_only: true
            grpc_services: [{ envoy_grpc: { cluster_name: mesh } }]
          cds_config: { resource_api_version: V3, ads: {} }
          lds_config: { resource_api_version: V3, ads: {} }
        static_resources:
          clusters:
            - name: mesh
              connect_timeout: 1s
              typed_extension_protocol_options:
                envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                  explicit_http_config: { http2_protocol_options: {} }
              load_assignment:
                cluster_name: mesh
                endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: \(mesh.port) } } } }] }]
        """.write(to: file, atomically: true, encoding: .utf8)
        tool = try TalkingTool(
            program,
            ["-c", file.path, "--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1", "-l", "warning"])
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var logged: String { tool.said }

    private func get(_ port: UInt16, _ path: String) -> String {
        guard let socket = try? TCPSocket(port: port) else { return "" }
        try? socket.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        _ = socket.receiveToEnd()
        return String(decoding: socket.received, as: UTF8.self)
    }

    /// The body of the answer, without its framing.
    func answer(_ port: UInt16) throws -> String {
        try Tool.run("curl", ["-s", "--max-time", "20", "http://127.0.0.1:\(port)/"]).output
    }

    func stat(_ name: String) -> Int {
        let line = get(admin, "/stats?filter=^\(name)$").split(whereSeparator: \.isNewline).last {
            $0.hasPrefix(name + ":")
        }
        return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
    }
}
