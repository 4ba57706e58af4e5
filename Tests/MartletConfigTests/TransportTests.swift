internal import MartletConfig
internal import MartletCore
internal import Testing

private func listener(_ lines: String, file: String = "/etc/martlet/m.yaml") throws -> ListenerConfig {
    let text = Around.listener("\(lines)\nfilters: [router]\nroutes: [{ match: {}, cluster: api }]")
    let decoded = Decoded(text, file: file)
    return try #require(decoded.config?.listeners.first, "\(decoded.errors)")
}

private func tcp(_ lines: String) throws -> ListenerConfig {
    let decoded = Decoded(Around.listener("protocol: tcp\n\(lines)"))
    return try #require(decoded.config?.listeners.first, "\(decoded.errors)")
}

private func cluster(_ lines: String) throws -> (config: ClusterConfig, warnings: [String]) {
    let decoded = Decoded(Around.cluster("- name: api\n  \(lines)"), file: "/etc/martlet/m.yaml")
    return (try #require(decoded.config?.clusters.first, "\(decoded.errors)"), decoded.warnings)
}

@Suite struct ListenerTLSTests {
    @Test(arguments: ["sanitize_set", "append_forward", "forward_only"])
    func withoutClientCertificatesTheHeaderIsAlwaysRemoved(_ mode: String) {
        let text = "forward_client_cert: \(mode)\nfilters: [router]\nroutes: [{ match: {}, cluster: api }]"
        #expect(
            Decoded(Around.listener(text)).warnings == [
                "m.yaml:4:24: warning: listeners[0].forward_client_cert: no client's certificate is validated here, so "
                    + "the header is always removed (add tls.client_ca)"
            ])
    }

    @Test func nothingWrittenIsClearText() throws {
        let listener = try listener("")
        #expect(listener.protocol == .http)
        #expect(listener.tls == nil)
        #expect(listener.proxyProtocol == nil)
        #expect(listener.tcp == nil)
        #expect(listener.other == nil)
        #expect(listener.limits.maxConcurrentStreams == 100)
        #expect(listener.limits.detectTimeout == .milliseconds(200))
        #expect(listener.limits.http2 == HTTP2Config())
        #expect(listener.forwarding.forwardClientCertificate == .sanitize)
    }

    @Test func defaultsAreSafe() throws {
        let tls = try #require(try listener("tls: { certificate: a.pem, private_key: keys/a.key }").tls)
        #expect(tls.certificates.map(\.certificate.path) == ["/etc/martlet/a.pem"])
        #expect(tls.certificates.map(\.privateKey.path) == ["/etc/martlet/keys/a.key"])
        #expect(tls.certificates.first?.privateKey.place.mark.column == 43)
        #expect(tls.certificates.first?.ocspStaple == nil)
        #expect(tls.parameters.minVersion == .tls12)
        #expect(tls.parameters.maxVersion == .tls13)
        #expect(tls.parameters.cipherSuites == TLSParameters.strongCipherSuites)
        #expect(tls.parameters.curves == ["X25519", "P-256", "P-384"])
        #expect(tls.alpn == ["h2", "http/1.1"])
        #expect(tls.clientCA == nil)
        #expect(!tls.requireClientCertificate)
        #expect(tls.verifySAN.isEmpty)
        #expect(tls.sessionTickets == SessionTicketsConfig())
        #expect(tls.sessionTickets?.rotation == .seconds(12 * 3600))
        #expect(tls.handshakeTimeout == .seconds(10))
        #expect(tls.maxHandshakes == 1024)
        #expect(!tls.isOptional)
    }

    @Test func allIsRead() throws {
        let tls = try #require(
            try listener(
                """
                tls:
                  certificates:
                  - { certificate: a.pem, private_key: a.key, ocsp_staple: a.der }
                  - { certificate: /b.pem, private_key: /b.key }
                  client_ca: ca.pem
                  crl: ca.crl
                  require_client_certificate: false
                  verify_san: [Api.Example, "*.example", 10.0.0.1, "spiffe://td/ns/*", "spiffe://td/a"]
                  session_tickets: { keys: [t1, t2] }
                """
            ).tls)
        #expect(
            tls.files.map(\.path) == [
                "/etc/martlet/a.pem", "/etc/martlet/a.key", "/etc/martlet/a.der", "/b.pem", "/b.key",
                "/etc/martlet/ca.pem", "/etc/martlet/ca.crl", "/etc/martlet/t1", "/etc/martlet/t2",
            ])
        #expect(!tls.requireClientCertificate)
        let address = try #require(IPAddress("10.0.0.1"))
        #expect(
            tls.verifySAN == [
                .dns("api.example"), .dnsSuffix(".example"), .ip(address), .uriPrefix("spiffe://td/ns/"),
                .uri("spiffe://td/a"),
            ])
    }

    /// Who writes who may come means that nobody else may.
    @Test func aClientCARequiresCertificates() throws {
        let tls = try listener("tls: { certificate: a.pem, private_key: a.key, client_ca: ca.pem }").tls
        #expect(tls?.requireClientCertificate == true)
    }

    @Test(arguments: [
        ("on", SessionTicketsConfig()), ("off", nil), ("{}", SessionTicketsConfig()),
    ])
    func ticketsHaveForms(_ text: String, _ expected: SessionTicketsConfig?) throws {
        let tls = try listener("tls: { certificate: a.pem, private_key: a.key, session_tickets: \(text) }").tls
        #expect(tls != nil)
        #expect(tls?.sessionTickets == expected)
    }

    @Test func clientCertificatesAreForwardedAsAsked() throws {
        let forwarding = try listener("forward_client_cert: sanitize_set").forwarding
        #expect(forwarding.forwardClientCertificate == .sanitizeSet)
        #expect(forwarding.clientCertificateDetails == [.subject, .uri, .dns])
        let other = try listener("forward_client_cert: append_forward\nclient_cert_details: [cert]").forwarding
        #expect(other.clientCertificateDetails == [.cert])
    }

    @Test func theProxyProtocolHasForms() throws {
        let simple = try #require(try listener("proxy_protocol: true").proxyProtocol)
        #expect(simple.isRequired)
        #expect(simple.trusted.isEmpty)
        #expect(simple.timeout == .seconds(5))
        #expect(try listener("proxy_protocol: false").proxyProtocol == nil)
        let lenient = try #require(
            try listener("proxy_protocol: { required: false, trusted: [10.0.0.0/8, '::1', '::/0', 0.0.0.0/0] }")
                .proxyProtocol)
        #expect(!lenient.isRequired)
        #expect(
            lenient.trusted.map(\.text) == [
                "10.0.0.0/8", "0:0:0:0:0:0:0:1/128", "0:0:0:0:0:0:0:0/0", "0.0.0.0/0",
            ])
        #expect(try lenient.trusted.map { try IPPrefix($0.text) } == lenient.trusted)
    }
}

@Suite struct TCPListenerTests {
    @Test func oneCluster() throws {
        let listener = try tcp("cluster: api\nproxy_protocol: true")
        let tcp = try #require(listener.tcp)
        #expect(listener.protocol == .tcp)
        #expect(listener.proxyProtocol?.isRequired == true)
        #expect(tcp.clusters.map(\.name) == ["api"])
        #expect(tcp.sni.isEmpty)
        #expect(tcp.maxConnectAttempts == 1)
        #expect(listener.limits.idleTimeout == .seconds(3600))
        #expect(listener.limits.maxConnectionDuration == nil)
        #expect(listener.filters.isEmpty && listener.routes.isEmpty)
    }

    @Test func tlsEndsHereWithoutAProtocol() throws {
        let tls = try #require(try tcp("cluster: api\ntls: { certificate: a.pem, private_key: a.key }").tls)
        #expect(tls.alpn.isEmpty)
        let other = try tcp("cluster: api\ntls: { certificate: a.pem, private_key: a.key, alpn: [mqtt] }").tls
        #expect(other?.alpn == ["mqtt"])
    }

    @Test func namesChooseAndTheRestHasAPlace() throws {
        let tcp = try #require(
            try tcp(
                """
                sni:
                - { hosts: [a.Example, "*.b.example"], cluster: api }
                - { hosts: "*", split: [{ cluster: api, weight: 3 }] }
                cluster: api
                """
            ).tcp)
        #expect(tcp.sni.map(\.hosts) == [[.exact("a.example"), .suffix(".b.example")], [.any]])
        guard case .split(let parts) = tcp.sni[1].target else {
            Issue.record("\(tcp.sni[1])")
            return
        }
        #expect(parts.map(\.weight) == [3])
        #expect(tcp.target?.clusters.map(\.name) == ["api"])
    }

    @Test func otherProtocolsHaveAPlace() throws {
        let other = try #require(try listener("other: { cluster: api }").other)
        #expect(other.target.clusters.map(\.name) == ["api"])
        #expect(other.maxConnectAttempts == 1)
    }
}

@Suite struct ClusterTLSTests {
    @Test func nothingWrittenIsHTTP1InClearText() throws {
        let config = try cluster("endpoints: ['10.0.0.1:80']").config
        #expect(config.protocol == .http1)
        #expect(config.tls == nil)
        #expect(config.proxyProtocol == nil)
        #expect(config.http2 == ClusterHTTP2Config())
        #expect(config.http2.maxConcurrentStreams == 1024)
        #expect(config.http2.pingInterval == nil)
    }

    @Test func anAuthorityIsVerifiedByDefault() throws {
        let tls = try #require(
            try cluster("discovery: { dns: 'Api.Internal:443' }\n  tls: { ca: ca.pem }").config.tls)
        #expect(tls.verify)
        #expect(tls.sni == "api.internal")
        #expect(tls.verifySAN == [.dns("api.internal")])
        #expect(tls.sessionResumption)
        #expect(tls.certificate == nil)
        #expect(tls.parameters.cipherSuites == TLSParameters.strongCipherSuites)
        #expect(tls.files.map(\.path) == ["/etc/martlet/ca.pem"])
    }

    @Test func theEndpointsAddressCountsWhereNothingElseIsKnown() throws {
        let tls = try #require(try cluster("endpoints: ['10.0.0.1:443']\n  tls: { ca: system }").config.tls)
        #expect(tls.ca == .system)
        #expect(tls.sni == nil)
        #expect(tls.verifySAN.isEmpty)
        #expect(tls.verify)
    }

    @Test func namesThatAreWrittenCountAlone() throws {
        let tls = try #require(
            try cluster(
                "endpoints: ['10.0.0.1:443']\n  tls: { ca: system, sni: a.example, verify_san: 'spiffe://td/x' }"
            ).config.tls)
        #expect(tls.sni == "a.example")
        #expect(tls.verifySAN == [.uri("spiffe://td/x")])
    }

    @Test(
        arguments: [
            (
                "tls: {}",
                "10:8: warning: clusters[0].tls: upstream certificates are not verified (add ca: system or a file; "
                    + "verify: false says that it is meant)"
            ),
            (
                "tls:",
                "10:7: warning: clusters[0].tls: upstream certificates are not verified (add ca: system or a file; "
                    + "verify: false says that it is meant)"
            ),
            ("tls: { verify: false }", nil),
            ("tls: { ca: system }", nil),
            (
                "tls: { ca: system, verify: false }",
                "10:30: warning: clusters[0].tls.verify: upstream certificates are not "
                    + "verified, and \"ca\" has no effect (remove it)"
            ),
        ] as [(String, String?)])
    func whatIsNotVerifiedIsWarnedOf(_ line: String, _ warning: String?) throws {
        let warnings = try cluster("endpoints: ['10.0.0.1:443']\n  \(line)").warnings
        #expect(warnings == (warning.map { ["/etc/martlet/m.yaml:" + $0] } ?? []))
    }

    @Test(arguments: ["http1", "http2"])
    func protocolsAreRead(_ name: String) throws {
        #expect(try cluster("endpoints: ['10.0.0.1:80']\n  protocol: \(name)").config.protocol.rawValue == name)
    }

    @Test(arguments: ["v1", "v2"])
    func theClientsAddressIsToldOn(_ version: String) throws {
        let config = try cluster("endpoints: ['10.0.0.1:80']\n  proxy_protocol: \(version)").config
        #expect(config.proxyProtocol?.rawValue == version)
    }

    /// The place where a file is named is no difference: a reload that moves a line keeps the cluster's connections.
    @Test func placesAreNoDifference() throws {
        let line = "tls: { ca: ca.pem, certificate: a.pem, private_key: a.key }"
        let one = try #require(try cluster("endpoints: ['10.0.0.1:80']\n  \(line)").config.tls)
        let other = try #require(try cluster("endpoints: ['10.0.0.1:80']\n\n  \(line)").config.tls)
        #expect(one == other)
        #expect("\(one)" == "\(other)")
    }
}
