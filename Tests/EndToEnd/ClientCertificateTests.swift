import Foundation
import MartletTesting
import Testing

@Suite("Who a client is by its certificate, on a running proxy")
struct ClientCertificateTests {
    /// What upstream received is what it answers.
    private func proxy(_ log: String = "{ path: access.log }") throws -> (TestProxy, CertificateForge) {
        let forge = CertificateForge.shared
        let server = try forge.server("api.test", "spiffe://mesh.test/ns/shop/sa/api")
        let upstream = try ScriptedUpstream.answering { request in
            "HTTP/1.1 200 OK\r\nContent-Length: \(request.utf8.count)\r\n\r\n\(request)"
        }
        let proxy = try TestProxy(
            listener: """
                    access_log: \(log)
                    tls:
                      certificate: \(server.certificateFile)
                      private_key: \(server.keyFile)
                      client_ca: \(try forge.authority().certificateFile)
                      require_client_certificate: false
                    forward_client_cert: append_forward
                    filters:
                      - lua: { policy: tell }
                      - rbac:
                          rules:
                            - { name: cart, action: allow, when: { principal: { tls: { spiffe: "spiffe://mesh.test/ns/shop/*" } } } }
                            - { name: open, action: allow, when: { path: { prefix: /open } } }
                      - router
                    routes:
                      - { match: { path: { exact: /who }, tls: { validated: true } }, respond: { status: 200, body: known } }
                      - { match: {}, cluster: up }
                """,
            rest: TestProxy.cluster(upstream.port) + """

                policies:
                  - name: tell
                    inline: |
                      function on_request(h)
                        local ssl = h:connection():ssl()
                        h:headers():replace("x-ssl", table.concat({ ssl:tlsVersion(), tostring(ssl:peerCertificateValidated()),
                          ssl:subjectPeerCertificate(), ssl:uriSanPeerCertificate()[1] or "", h:streamInfo():requestedServerName() }, "|"))
                      end
                """, companions: [upstream])
        return (proxy, forge)
    }

    private func curl(_ proxy: TestProxy, _ path: String, _ more: [String] = []) throws -> String {
        let ca = try CertificateForge.shared.authority().certificateFile
        return try Tool.run(
            "curl",
            [
                "-sS", "--cacert", ca, "--resolve", "api.test:\(proxy.port):127.0.0.1", "-w", "%{http_code}",
                "https://api.test:\(proxy.port)\(path)",
            ] + more
        ).output
    }

    @Test("Rules, routes, policies, the upstream and the log see the same", arguments: ["--http1.1", "--http2"])
    func everywhere(version: String) throws {
        let (proxy, forge) = try proxy()
        let client = try forge.client(uri: "spiffe://mesh.test/ns/shop/sa/cart")
        let known = ["--cert", client.certificateFile, "--key", client.keyFile, version]
        let forged = ["-H", "x-forwarded-client-cert: Hash=1"]
        let answer = try curl(proxy, "/orders", known + forged)
        #expect(answer.hasSuffix("200"))
        #expect(answer.contains("x-ssl: TLSv1.3|true|"))
        #expect(answer.contains("|spiffe://mesh.test/ns/shop/sa/cart|api.test\r\n"))
        let field = try #require(
            answer.split(separator: "\r\n").first { $0.lowercased().hasPrefix("x-forwarded-client-cert: ") })
        #expect(field.contains("Hash=1,By=spiffe://mesh.test/ns/shop/sa/api;Hash="))
        #expect(field.contains(";Subject=\"CN=client,O=Martlet tests\";URI=spiffe://mesh.test/ns/shop/sa/cart"))
        #expect(try curl(proxy, "/who", known) == "known200")

        let stranger = try curl(proxy, "/open", forged + [version])
        #expect(stranger.hasSuffix("200"))
        #expect(!stranger.lowercased().contains("x-forwarded-client-cert"))
        #expect(stranger.contains("x-ssl: TLSv1.3|false|||api.test\r\n"))
        #expect(try curl(proxy, "/orders", [version]).hasSuffix("403"))
        let other = try forge.client(uri: "spiffe://mesh.test/ns/other/sa/cart")
        #expect(
            try curl(proxy, "/orders", ["--cert", other.certificateFile, "--key", other.keyFile, version])
                .hasSuffix("403"))

        let path = proxy.directory.appendingPathComponent("access.log").path
        var lines: [Substring] = []
        _ = eventually {
            lines = ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
            return lines.count >= 5
        }
        try #require(lines.count == 5)
        let name = version == "--http2" ? "HTTP/2" : "HTTP/1.1"
        for line in lines {
            #expect(line.contains("\"protocol\":\"\(name)\"") && line.contains("\"server_name\":\"api.test\""))
        }
        #expect(lines[0].contains("\"tls_version\":\"TLSv1.3\",\"tls_cipher\":\"TLS_"))
        #expect(lines[0].contains("\"client_identity\":\"spiffe://mesh.test/ns/shop/sa/cart\""))
        #expect(!lines[2].contains("client_identity"))
    }
}
