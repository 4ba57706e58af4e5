import Foundation
import MartletTesting
import Testing

@Suite("The page about the control plane")
struct ControlPageTests {
    /// The indented block that begins with a word, without its indentation.
    private func block(_ start: String) throws -> String {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Docs/ControlServer.md")
        let lines = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "\n")
        let first = try #require(lines.firstIndex { $0.hasPrefix("    " + start) }, "no example begins with \(start)")
        return lines[first...].prefix { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) }.joined(separator: "\n")
    }

    @Test("What it shows to apply can be applied, and diffed before")
    func mesh() throws {
        let control = try ControlProcess().start()
        try control.write("mesh.yaml", try block("namespace: shop"))
        #expect(try control.martlet("diff", "-f", "mesh.yaml").code == 1)
        let applied = try control.martlet("apply", "-f", "mesh.yaml")
        #expect(applied.code == 0, "\(applied)")
        let shown = try control.martlet("get", "-n", "shop").output
        for word in ["public", "api", "greeter.mesh:50051"] { #expect(shown.contains(word), "\(shown)") }
    }

    @Test("Its configuration is one, with TLS on both doors")
    func configuration() throws {
        let control = try ControlProcess()
        let own = try CertificateForge.shared.server("127.0.0.1")
        let authority = try CertificateForge.shared.authority()
        for name in ["xds", "api"] {
            try control.write("\(name).pem", try String(contentsOfFile: own.certificateFile, encoding: .utf8))
            try control.secret("\(name).key", try String(contentsOfFile: own.keyFile, encoding: .utf8))
        }
        try control.write("proxies.pem", try String(contentsOfFile: authority.certificateFile, encoding: .utf8))
        try control.secret("ci.token", "a-token-that-is-long-enough\n")
        // Ports that are free, in place of those that everybody has.
        let text = try block("xds: { address").replacing(":18000", with: ":0").replacing(":18001", with: ":0")
        try control.write("control.yaml", text)
        let checked = try Tool.run(
            ControlProcess.program, ["check", control.folder.appendingPathComponent("control.yaml").path])
        #expect(checked.code == 0, "\(checked)")

        try control.start()
        // With the token it is let in, without one it is not; over TLS alone.
        let trust = ["--cacert", try CertificateForge.shared.authority().certificateFile]
        let shop = "/v1/namespaces/shop/clusters"
        #expect(control.api.hasPrefix("https://"), "\(control.api)")
        #expect(try control.ask("GET", shop, token: "a-token-that-is-long-enough", options: trust).status == 200)
        #expect(try control.ask("GET", shop, options: trust).status == 401)
        // Proxies need a certificate of theirs.
        let port = try #require(control.xds.split(separator: ":").last)
        let stranger = try Tool.run(
            "timeout", ["20", "openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-alpn", "h2", "-ign_eof"],
            input: "x")
        #expect(stranger.output.contains("certificate required"), "\(stranger.output.suffix(300))")
        let proxy = try CertificateForge.shared.client("edge-1")
        let managed = try ManagedProxy(
            """
            control_plane: { cluster: mesh, node: { id: edge-1, labels: { namespace: shop } } }
            clusters:
              - name: mesh
                protocol: http2
                endpoints: ["127.0.0.1:\(port)"]
                tls: { ca: \(authority.certificateFile), verify_san: [127.0.0.1], certificate: \(proxy.certificateFile), private_key: \(proxy.keyFile) }
            """)
        let token = "a-token-that-is-long-enough"
        #expect(
            try eventually {
                try control.ask("GET", "/v1/proxies/edge-1", token: token, options: trust)["state"] == "synced"
            }, "\(managed.logged)")
    }

    @Test("Its configuration of a replica is one, and two of them are one control plane")
    func replicas() throws {
        let etcd = try EtcdProcess()
        let authority = try CertificateForge.shared.authority().certificateFile
        let own = try CertificateForge.shared.server("127.0.0.1")
        let controls = try (0..<2).map { _ in
            let control = try ControlProcess()
            for name in ["xds", "api"] {
                try control.write("\(name).pem", try String(contentsOfFile: own.certificateFile, encoding: .utf8))
                try control.secret("\(name).key", try String(contentsOfFile: own.keyFile, encoding: .utf8))
            }
            for name in ["proxies.pem", "api-ca.pem"] {
                try control.write(name, try String(contentsOfFile: authority, encoding: .utf8))
            }
            try control.secret("ops.token", "a-token-that-is-long-enough\n")
            let port = try TCPListener.freePort()
            let text = try block("xds: { address: 0.0.0.0").replacing("0.0.0.0:18000", with: "127.0.0.1:0")
                .replacing("0.0.0.0:18001", with: "0.0.0.0:\(port)")
                .replacing("10.0.0.5:18001", with: "127.0.0.1:\(port)")
                .replacing("\"10.0.0.5:2379\", \"10.0.0.6:2379\"", with: "\"127.0.0.1:\(etcd.port)\"")
            try control.write("control.yaml", text)
            return try control.start()
        }
        let areOne = try eventually {
            let answer = try controls[0].ask(
                "GET", "/v1/proxies", token: "a-token-that-is-long-enough", options: ["-k"])
            return answer["replicas"] == "2 items" && answer["replicas.1.answers"] == "1"
        }
        #expect(areOne, "\(controls.map(\.said))")
    }
}
