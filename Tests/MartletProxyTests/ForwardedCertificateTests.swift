import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletProxy

private func certificate(
    subject: String = "", uris: [String] = [], dns: [String] = [], pem: String = "", chain: String = ""
) -> CertificateDetails {
    CertificateDetails(
        subject: subject, issuer: "CN=ca", commonNames: [], organizationNames: [], uriSANs: uris, dnsSANs: dns,
        ipSANs: [], emailSANs: [], oids: [], serialNumber: "01", fingerprint: "ab12", validFrom: 0, expires: 1,
        encodedPEM: pem, encodedChain: chain)
}

private func client(_ peer: CertificateDetails?, isValidated: Bool, local: CertificateDetails? = nil) -> Downstream {
    Downstream(
        directRemoteIP: "192.0.2.1", directRemotePort: 1, localAddress: "", listener: "l", scheme: .https,
        connectionID: 1,
        tls: TLSDetails(
            version: .tls13, cipherSuiteID: 0x1301, cipherSuite: "TLS_AES_128_GCM_SHA256", serverName: nil, alpn: nil,
            sessionID: "", isResumed: false, peer: peer, local: local, isPeerValidated: isValidated))
}

private func headers(_ fields: [(String, String)]) -> HeaderTable {
    let table = HeaderTable()
    for (name, value) in fields { table.append(named: name.utf8Span.span, value.utf8Span.span) }
    return table
}

private func fields(_ table: HeaderTable) -> [String] {
    (0..<table.count).map { "\(table.name(at: $0).string()): \(table.value(at: $0).string())" }
}

@Suite("x-forwarded-client-cert")
struct ForwardedCertificateTests {
    @Test("The element is Envoy's")
    func element() {
        let peer = certificate(
            subject: "CN=api,O=Shop", uris: ["spiffe://td/a", "https://b"], dns: ["a.example", "b.example"],
            pem: "-----BEGIN%20CERTIFICATE-----", chain: "chain")
        let local = certificate(uris: ["spiffe://td/me", "spiffe://td/me2"])
        func text(_ details: ForwardedCertificate.Details, _ local: CertificateDetails?) -> String {
            String(decoding: ForwardedCertificate.element(of: peer, to: local, details), as: UTF8.self)
        }
        #expect(text([], nil) == "Hash=ab12")
        #expect(text([], local) == "By=spiffe://td/me;By=spiffe://td/me2;Hash=ab12")
        #expect(
            text([.certificate, .chain, .subject, .uri, .dns], local)
                == "By=spiffe://td/me;By=spiffe://td/me2;Hash=ab12;Cert=\"-----BEGIN%20CERTIFICATE-----\";Chain=\"chain\";"
                + "Subject=\"CN=api,O=Shop\";URI=spiffe://td/a;URI=https://b;DNS=a.example;DNS=b.example")
    }

    @Test(
        "What a certificate says cannot pass for more than it says",
        arguments: [
            ("CN=a", #"Subject="CN=a""#), ("", #"Subject="""#), (#"CN=a\"b"#, #"Subject="CN=a\"b""#),
            (#"CN=a"b"#, #"Subject="CN=a\"b""#), (#"CN=a\\"#, #"Subject="CN=a\\""#), (#"CN=a\"#, #"Subject="CN=a\\""#),
            (#"CN=a\\"b"#, #"Subject="CN=a\\\"b""#), (#"O=A\, B;Hash=1"#, #"Subject="O=A\, B;Hash=1""#),
            ("CN=a\r\nx: y\u{7F}", #"Subject="CN=a%0D%0Ax: y%7F""#), ("CN=\u{E9}", "Subject=\"CN=\u{E9}\""),
        ])
    func subjects(subject: String, text: String) {
        let element = ForwardedCertificate.element(of: certificate(subject: subject), to: nil, .subject)
        #expect(String(decoding: element, as: UTF8.self) == "Hash=ab12;" + text)
        let isSafe = HeaderTable.isSafeValue(element.span)
        #expect(isSafe)
    }

    @Test(
        "Names stand in quotes where they hold a separator",
        arguments: [
            ("spiffe://td/a", "URI=spiffe://td/a"), ("https://a/?b=c", #"URI="https://a/?b=c""#),
            ("a;By=b", #"URI="a;By=b""#), ("a,Hash=b", #"URI="a,Hash=b""#), (#"a"b"#, #"URI="a\"b""#),
            (#"a\b"#, #"URI=a\b"#), (#"a\;"#, #"URI="a\;""#), (#";\"#, #"URI=";\\""#), ("a\nb", "URI=a%0Ab"),
        ])
    func names(name: String, text: String) {
        let element = ForwardedCertificate.element(of: certificate(uris: [name]), to: nil, .uri)
        #expect(String(decoding: element, as: UTF8.self) == "Hash=ab12;" + text)
        let dns = ForwardedCertificate.element(of: certificate(dns: [name]), to: nil, .dns)
        #expect(String(decoding: dns, as: UTF8.self) == "Hash=ab12;DNS" + text.dropFirst(3))
    }

    @Test("Without URIs the key is there and empty, as Envoy has it; without DNS names it is not")
    func missing() {
        let element = ForwardedCertificate.element(of: certificate(), to: nil, [.uri, .dns, .certificate, .chain])
        #expect(String(decoding: element, as: UTF8.self) == "Hash=ab12;URI=")
    }

    private enum Who: CaseIterable { case clear, anonymous, unproved, proved }

    @Test("Each mode, for each kind of client")
    func modes() {
        let sent = "By=x;Hash=1"
        let own = "Hash=ab12;URI=spiffe://td/a"
        let expected: [(ForwardingConfig.ClientCertificate, stranger: [String], proved: [String])] = [
            (.sanitize, [], []), (.forwardOnly, [], [sent]), (.appendForward, [], ["\(sent),\(own)"]),
            (.sanitizeSet, [], [own]), (.alwaysForwardOnly, [sent], [sent]),
        ]
        let peer = certificate(uris: ["spiffe://td/a"])
        for (mode, stranger, proved) in expected {
            for who in Who.allCases {
                let downstream: Downstream? =
                    switch who {
                    case .clear:
                        Downstream(
                            directRemoteIP: "192.0.2.1", directRemotePort: 1, localAddress: "", listener: "l",
                            scheme: .http, connectionID: 1)
                    case .anonymous: client(nil, isValidated: false)
                    case .unproved: client(peer, isValidated: false)
                    case .proved: client(peer, isValidated: true)
                    }
                let table = headers([("X-Forwarded-Client-Cert", sent), ("x-other", "1")])
                ForwardedCertificate.apply(mode, .uri, downstream, table, isScrubbed: false)
                let values = (who == .proved ? proved : stranger).map { "x-forwarded-client-cert: \($0)" }
                let found = fields(table).map { $0.lowercased() }.filter { !$0.hasPrefix("x-other") }
                #expect(found == values.map { $0.lowercased() }, "\(mode) \(who)")
            }
        }
    }

    @Test("Where there was none, one is made; of several the last is added to; other spellings go")
    func several() {
        let known = client(certificate(uris: ["u"]), isValidated: true)
        let none = headers([])
        ForwardedCertificate.apply(.appendForward, .uri, known, none, isScrubbed: false)
        #expect(fields(none) == ["x-forwarded-client-cert: Hash=ab12;URI=u"])
        let two = headers([("x-forwarded-client-cert", "a"), ("x-forwarded-client-cert", "b")])
        ForwardedCertificate.apply(.appendForward, .uri, known, two, isScrubbed: false)
        #expect(fields(two) == ["x-forwarded-client-cert: a", "x-forwarded-client-cert: b,Hash=ab12;URI=u"])
        let set = headers([("x-forwarded-client-cert", "a"), ("x-forwarded-client-cert", "b")])
        ForwardedCertificate.apply(.sanitizeSet, .uri, known, set, isScrubbed: false)
        #expect(fields(set) == ["x-forwarded-client-cert: Hash=ab12;URI=u"])
        let spelt = headers([("X_Forwarded_Client_Cert", "a"), ("x-forwarded_client-cert", "b"), ("x-a", "1")])
        ForwardedCertificate.apply(.forwardOnly, .uri, known, spelt, isScrubbed: false)
        #expect(fields(spelt) == ["x-a: 1"])
    }

    @Test("The element is made once a connection, and anew when the configuration asks for more")
    func kept() {
        let known = client(certificate(subject: "CN=a", uris: ["u"]), isValidated: true)
        for (details, text) in [
            (ForwardedCertificate.Details.uri, "Hash=ab12;URI=u"), (.uri, "Hash=ab12;URI=u"),
            ([.uri, .subject], "Hash=ab12;Subject=\"CN=a\";URI=u"),
        ] {
            let table = headers([])
            ForwardedCertificate.apply(.sanitizeSet, details, known, table, isScrubbed: true)
            #expect(fields(table) == ["x-forwarded-client-cert: \(text)"])
            #expect(known.forwardedCertificate?.details == details.rawValue)
        }
    }
}
