import Foundation
import MartletTesting
import Testing

@Suite("Which clients a listener lets in by their certificates")
struct ClientAuthorityTests {
    private let forge = CertificateForge.shared

    private func proxy(_ more: String) throws -> TestProxy {
        let own = try Wire.certificate()
        return try TestProxy(
            listener: """
                    tls: { certificate: \(own.certificateFile), private_key: \(own.keyFile), \(more) }
                    filters: [router]
                    routes: [{ match: {}, respond: { status: 200, body: ok } }]
                """, rest: "")
    }

    /// Whether it is served; what is refused in the handshake has no answer.
    private func isServed(_ proxy: TestProxy, _ form: WireForm, _ own: CertificateForge.Issued?) throws -> Bool {
        let wire = Wire(form, .http1)
        let identity = own.map { ["--cert", $0.certificateFile, "--key", $0.keyFile] } ?? []
        let result = try Tool.run(
            "curl", try wire.curl(proxy.port) + identity + ["-w", " %{http_code}", wire.url(proxy.port, "/")])
        if result.code == 0 { #expect(result.output == "ok 200") }
        return result.code == 0
    }

    /// Handshakes that came to nothing, for whatever reason.
    private func failed(_ proxy: TestProxy) throws -> String {
        let reasons = ["missing", "untrusted", "wrong_name"].map { "client_certificate_\($0)" }
        let counts = try reasons.map { reason in
            let series = "martlet_downstream_openings_failed_total{listener=\"public\",reason=\"\(reason)\"}"
            return Int(try proxy.metric(series) ?? "") ?? 0
        }
        return "\(counts.reduce(0, +))"
    }

    private static let forms = [WireForm.http1TLS, .http2TLS]

    @Test("A certificate is required where there is a client_ca, or not where that is written", arguments: forms)
    func required(form: WireForm) throws {
        let ca = try Wire.authority()
        let (own, expired) = (try forge.client(), try forge.client(days: -1))
        let (server, stranger) = (try Wire.certificate(), try forge.client(by: try forge.authority("Another CA")))
        for settings in ["client_ca: \(ca)", "client_ca: \(ca), require_client_certificate: true"] {
            let proxy = try proxy(settings)
            #expect(try isServed(proxy, form, own), "\(settings)")
            // None, one that is over, one of another issuer's, and one that is for servers.
            for (number, other) in [nil, expired, stranger, server].enumerated() {
                #expect(try !isServed(proxy, form, other), "\(settings), \(number)")
                #expect(try eventually { try failed(proxy) == "\(number + 1)" }, "\(settings), \(number)")
            }
        }
        let lenient = try proxy("client_ca: \(ca), require_client_certificate: false")
        #expect(try isServed(lenient, form, own) && isServed(lenient, form, nil))
        #expect(try !isServed(lenient, form, expired) && !isServed(lenient, form, stranger))
        #expect(try eventually { try failed(lenient) == "2" })
    }

    @Test("verify_san: the certificate must bear one of the names", arguments: forms)
    func names(form: WireForm) throws {
        let patterns = "[\"spiffe://mesh.test/ns/shop/*\", \"spiffe://mesh.test/one\"]"
        let proxy = try proxy("client_ca: \(try Wire.authority()), verify_san: \(patterns)")
        for name in ["spiffe://mesh.test/ns/shop/sa/cart", "spiffe://mesh.test/one"] {
            #expect(try isServed(proxy, form, try forge.client(uri: name)), "\(name)")
        }
        let others = [
            "spiffe://mesh.test/ns/shopping/sa/cart", "spiffe://mesh.test/one/more",
            "spiffe://other.test/ns/shop/sa/cart",
            "spiffe://mesh.test/ns/shop/", nil,
        ]
        for (number, name) in others.enumerated() {
            #expect(try !isServed(proxy, form, try forge.client(uri: name)), "\(name ?? "no name")")
            #expect(try eventually { try failed(proxy) == "\(number + 1)" }, "\(name ?? "no name")")
        }
    }

    @Test("crl: who is on the list is refused, and of an authority without a list nobody is taken", arguments: forms)
    func revoked(form: WireForm) throws {
        let issuer = try forge.authority("Listing CA")
        let (good, bad) = (try forge.client("good", by: issuer), try forge.client("bad", by: issuer))
        let list = try forge.file("list-\(UUID().uuidString).pem", try forge.revocationList(bad, by: issuer))
        let proxy = try proxy("client_ca: \(issuer.certificateFile), crl: \(list)")
        #expect(try isServed(proxy, form, good))
        #expect(try !isServed(proxy, form, bad))
        #expect(try eventually { try failed(proxy) == "1" })
        let stale = try self.proxy("client_ca: \(try Wire.authority()), crl: \(list)")
        #expect(try !isServed(stale, form, try forge.client()))
    }
}
