import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletAuth

@Suite("Rules about the certificate of a client")
struct CertificateRuleTests {
    private static let fingerprint = String(repeating: "ab", count: 32)

    private static func exchange(
        uris: [String] = [], dns: [String] = [], subject: String = "CN=api,O=Shop", isValidated: Bool = true
    ) -> Exchange {
        let peer = CertificateDetails(
            subject: subject, issuer: "CN=root", commonNames: ["api"], organizationNames: ["Shop"], uriSANs: uris,
            dnsSANs: dns, ipSANs: [], emailSANs: [], oids: [], serialNumber: "01", fingerprint: fingerprint,
            validFrom: 0, expires: 1, encodedPEM: "", encodedChain: "")
        return exchange(
            TLSDetails(
                version: .tls13, cipherSuiteID: 0x1301, cipherSuite: "TLS_AES_128_GCM_SHA256", serverName: nil,
                alpn: nil, sessionID: "", isResumed: false, peer: peer, local: nil, isPeerValidated: isValidated))
    }

    private static func exchange(_ tls: TLSDetails?) -> Exchange {
        let exchange = Exchange()
        exchange.clientIP = "192.0.2.1"
        exchange.downstream = Downstream(
            directRemoteIP: "192.0.2.1", directRemotePort: 1, localAddress: "", listener: "l", scheme: .https,
            connectionID: 1, tls: tls)
        return exchange
    }

    /// The condition of a `tls` principal, and what is said of its settings.
    private static func read(_ settings: String) -> (rules: RBACRules?, errors: [String]) {
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters:
                  - rbac: { rules: [{ name: it, action: allow, when: \(settings) }] }
                  - router
                routes: [{ match: {}, respond: { status: 200 } }]
            """
        let diagnostics = ConfigDiagnostics()
        guard
            let config = ProxyConfig.parse(
                text: text, file: "t.yaml", filters: ["rbac", "router"], diagnostics: diagnostics)
        else { return (nil, diagnostics.errors.map(\.description)) }
        let section = config.listeners[0].filters[0].section(diagnostics: diagnostics)
        let rules = RBACKind().decode(section, LoadContext(config: config, workers: 1))
        section.finish()
        return (rules, diagnostics.errors.map { $0.message + ($0.hint.map { " (\($0))" } ?? "") })
    }

    private static func allows(_ settings: String, _ exchange: Exchange) throws -> Bool {
        let (rules, errors) = read(settings)
        try #require(errors.isEmpty, "\(errors)")
        let found = try #require(rules)
        return !found.decide(exchange, RBACCounters(found) { _, _ in Counter() }).0.isDenied
    }

    @Test(
        "Who it is about: URIs, without any DNS names, without those the subject",
        arguments: [
            ("{}", true), ("{ validated: true }", true),
            ("{ name: \"spiffe://td/ns/a\" }", true), ("{ name: { prefix: \"spiffe://td/\" } }", true),
            // The certificate has URIs: its DNS names and subject are not its name.
            ("{ name: a.example }", false), ("{ name: { contains: Shop } }", false),
            ("{ san: a.example }", true), ("{ san: [b.example, \"*.example\"] }", true), ("{ san: b.example }", false),
            ("{ san: \"spiffe://td/ns/*\" }", true),
            ("{ spiffe: \"spiffe://td/ns/a\" }", true), ("{ spiffe: [\"spiffe://td/ns/*\"] }", true),
            ("{ spiffe: \"spiffe://other/*\" }", false),
            ("{ subject: \"CN=api,O=Shop\" }", true), ("{ subject: { suffix: O=Shop } }", true),
            ("{ subject: CN=api }", false), ("{ issuer: CN=root }", true), ("{ issuer: CN=other }", false),
            ("{ fingerprint: \(String(repeating: "ab", count: 32)) }", true),
            ("{ fingerprint: \"\(Array(repeating: "AB", count: 32).joined(separator: ":"))\" }", true),
            ("{ fingerprint: \(String(repeating: "cd", count: 32)) }", false),
            ("{ san: a.example, subject: { regex: \"CN=.*\" } }", true), ("{ san: a.example, subject: x }", false),
        ])
    func names(settings: String, isAllowed: Bool) throws {
        let client = Self.exchange(uris: ["spiffe://td/ns/a"], dns: ["a.example"])
        #expect(try Self.allows("{ principal: { tls: \(settings) } }", client) == isAllowed)
        // Nobody is believed without proof, whatever is asked.
        let stranger = Self.exchange(uris: ["spiffe://td/ns/a"], dns: ["a.example"], isValidated: false)
        #expect(try !Self.allows("{ principal: { tls: \(settings) } }", stranger))
        #expect(try !Self.allows("{ principal: { tls: \(settings) } }", Self.exchange(nil)))
    }

    @Test("Without URIs the DNS names are the name, without those the subject; of two SPIFFE IDs none is")
    func fallbacks() throws {
        let dns = Self.exchange(dns: ["a.example", "b.example"])
        #expect(try Self.allows("{ principal: { tls: { name: b.example } } }", dns))
        #expect(try !Self.allows("{ principal: { tls: { name: \"CN=api,O=Shop\" } } }", dns))
        #expect(try Self.allows("{ principal: { tls: { name: \"CN=api,O=Shop\" } } }", Self.exchange()))
        let two = Self.exchange(uris: ["spiffe://td/a", "spiffe://td/b"])
        #expect(try !Self.allows("{ principal: { tls: { spiffe: \"spiffe://td/*\" } } }", two))
        #expect(try Self.allows("{ principal: { tls: { san: \"spiffe://td/*\" } } }", two))
    }

    @Test("Conditions on the request see what the connection has proved, and none of the one before")
    func requests() throws {
        let chain = Chain(filters: [], routes: try RouteIndexTests.index("      - { match: {}, cluster: c }"))
        let exchange = Exchange()
        for (client, expected) in [
            (Self.exchange(), RequestHead.ClientCertificate.validated), (Self.exchange(isValidated: false), .presented),
            (Self.exchange(nil), .none),
        ] {
            let downstream = try #require(client.downstream)
            exchange.open(chain: chain, downstream: downstream, at: Instant(nanoseconds: 0))
            #expect(exchange.request.clientCertificate == expected)
            exchange.finish()
            exchange.recycle()
        }
    }

    @Test("Clients without a certificate can be told")
    func without() throws {
        let settings = "{ not: { principal: { tls: {} } } }"
        #expect(try Self.allows(settings, Self.exchange(nil)))
        #expect(try Self.allows(settings, Self.exchange(isValidated: false)))
        #expect(try !Self.allows(settings, Self.exchange()))
    }

    @Test(
        "Mistakes",
        arguments: [
            ("{ validated: false }", "only certificates that are validated count (for clients without one write not:"),
            ("{ san: [] }", "an empty list matches nothing"), ("{ san: \"a.*.b\" }", "has a * that stands for nothing"),
            ("{ spiffe: a.example }", "is no SPIFFE ID (such as spiffe://mesh.example/ns/shop/*)"),
            ("{ fingerprint: abcd }", "is no SHA-256 fingerprint (64 hexadecimal digits"),
            ("{ subjekt: x }", "unknown key \"subjekt\" (did you mean \"subject\"?)"),
            ("{ subject: { glob: x } }", "unknown key \"glob\""),
        ])
    func mistakes(settings: String, message: String) {
        let errors = Self.read("{ principal: { tls: \(settings) } }").errors
        #expect(errors.contains { $0.contains(message) }, "\(errors)")
    }
}
