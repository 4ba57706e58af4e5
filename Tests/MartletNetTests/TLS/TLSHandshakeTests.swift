import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS handshakes in memory")
struct TLSHandshakeTests {
    let forge = CertificateForge.shared

    private func server(_ change: (inout TLSServerSettings) throws -> Void = { _ in }) throws -> TLSServerContext {
        var settings = TLSServerSettings(certificates: [TLSCertificateFiles(try forge.server("a.test"))])
        try change(&settings)
        return try TLSServerContext(settings)
    }

    private func client(_ change: (inout TLSClientSettings) throws -> Void = { _ in }) throws -> TLSClientContext {
        var settings = TLSClientSettings()
        settings.trust = .authorities(TLSFile(name: "ca.pem", bytes: try forge.authority().certificate))
        try change(&settings)
        return try TLSClientContext(settings)
    }

    @Test(
        "both sides agree, whatever pieces the bytes come in", arguments: TLSDetails.Version.allCases, [1, 7, Int.max])
    func agreement(version: TLSDetails.Version, piece: Int) throws {
        let server = try server { $0.alpn = ["h2", "http/1.1"] }
        let client = try client {
            $0.alpn = ["http/1.1", "h2"]
            $0.choices.maxVersion = version
        }
        var pair = try TLSPair(server, TLSClientTarget(client, serverName: "a.test", names: [.dns("a.test")]))
        pair.shakeHands(piece: piece)
        #expect(pair.isDone)
        let (there, here) = (pair.client.session.makeDetails(), pair.server.session.makeDetails())
        #expect(there.version == version && here.version == version)
        #expect(there.alpn == "h2" && here.alpn == "h2")
        #expect(here.serverName == "a.test" && here.peer == nil && !here.isPeerValidated)
        #expect(there.peer?.dnsSANs == ["a.test"] && there.isPeerValidated)
        #expect(here.local?.fingerprint == there.peer?.fingerprint)
        #expect(here.cipherSuite == there.cipherSuite && here.cipherSuiteID == there.cipherSuiteID)
    }
}
