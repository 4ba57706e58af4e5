enum JWTCases {
    private static let type = "jwt_authn.v3.JwtAuthentication"
    private static let keys = "local_jwks: { inline_string: K }"
    private static let remote =
        "remote_jwks: { http_uri: { uri: \"https://id/keys\", cluster: id, timeout: 1s }, cache_duration: 300s }"
    private static func one(
        _ provider: String, rules: String = "{ match: { prefix: / }, requires: { provider_name: jwt } }"
    ) -> String {
        "providers: { jwt: { \(provider) } }, rules: [\(rules)]"
    }
    private static let two = "providers: { a: { issuer: x, \(keys) }, b: { issuer: y, \(keys) } }"
    private static func read(_ name: String) -> String {
        "\(name): { issuer: \(name == "a" ? "x" : "y"), audiences: any, jwks: { inline: K }, require_expiration: false, "
            + "from_headers: [{ name: Authorization, prefix: Bearer  }], from_params: [access_token] }"
    }
    private static func rule(_ requirement: String) -> String {
        "\(two), rules: [{ match: { prefix: / }, requires: { \(requirement) } }]"
    }

    static let read: [(String, String, String)] = [
        (
            one(
                "issuer: x, audiences: [s], require_expiration: true, from_headers: [{ name: Authorization, value_prefix: \"Bearer \" }], \(remote), clock_skew_seconds: 5, forward: true, claim_to_headers: [{ header_name: x-b, claim_name: sub }, { header_name: x-a, claim_name: a.b }]"
            ),
            "jwt: { issuer: x, audiences: [s], jwks: { url: https://id/keys, cluster: id, cache: 5m, timeout: 1s }, clock_skew: 5s, forward: true, claim_to_headers: { x-b: sub, x-a: a.b } }"
        ),
        (
            one("from_cookies: [c], require_expiration: true, subjects: { exact: me }, \(keys)"),
            "jwt: { issuer: any, audiences: any, jwks: { inline: K }, subjects: me, from_cookies: [c] }"
        ),
        (
            rule("requires_any: { requirements: [{ provider_name: b }, { provider_name: a }, { allow_missing: {} }] }"),
            "jwt: { providers: { \(read("b")), \(read("a")) }, allow_missing: true }"
        ),
        (
            rule("requires_all: { requirements: [{ provider_name: a }, { provider_name: b }] }"),
            "jwt: { providers: { \(read("a")), \(read("b")) }, require: all }"
        ),
        // Who is asked for nothing is asked for nothing, and of those who are not needed nothing is left.
        (two, "jwt: { providers: { \(read("a")), \(read("b")) }, require: false }"),
        (rule("provider_name: b"), "jwt: { providers: { \(read("b")) } }"),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        (rule("requires_any: { requirements: [{ allow_missing_or_failed: {} }] }"), "a requirement in this form"),
        (rule("allow_missing_or_failed: {}"), "a requirement in this form"),
        (rule("provider_and_audiences: { provider_name: a, audiences: [x] }"), "a requirement in this form"),
        (
            rule("requires_all: { requirements: [{ provider_name: a }, { allow_missing: {} }] }"),
            "a requirement in this form"
        ),
        (rule("provider_name: c"), "there is no provider \"c\""),
        ("\(two), rules: [{ match: { prefix: /a }, requires: { provider_name: a } }]", "a rule for some requests"),
        (
            "\(two), rules: [{ match: { prefix: / } }, { match: { prefix: / }, requires: { provider_name: a } }]",
            "a rule for some requests"
        ),
        ("\(two), bypass_cors_preflight: true", "bypass_cors_preflight is not supported"),
        ("\(two), filter_state_rules: {}", "filter_state_rules is not supported"),
        ("\(two), rules: [{ match: { prefix: / }, requirement_name: none }]", "there is no requirement \"none\""),
        (one("\(keys), max_lifetime: 60s"), "max_lifetime: a bound on what is left is not supported"),
        (one("\(keys), subjects: { prefix: a }"), "anything but exact is not supported"),
        (one("\(keys), payload_in_metadata: p"), "another name than jwt_payload is not supported"),
        (one("\(keys), pad_forward_payload_header: true"), "pad_forward_payload_header is not supported"),
        (one("issuer: x"), "there are no keys that Martlet can find"),
    ].map { (type, $0, $1) }

    private static let own = "issuer: x, audiences: s, jwks: { inline: K }"
    static let written: [(String, Bool)] = [
        ("jwt: { \(own) }", true),
        (
            "jwt: { issuer: any, audiences: [a, b], jwks: { url: \"https://id/keys\", cluster: id, cache: 600s }, allow_missing: true }",
            true
        ),
        // Clients could send the headers wherever Envoy does not ask the provider.
        ("jwt: { \(own), claim_to_headers: { x-u: sub } }", false),
        ("jwt: { \(own), forward_payload_header: x-p, forward: true }", false),
        ("jwt: { providers: { a: { \(own) }, b: { \(own), claim_to_headers: { x-u: sub } } } }", false),
        // The tokens that it has not checked stay.
        (
            "jwt: { providers: { b: { \(own), forward: true }, a: { \(own), forward: true, from_headers: [x-t, { name: x-s, prefix: \"T \" }], clock_skew: 5s } } }",
            true
        ),
        ("jwt: { \(own), from_headers: [{ name: x-s, prefix: \"T \" }] }", true),
        ("jwt: { \(own), from_headers: [x-s, x-t] }", false),
        ("jwt: { \(own), from_params: [t] }", false),
        ("jwt: { \(own), from_cookies: [t] }", false),
        ("jwt: { \(own), from_cookies: [t], forward: true }", true),
        ("jwt: { providers: { a: { \(own) }, b: { \(own) } } }", true),
        ("jwt: { providers: { a: { \(own) }, b: { \(own), forward: true, from_headers: [x-t] } } }", false),
        // Nor is there one left for the next provider.
        ("jwt: { providers: { a: { \(own) }, b: { \(own) } }, require: all }", false),
        (
            "jwt: { providers: { a: { \(own), forward: true }, b: { \(own), forward: true } }, require: all }",
            true
        ),
        ("jwt: { \(own), require: false }", true),
        ("jwt: { audiences: s, jwks: { inline: K } }", false),
        ("jwt: { issuer: [x, y], audiences: s, jwks: { inline: K } }", false),
        ("jwt: { \(own), algorithms: RS256 }", false),
        ("jwt: { \(own), realm: shop }", false),
        ("jwt: { \(own), clock_skew: 0s }", false),
        ("jwt: { issuer: x, audiences: s, jwks: { file: keys.json } }", false),
        ("jwt: { issuer: x, audiences: s, jwks: { url: \"https://id/keys\", cluster: id, wait: 1s } }", false),
    ]
}

enum ExtAuthzCases {
    private static let type = "ext_authz.v3.ExtAuthz"
    private static let names = "allowed_client_headers: { patterns: [{ exact: set-cookie }] }"
    private static func http(_ more: String = "", response: String = names, rest: String = "") -> String {
        "http_service: { server_uri: { uri: \"http://a\", cluster: a, timeout: 0.2s }, authorization_response: { \(response) } \(more) } \(rest)"
    }

    static let read: [(String, String, String)] = [
        (
            http(
                ", path_prefix: /check",
                rest: ", failure_mode_allow: true, status_on_error: { code: ServiceUnavailable }"),
            "ext_authz: { cluster: a, path_prefix: /check, allowed_headers: [authorization], client_headers: [set-cookie, www-authenticate, location], on_error: allow, status_on_error: 503 }"
        ),
        (
            http(
                ", authorization_request: { headers_to_add: [{ key: x-m, value: \"100%%\" }] }",
                response: "\(names), allowed_upstream_headers: { patterns: [{ prefix: x-user- }] }",
                rest:
                    ", allowed_headers: { patterns: [{ exact: authorization }, { exact: cookie }, { prefix: x-forwarded- }, { exact: x-request-id }] }, with_request_body: { max_request_bytes: 1024, allow_partial_message: true }"
            ),
            "ext_authz: { cluster: a, context: { x-m: 100% }, upstream_headers: [x-user-*], client_headers: [set-cookie, www-authenticate, location], with_request_body: { max_bytes: 1KiB, allow_partial: true } }"
        ),
        (
            "grpc_service: { envoy_grpc: { cluster_name: a, authority: b }, timeout: 1s }, transport_api_version: V3",
            "ext_authz: { cluster: a, protocol: grpc, authority: b, timeout: 1s }"
        ),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        (http(response: ""), "all that the service says is not supported"),
        (
            http(", authorization_request: { headers_to_add: [{ key: a, value: \"%REQ(b)%\" }] }"),
            "an operator is not supported"
        ),
        (http(rest: ", disallowed_headers: {}"), "disallowed_headers is not supported"),
        (http(rest: ", filter_enabled: {}"), "filter_enabled is not supported"),
        (http(rest: ", include_peer_certificate: true"), "include_peer_certificate is not supported"),
        (http(rest: ", allowed_headers: { patterns: [{ suffix: a }] }"), "anything but exact and prefix"),
        ("grpc_service: { google_grpc: {} }", "google_grpc is not supported"),
        ("", "there is no service that Martlet knows"),
    ].map { (type, $0, $1) }

    static let written: [(String, Bool)] = [
        (
            "ext_authz: { cluster: a, path_prefix: /check, timeout: 200ms, on_error: deny, with_request_body: { max_bytes: 8KiB, allow_partial: true }, context: { x-mesh: \"100%\" } }",
            true
        ),
        (
            "ext_authz: { cluster: a, client_headers: [set-cookie, www-authenticate, location], status_on_error: 503 }",
            true
        ),
        ("ext_authz: { cluster: a, protocol: grpc, allowed_headers: [x-a, x-b-*], timeout: 1s }", true),
        // In Envoy clients could send what the service does not set.
        ("ext_authz: { cluster: a, upstream_headers: [x-user] }", false),
        ("ext_authz: { cluster: a, client_headers: [set-cookie] }", false),
        ("ext_authz: { cluster: a, allowed_headers: [cookie] }", false),
        ("ext_authz: { cluster: a, client_headers_on_success: [set-cookie] }", true),
        ("ext_authz: { cluster: a, client_headers_on_success: [x-quota] }", false),
        ("ext_authz: { cluster: a, max_response_body: 1KiB }", false),
        ("ext_authz: { cluster: a, protocol: grpc, context: { a: b } }", false),
        ("ext_authz: { cluster: a, status_on_error: 418 }", false),
    ]
}
