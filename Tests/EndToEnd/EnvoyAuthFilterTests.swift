import Foundation
import MartletTesting
import Testing

@Suite("Martlet with the filters of Envoy's files that ask who it is", .serialized)
struct EnvoyAuthFilterTests {
    private typealias Files = EnvoyFilterTests

    private static func cluster(_ name: String, _ port: UInt16) -> String {
        """
        { name: \(name), type: STATIC, connect_timeout: 1s, load_assignment: { cluster_name: \(name), endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: \(port) } } } }] }] } }
        """
    }

    @Test("Tokens are asked for alike")
    func tokens() throws {
        let forge = try TokenForge(.rsa, kid: "one")
        let keys = TokenForge.set([forge.jwk()]).replacingOccurrences(of: "\n", with: "").replacingOccurrences(
            of: "'", with: "''")
        let expires = Int(Date().timeIntervalSince1970) + 600
        let token = { (issuer: String, audience: String) in
            try forge.token(
                "RS256", "{\"iss\":\"\(issuer)\",\"aud\":\"\(audience)\",\"sub\":\"ann\",\"exp\":\(expires)}")
        }
        let provider = { (issuer: String, more: String) in
            "{ issuer: \(issuer), audiences: [shop], local_jwks: { inline_string: '\(keys)' }\(more) }"
        }
        let filter = """
            providers: { one: \(provider("one", "")), two: \(provider("two", ", from_headers: [{ name: x-token }]")) },
            rules: [{ match: { prefix: / }, requires: { requires_any: { requirements: [{ provider_name: one }, { provider_name: two }, { allow_missing: {} }] } } }]
            """
        let strict =
            "providers: { one: \(provider("one", "")) }, rules: [{ match: { prefix: / }, requires: { provider_name: one } }]"
        let open = Files.any("jwt_authn.v3.PerRouteConfig", "disabled: true")
        let file = { (filter: String) in
            { (port: UInt16) in
                Files.file(
                    port, [("jwt", "jwt_authn.v3.JwtAuthentication", filter)],
                    routes: [Files.route("/open", 201, "jwt: \(open)"), Files.route("/", 200)])
            }
        }
        let good = try token("one", "shop")
        let loose = try Files.Both(file(filter))
        loose.expect("GET /", "200")
        loose.expect("GET /", "200", with: ["Authorization: Bearer \(good)"])
        loose.expect("GET /?access_token=\(good)", "200")
        loose.expect("GET /", "200", with: ["X-Token: \(try token("two", "shop"))"])
        loose.expect("GET /", "401", with: ["X-Token: x\(try token("two", "shop"))"])
        loose.expect("GET /open", "201", with: ["Authorization: Bearer nonsense"])
        let needed = try Files.Both(file(strict))
        needed.expect("GET /", "401")
        needed.expect("GET /", "401", with: ["Authorization: Bearer \(try token("two", "shop"))"])
        needed.expect("GET /", "200", with: ["Authorization: Bearer \(good)"])
        needed.expect("GET /open", "201")
    }

    @Test("Tokens that are no good are refused alike, and good ones are taken away")
    func hostileTokens() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let seen = request.lowercased().split(separator: "\r\n").filter {
                $0.hasPrefix("x-token:") || $0.hasPrefix("authorization:")
            }
            return "HTTP/1.1 200 OK\r\nx-saw: \(seen.joined(separator: "+"))\r\ncontent-length: 0\r\n\r\n"
        }
        let (forge, other) = (try TokenForge(.rsa, kid: "one"), try TokenForge(.rsa, kid: "one"))
        let keys = TokenForge.set([forge.jwk()]).replacingOccurrences(of: "\n", with: "").replacingOccurrences(
            of: "'", with: "''")
        let now = Int(Date().timeIntervalSince1970)
        let token = { (forge: TokenForge, expires: Int) in
            try forge.token("RS256", "{\"iss\":\"one\",\"aud\":\"shop\",\"exp\":\(expires)}")
        }
        let filter = """
            providers: { one: { issuer: one, audiences: [shop], require_expiration: true, from_headers: [{ name: x-token }], local_jwks: { inline_string: '\(keys)' } } },
            rules: [{ match: { prefix: / }, requires: { requires_any: { requirements: [{ provider_name: one }, { allow_missing: {} }] } } }]
            """
        let both = try Files.Both { port in
            Files.file(
                port, [("jwt", "jwt_authn.v3.JwtAuthentication", filter)],
                routes: ["{ match: { prefix: / }, route: { cluster: up } }"],
                clusters: "[\(Self.cluster("up", upstream.port))]")
        }
        let good = try token(forge, now + 600)
        let forged = try token(other, now + 600)
        both.expect("GET /", "200")
        both.expect("GET /", "", with: ["X-Token: \(good)"], header: "x-saw")
        both.expect("GET /", "401", with: ["X-Token: \(forged)"])
        both.expect("GET /", "401", with: ["X-Token: \(forged)", "X-Token: \(good)"])
        both.expect("GET /", "401", with: ["X-Token: \(try token(forge, now - 600))"])
        both.expect("GET /", "401", with: ["X-Token: \(good.split(separator: ".").prefix(2).joined(separator: "."))."])
        // What no filter looks at goes on.
        both.expect("GET /", "authorization: basic eg==", with: ["Authorization: Basic eg=="], header: "x-saw")
    }

    @Test("The service is asked, and believed, alike")
    func service() throws {
        let service = try ScriptedUpstream.answering { request in
            let isGood = request.contains("/check/good") && request.lowercased().contains("x-mesh: edge 100%")
            let status = isGood ? "200 OK" : request.contains("/check/broken") ? "500 Broken" : "401 Unauthorized"
            return "HTTP/1.1 \(status)\r\nx-why: because\r\nx-hidden: yes\r\ncontent-length: 0\r\n\r\n"
        }
        let filter = """
            http_service: { server_uri: { uri: "http://authz", cluster: authz, timeout: 5s }, path_prefix: /check,
              authorization_request: { headers_to_add: [{ key: x-mesh, value: "edge 100%%" }] },
              authorization_response: { allowed_client_headers: { patterns: [{ exact: x-why, ignore_case: true }] } } },
            status_on_error: { code: ServiceUnavailable }
            """
        let open = Files.any("ext_authz.v3.ExtAuthzPerRoute", "disabled: true")
        let both = try Files.Both { port in
            Files.file(
                port, [("authz", "ext_authz.v3.ExtAuthz", filter)],
                routes: [Files.route("/open", 201, "authz: \(open)"), Files.route("/", 200)],
                clusters: "[\(Self.cluster("authz", service.port))]")
        }
        both.expect("GET /good", "200")
        both.expect("GET /bad", "401")
        both.expect("GET /bad", "because", header: "x-why")
        both.expect("GET /bad", "", header: "x-hidden")
        both.expect("GET /broken", "503")
        both.expect("GET /open", "201")
    }

    @Test("Origins, limits, edits and bodies are treated alike")
    func others() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let seen = request.split(separator: "\r\n").filter { $0.lowercased().hasPrefix("x-e:") }.map {
                $0.split(separator: ":")[1].dropFirst()
            }
            return "HTTP/1.1 200 OK\r\nx-saw: \(seen.joined(separator: "+"))\r\nserver: a\r\ncontent-length: 0\r\n\r\n"
        }
        let policy = Files.any(
            "cors.v3.CorsPolicy",
            "allow_origin_string_match: [{ exact: \"https://a.example\" }, { suffix: .b.example }], allow_methods: \"GET, PUT\", max_age: \"60\""
        )
        let full = "{ default_value: { numerator: 100 } }"
        let limited = Files.any(
            "local_ratelimit.v3.LocalRateLimit",
            "stat_prefix: a, token_bucket: { max_tokens: 1, fill_interval: 600s }, filter_enabled: \(full), filter_enforced: \(full), status: { code: ServiceUnavailable }"
        )
        let edit = { (action: String, value: String) in
            "{ append: { header: { key: x-e, value: \"\(value)\" }, append_action: \(action) } }"
        }
        let mutations =
            "mutations: { request_mutations: [\(edit("OVERWRITE_IF_EXISTS_OR_ADD", "1")), \(edit("APPEND_IF_EXISTS_OR_ADD", "2")), \(edit("ADD_IF_ABSENT", "3"))], response_mutations: [{ remove: server }, { append: { header: { key: x-d, value: \"100%%\" } } }] }"
        let more = Files.any(
            "header_mutation.v3.HeaderMutationPerRoute",
            "mutations: { request_mutations: [\(edit("APPEND_IF_EXISTS_OR_ADD", "4"))] }")
        let to = { (path: String, changes: String) in
            "{ match: { prefix: \(path) }, route: { cluster: up }, typed_per_filter_config: { \(changes) } }"
        }
        let both = try Files.Both { port in
            Files.file(
                port,
                [
                    ("cors", "cors.v3.Cors", ""), ("limit", "local_ratelimit.v3.LocalRateLimit", "stat_prefix: a"),
                    ("edit", "header_mutation.v3.HeaderMutation", mutations),
                    ("buffer", "buffer.v3.Buffer", "max_request_bytes: 4"),
                ],
                routes: [
                    to("/cors", "cors: \(policy)"), to("/limit", "limit: \(limited)"), to("/more", "edit: \(more)"),
                    to(
                        "/plain",
                        "edit: \(Files.off), buffer: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, disabled: true }"
                    ),
                    to("/", ""),
                ], clusters: "[\(Self.cluster("up", upstream.port))]")
        }
        let allowed = "access-control-allow-origin"
        both.expect("GET /cors", "https://a.example", with: ["Origin: https://a.example"], header: allowed)
        both.expect("GET /cors", "http://x.b.example", with: ["Origin: http://x.b.example"], header: allowed)
        both.expect("GET /cors", "", with: ["Origin: https://c.example"], header: allowed)
        both.expect("GET /", "", with: ["Origin: https://a.example"], header: allowed)
        both.expect(
            "OPTIONS /cors", "GET, PUT", with: ["Origin: https://a.example", "Access-Control-Request-Method: GET"],
            header: "access-control-allow-methods")
        both.expect("GET /", "1+2", with: ["X-E: 0"], header: "x-saw")
        both.expect("GET /more", "1+2+4", header: "x-saw")
        both.expect("GET /plain", "0", with: ["X-E: 0"], header: "x-saw")
        both.expect("GET /", "100%", header: "x-d")
        both.expect("POST /", "200", with: ["Content-Length: 0"])
        both.expect("POST /", "413", with: ["Content-Length: 5", "", "abcde"])
        both.expect("GET /limit", "200")
        both.expect("GET /limit", "503")
        both.expect("GET /", "200")
    }
}
