import Foundation
import MartletTesting
import Testing

/// A control plane made of PyPI's xds-protos and grpcio (Peers/ads_server.py), which does what a test says.
final class ADSPeer {
    let port: UInt16
    private let tool: TalkingTool

    init(port: UInt16? = nil) throws {
        self.port = try port ?? TCPListener.freePort()
        tool = try TalkingTool(
            PeerEnvironment.python("xds-requirements.txt").path, [Origin.script("ads_server.py"), "\(self.port)"])
        try waitUntilReady()
    }

    private func waitUntilReady() throws {
        guard try tool.ask("streams") == "0" else { throw TestProxy.NotReady(description: "the ADS server") }
    }

    @discardableResult
    func ask(_ order: String) throws -> String { try tool.ask(order) }

    // MARK: Resources

    func put(_ json: String) throws {
        let answer = try ask(
            "put " + json.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined())
        guard Int(answer) != nil else { throw TestProxy.NotReady(description: answer) }
    }

    func listener(_ name: String = "public", port: UInt16, routes: String = "main") throws {
        try put(
            """
            {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "\(name)",
             "address": {"socket_address": {"address": "127.0.0.1", "port_value": \(port)}},
             "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
               "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "\(name)", "rds": {"route_config_name": "\(routes)", "config_source": {"ads": {}, "resource_api_version": "V3"}},
               "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                 "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
            """)
    }

    func routes(_ name: String = "main", cluster: String) throws {
        try put(
            """
            {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "\(name)",
             "virtual_hosts": [{"name": "all", "domains": ["*"],
               "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "\(cluster)"}}]}]}
            """)
    }

    func cluster(_ name: String, timeout: String = "1s") throws {
        try put(
            """
            {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "\(name)", "type": "EDS",
             "connect_timeout": "\(timeout)",
             "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}}}
            """)
    }

    func endpoints(_ cluster: String, _ ports: [UInt16]) throws {
        let items = ports.map {
            """
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": \($0)}}}}
            """
        }
        try put(
            """
            {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "\(cluster)",
             "endpoints": [{"locality": {"zone": "a"}, "load_balancing_weight": 1, "lb_endpoints": [\(items.joined(separator: ", "))]}]}
            """)
    }

    /// All that makes a listener at `port` answer with what `upstream` does.
    func serve(_ port: UInt16, from upstream: ScriptedUpstream) throws {
        try cluster("one")
        try endpoints("one", [upstream.port])
        try routes(cluster: "one")
        try listener(port: port)
    }

    func push(_ types: String...) throws { for type in types { try ask("push \(type)") } }

    // MARK: What clients said

    private var seen: [String: Any] {
        let text = (try? ask("seen")) ?? ""
        return (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
    }

    func refusal(_ type: String) -> String? { (seen["refused"] as? [String: String])?[type] }
    func names(_ type: String) -> [String] { (seen["names"] as? [String: [String]])?[type] ?? [] }
    var node: [String: Any] { seen["node"] as? [String: Any] ?? [:] }
}
