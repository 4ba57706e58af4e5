import Foundation
import MartletTesting

/// Sovereign, a control plane that speaks REST, whose templates a test writes (Peers/sovereign_server.py).
final class SovereignPeer {
    let port: UInt16
    private let folder: URL
    private let tool: TalkingTool

    init(port: UInt16? = nil) throws {
        self.port = try port ?? TCPListener.freePort()
        folder = try PeerEnvironment.folder("sovereign")
        tool = try TalkingTool(
            PeerEnvironment.python("sovereign-requirements.txt").path,
            [Origin.script("sovereign_server.py"), folder.path, "\(self.port)"])
        guard eventually({ (try? TCPSocket(port: self.port)) != nil }) else {
            throw TestProxy.NotReady(description: "Sovereign did not start: \(tool.said)")
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Gives out these resources of a type from now on: JSON.
    func serve(_ type: String, _ resources: String...) throws {
        let file = folder.appendingPathComponent("\(type).json")
        try "[\(resources.joined(separator: ",\n"))]".write(to: file, atomically: true, encoding: .utf8)
    }

    /// The requests of a type that have come.
    func requests(_ type: String) throws -> [[String: Any]] {
        let text = try tool.ask(type)
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
    }

    /// Why the last answer of a type was refused, with all that Sovereign wants of a status.
    func refusal(_ type: String) throws -> String? {
        guard let detail = try requests(type).last?["error_detail"] as? [String: Any], detail["code"] as? Int == 3,
            detail["details"] is [Any]
        else { return nil }
        return detail["message"] as? String
    }

    // MARK: Resources

    private static let source = """
        {"resource_api_version": "V3", "api_config_source": {"api_type": "REST", "transport_api_version": "V3",
         "cluster_names": ["sovereign"], "refresh_delay": "0.1s", "request_timeout": "2s"}}
        """

    /// A listener at the port that is each proxy's id.
    static func listener(_ name: String = "public", port: String = "\"@ID@\"", routes: String = "main") -> String {
        """
        {"name": "\(name)", "address": {"socket_address": {"address": "127.0.0.1", "port_value": \(port)}},
         "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
           "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
           "stat_prefix": "\(name)", "rds": {"route_config_name": "\(routes)", "config_source": \(source)},
           "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
             "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
        """
    }

    /// Routes by prefix, in this order.
    static func routes(_ name: String = "main", _ routes: (String, String)...) -> String {
        let items = routes.map { "{\"match\": {\"prefix\": \"\($0.0)\"}, \"route\": {\"cluster\": \"\($0.1)\"}}" }
        return """
            {"name": "\(name)", "virtual_hosts": [{"name": "all", "domains": ["*"],
             "routes": [\(items.joined(separator: ", "))]}]}
            """
    }

    static func cluster(_ name: String, timeout: String = "1s") -> String {
        """
        {"name": "\(name)", "type": "EDS", "connect_timeout": "\(timeout)", "eds_cluster_config": {"eds_config": \(source)}}
        """
    }

    static func endpoints(_ cluster: String, _ port: UInt16) -> String {
        """
        {"cluster_name": "\(cluster)", "endpoints": [{"lb_endpoints": [{"endpoint": {"address":
         {"socket_address": {"address": "127.0.0.1", "port_value": \(port)}}}}]}]}
        """
    }

    // MARK: Proxies

    /// - Parameter listener: the port of the listener that this one is to open.
    func proxy(_ listener: UInt16, more: String = "") throws -> ManagedProxy {
        try ManagedProxy(
            """
            control_plane:
              cluster: sovereign
              node: { id: "\(listener)", cluster: edge, zone: a }
              method: rest
              refresh: 100ms
              state: last.state
              initial_fetch_timeout: 2s
            clusters:
              - { name: sovereign, endpoints: ["127.0.0.1:\(port)"] }
            \(more)
            """)
    }

    func envoy(_ listener: UInt16) throws -> RealEnvoy {
        try RealEnvoy(
            """
            node: { id: "\(listener)", cluster: edge }
            dynamic_resources:
              cds_config: \(Self.source.split(separator: "\n").joined())
              lds_config: \(Self.source.split(separator: "\n").joined())
            static_resources:
              clusters:
                - name: sovereign
                  type: STATIC
                  connect_timeout: 1s
                  load_assignment:
                    cluster_name: sovereign
                    endpoints: [{ lb_endpoints: [{ endpoint: { address:
                      { socket_address: { address: 127.0.0.1, port_value: \(port) } } } }] }]
            """)
    }
}
