import Foundation
import MartletConfig
import MartletXDS
import Testing

@Suite("Resources in JSON")
struct MessageReaderTests {
    private func offer(_ json: String, _ type: ResourceType) throws -> DiscoveryOffer {
        try DiscoveryOffer.read(json: Array(json.utf8), type)
    }

    @Test("Names in both spellings, numbers in quotes, values in wrappers, maps and messages in others are read")
    func values() throws {
        let offer = try offer(
            """
            {"versionInfo": "7", "resources": [
             {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a", "connectTimeout": "0.25s",
              "type": "STATIC", "lb_policy": 2, "circuit_breakers": {"thresholds": [{"max_requests": "9"}]},
              "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
               "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
               "explicit_http_config": {"http2_protocol_options": {}}}}}]}
            """, .cluster)
        #expect(offer.version == "7" && offer.fault == nil && offer.changed.keys.sorted() == ["a"])
        var resources = MeshResources()
        let diagnostics = ConfigDiagnostics()
        for held in offer.changed.values { resources.add(held.resource, diagnostics: diagnostics) }
        let document = resources.document(diagnostics: diagnostics)
        let cluster = try #require(document["clusters"]?.items?.first)
        #expect(cluster["connect_timeout"]?.text == "250ms")
        #expect(cluster["protocol"]?.text == "http2" && cluster["load_balancing"]?.text == "ring_hash")
        #expect(cluster["circuit_breaker"]?["max_requests"]?.text == "9")
        #expect(!diagnostics.hasErrors, "\(diagnostics.report)")
    }

    /// A resource's members, and what is said of them.
    static let faults: [(String, String)] = [
        (#""nam": "a""#, #"nam: envoy.config.cluster.v3.Cluster has no field "nam""#),
        (#""connect_timeout": "soon""#, "connect_timeout: expected a duration"),
        (#""connect_timeout": 5"#, "connect_timeout: expected a duration"),
        (#""type": "STATICK""#, "did you mean"),
        (#""health_checks": {}"#, "health_checks: expected a list"),
        (
            #""health_checks": [{"timeout": "1s", "tcp_health_check": {}, "http_health_check": {}}]"#,
            "exclude each other"
        ),
        (
            #""circuit_breakers": {"thresholds": [{"max_requests": -1}]}"#,
            "thresholds[0].max_requests: expected a number"
        ),
        (#""transport_socket": {"typed_config": {"sni": "a"}}"#, #""@type" is required"#),
        (#""load_assignment": "x""#, "load_assignment: expected a mapping"),
    ]

    @Test("What is no part of a message is told with its resource and its path", arguments: faults)
    func mistakes(members: String, wanted: String) throws {
        let offer = try offer(
            #"{"version_info": "1", "resources": [{"@type": "x/envoy.config.cluster.v3.Cluster", \#(members)}]}"#,
            .cluster)
        #expect(offer.fault?.contains(wanted) == true, "\(offer.fault ?? "")")
    }

    @Test("A field that Envoy has and Martlet has not is carried, and told when the resource is used")
    func foreign() throws {
        let offer = try offer(
            #"{"resources": [{"@type": "x/envoy.config.cluster.v3.Cluster", "name": "a", "type": "STATIC", "lbSubsetConfig": {}, "alt_stat_name": "b"}]}"#,
            .cluster)
        #expect(offer.fault == nil)
        let diagnostics = ConfigDiagnostics()
        var resources = MeshResources()
        for held in offer.changed.values { resources.add(held.resource, diagnostics: diagnostics) }
        _ = resources.document(diagnostics: diagnostics)
        #expect(
            diagnostics.errors.map(\.message) == ["envoy.config.cluster.v3.Cluster.lb_subset_config is not supported"])
        #expect(diagnostics.warnings.count == 1 && diagnostics.warnings[0].message.contains("alt_stat_name"))
    }

    @Test("Whatever bytes come end in an offer or an error")
    func hostile() throws {
        let text = Array(
            #"{"version_info": "1", "resources": [{"@type": "x/envoy.config.cluster.v3.Cluster", "name": "a", "connect_timeout": "1s"}]}"#
                .utf8)
        for index in text.indices {
            for byte in [0x00, 0x22, 0x5B, 0x7B, 0x39, 0xFF] as [UInt8] {
                var broken = text
                broken[index] = byte
                _ = try? DiscoveryOffer.read(json: broken, .cluster)
            }
            _ = try? DiscoveryOffer.read(json: Array(text[..<index]), .cluster)
        }
    }
}
