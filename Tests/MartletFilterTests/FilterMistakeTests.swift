import MartletAuth
import MartletConfig
import MartletCore
import MartletFilter
import MartletResilience
import MartletRouting
import MartletTransform
import Testing

/// Stands for a filter that proves who a request is from.
private struct ProvingKind: FilterKind {
    struct Nothing: Sendable {}
    let name: String
    func decode(_ section: ConfigSection, _ load: LoadContext) -> Nothing? { Nothing() }
    func makeFilter(_ config: Nothing, _ context: FilterContext) -> any Filter { Silent() }
    private final class Silent: Filter { let hooks: Hooks = [] }
}

@Suite("Mistakes in the settings of filters are told with place and hint")
struct FilterMistakeTests {
    private static let registry = FilterRegistry([
        RouterKind(), RBACKind(), ExtAuthzKind(), CORSKind(), FaultKind(), BufferKind(), BodyLimitKind(),
        ProvingKind(name: "jwt"), ProvingKind(name: "api_key"),
    ])

    /// The filters are line 4, a route's line 6.
    private static func errors(_ filters: String, route: String = "{}") -> [String] {
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters: [\(filters), router]
                routes:
                  - { match: {}, cluster: c, filters: \(route) }
            clusters: [{ name: c, endpoints: ["127.0.0.1:1"] }]
            """
        let diagnostics = ConfigDiagnostics()
        let names = Set(registry.names)
        if let config = ProxyConfig.parse(text: text, file: "t", filters: names, diagnostics: diagnostics) {
            let load = LoadContext(config: config, workers: 1)
            _ = registry.compileChain(
                of: config.listeners[0], clusterIndex: { _ in 0 }, load: load, diagnostics: diagnostics)
        }
        return diagnostics.errors.map { "\($0.mark.line): \($0.message)" + ($0.hint.map { " (\($0))" } ?? "") }
    }

    private static func rule(_ text: String) -> String { "rbac: { rules: [{ name: a, action: allow, \(text) }] }" }

    private static let rbac: [(String, String)] = [
        ("rbac", "\"rules\" is required"),
        ("rbac: { rules: [] }", "refuses every request: no rule allows one (write a rule with action: allow, or"),
        ("rbac: { rules: [{ name: a, action: deny, when: {} }] }", "refuses every request"),
        ("rbac: { rules: [{ name: a, action: allow, shadow: true, when: {} }] }", "refuses every request"),
        ("rbac: { rules: [{ name: a, action: allow, when: {} }], default: allow }", "allows what passes anyway"),
        (
            "rbac: { rules: [{ name: a, action: allow, shadow: true, when: {} }], default: allow }",
            "with it an allow rule in shadow changes nothing (add shadow_default: deny)"
        ),
        (
            "rbac: { rules: [{ name: a, action: log, shadow: true, when: {} }], default: allow }",
            "a log rule decides nothing, in shadow or not"
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: {} }, { name: a, action: allow, when: {} }] }",
            "duplicate rule \"a\" (first on line 4)"
        ),
        (
            "rbac: { rules: [{ name: a, action: alow, when: {} }] }",
            "\"alow\" is not known here (did you mean \"allow\"?"
        ),
        ("rbac: { rules: [{ name: a, when: {} }] }", "\"action\" is required (allow, deny or log)"),
        ("rbac: { rules: [{ action: allow, when: {} }] }", "\"name\" is required"),
        ("rbac: { rules: [{ name: a, action: allow }] }", "\"when\" is required (for every request write when: {})"),
        (rule("when: { pth: { exact: / } }"), "unknown key \"pth\" (did you mean \"path\"?)"),
        (rule("when: { path: /x }"), "write { prefix: /x } or { exact: /x }"),
        (rule("when: { path: { regex: \"(\" } }"), "not a regular expression"),
        (rule("when: { not: {} }"), "never holds: every request meets an empty condition"),
        (rule("when: { or: [] }"), "an empty list of conditions"),
        (rule("when: { source: { client: 10.0.0.1/8 } }"), "goes on behind its prefix (write 10.0.0.0/8)"),
        (rule("when: { source: {} }"), "one of \"client\", \"direct\" is required"),
        (rule("when: { source: { client: [] } }"), "an empty list matches nothing"),
        (rule("when: { principal: {} }"), "names nobody"),
        (
            rule("when: { principal: { jwt_claim: { role: admin } } }"),
            "no filter before this one proves it: the rule would never hold (put \"jwt\" before \"rbac\""
        ),
        (rule("when: { principal: { basic_auth: {} } }"), "put \"basic_auth\" before \"rbac\""),
        ("jwt, " + rule("when: { principal: { jwt_claim: {} } }"), "names no claim"),
        ("jwt, " + rule("when: { principal: { jwt_claim: { a.b.c.d.e.f.g.h: x } } }"), "is not a claim's name"),
        ("jwt, " + rule("when: { principal: { jwt_claim: { role: [] } } }"), "an empty list matches nothing"),
        ("jwt, " + rule("when: { principal: { jwt: { issuer: { glob: x } } } }"), "unknown key \"glob\""),
        (
            rule("when: { principal: { tls: { san: x } } }"),
            "no client of this listener has a certificate that counts: the rule would never hold (add client_ca to"
        ),
    ]

    private static let extAuthz: [(String, String)] = [
        ("ext_authz: {}", "\"cluster\" is required"),
        ("ext_authz: { cluster: d }", "no cluster \"d\" (clusters: c)"),
        (
            "ext_authz: { cluster: c, protocol: grpc }",
            "\"c\" speaks HTTP/1.1, and gRPC needs HTTP/2 (write protocol: http2 in the cluster)"
        ),
        (
            "ext_authz: { cluster: c, authority: a.example }",
            "is for protocol: grpc (by HTTP the service is asked by the request's host)"
        ),
        ("ext_authz: { cluster: c, timeout: 0 }", "expected 1ms to 1m"),
        ("ext_authz: { cluster: c, on_error: pass }", "valid: deny, allow"),
        ("ext_authz: { cluster: c, status_on_error: 200 }", "expected 400 to 599"),
        (
            "ext_authz: { cluster: c, path_prefix: /a/ }",
            "must not end with a slash: the request's path follows (write: /a)"
        ),
        ("ext_authz: { cluster: c, allowed_headers: [\"*x\"] }", "is not a header's name"),
        ("ext_authz: { cluster: c, upstream_headers: [host] }", "host cannot be passed on"),
        ("ext_authz: { cluster: c, with_request_body: {} }", "\"max_bytes\" is required"),
        ("ext_authz: { cluster: c, context: { content-length: \"1\" } }", "content-length cannot be set"),
        ("ext_authz: { cluster: c, fail: open }", "unknown key \"fail\""),
    ]

    private static let cors: [(String, String)] = [
        ("cors: {}", "\"allow_origins\" is required"),
        ("cors: { allow_origins: [] }", "an empty list allows no origin"),
        ("cors: { allow_origins: [example.com] }", "\"example.com\" is no origin"),
        (
            "cors: { allow_origins: [\"https://a.example/\"] }",
            "has a path, and origins have none (write: https://a.example)"
        ),
        (
            "cors: { allow_origins: [\"https://a.example:443\"] }",
            "browsers leave the default port out (write: https://a.example)"
        ),
        ("cors: { allow_origins: [\"https://*example.com\"] }", "has a * that stands for no label"),
        ("cors: { allow_origins: [\"https://a.*.com\"] }", "has a * that stands for no label"),
        ("cors: { allow_origins: [\"https://*\"] }", "has a * that stands for no label"),
        ("cors: { allow_origins: [\"regex:(\"] }", "is not a regular expression"),
        ("cors: { allow_origins: [\"*\"], allow_credentials: true }", "* means nothing with allow_credentials"),
        (
            "cors: { allow_origins: [\"https://a.b\"], allow_headers: [\"*\"], allow_credentials: true }",
            "* means nothing"
        ),
        ("cors: { allow_origins: [\"null\"], allow_credentials: true }", "lets every site read what users see"),
        ("cors: { allow_origins: [\"https://a.b\"], allow_methods: [get] }", "case counts (write: GET)"),
        ("cors: { allow_origins: [\"https://a.b\"], max_age: 1500ms }", "is counted in seconds"),
    ]

    private static let others: [(String, String)] = [
        ("fault: {}", "does nothing"),
        ("fault: { delay: { percent: 1% } }", "\"duration\" is required"),
        ("fault: { delay: { duration: 1s } }", "\"percent\" is required"),
        ("fault: { delay: { duration: 2h, percent: 1% } }", "expected 1ms to 1h"),
        ("fault: { response_rate: { percent: 1% } }", "\"rate\" is required"),
        ("fault: { response_rate: { rate: 10B, percent: 1% } }", "expected 1KiB to 1GiB"),
        ("fault: { abort: { percent: 1% } }", "\"status\" is required (expected a status such as 503)"),
        ("fault: { abort: { status: 99, percent: 1% } }", "expected 200 to 599"),
        ("fault: { abort: { status: 503, percent: 1 } }", "(write: 1%)"),
        ("fault: { abort: { status: 503, percent: 1% }, max_header_delay: 1s }", "without from_headers: true"),
        (
            "fault: { abort: { status: 503, percent: 1% }, headers: [{ name: a, regex: \"(\" }] }",
            "not a regular expression"
        ),
        ("buffer", "\"max_request_bytes\" is required"),
        ("buffer: { max_request_bytes: 0 }", "expected 1B to 1GiB"),
        ("body_limit", "limits nothing"),
        ("body_limit: { request: 10 }", "has no unit (write 10B or 10KiB)"),
    ]

    @Test("Of a listener", arguments: rbac + extAuthz + cors + others)
    func listener(filters: String, message: String) {
        // What needs braces stands in a list of mappings.
        let list = filters.split(separator: ", ", maxSplits: filters.hasPrefix("jwt, ") ? 1 : 0)
            .map { $0.contains(":") ? "{ \($0) }" : String($0) }.joined(separator: ", ")
        let errors = Self.errors(list)
        #expect(errors.contains { $0.hasPrefix("4: ") && $0.contains(message) }, "\(errors)")
        #expect(errors.count == 1, "one mistake, one message: \(errors)")
    }

    @Test(
        "Of a route",
        arguments: [
            (
                "rbac: { rules: [] }", "{ rbac: { rules: [{ name: a, action: alow, when: {} }] } }",
                "\"alow\" is not known"
            ),
            ("ext_authz: { cluster: c }", "{ ext_authz: { cluster: c } }", "unknown key \"cluster\""),
            ("ext_authz: { cluster: c }", "{ ext_authz: {} }", "\"context\" is required"),
            ("cors: { allow_origins: [\"https://a.b\"] }", "{ cors: { allow_origins: [x] } }", "\"x\" is no origin"),
            ("fault: { abort: { status: 500, percent: 1% } }", "{ fault: { delay: {} } }", "\"percent\" is required"),
            ("buffer: { max_request_bytes: 1B }", "{ buffer: {} }", "\"max_request_bytes\" is required"),
            ("body_limit: { request: 1B }", "{ body_limit: {} }", "limits nothing"),
        ])
    func route(filter: String, route: String, message: String) {
        let errors = Self.errors("{ \(filter) }", route: route)
        #expect(errors.contains { $0.hasPrefix("6: ") && $0.contains(message) }, "\(errors)")
    }

    @Test("What is right is not reported")
    func right() {
        let filters = """
            { jwt: {} }, { api_key: {} }, { rbac: { rules: [{ name: a, action: allow, when: { principal:
            { jwt_claim: { role: admin }, api_key: { client: x } } } }] } }
            """
        #expect(Self.errors(filters.split(separator: "\n").joined(separator: " ")).isEmpty)
    }
}
