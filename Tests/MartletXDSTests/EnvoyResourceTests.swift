internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

/// Resources as other control planes write them.
struct Foreign {
    var resources = MeshResources()

    static let http = """
        {"name":"in","address":{"socketAddress":{"address":"0.0.0.0","portValue":8080}},"filterChains":[{"filters":[{
          "name":"hcm","typedConfig":{
            "@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "statPrefix":"in","rds":{"routeConfigName":"r","configSource":{"ads":{}}},"httpFilters":[FILTERS{
              "name":"envoy.filters.http.router",
              "typedConfig":{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
        """
    static let cluster = """
        {"name":"api","type":"EDS","edsClusterConfig":{"edsConfig":{"ads":{},"resourceApiVersion":"V3"}}}
        """
    static let endpoints = """
        {"clusterName":"api","endpoints":[{"locality":{"zone":"a"},"lbEndpoints":[
          {"endpoint":{"address":{"socketAddress":{"address":"10.0.0.1","portValue":80}}},"healthStatus":"UNHEALTHY"},
          {"endpoint":{"address":{"socketAddress":{"address":"10.0.0.2","portValue":80}}},"loadBalancingWeight":256}]}]}
        """

    /// A listener, its routes and one cluster, `api`.
    ///
    /// - Parameter hosts: the virtual hosts of the routes.
    /// - Parameter filters: before the router, each with a comma behind it.
    init(hosts: String, filters: String = "") throws {
        Google_Protobuf_Any.register(messageType: Connections.self)
        Google_Protobuf_Any.register(messageType: Envoy_Extensions_Filters_Http_Router_V3_Router.self)
        Google_Protobuf_Any.register(messageType: Google_Protobuf_Struct.self)
        resources.listeners = [try .init(jsonString: Self.http.replacing("FILTERS", with: filters))]
        resources.routes = [try .init(jsonString: #"{"name":"r","virtualHosts":[\#(hosts)]}"#)]
        resources.clusters = [try .init(jsonString: Self.cluster)]
        resources.endpoints = [try .init(jsonString: Self.endpoints)]
    }
    private typealias Connections = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

    static func all(_ action: String = #""route":{"cluster":"api"}"#) -> String {
        #"{"name":"all","domains":["*"],"routes":[{"match":{"prefix":"/"},\#(action)}]}"#
    }

    /// What the decoder makes of it.
    func decoded() -> (config: ProxyConfig, errors: [String], warnings: [String]) {
        let diagnostics = ConfigDiagnostics()
        let root = resources.document(diagnostics: diagnostics)
        let config = ProxyConfig.decode(root: root, filters: knownFilters, diagnostics: diagnostics)
        return (config, diagnostics.errors.map(\.description), diagnostics.warnings.map(\.description))
    }
}

@Suite("Resources that others have written")
struct EnvoyResourceTests {
    @Test("A listener, its routes, a cluster and its endpoints, with Envoy's defaults where they are others")
    func whole() throws {
        let (config, errors, warnings) = try Foreign(hosts: Foreign.all()).decoded()
        #expect(errors == [])
        let listener = try #require(config.listeners.first)
        #expect(!listener.forwarding.useRemoteAddress && !listener.path.normalize && !listener.path.mergeSlashes)
        #expect(listener.upgrades == [])
        #expect(listener.forwarding.serverHeader == .overwrite && listener.forwarding.serverName == "envoy")
        guard case .endpoints(let endpoints)? = config.clusters.first?.source else {
            Issue.record("no endpoints")
            return
        }
        // One is unhealthy, and weights go up to 128.
        #expect(endpoints.map(\.address.description) == ["10.0.0.2:80"])
        #expect(endpoints.map(\.weight) == [128] && endpoints.map(\.zone) == ["a"])
        #expect(
            warnings == [
                "ClusterLoadAssignment api:1:1: warning: load_balancing_weight: above 128, all are scaled down"
            ])
    }

    @Test("Virtual hosts become routes: the most specific domain first, and nobody falls through to the next")
    func virtualHosts() throws {
        let route = { (prefix: String) in #"{"match":{"prefix":"\#(prefix)"},"route":{"cluster":"api"}}"# }
        let hosts = [
            #"{"name":"any","domains":["*"],"routes":[\#(route("/any"))]}"#,
            #"{"name":"wild","domains":["*.example.com","www.*"],"routes":[\#(route("/"))]}"#,
            #"{"name":"one","domains":["a.example.com","a.example.com:80","*.a.example.com"],"routes":[\#(route("/one"))]}"#,
        ].joined(separator: ",")
        let (config, errors, _) = try Foreign(hosts: hosts).decoded()
        #expect(errors == [])
        let routes = config.listeners.first?.routes ?? []
        let shown = routes.map { route -> String in
            var action = "api"
            if case .respond(let respond) = route.action { action = "\(respond.status)" }
            return "\(route.match.hosts.map(\.text)) \(route.match.path.map { "\($0)" } ?? "all") \(action)"
        }
        #expect(
            shown == [
                #"["a.example.com"] prefix("/one") api"#, #"["a.example.com"] all 404"#,
                #"["*.a.example.com"] prefix("/one") api"#, #"["*.a.example.com"] all 404"#,
                #"["*.example.com"] prefix("/") api"#, #"["www.*"] prefix("/") api"#, #"[] prefix("/any") api"#,
            ])
    }

    @Test("What Martlet has no word for is refused by name, or told of where it does no harm")
    func unknownFields() throws {
        var foreign = try Foreign(hosts: Foreign.all())
        let bytes: [UInt8] = try foreign.resources.clusters[0].serializedBytes()
        // 41, load_balancing_policy, an empty message; 28, alt_stat_name; 99, which is nobody's.
        let unknown: [UInt8] = [0xCA, 0x02, 0] + [0xE2, 0x01, 1, 0x61] + [0x98, 0x06, 1]
        foreign.resources.clusters = [try .init(serializedBytes: bytes + unknown)]
        let (_, errors, warnings) = foreign.decoded()
        let name = "envoy.config.cluster.v3.Cluster"
        #expect(
            errors == [
                "Cluster api:1:1: error: \(name).99 is not supported",
                "Cluster api:1:1: error: \(name).load_balancing_policy is not supported",
            ])
        #expect(
            warnings.contains("Cluster api:1:1: warning: \(name).alt_stat_name has no counterpart and is ignored"))
    }

    @Test("A filter that Martlet does not know is refused, unless it may be left out")
    func unknownFilters() throws {
        let filter =
            #"{"name":"lua","typedConfig":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{}}OPTIONAL},"#
        let needed = try Foreign(hosts: Foreign.all(), filters: filter.replacing("OPTIONAL", with: "")).decoded()
        #expect(
            needed.errors == [
                "Listener in:1:1: error: http_filters lua: google.protobuf.Struct is not supported"
                    + " (expected martlet.config.v1.Filter)"
            ])
        let optional = filter.replacing("OPTIONAL", with: #","isOptional":true"#)
        let skipped = try Foreign(hosts: Foreign.all(), filters: optional).decoded()
        #expect(skipped.errors == [])
        #expect(
            skipped.warnings.contains(
                "Listener in:1:1: warning: http_filters lua: google.protobuf.Struct has no counterpart, and may be left out"
            ))
    }

    @Test("Mistakes are those of `martlet check`, at the resource's name")
    func mistakes() throws {
        var foreign = try Foreign(hosts: Foreign.all(#""route":{"cluster":"apo"}"#))
        foreign.resources.clusters[0].connectTimeout = .init(seconds: 0, nanos: 0)
        foreign.resources.endpoints = []
        foreign.resources.clusters[0].transportSocket = .with {
            $0.typedConfig = (try? .init(message: Self.tls(secret: "mesh/me"))) ?? .init()
        }
        let (_, errors, _) = foreign.decoded()
        #expect(
            errors == [
                "Cluster api:1:1: error: there is no ClusterLoadAssignment \"api\"",
                "Cluster api:1:1: error: there is no secret \"mesh/me\"",
                "Cluster api:1:1: error: clusters[0].connect_timeout: 0 is out of bounds (expected 1ms to 1h)",
                "Listener in:1:1: error: listeners[0].routes[0].cluster: no cluster \"apo\" (did you mean \"api\"?)",
            ])
    }

    private static func tls(secret: String) -> Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext {
        .with {
            $0.commonTlsContext.tlsCertificateSdsSecretConfigs = [
                .with {
                    $0.name = secret
                    $0.sdsConfig.ads = .init()
                }
            ]
        }
    }

    @Test("Secrets of any name are files that no disk has")
    func secrets() throws {
        var foreign = try Foreign(hosts: Foreign.all())
        foreign.resources.clusters[0].transportSocket = .with {
            $0.typedConfig = (try? .init(message: Self.tls(secret: "mesh/me"))) ?? .init()
        }
        foreign.resources.secrets = [
            .with {
                $0.name = "mesh/me"
                $0.tlsCertificate.certificateChain.inlineString = "chain"
                $0.tlsCertificate.privateKey.inlineString = "key"
            }
        ]
        let diagnostics = ConfigDiagnostics()
        let root = foreign.resources.document(diagnostics: diagnostics)
        let config = ProxyConfig.decode(root: root, filters: knownFilters, diagnostics: diagnostics)
        #expect(diagnostics.errors.map(\.description) == [])
        let key = try #require(config.clusters.first?.tls?.certificate?.privateKey)
        let (bytes, state) = try diagnostics.files.readWithState(key.path, atMost: 10)
        #expect(bytes == Array("key".utf8) && state.mode == 0o600)
    }

    @Test("Retries of a route bring the filter that does them; an inverted test that wants its header says so")
    func routes() throws {
        let action = """
            "route":{"cluster":"api","retryPolicy":{"retryOn":"5xx, reset","numRetries":2,"perTryTimeout":"0.250s"}}
            """
        let host = """
            {"name":"all","domains":["*"],"routes":[{"match":{"prefix":"/","headers":[
              {"name":":method","exactMatch":"GET"},{"name":"x-a","stringMatch":{"exact":"1"},"invertMatch":true}]},\(action)}]}
            """
        let (config, errors, _) = try Foreign(hosts: host).decoded()
        #expect(errors == [])
        let listener = try #require(config.listeners.first)
        #expect(listener.filters.map(\.name) == ["retry", "router"])
        let route = try #require(listener.routes.first)
        #expect(route.match.methods == ["GET"])
        #expect(route.match.headers.map(\.test) == [.present(true), .exact("1")])
        #expect(route.match.headers.map(\.isInverted) == [false, true])
        #expect(route.overrides.map(\.filter) == ["retry"])
    }

    @Test("For clients that are no Martlet nothing of Martlet's own is left but filters")
    func forOthers() throws {
        let text = """
            listeners:
            - { name: a, address: "127.0.0.1:80", limits: { max_connections: 9 }, filters: [router], routes: [{ match: { hosts: [b] }, cluster: c }] }
            clusters:
            - name: c
              endpoints: [{ address: "10.0.0.1:80", zone: a }, { address: "10.0.0.2:80", zone: b }, { address: "10.0.0.3:80", zone: a }]
              circuit_breaker: { error_rate: {} }
            """
        let trip = try RoundTrip(try .read(text), files: [:])
        let all = { (resources: MeshResources) in
            try ResourceType.allCases.flatMap { try resources.packed($0) }.map {
                try $0.resource.serializedBytes() as [UInt8]
            }
        }
        let own = Array("martlet.config.v1".utf8)
        #expect(try all(trip.resources).filter { $0.contains(own) }.count == 4)
        #expect(try all(trip.resources.forOthers).filter { $0.contains(own) }.isEmpty)
        #expect(!trip.resources.forOthers.clusters[0].hasMetadata)
    }
}
