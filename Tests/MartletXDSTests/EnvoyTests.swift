internal import Foundation
internal import MartletConfig
internal import MartletTesting
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

/// A configuration whose resources a real Envoy is given over ADS (Peers/real_envoy.py).
private struct Peer {
    let program: String
    let folder: URL

    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    /// Envoy is where `make differential` puts it, or where `MARTLET_ENVOY` says; it is not fetched for this.
    init() throws {
        let root = Self.tests.deletingLastPathComponent().deletingLastPathComponent()
        let libraries = root.appendingPathComponent(".build/differential/lib")
        let found = (try? FileManager.default.contentsOfDirectory(atPath: libraries.path))?.map {
            libraries.appendingPathComponent("\($0)/site-packages/envoy/_bin/envoy").path
        }
        let candidates = [ProcessInfo.processInfo.environment["MARTLET_ENVOY"]].compactMap { $0 } + (found ?? [])
        guard let program = candidates.first(where: FileManager.default.isExecutableFile) else {
            try Test.cancel("there is no Envoy: make differential fetches one, MARTLET_ENVOY names another")
        }
        self.program = program
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-envoy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// What Envoy makes of the resources; `taken` when it has taken them and answers each of `requests` (host, URL, status).
    func check(_ resources: MeshResources, _ requests: [(String, String, Int)]) throws -> String {
        defer { try? FileManager.default.removeItem(at: folder) }
        for type in ResourceType.allCases {
            let packed = try resources.packed(type).map(\.resource)
            let response = Envoy_Service_Discovery_V3_DiscoveryResponse.with {
                ($0.versionInfo, $0.nonce, $0.typeURL, $0.resources) = ("1", "1", type.typeURL, packed)
            }
            try (response.serializedBytes() as Data).write(to: folder.appendingPathComponent(type.rawValue))
        }
        let ports = try (0..<2).map { _ in "\(try TCPListener.freePort())" }
        let script = Self.tests.appendingPathComponent("Peers/real_envoy.py").path
        let words = requests.flatMap { [$0.0, $0.1, "\($0.2)"] }
        return try Tool.run("/usr/bin/python3", [script, program, folder.path] + ports + words).output
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

@Suite("A real Envoy with Martlet's resources")
struct EnvoyTests {
    @Test("Listeners, clusters and secrets of every kind are taken")
    func everything() throws {
        let peer = try Peer()
        let ports = try (0..<3).map { _ in try TCPListener.freePort() }
        let text = """
            listeners:
            - name: public
              address: 127.0.0.1:\(ports[0])
              limits: { header_count: 50, request_headers: 60KiB, idle_timeout: 1h, max_concurrent_streams: 50, max_connections: 77 }
              server_header: overwrite
              server_name: edge
              upgrades: [websocket, connect]
              via: edge-1
              filters: [router]
              routes:
              - match: { hosts: ["*.shop.example.com"], path: { prefix: /api/ }, methods: [GET, POST], headers: [{ name: x-a, exact: "1", invert: true }] }
                split: [{ cluster: api, weight: 90 }, { cluster: web, weight: 10 }]
                timeout: 2s
                rewrite: { prefix: /, host: internal }
                mirror: { cluster: web, percent: 5% }
                hash: [{ header: x-user }, { cookie: { name: sid, ttl: 1h } }, client_ip]
              - match: { path: { exact: /old } }
                redirect: { path: /new, status: 308, host: shop.example.com }
              - match: { path: { path_separated_prefix: /docs }, query: [{ name: a, regex: "[0-9]+" }] }
                cluster: api
                rewrite: { regex: "^/docs", to: /x }
              - match: { path: { regex: "/v[0-9]+/health" } }
                respond: { status: 207, body: "100%", headers: { x-share: "100%" } }
              - { match: {}, cluster: api }
            - name: secure
              address: 127.0.0.1:\(ports[1])
              tls:
                certificate: a.pem
                private_key: a.key
                client_ca: ca.pem
                verify_san: ["*.example.com", "spiffe://mesh/*"]
                require_client_certificate: false
                cipher_suites: [ECDHE-ECDSA-AES128-GCM-SHA256]
                curves: [X25519, P-256]
                session_tickets: off
              proxy_protocol: { required: false }
              forward_client_cert: append_forward
              filters: [router]
              routes: [{ match: { tls: { presented: false } }, cluster: secure }]
            - name: mysql
              address: 127.0.0.1:\(ports[2])
              protocol: tcp
              sni: [{ hosts: [a.example.com, "*.b.example.com"], cluster: api }, { hosts: ["*"], split: [{ cluster: web }, { cluster: api }] }]
              cluster: web
              limits: { idle_timeout: 8h, max_connection_duration: 24h }
            clusters:
            - name: api
              endpoints: [{ address: "127.0.0.1:9", weight: 2, zone: a }, { address: "127.0.0.2:9", zone: b }, { address: "127.0.0.3:9", zone: a }]
              load_balancing: ring_hash
              ring_hash: { min_ring_size: 64 }
              panic_threshold: 33%
              outlier_detection: { consecutive_5xx: 3, max_ejection_percent: 20% }
              circuit_breaker: { max_requests: 9, error_rate: { threshold: 50% } }
              health_check: { http: { path: /healthz, expect: [200, 204-206] }, interval: 9s, jitter: 20% }
            - name: web
              discovery: { dns: localhost:9, refresh: 7s }
              protocol: http2
              slow_start: { window: 30s, aggression: 1.5, min_weight: 10% }
              http2: { max_concurrent_streams: 7, ping_interval: 10m }
              health_check: { tcp: { send: PING, receive: PONG } }
              proxy_protocol: v2
            - name: secure
              endpoints: ["127.0.0.1:9"]
              protocol: auto
              idle_timeout: 30s
              load_balancing: maglev
              maglev: { table_size: 251 }
              tls: { ca: ca.pem, sni: api.internal, certificate: a.pem, private_key: a.key, session_resumption: false }
            - name: system
              endpoints: ["unix:/run/none.sock"]
              load_balancing: peak_ewma
              health_check: { tcp: {} }
              tls: { ca: system, verify_san: [api.internal, 10.0.0.1] }
            """
        let own = try CertificateForge.shared.server("api.internal")
        let authority = try CertificateForge.shared.authority()
        let files = try [
            ("a.pem", own.certificateFile), ("a.key", own.keyFile), ("ca.pem", authority.certificateFile),
        ].map { ($0, try String(contentsOfFile: $1, encoding: .utf8)) }
        let trip = try RoundTrip(try .read(text), files: Dictionary(uniqueKeysWithValues: files))
        let base = "http://127.0.0.1:\(ports[0])"
        let outcome = try peer.check(
            trip.resources.forOthers, [("a.example", base + "/old", 308), ("a.example", base + "/v7/health", 207)])
        #expect(outcome == "taken")
    }

    @Test("Routes that ask for hosts meet the requests that they meet in Martlet")
    func hosts() throws {
        let peer = try Peer()
        let port = try TCPListener.freePort()
        let text = """
            listeners:
            - name: public
              address: 127.0.0.1:\(port)
              filters: [router]
              routes:
              - { match: { hosts: ["*.example.com"], path: { exact: /1 } }, respond: { status: 201 } }
              - { match: { hosts: [www.*], path: { exact: /2 } }, respond: { status: 202 } }
              - { match: { path: { exact: /3 } }, respond: { status: 203 } }
              - { match: { hosts: [shop.example.com] }, respond: { status: 206 } }
              - { match: { hosts: ["*.example.com", www.*] }, respond: { status: 207 } }
              - { match: { hosts: ["*"], path: { prefix: /b } }, respond: { status: 208 } }
            """
        let trip = try RoundTrip(try .read(text), files: [:])
        let expected = [
            ("shop.example.com", "/1", 201), ("shop.example.com:99", "/1", 201), ("shop.example.com", "/2", 206),
            ("shop.example.com", "/3", 203), ("shop.example.com", "/b", 206), ("www.example.com", "/1", 201),
            ("www.example.com", "/2", 202), ("www.example.com", "/b", 207), ("www.other.org", "/2", 202),
            ("www.other.org", "/1", 207), ("other.org", "/1", 404), ("other.org", "/3", 203), ("other.org", "/b", 208),
        ]
        let outcome = try peer.check(
            trip.resources.forOthers, expected.map { ($0.0, "http://127.0.0.1:\(port)\($0.1)", $0.2) })
        #expect(outcome == "taken")
    }

    @Test("Chains of filters that Envoy has are taken, and do what they say")
    func filters() throws {
        let peer = try Peer()
        let port = try TCPListener.freePort()
        let keys = TokenForge.set([try TokenForge(.rsa, kid: "one").jwk()])
        let text = """
            listeners:
            - name: public
              address: 127.0.0.1:\(port)
              filters:
              - fault: { abort: { status: 501, percent: 100% }, headers: [{ name: x-fault }] }
              - rbac:
                  default: deny
                  rules:
                  - { name: local, action: allow, when: { path: { prefix: /a }, source: { client: [127.0.0.0/8] }, not: { headers: [{ name: x-no }] } } }
                  - { name: methods, action: allow, when: { or: [{ methods: [PUT, PATCH] }, { path: { exact: /b } }, { principal: { tls: {} } }] } }
              - jwt: { issuer: x, audiences: any, jwks: { inline: '\(keys)' } }
              - ext_authz: { cluster: nobody, on_error: allow, context: { x-mesh: "50%" } }
              - rate_limit: { requests: 100, key: none, headers: off }
              - headers: { request: { set: { x-a: "1" }, remove: [x-b] }, response: { add: { x-c: "100%%" } } }
              - buffer: { max_request_bytes: 1MiB }
              - grpc_web
              - router
              routes:
              - { match: { path: { exact: /a/open } }, respond: { status: 201 }, filters: { jwt: off } }
              - { match: { path: { exact: /a/broken } }, respond: { status: 202 }, filters: { jwt: off, fault: { abort: { status: 503, percent: 100% } } } }
              - { match: { path: { exact: /nobody } }, respond: { status: 203 }, filters: { jwt: off, rbac: { rules: [{ name: all, action: deny, when: {} }], default: allow } } }
              - { match: { path: { exact: /everybody } }, respond: { status: 204 }, filters: { jwt: off, rbac: off, ext_authz: off, rate_limit: off, headers: off, buffer: off, grpc_web: off } }
              - { match: {}, respond: { status: 206 } }
            clusters: [{ name: nobody, endpoints: ["127.0.0.1:1"] }]
            """
        let trip = try RoundTrip(try .read(text), files: [:])
        #expect(trip.after.json == trip.expected.json)
        let own = trip.resources.chains.flatMap { $0 }.filter { $0.typedConfig.isA(Martlet_Config_V1_Filter.self) }
        #expect(own.map(\.name) == [])
        let expected = [
            ("shop", "/a/open", 201), ("shop", "/a/broken", 503), ("shop", "/nobody", 403), ("shop", "/c", 403),
            ("shop", "/b", 401), ("shop", "/everybody", 204),
        ]
        let outcome = try peer.check(
            trip.resources.forOthers, expected.map { ($0.0, "http://127.0.0.1:\(port)\($0.1)", $0.2) })
        #expect(outcome == "taken")
    }
}
