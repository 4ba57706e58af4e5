internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

@Suite("A configuration survives the way through resources")
struct RoundTripTests {
    private static func pages() throws -> [String] {
        let filters = try FileManager.default.contentsOfDirectory(
            atPath: root.appendingPathComponent("Docs/Filters").path)
        return ["README.md", "Docs/LuaAPI.md", "Docs/Config.md", "Docs/TCP.md", "Docs/GRPC.md"]
            + filters.filter { $0.hasSuffix(".md") }.sorted().map { "Docs/Filters/\($0)" }
    }

    /// Every word of a text that could be a file's name.
    private static func files(named text: String) -> [String: String] {
        let words = text.split { " \"'{},[]\n".contains($0) }.map(String.init)
        return Dictionary(words.filter { $0.contains(".") || $0.contains("/") }.map { ($0, "of \($0)") }) { one, _ in
            one
        }
    }

    @Test("Every example of the documentation", arguments: try pages())
    func examples(page: String) throws {
        let text = try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
        let examples = text.components(separatedBy: "```yaml\n").dropFirst().compactMap {
            $0.components(separatedBy: "```").first
        }.filter { $0.hasPrefix("# file:") && !$0.contains("file: Filters/") }
        #expect(!examples.isEmpty)
        for example in examples { try check(try .read(example), files: Self.files(named: example)) }
    }

    @Test("Configurations made at random", arguments: 0..<120)
    func generated(seed: Int) throws {
        var generator = MeshGenerator(seed: UInt64(seed))
        let document = generator.document()
        let node = document.node(mark: ConfigMark(file: "m.yaml", line: 1, column: 1))
        try check(node, files: MeshGenerator.files)
    }

    @Test("Among those are filters and changes of each kind in Envoy's words, and some in Martlet's")
    func inBothWords() throws {
        var (envoys, own): ([String: Int], [String: Int]) = ([:], [:])
        for seed in 0..<180 {
            var generator = MeshGenerator(seed: UInt64(seed))
            let node = generator.document().node(mark: ConfigMark(file: "m.yaml", line: 1, column: 1))
            let resources = try RoundTrip(node, files: MeshGenerator.files).resources
            let filters = resources.chains.flatMap { $0.map { ($0.name, $0.typedConfig) } }
            for (name, any) in filters + resources.changes.map({ ("route's " + $0, $1) }) {
                let off = try? Envoy_Config_Route_V3_FilterConfig(unpackingAny: any)
                let isOwn = any.isA(Martlet_Config_V1_Filter.self) || off?.hasConfig ?? false
                let kind = String(name.prefix { $0 != "." })
                if isOwn { own[kind, default: 0] += 1 } else { envoys[kind, default: 0] += 1 }
            }
        }
        for kind in RoundTrip.envoys.flatMap({ [$0, "route's " + $0] }) {
            #expect(envoys[kind, default: 0] >= 10, "\(kind): \(envoys)")
            // Of two there is nothing that Envoy has no words for.
            #expect(
                own[kind, default: 0] >= 10 || kind.hasSuffix("grpc_web") || kind.hasSuffix("buffer"), "\(kind): \(own)"
            )
        }
    }

    private func check(_ node: ConfigNode, files: [String: String]) throws {
        let trip = try RoundTrip(node, files: files)
        #expect(trip.errors == [])
        #expect(trip.after.json == trip.expected.json)
        #expect(RoundTrip.details(trip.after) == RoundTrip.details(trip.expected))
        for type in ResourceType.allCases { #expect(try trip.received.packed(type) == trip.resources.packed(type)) }
    }

    @Test("Files that a filter's settings name travel with it, once the load has read them")
    func filesOfFilters() throws {
        let text = """
            listeners:
            - name: a
              address: "127.0.0.1:80"
              filters: [{ basic_auth: { htpasswd: users/all } }, router]
              routes: [{ match: {}, cluster: api, filters: { basic_auth: { htpasswd: users/few } } }]
            clusters: [{ name: api, endpoints: ["10.0.0.1:80"] }]
            """
        let trip = try RoundTrip(try .read(text), files: ["users/all": "a:b", "users/few": "c:d"])
        #expect(trip.errors == [])
        #expect(trip.resources.secrets.map(\.name) == ["users/all", "users/few"])
        #expect(trip.resources.secrets.map(\.genericSecret.secret.inlineBytes) == [Data("a:b".utf8), Data("c:d".utf8)])
        let diagnostics = ConfigDiagnostics()
        _ = trip.received.document(diagnostics: diagnostics)
        #expect(try diagnostics.files.read("users/few", atMost: 9) == Array("c:d".utf8))
        // Without them nobody looks for a file of that name on the proxy's disk.
        var without = trip.received
        without.secrets = []
        let missing = ConfigDiagnostics()
        _ = without.document(diagnostics: missing)
        #expect(
            missing.errors.map(\.message) == ["there is no secret \"users/all\"", "there is no secret \"users/few\""])
    }

    @Test("What the keys of a cluster are in Envoy's words is in its fields, and nothing of it in the rest")
    func noDoubles() throws {
        let text = """
            listeners: [{ name: a, address: "127.0.0.1:80", filters: [router], routes: [{ match: {}, cluster: api }] }]
            clusters:
            - name: api
              endpoints: ["10.0.0.1:80", { address: "10.0.0.2:80", weight: 2, zone: a }]
              load_balancing: ring_hash
              ring_hash: { min_ring_size: 64 }
              connect_timeout: 1000ms
              protocol: http2
              http2: { max_concurrent_streams: 7 }
              health_check: { http: { path: /healthz, expect: [200, 204-206] }, interval: 9s }
              outlier_detection: { consecutive_5xx: 3 }
              circuit_breaker: { max_requests: 9 }
              tls: { ca: ca.pem, sni: api.internal, certificate: me.pem, private_key: me.key }
            """
        let files = ["ca.pem": "ca", "me.pem": "chain", "me.key": "key"]
        let trip = try RoundTrip(try .read(text), files: files)
        let cluster = try #require(trip.resources.clusters.first)
        #expect(!cluster.hasMetadata)
        #expect(trip.resources.secrets.map(\.name) == ["me.pem|me.key", "ca.pem"])
        #expect(trip.resources.secrets.first?.tlsCertificate.privateKey.inlineBytes == Data("key".utf8))
    }
}
