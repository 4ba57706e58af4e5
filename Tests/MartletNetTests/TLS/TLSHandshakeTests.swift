import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS handshakes in memory")
struct TLSHandshakeTests {
    let forge = CertificateForge.shared

    private func shakeHands(
        _ server: TLSServerContext, _ target: TLSClientTarget, resuming: TLSClientSession? = nil, piece: Int = .max
    ) throws -> TLSPair {
        var pair = try TLSPair(server, target, resuming: resuming)
        pair.shakeHands(piece: piece)
        return pair
    }

    @Test(
        "both sides agree, whatever pieces the bytes come in", arguments: TLSDetails.Version.allCases, [1, 7, Int.max])
    func agreement(version: TLSDetails.Version, piece: Int) throws {
        let server = try TLSFixture.server { $0.alpn = ["h2", "http/1.1"] }
        let target = try TLSFixture.target(version) { $0.alpn = ["http/1.1", "h2"] }
        let pair = try shakeHands(server, target, piece: piece)
        #expect(pair.isDone)
        let (there, here) = (pair.client.session.makeDetails(), pair.server.session.makeDetails())
        #expect(there.version == version && here.version == version)
        #expect(there.alpn == "h2" && here.alpn == "h2")
        #expect(here.serverName == "a.test" && here.peer == nil && !here.isPeerValidated)
        #expect(there.peer?.dnsSANs == ["a.test"] && there.isPeerValidated)
        #expect(here.local?.fingerprint == there.peer?.fingerprint)
        #expect(here.cipherSuite == there.cipherSuite && here.cipherSuiteID == there.cipherSuiteID)
    }

    // MARK: Which certificate

    @Test(
        "the certificate is picked by the name asked for",
        arguments: [
            (String?.none, "a.test"), ("a.test", "a.test"), ("b.test", "b.test"), ("B.TEST", "b.test"),
            ("x.w.test", "*.w.test"), ("exact.w.test", "exact.w.test"), ("x.y.w.test", "a.test"), ("w.test", "a.test"),
            ("nobody.test", "a.test"), ("c.test", "b.test"), (".w.test", "a.test"),
        ])
    func serverName(asked: String?, shown: String) throws {
        let server = try TLSFixture.server {
            $0.certificates += try [
                forge.server("b.test", "c.test"), forge.server("*.w.test"), forge.server("exact.w.test"),
            ].map { TLSCertificateFiles($0) }
        }
        let pair = try shakeHands(server, TLSFixture.target(serverName: asked, names: nil))
        #expect(pair.isDone)
        #expect(pair.client.session.makeDetails().peer?.dnsSANs.first == shown)
        #expect(pair.server.session.makeDetails().local?.dnsSANs.first == shown)
    }

    @Test(
        "of two kinds of key the client's decides, ECDSA first", arguments: TLSDetails.Version.allCases, [true, false])
    func kindsOfKey(version: TLSDetails.Version, knowsECDSA: Bool) throws {
        let server = try TLSFixture.server {
            $0.certificates = [
                TLSCertificateFiles(try forge.server("a.test", key: .rsa)),
                TLSCertificateFiles(try forge.server("a.test", key: .ecdsa)),
            ]
            $0.choices.maxVersion = version
        }
        let rig = try LoopRig()
        try rig.listen(server)
        let algorithms = knowsECDSA ? "ECDSA+SHA256:RSA-PSS+SHA256" : "RSA-PSS+SHA256"
        let (_, output) = try rig.run(
            "openssl",
            ["s_client", "-connect", "127.0.0.1:\(rig.port)", "-servername", "a.test", "-sigalgs", algorithms])
        #expect(output.contains(knowsECDSA ? "id-ecPublicKey" : "rsaEncryption"), "\(output)")
    }

    @Test("a common name counts where there is no other")
    func commonName() throws {
        let named = try forge.selfSigned(key: .ecdsa)
        let server = try TLSFixture.server { $0.certificates.append(TLSCertificateFiles(named)) }
        let pair = try shakeHands(server, TLSFixture.target(serverName: "self", names: nil) { $0.trust = .anybody })
        #expect(pair.client.session.makeDetails().peer?.commonNames == ["self"])
        #expect(pair.client.session.makeDetails().isPeerValidated == false)
    }

    @Test("ten thousand names")
    func manyNames() throws {
        let context = try TLSContext(isServer: true, TLSChoices())
        let files = TLSCertificateFiles(try forge.server("a.test"))
        for _ in 0..<3 { try context.add(files, now: 0) }
        for number in 0..<10_000 { try context.answer(to: "host\(number).test", with: number % 3) }
        for number in stride(from: 0, to: 10_000, by: 7) {
            #expect(context.picked(for: "Host\(number).Test") == number % 3)
        }
        #expect(context.picked(for: "host10000.test") == 0)
    }

    // MARK: What is refused

    @Test("no protocol in common is fatal (RFC 7301 section 3.2)")
    func noCommonProtocol() throws {
        let server = try TLSFixture.server { $0.alpn = ["h2"] }
        let pair = try shakeHands(server, TLSFixture.target { $0.alpn = ["http/1.1"] })
        #expect(pair.server.outcome == .failed && pair.server.session.failure.kind == .noCommonProtocol)
        #expect(pair.client.session.failure.kind == .alert)
        #expect(pair.client.session.failure.description == "tlsv1 alert no application protocol")
        // Who names no protocol gets none.
        #expect(try shakeHands(server, TLSFixture.target()).isDone)
    }

    @Test("versions that have nothing in common")
    func noCommonVersion() throws {
        let server = try TLSFixture.server { $0.choices.minVersion = .tls13 }
        let pair = try shakeHands(server, TLSFixture.target(.tls12))
        #expect(pair.server.session.failure.description == "unsupported protocol")
    }

    @Test("servers that are not trusted, each with its reason")
    func untrusted() throws {
        let foreign = try forge.server("a.test", by: forge.authority("Other CA"))
        let cases: [(CertificateForge.Issued, String)] = [
            (try forge.selfSigned("a.test"), "self-signed certificate"),
            (foreign, "unable to get local issuer certificate"),
            (try forge.server("a.test", days: -1), "certificate has expired"),
            (try forge.client(), "unsuitable certificate purpose"),
        ]
        for (issued, why) in cases {
            let server = try TLSFixture.server { $0.certificates = [TLSCertificateFiles(issued)] }
            let pair = try shakeHands(server, TLSFixture.target(names: nil))
            #expect(pair.client.session.failure.kind == .untrusted)
            #expect(pair.client.session.failure.description == "certificate verify failed: \(why)")
        }
    }

    // MARK: Clients' certificates

    @Test("who may come: the right issuer, and one of the names", arguments: TLSDetails.Version.allCases)
    func clientCertificates(version: TLSDetails.Version) throws {
        let cart = "spiffe://mesh.test/ns/shop/sa/cart"
        let server = try TLSFixture.server {
            $0.clientCA = TLSFixture.file(try forge.authority())
            $0.requiresClientCertificate = true
            $0.clientNames = [.uriPrefix("spiffe://mesh.test/ns/shop/")]
        }
        func come(_ issued: CertificateForge.Issued?) throws -> TLSPair {
            try shakeHands(
                server, TLSFixture.target(version) { $0.certificate = issued.map { TLSCertificateFiles($0) } })
        }
        let good = try come(forge.client(uri: cart))
        #expect(good.isDone)
        let peer = good.server.session.makeDetails().peer
        #expect(peer?.spiffeID == cart && good.server.session.makeDetails().isPeerValidated)
        #expect(peer?.subject == "CN=client,O=Martlet tests" && peer?.issuer == "CN=Test CA,O=Martlet tests")
        #expect(peer?.encodedPEM.hasPrefix("-----BEGIN%20CERTIFICATE-----%0A") == true)
        #expect(peer?.fingerprint.utf8.count == 64)
        #expect(good.client.session.makeDetails().local?.uriSANs == [cart])

        #expect(try come(nil).server.session.failure.kind == .noCertificate)
        #expect(try come(forge.client(uri: "spiffe://mesh.test/ns/pay/sa/x")).server.session.failure.kind == .wrongName)
        #expect(try come(forge.client()).server.session.failure.kind == .wrongName)
        let foreign = try forge.client(uri: cart, by: forge.authority("Other CA"))
        #expect(try come(foreign).server.session.failure.kind == .untrusted)
        #expect(try come(forge.client(uri: cart, days: -1)).server.session.failure.kind == .untrusted)
    }

    @Test("a client may come without a certificate where one is only asked for, but not with a bad one")
    func optionalCertificates() throws {
        let server = try TLSFixture.server { $0.clientCA = TLSFixture.file(try forge.authority()) }
        let without = try shakeHands(server, TLSFixture.target())
        #expect(without.isDone && without.server.session.makeDetails().peer == nil)
        let foreign = try forge.client(by: forge.authority("Other CA"))
        let bad = try shakeHands(server, TLSFixture.target { $0.certificate = TLSCertificateFiles(foreign) })
        #expect(bad.server.session.failure.kind == .untrusted)
    }
}
