import Foundation
import MartletTesting
import Testing

@testable import MartletNet

@Suite("certificates, keys and lists that are no good")
struct TLSFaultTests {
    let forge = CertificateForge.shared

    private func fault(_ chain: [UInt8], _ key: [UInt8], staple: [UInt8]? = nil) throws -> String? {
        let files = TLSCertificateFiles(
            chain: TLSFile(name: "chain.pem", bytes: chain), key: TLSFile(name: "key.pem", bytes: key),
            staple: staple.map { TLSFile(name: "staple.der", bytes: $0) })
        return text { _ = try TLSServerContext(TLSServerSettings(certificates: [files])) }
    }

    private func text(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func made(_ name: String, _ arguments: [String]) throws -> [UInt8] {
        let file = forge.folder.appendingPathComponent(name).path
        let (_, output) = try Tool.run("openssl", arguments + ["-out", file])
        return try #require(CertificateForge.contents(file), "\(output)")
    }

    @Test("each certificate and key with what is wrong with it")
    func certificates() throws {
        let good = try forge.server("a.test")
        let other = try forge.server("b.test")
        let text = Array("hello\n".utf8)
        #expect(try fault(good.certificate, good.key) == nil)
        #expect(try fault(text, good.key) == "chain.pem: has no certificate in PEM form")
        #expect(try fault([], good.key) == "chain.pem: has no certificate in PEM form")
        #expect(try fault(good.key, good.key) == "chain.pem: has no certificate in PEM form")
        let cut = Array(
            String(decoding: good.certificate, as: UTF8.self).replacingOccurrences(of: "MII", with: "!!!").utf8)
        #expect(try fault(cut, good.key)?.hasPrefix("chain.pem: has a certificate that cannot be read: ") == true)
        #expect(
            try fault(good.certificate + cut, good.key)?.hasPrefix("chain.pem: has a certificate that cannot") == true)
        #expect(try fault(good.certificate, text) == "key.pem: has no private key in PEM form")
        #expect(try fault(good.certificate, good.certificate) == "key.pem: has no private key in PEM form")
        #expect(
            try fault(good.certificate, other.key)
                == "key.pem: is not the private key of the certificate in chain.pem")
        let encrypted = try made("enc.key", ["pkcs8", "-topk8", "-in", good.keyFile, "-passout", "pass:secret"])
        #expect(try fault(good.certificate, encrypted) == "key.pem: has a private key that is encrypted")
        let old = try made("old.key", ["ec", "-in", good.keyFile, "-aes128", "-passout", "pass:secret"])
        #expect(try fault(good.certificate, old) == "key.pem: has a private key that is encrypted")
    }

    @Test("keys in their older forms, and with certificates in the same file")
    func forms() throws {
        let good = try forge.server("a.test")
        let old = try made("sec1.key", ["ec", "-in", good.keyFile])
        #expect(try fault(good.certificate, old) == nil)
        #expect(try fault(good.key + good.certificate, good.certificate + good.key) == nil)
        let rsa = try forge.server("r.test", key: .rsa)
        #expect(try fault(rsa.certificate, made("pkcs1.key", ["rsa", "-in", rsa.keyFile, "-traditional"])) == nil)
    }

    @Test("keys that protect nothing")
    func weakKeys() throws {
        let key = try made("weak.key", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"])
        let file = try forge.file("weak.pem", key)
        let certificate = try made("weak.crt", ["req", "-x509", "-key", file, "-subj", "/CN=weak", "-days", "2"])
        #expect(
            try fault(certificate, key)
                == "key.pem: has a private key that is too weak: RSA needs 2048 bits, a curve 224")
    }

    @Test("a certificate whose time is over is warned of, not refused")
    func expired() throws {
        let old = TLSCertificateFiles(try forge.server("old.test", days: -1))
        let context = try TLSServerContext(TLSServerSettings(certificates: [old]))
        #expect(context.warnings.map(\.description) == ["cert.pem: has a certificate that has expired"])
    }

    @Test("authorities and revocation lists")
    func lists() throws {
        let leaf = try forge.server("a.test")
        func server(ca: [UInt8], revoked: [UInt8]? = nil) throws -> String? {
            text {
                _ = try TLSFixture.server {
                    $0.clientCA = TLSFile(name: "ca.pem", bytes: ca)
                    $0.revoked = revoked.map { TLSFile(name: "crl.pem", bytes: $0) }
                }
            }
        }
        let ca = try forge.authority().certificate
        #expect(try server(ca: ca) == nil)
        #expect(try server(ca: leaf.certificate) == "ca.pem: has certificates, but none of an authority")
        #expect(try server(ca: []) == "ca.pem: has no certificate in PEM form")
        #expect(try server(ca: ca, revoked: ca) == "crl.pem: has no revocation list in PEM form")
        #expect(
            text { _ = try TLSFixture.client { $0.trust = .authorities(TLSFile(name: "x", bytes: [])) } }
                == "x: has no certificate in PEM form")
    }

    @Test("suites, curves and ticket keys")
    func choices() throws {
        #expect(
            text { _ = try TLSFixture.server { $0.choices.cipherSuites = ["NULL-MD4"] } }
                == "none of the cipher suites is known to this machine's OpenSSL")
        #expect(
            text { _ = try TLSFixture.server { $0.choices.curves = ["P-257"] } }
                == "one of the curves is not known to this machine's OpenSSL")
        #expect(
            text { _ = try TLSTicketKeys(files: [TLSFile(name: "t.key", bytes: [1])]) }
                == "t.key: is not a ticket key of 48 or 80 bytes")
        let many = [TLSFile](repeating: TLSFile(name: "t", bytes: [UInt8](repeating: 1, count: 80)), count: 17)
        #expect(text { _ = try TLSTicketKeys(files: many) } == "there are more than 16 ticket keys")
    }

    @Test("OCSP responses")
    func staples() throws {
        let (good, other) = (try forge.server("a.test"), try forge.server("b.test"))
        func staple(_ issued: CertificateForge.Issued) throws -> TLSFile {
            TLSFile(name: "staple.der", bytes: try forge.staple(issued))
        }
        func problem(_ bytes: [UInt8]) throws -> String? { try fault(good.certificate, good.key, staple: bytes) }
        #expect(try problem(forge.staple(good)) == nil)
        #expect(
            try problem(forge.staple(other))
                == "staple.der: is an OCSP response about another certificate than that in chain.pem")
        #expect(try problem([0x30, 3, 0x0A, 1, 6]) == "staple.der: is an OCSP response that answers nothing")
        for bytes in [[], [1, 2, 3], try forge.staple(good) + [0]] {
            #expect(try problem(bytes) == "staple.der: is not an OCSP response in DER form")
        }
        let revoked = TLSCertificateFiles(
            chain: TLSFile(name: "c", bytes: good.certificate), key: TLSFile(name: "k", bytes: good.key),
            staple: TLSFile(name: "staple.der", bytes: try forge.staple(good, isRevoked: true)))
        #expect(
            try TLSServerContext(TLSServerSettings(certificates: [revoked])).warnings.map(\.description)
                == ["staple.der: says that the certificate is revoked"])
    }
}
