import Foundation
import MartletTesting
import Testing

@Suite("TLS to upstreams")
struct UpstreamTLSTests {
    private let forge = CertificateForge.shared

    private func proxy(_ port: UInt16, _ tls: String, http2: Bool) throws -> TestProxy {
        try TestProxy(
            listener: TestProxy.forwarding,
            rest: TestProxy.cluster(port, "    protocol: \(http2 ? "http2" : "http1")\n    tls: { \(tls) }"))
    }

    @Test("An endpoint that is not who it should be gets nothing", arguments: [false, true])
    func refused(http2: Bool) throws {
        let ca = try Wire.authority()
        let stranger = try forge.authority("Another CA").certificateFile
        let origin = try Origin()
        let old = try Origin(forge.server(Wire.name, days: -1))
        let mine = try Origin(forge.selfSigned(Wire.name))
        let table: [(origin: Origin, tls: String, words: String)] = [
            (origin, "ca: \(stranger), sni: \(Wire.name)", "issuer"),
            (origin, "ca: system, sni: \(Wire.name)", "issuer"),
            (origin, "ca: \(ca), sni: other.test", "other.test"),
            (origin, "ca: \(ca), sni: \(Wire.name), verify_san: [\"*.api.test\", \"spiffe://mesh/*\"]", "name"),
            // Without a name it is the address that counts.
            (origin, "ca: \(ca)", "127.0.0.1"), (old, "ca: \(ca), sni: \(Wire.name)", "expired"),
            (mine, "ca: \(ca), sni: \(Wire.name)", "self"),
        ]
        for (origin, tls, words) in table {
            let proxy = try proxy(origin.port(http2 ? .http2TLS : .http1TLS), tls, http2: http2)
            let answer = try proxy.get("/seen")
            #expect(answer.hasPrefix("HTTP/1.1 503 "), "\(tls): \(answer)")
            #expect(answer.contains("\r\nx-martlet-error: upstream-tls-failure\r\n"), "\(tls): \(answer)")
            let isTold = eventually {
                let line = proxy.logged.split(separator: "\n").first { $0.contains("cluster up: 127.0.0.1:") }
                return line?.contains(words) == true
            }
            #expect(isTold, "\(tls): \(proxy.logged)")
        }
        for tls in [
            "ca: \(ca), sni: \(Wire.name)", "ca: \(ca), verify_san: [\(Wire.name)]", "verify: false",
            "ca: \(ca), sni: unknown.test, verify_san: [x.test, \"*.test\"]",
        ] {
            let proxy = try proxy(origin.port(http2 ? .http2TLS : .http1TLS), tls, http2: http2)
            #expect(try proxy.get("/seen").hasPrefix("HTTP/1.1 200 "), "\(tls)")
        }
    }

    @Test("Endpoints that speak no TLS, or not the protocol")
    func mistaken() throws {
        let origin = try Origin()
        // Answers whatever comes: a server that waits for a line's end may not find one in a handshake.
        let plain = try ScriptedUpstream { _, connection in
            connection.receive()
            try? connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        }
        let tls = "ca: \(try Wire.authority()), sni: \(Wire.name)"
        let table = [(plain.port, false), (origin.port(.http2), true), (origin.port(.http1TLS), true)]
        for (number, (port, http2)) in table.enumerated() {
            let proxy = try proxy(port, tls, http2: http2)
            let answer = try proxy.get("/seen")
            #expect(
                answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("upstream-tls-failure"), "\(number): \(answer)")
        }
    }

    @Test("auto takes what the endpoint chooses", arguments: [WireForm.http1TLS, .http2TLS])
    func automatic(form: WireForm) throws {
        let origin = try Origin()
        let proxy = try TestProxy(
            listener: TestProxy.forwarding,
            rest: TestProxy.cluster(
                origin.port(form), "    protocol: auto\n    tls: { ca: \(try Wire.authority()), sni: \(Wire.name) }"))
        for _ in 0..<3 {
            #expect(try Wire(.http1, form).seen(proxy).protocol == form.version)
            #expect(try Wire(.http2, form).seen(proxy).protocol == form.version)
        }
    }

    @Test("Our own certificate for nginx, which asks for one, over either version", arguments: [false, true])
    func own(http2: Bool) throws {
        let client = try forge.client("shop")
        let nginx = try NginxTLS(
            "ssl_client_certificate \(try Wire.authority()); ssl_verify_client on;", http2: http2)
        let ca = "ca: \(try Wire.authority()), sni: \(Wire.name)"
        let proxy = try proxy(
            nginx.port, "\(ca), certificate: \(client.certificateFile), private_key: \(client.keyFile)", http2: http2)
        let answer = try proxy.get("/who")
        #expect(answer.contains("CN=shop,O=Martlet tests HTTP/\(http2 ? "2.0" : "1.1") "), "\(answer)")
        // A connection's session is for those of its certificate.
        let without = try self.proxy(nginx.port, ca, http2: http2)
        #expect(try without.get("/who").hasPrefix("HTTP/1.1 400 "))
    }

    @Test("Sessions with nginx are taken up again", arguments: ["TLSv1.2", "TLSv1.3"], [false, true])
    func resumption(version: String, http2: Bool) throws {
        let nginx = try NginxTLS("ssl_protocols \(version); keepalive_requests 1;", http2: http2)
        let ca = "ca: \(try Wire.authority()), sni: \(Wire.name)"
        let proxy = try proxy(nginx.port, ca, http2: http2)
        #expect(try proxy.get("/session").hasSuffix("."))
        #expect(try eventually { try proxy.get("/session").hasSuffix("r") })
        let without = try self.proxy(nginx.port, ca + ", session_resumption: false", http2: http2)
        for _ in 0..<3 { #expect(try without.get("/session").hasSuffix(".")) }
    }
}

/// nginx with the tests' certificate. `/who` tells the client's certificate, `/session` whether its session is an old one,
/// `r`, or new, `.`; the rest is files of its folder.
final class NginxTLS {
    let port: UInt16
    let folder: URL
    private let tool: BackgroundTool

    /// - Parameter settings: more of the server's.
    init(_ settings: String = "", http2: Bool) throws {
        port = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-nginx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let own = try Wire.certificate()
        let configuration = """
            daemon off; worker_processes 1; pid \(folder.path)/pid; error_log /dev/null; user root;
            events { worker_connections 256; }
            http {
              access_log off;
              client_body_temp_path \(folder.path)/body; proxy_temp_path \(folder.path)/proxy;
              fastcgi_temp_path \(folder.path)/fastcgi; uwsgi_temp_path \(folder.path)/uwsgi; scgi_temp_path \(folder.path)/scgi;
              client_max_body_size 100m; ssl_session_cache shared:a:1m;
              server {
                listen 127.0.0.1:\(port) ssl\(http2 ? " http2" : "");
                ssl_certificate \(own.certificateFile); ssl_certificate_key \(own.keyFile);
                \(settings)
                root \(folder.path);
                location = /who { return 200 "$ssl_client_s_dn $server_protocol \n"; }
                location = /session { return 200 $ssl_session_reused; }
              }
            }
            """
        let file = folder.appendingPathComponent("nginx.conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        tool = try BackgroundTool("nginx", ["-p", folder.path, "-c", file.path])
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "nginx did not start")
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
