internal import MartletConfig
internal import MartletXDS

/// Filters as Envoy's file has them, and what becomes of them.
struct ForeignFilters {
    /// Without `router`: `fault: { abort: ... }`.
    let chain: [String]
    /// What the first route changes.
    let changes: [String]
    let errors: [String]
    let warnings: [String]

    /// A message with its type, which mostly is one of the package that filters are in.
    static func any(_ type: String, _ fields: String = "") -> String {
        let name = type.hasPrefix("envoy.") ? type : "envoy.extensions.filters.http.\(type)"
        return "{ \"@type\": type.googleapis.com/\(name)\(fields.isEmpty ? "" : ", " + fields) }"
    }

    /// - Parameter filters: names in the chain and their `any`.
    /// - Parameter host: what the virtual host changes: names and their `any`.
    /// - Parameter route: what its route does.
    /// - Parameter more: what further routes of it do.
    init(
        _ filters: [(String, String)], table: [(String, String)] = [], host: [(String, String)] = [],
        route: [(String, String)] = [], more: [[(String, String)]] = [], domains: String = "[\"*\"]"
    ) throws {
        let chain = (filters + [("router", Self.any("router.v3.Router"))]).map {
            "{ name: \"\($0)\", typed_config: \($1) }"
        }
        func changes(_ list: [(String, String)]) -> String {
            "typed_per_filter_config: { \(list.map { "\"\($0)\": \($1)" }.joined(separator: ", ")) }"
        }
        let routes = ([route] + more).map {
            "{ match: { prefix: / }, direct_response: { status: 200 }, \(changes($0)) }"
        }
        let text = """
            static_resources:
              listeners:
              - name: in
                address: { socket_address: { address: 127.0.0.1, port_value: 8080 } }
                filter_chains:
                - filters:
                  - name: hcm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: in
                      http_filters: [\(chain.joined(separator: ", "))]
                      route_config:
                        name: r
                        \(changes(table))
                        virtual_hosts:
                        - name: all
                          domains: \(domains)
                          \(changes(host))
                          routes: [\(routes.joined(separator: ", "))]
            """
        let diagnostics = ConfigDiagnostics()
        let node = try ConfigNode.read(text)
        let root = ProcessDocument(.envoy).whole(node, nil, diagnostics: diagnostics)
        let config = ProxyConfig.decode(root: root, filters: knownFilters, diagnostics: diagnostics)
        let listener = config.listeners.first
        self.chain = (listener?.filters ?? []).filter { $0.name != "router" }.map { "\($0.name): \($0.node.flow)" }
        self.changes = (listener?.routes.first?.overrides ?? []).map { override in
            guard case .settings(let node) = override.change else { return "\(override.filter): off" }
            return "\(override.filter): \(node.flow)"
        }
        errors = diagnostics.errors.map(\.message)
        warnings = diagnostics.warnings.map(\.message)
    }
}

extension ConfigNode {
    /// In one line, as the documentation writes settings.
    var flow: String {
        switch content {
        case .null: "{}"
        case .scalar(let text, _): text
        case .list(let items): "[" + items.map(\.flow).joined(separator: ", ") + "]"
        case .mapping(let entries) where entries.isEmpty: "{}"
        case .mapping(let entries): "{ " + entries.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ") + " }"
        }
    }
}
