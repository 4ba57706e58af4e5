import Foundation
import MartletAuth
import MartletConfig
import MartletFilter
import MartletRouting
import Testing

@Suite("jwt, api_key and basic_auth: mistakes in a configuration")
struct ConfigTests {
    /// What is said of a listener with this filter and this route's `filters`.
    private func errors(_ filter: String, route: String = "", files: [String: String] = [:]) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files {
            try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        let text = """
            listeners:
              - name: public
                address: 127.0.0.1:8080
                filters:
                  - \(filter)
                  - router
                routes: [{ match: {}, cluster: app, filters: { \(route) } }]
            clusters: [{ name: app, endpoints: ["127.0.0.1:9000"] }]
            """
        let registry = FilterRegistry([RouterKind(), JWTKind(), APIKeyKind(), BasicAuthKind()])
        let diagnostics = ConfigDiagnostics()
        let config = ProxyConfig.decode(
            bytes: Array(text.utf8), file: folder.appendingPathComponent("martlet.yaml").path,
            filters: Set(registry.names), diagnostics: diagnostics)
        if let config, let listener = config.listeners.first {
            _ = registry.compileChain(
                of: listener, clusterIndex: { _ in 0 }, load: LoadContext(config: config, workers: 1),
                diagnostics: diagnostics)
        }
        return diagnostics.errors.map(\.description)
    }

    private static let keys =
        #"{ inline: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}' }"#

    @Test(
        "jwt",
        arguments: [
            ("", "", ["\"jwks\" is required"]),
            ("isuer: a, audiences: b, jwks: KEYS", "", ["did you mean \"issuer\""]),
            ("issuer: [], audiences: [], jwks: KEYS", "", ["issuer: an empty list", "audiences: an empty list"]),
            // All at once.
            (
                "issuer: a, audience: b, jwks: {}, clock_skew: x", "",
                ["unknown key \"audience\"", "one of \"file\"", "clock_skew"]
            ),
            ("issuer: a, audiences: b, jwks: {}", "", ["one of \"file\", \"inline\", \"url\", \"secret_file\""]),
            ("issuer: a, audiences: b, jwks: { file: a, url: b }", "", ["exclude each other"]),
            ("issuer: a, audiences: b, jwks: { file: nowhere }", "", ["cannot read"]),
            ("issuer: a, audiences: b, jwks: { file: bad }", "", ["is no JSON"]),
            ("issuer: a, audiences: b, jwks: { file: private }", "", ["private key"]),
            (
                "issuer: a, audiences: b, jwks: { secret_file: short }", "",
                ["a secret of 5 bytes is too short", "HS256 needs 32"]
            ),
            ("issuer: a, audiences: b, jwks: { url: 'ftp://x', cluster: app }", "", ["is no URL"]),
            (
                "issuer: a, audiences: b, jwks: { url: 'https://x/a b', cluster: app }", "",
                ["is no URL that can be asked for"]
            ),
            (
                "issuer: a, audiences: b, jwks: { url: 'https://x/', cluster: ap }", "",
                ["no cluster is called \"ap\"", "clusters: app"]
            ),
            ("issuer: a, audiences: b, jwks: { url: 'https://x/' }", "", ["\"cluster\" is required"]),
            ("issuer: a, audiences: b, jwks: { url: 'https://x/', cluster: app, cache: 1ms }", "", ["out of bounds"]),
            ("issuer: a, audiences: b, jwks: KEYS, algorithms: [none]", "", ["a token that nobody signed"]),
            ("issuer: a, audiences: b, jwks: KEYS, algorithms: [RS25]", "", ["not known here", "RS256"]),
            ("issuer: a, audiences: b, jwks: KEYS, claim_to_headers: { cookie: sub }", "", ["own credentials"]),
            (
                "issuer: a, audiences: b, jwks: KEYS, claim_to_headers: { content-length: sub }", "",
                ["belongs to the proxy"]
            ),
            (
                "issuer: a, audiences: b, jwks: KEYS, claim_to_headers: { x-a: sub }, forward_payload_header: x-a", "",
                ["set twice"]
            ),
            (
                "issuer: a, audiences: b, jwks: KEYS, claim_to_headers: { x-a: sub }, from_headers: [x-a]", "",
                ["both read"]
            ),
            ("issuer: a, audiences: b, jwks: KEYS, from_headers: [authorization]", "", ["needs a prefix"]),
            ("issuer: a, audiences: b, jwks: KEYS, from_params: ['a=b']", "", ["cannot be a name"]),
            ("issuer: a, audiences: b, jwks: KEYS, require: some", "", ["not any, all or false"]),
            ("issuer: a, audiences: b, jwks: KEYS, require: false, allow_missing: true", "", ["says nothing"]),
            ("issuer: a, audiences: b, jwks: KEYS, realm: 'a\"b'", "", ["without quotes"]),
            ("issuer: a, audiences: b, jwks: KEYS, clock_skew: 2h", "", ["out of bounds"]),
            ("issuer: a, providers: { one: { issuer: a, audiences: b, jwks: KEYS } }", "", ["belongs to a provider"]),
            ("providers: {}", "", ["names no provider"]),
            (
                "providers: { one: { audiences: b, issuer: [], jwks: KEYS } }", "",
                ["one.issuer: an empty list lets nobody pass"]
            ),
            ("providers: { one: { issuer: a, audiences: b, jwks: KEYS, realm: x } }", "", ["unknown key \"realm\""]),
            ("issuer: a, audiences: b, jwks: KEYS", "jwt: { requires: false }", ["did you mean \"require\""]),
            ("issuer: a, audiences: b, jwks: KEYS", "jwt: { providers: [two] }", ["no provider is called \"two\""]),
            ("issuer: a, audiences: b, jwks: KEYS", "jwt: { audiences: [] }", ["an empty list"]),
            ("issuer: a, audiences: any, jwks: KEYS", "jwt: off", []),
            ("issuer: any, audiences: [b, c], jwks: KEYS", "jwt: { require: false }", []),
        ] as [(String, String, [String])])
    func jwt(_ settings: String, route: String, expected: [String]) throws {
        let found = try errors(
            "jwt: { \(settings.replacing("KEYS", with: Self.keys)) }", route: route,
            files: [
                "bad": "{", "short": "short\n",
                "private":
                    #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"A"}]}"#,
            ])
        check(found, expected, line: route.isEmpty ? 5 : 7)
    }

    @Test(
        "api_key",
        arguments: [
            ("", "", ["\"header\" is required", "\"keys\" is required"]),
            ("header: x-api-key, keys: []", "", ["an empty list"]),
            (
                "header: x-api-key, keys: [{ key: abc, client: a }]", "",
                ["is not written into the configuration", "key_file"]
            ),
            ("header: x-api-key, keys: [{ client: a }]", "", ["one of \"key_file\", \"key_sha256\""]),
            ("header: x-api-key, keys: [{ key_file: a }]", "", ["\"client\" is required"]),
            ("header: x-api-key, keys: [{ key_file: nowhere, client: a }]", "", ["cannot read"]),
            ("header: x-api-key, keys: [{ key_file: short, client: a }]", "", ["holds 5 bytes"]),
            ("header: x-api-key, keys: [{ key_file: lines, client: a }]", "", ["one line of ASCII"]),
            ("header: x-api-key, keys: [{ key_sha256: abc, client: a }]", "", ["64 hexadecimal digits"]),
            (
                "header: x-api-key, keys: [{ key_sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, client: a }]",
                "", ["the hash of a key without a character"]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }, { key_file: a, client: b }]", "",
                ["the same key as that of line 5"]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }], forward_client_header: x-api-key", "",
                ["both read"]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }], allowed_clients: [b]", "",
                ["a client called \"b\""]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }]", "api_key: { allowed_clients: [] }",
                ["an empty list"]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }]",
                "api_key: { require: false, allowed_clients: [a] }", ["says nothing"]
            ),
            (
                "header: x-api-key, keys: [{ key_file: a, client: a }]", "api_key: { clients: [a] }",
                ["unknown key \"clients\""]
            ),
            ("cookie: k, keys: [{ key_file: a, client: a }]", "api_key: { allowed_clients: [a] }", []),
        ] as [(String, String, [String])])
    func apiKey(_ settings: String, route: String, expected: [String]) throws {
        let found = try errors(
            "api_key: { \(settings) }", route: route,
            files: ["a": "0123456789abcdef\n", "short": "short\n", "lines": "0123456789abcdef\n0123456789abcdef\n"])
        check(found, expected, line: route.isEmpty ? 5 : 7)
    }

    @Test(
        "basic_auth",
        arguments: [
            ("", "", ["\"htpasswd\" is required"]), ("htpasswd: nowhere", "", ["cannot read"]),
            ("htpasswd: none", "", ["names no user"]),
            ("htpasswd: good, cache: 2d", "", ["out of bounds"]),
            ("htpasswd: good, forward_username_header: host", "", ["belongs to the proxy"]),
            ("htpasswd: good, user: a", "", ["unknown key \"user\""]),
            ("htpasswd: good", "basic_auth: { require: false, htpasswd: good }", ["says nothing"]),
            ("htpasswd: good", "basic_auth: off", []),
        ] as [(String, String, [String])])
    func basicAuth(_ settings: String, route: String, expected: [String]) throws {
        let found = try errors(
            "basic_auth: { \(settings) }", route: route,
            files: ["good": "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "none": "# nobody\n"])
        check(found, expected, line: route.isEmpty ? 5 : 7)
    }

    @Test("htpasswd: each mistake is told with the file's own line")
    func htpasswd() throws {
        let found = try errors(
            "basic_auth: { htpasswd: users }",
            files: ["users": "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nbob:$apr1$a$b\n\ncat:secret\nann:secret\n"])
        #expect(found.count == 3)
        for (line, words) in [(2, "MD5"), (4, "plain text"), (5, "plain text")] {
            #expect(
                found.contains {
                    $0.contains("/users:\(line):1: error: ") && $0.contains(words) && $0.contains("htpasswd -B")
                }, "\(found)")
        }
    }

    private func check(_ found: [String], _ expected: [String], line: Int) {
        let text = found.joined(separator: "\n")
        #expect(found.isEmpty == expected.isEmpty, "\(text)")
        for words in expected { #expect(text.contains(words), "\(words) in: \(text)") }
        for error in found { #expect(error.contains(".yaml:\(line):"), "\(error)") }
        // A mistake in one key makes no other unknown.
        if !expected.contains(where: { $0.contains("unknown key") || $0.contains("did you mean") }) {
            #expect(!text.contains("unknown key"), "\(text)")
        }
    }
}
