import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletAuth

/// The rules of a section, and what they say of a request.
private struct Rules {
    let rules: RBACRules
    let counters: RBACCounters

    init(_ section: String) throws {
        let lines = section.split(separator: "\n").map { "          \($0)" }.joined(separator: "\n")
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters:
                  - rbac:
            \(lines)
                  - router
                routes: [{ match: {}, respond: { status: 200 } }]
            """
        let diagnostics = ConfigDiagnostics()
        let config = try #require(
            ProxyConfig.parse(text: text, file: "t.yaml", filters: ["rbac", "router"], diagnostics: diagnostics),
            "\(diagnostics.errors)")
        let load = LoadContext(config: config, workers: 1)
        load.proofs = Set(Identity.Proof.allCases)
        let decoded = RBACKind().decode(config.listeners[0].filters[0].section(diagnostics: diagnostics), load)
        try #require(!diagnostics.hasErrors, "\(diagnostics.errors)")
        rules = try #require(decoded)
        counters = RBACCounters(rules) { _, _ in Counter() }
    }

    /// One rule that allows what `when` asks for.
    init(when: String) throws { try self.init("rules: [{ name: it, action: allow, when: \(when) }]") }

    func decide(_ exchange: Exchange) -> String { describe(rules.decide(exchange, counters).0) }
    func shadow(_ exchange: Exchange) -> String { describe(rules.decide(exchange, counters).shadow) }
    func allows(_ exchange: Exchange) -> Bool { !rules.decide(exchange, counters).0.isDenied }

    private func describe(_ decision: RBACRules.Decision) -> String {
        (decision.isDenied ? "deny" : "allow") + (decision.rule.map { " \(rules.list[$0].name)" } ?? "")
    }
}

private func exchange(
    _ method: String = "GET", _ target: String = "/", host: String = "test", client: String = "192.0.2.1",
    direct: String = "10.0.0.1", headers: [(String, String)] = [], _ identities: Identity...
) -> Exchange {
    let exchange = Exchange()
    let request = exchange.request
    request.setMethod(method.utf8Span.span)
    request.setTarget(target.utf8Span.span)
    request.setAuthority(host.utf8Span.span)
    for (name, value) in headers { request.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
    exchange.clientIP = client
    exchange.downstream = Downstream(
        directRemoteIP: direct, directRemotePort: 1, localAddress: "", listener: "l", scheme: .http, connectionID: 1)
    for identity in identities { exchange.proved(identity) }
    return exchange
}

private func token(_ claims: String, provider: String? = nil) throws -> Identity {
    let value = try JSONReader.read(Array(claims.utf8).span)
    return Identity(.jwt, name: value["sub"]?.string ?? "", provider: provider, claims: value)
}

@Suite("Rules about who may do what")
struct RBACTests {
    @Test("Any deny refuses, then any allow lets pass, then the default decides, in whatever order they are written")
    func order() throws {
        let rules = [
            "{ name: readers, action: allow, when: { methods: [GET] } }",
            "{ name: secret, action: deny, when: { path: { prefix: /secret } } }",
            "{ name: seen, action: log, when: { path: { prefix: /seen } } }",
        ]
        for list in [rules, rules.reversed(), [rules[1], rules[0], rules[2]]] {
            let strict = try Rules("rules: [\(list.joined(separator: ", "))]")
            #expect(strict.decide(exchange("GET", "/a")) == "allow readers")
            #expect(strict.decide(exchange("GET", "/secret/a")) == "deny secret")
            #expect(strict.decide(exchange("POST", "/a")) == "deny")
            #expect(strict.decide(exchange("POST", "/seen")) == "deny")
            let logged = exchange("GET", "/seen")
            #expect(strict.decide(logged) == "allow readers")
            #expect(logged.shadowNotes == ["rbac: log by rule seen"])
        }
        let open = try Rules("{ rules: [\(rules[1])], default: allow }")
        #expect(open.decide(exchange("POST", "/a")) == "allow")
        #expect(open.decide(exchange("POST", "/secret")) == "deny secret")
    }

    @Test("Rules in shadow change nothing, and what they would change is known")
    func shadow() throws {
        let rules = try Rules(
            """
            rules:
              - { name: readers, action: allow, when: { methods: [GET] } }
              - { name: writers, action: allow, shadow: true, when: { methods: [PUT] } }
              - { name: inner, action: deny, shadow: true, when: { path: { prefix: /inner } } }
            """)
        #expect(rules.decide(exchange("GET", "/inner")) == "allow readers")
        #expect(rules.shadow(exchange("GET", "/inner")) == "deny inner")
        #expect(rules.decide(exchange("PUT", "/")) == "deny")
        #expect(rules.shadow(exchange("PUT", "/")) == "allow writers")
        #expect(rules.shadow(exchange("PUT", "/inner")) == "deny inner")
        #expect(rules.shadow(exchange("GET", "/")) == "allow readers")
        #expect(rules.shadow(exchange("POST", "/")) == "deny")
        // On the way from an open listener to a closed one.
        let opening = try Rules(
            "{ rules: [{ name: r, action: allow, shadow: true, when: { methods: [GET] } }], default: allow, shadow_default: deny }"
        )
        #expect(opening.decide(exchange("PUT", "/")) == "allow")
        #expect(opening.shadow(exchange("PUT", "/")) == "deny")
        #expect(opening.shadow(exchange("GET", "/")) == "allow r")
    }

    @Test(
        "Conditions on the request",
        arguments: [
            ("{ path: { prefix: /a } }", "GET", "/a?x=/b", "test", true),
            ("{ path: { prefix: /a } }", "GET", "/b?x=/a", "test", false),
            ("{ path: { exact: /a } }", "GET", "/a?q", "test", true),
            ("{ path: { exact: /a } }", "GET", "/A", "test", false),
            ("{ path: { exact: /a }, case_sensitive: false }", "GET", "/A", "test", true),
            ("{ path: { path_separated_prefix: /a } }", "GET", "/ab", "test", false),
            ("{ path: { path_separated_prefix: /a } }", "GET", "/a/b", "test", true),
            ("{ path: { path_separated_prefix: / } }", "GET", "/a/b", "test", true),
            ("{ path: { regex: \"/v[0-9]+\" } }", "GET", "/v12", "test", true),
            ("{ path: { regex: \"/v[0-9]+\" } }", "GET", "/v12/x", "test", false),
            ("{ methods: [GET, HEAD] }", "HEAD", "/", "test", true),
            ("{ methods: [GET, HEAD] }", "get", "/", "test", false),
            ("{ hosts: [a.example] }", "GET", "/", "A.example:8080", true),
            ("{ hosts: [a.example] }", "GET", "/", "a.example.", true),
            ("{ hosts: [a.example] }", "GET", "/", "b.a.example", false),
            ("{ hosts: [\"*.example\"] }", "GET", "/", "b.a.example", true),
            ("{ hosts: [\"*.example\"] }", "GET", "/", "example", false),
            ("{ hosts: [\"www.*\"] }", "GET", "/", "www.x", true),
            ("{ hosts: [\"[::1]\"] }", "GET", "/", "[::1]:80", true),
            ("{ query: [{ name: x, exact: \"1\" }] }", "GET", "/?y=2&x=1", "test", true),
            ("{ query: [{ name: x, exact: \"1\" }] }", "GET", "/?x=2&x=1", "test", false),
            ("{ headers: [{ name: x-a, prefix: b }] }", "GET", "/", "test", true),
            ("{ headers: [{ name: x-a, exact: b }] }", "GET", "/", "test", true),
            ("{ headers: [{ name: x-a, exact: \"b,c\" }] }", "GET", "/", "test", false),
            ("{ headers: [{ name: x-none, present: false }] }", "GET", "/", "test", true),
            ("{ headers: [{ name: x-a, contains: c, invert: true }] }", "GET", "/", "test", false),
            ("{ source: { client: [192.0.2.0/24] } }", "GET", "/", "test", true),
            ("{ source: { client: 10.0.0.0/8 } }", "GET", "/", "test", false),
            ("{ source: { direct: 10.0.0.0/8 } }", "GET", "/", "test", true),
            ("{ source: { direct: 10.0.0.0/8, client: 10.0.0.0/8 } }", "GET", "/", "test", false),
            ("{ and: [{ methods: [GET] }, { path: { prefix: /a } }] }", "GET", "/a", "test", true),
            ("{ and: [{ methods: [GET] }, { path: { prefix: /a } }] }", "PUT", "/a", "test", false),
            ("{ or: [{ methods: [PUT] }, { path: { prefix: /a } }] }", "GET", "/a", "test", true),
            ("{ or: [{ methods: [PUT] }, { path: { prefix: /a } }] }", "GET", "/b", "test", false),
            ("{ methods: [GET], not: { path: { prefix: /a } } }", "GET", "/b", "test", true),
            ("{ methods: [GET], not: { path: { prefix: /a } } }", "GET", "/a", "test", false),
            ("{}", "GET", "/", "test", true),
        ])
    func conditions(when: String, method: String, target: String, host: String, holds: Bool) throws {
        let request = exchange(method, target, host: host, headers: [("X-A", "b"), ("x-a", "c")])
        #expect(try Rules(when: when).allows(request) == holds)
    }

    @Test(
        "Conditions on who it is",
        arguments: [
            ("{ jwt: {} }", true), ("{ jwt_claim: { role: admin } }", true), ("{ jwt_claim: { role: adm } }", false),
            ("{ jwt_claim: { role: [owner, admin] } }", true), ("{ jwt_claim: { role: { prefix: adm } } }", true),
            ("{ jwt_claim: { groups: b } }", true), ("{ jwt_claim: { groups: \"a,b\" } }", false),
            ("{ jwt_claim: { realm.roles: editor } }", true), ("{ jwt_claim: { realm.roles: viewer } }", false),
            ("{ jwt_claim: { \"https://id.example/roles\": x } }", true),
            ("{ jwt_claim: { \"https://id.example/org.name\": acme } }", true),
            ("{ jwt_claim: { scope: write } }", true), ("{ jwt_claim: { scope: rite } }", false),
            ("{ jwt_claim: { level: \"3\" } }", true), ("{ jwt_claim: { level: 3 } }", true),
            ("{ jwt_claim: { level: \"3.0\" } }", false), ("{ jwt_claim: { staff: true } }", true),
            ("{ jwt_claim: { staff: false } }", false), ("{ jwt_claim: { nothing: { present: true } } }", false),
            ("{ jwt_claim: { nothing: { present: false } } }", true),
            ("{ jwt_claim: { absent: { present: false } } }", true),
            ("{ jwt_claim: { absent: \"\" } }", false), ("{ jwt_claim: { realm: { present: true } } }", true),
            ("{ jwt_claim: { realm: \"\" } }", false), ("{ jwt_claim: { role: admin, groups: z } }", false),
            ("{ jwt_claim: { nested: x } }", false),
            ("{ jwt: { issuer: https://id.example } }", true), ("{ jwt: { issuer: https://evil.example } }", false),
            ("{ jwt: { subject: ann, provider: main } }", true), ("{ jwt: { provider: other } }", false),
            ("{ api_key: { client: team-a } }", true), ("{ api_key: { client: [team-b, team-c] } }", false),
            ("{ api_key: {} }", true), ("{ basic_auth: {} }", false), ("{ basic_auth: { user: ann } }", false),
            ("{ jwt: {}, api_key: { client: { prefix: team- } } }", true),
        ])
    func principals(principal: String, holds: Bool) throws {
        let claims = #"""
            {"iss":"https://id.example","sub":"ann","role":"admin","groups":["a","b"],"realm":{"roles":["editor"]},
            "https://id.example/roles":["x"],"https://id.example/org":{"name":"acme"},"scope":"read write","level":3,
            "staff":true,"nothing":null,"nested":[["x"]]}
            """#
        let key = Identity(.apiKey, name: "team-a")
        let rules = try Rules(when: "{ principal: \(principal) }")
        #expect(try rules.allows(exchange("GET", "/", token(claims, provider: "main"), key)) == holds)
        // Nobody is proved: nothing about who it is holds, `present: false` included.
        #expect(!rules.allows(exchange()))
    }

    @Test("What cannot be decided is refused by deny and not let pass by allow, through and, or and not")
    func undecided() throws {
        let slow = #"{ headers: [{ name: x-a, regex: "((a+)+)+" }] }"#
        let request = exchange(headers: [("x-a", String(repeating: "a", count: 2000) + "b")])
        for when in [
            slow, "{ not: \(slow) }", "{ or: [\(slow), { methods: [PUT] }] }", "{ and: [\(slow), { methods: [GET] }] }",
            "{ not: { and: [{ methods: [GET] }, { not: \(slow) }] } }",
        ] {
            let allow = try Rules(when: when)
            #expect(allow.decide(request) == "deny", "\(when)")
            #expect(allow.counters.undecided.value == 1, "\(when)")
            let deny = try Rules("{ rules: [{ name: it, action: deny, when: \(when) }], default: allow }")
            #expect(deny.decide(request) == "deny it", "\(when)")
        }
        // What the pattern would have said makes no difference here.
        for (when, holds) in [
            ("{ and: [\(slow), { methods: [PUT] }] }", false), ("{ or: [\(slow), { methods: [GET] }] }", true),
            ("{ not: { or: [\(slow), { methods: [GET] }] } }", false),
        ] {
            #expect(try Rules(when: when).allows(request) == holds, "\(when)")
        }
        // An address that is none is on no list, and on none for certain.
        let stranger = exchange(client: "")
        for when in ["{ source: { client: 10.0.0.0/8 } }", "{ not: { source: { client: 10.0.0.0/8 } } }"] {
            #expect(try Rules(when: when).decide(stranger) == "deny")
            let deny = try Rules("{ rules: [{ name: it, action: deny, when: \(when) }], default: allow }")
            #expect(deny.decide(stranger) == "deny it")
        }
    }
}
