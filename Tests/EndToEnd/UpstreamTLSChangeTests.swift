import Foundation
import MartletTesting
import Testing

@Suite("TLS files of a cluster that change")
struct UpstreamTLSChangeTests {
    private let forge = CertificateForge.shared

    private func kept(_ proxy: TestProxy) throws -> TalkingTool {
        let kept = try TalkingTool(Origin.python, [Origin.script("kept_connections.py"), "\(proxy.port)"])
        #expect(try kept.ask("open h1") == "0 none" && kept.ask("open h2") == "1 none")
        return kept
    }

    private func proxy(_ port: UInt16, _ tls: String, http2: Bool) throws -> TestProxy {
        try TestProxy(
            listener: TestProxy.forwarding,
            rest: TestProxy.cluster(
                port, "    protocol: \(http2 ? "http2" : "http1")\n    tls: { \(tls), sni: \(Wire.name) }"))
    }

    @Test("ca: an endpoint is believed from then on, and no client notices", arguments: [false, true])
    func authority(http2: Bool) throws {
        let (own, stranger) = (try forge.authority(), try forge.authority("Another CA"))
        let origin = try Origin()
        let files = try CertificateFolder(own)
        try files.place(stranger.certificate, "ca.pem")
        let port = origin.port(http2 ? .http2TLS : .http1TLS)
        let proxy = try proxy(port, "ca: \(files.path("ca.pem"))", http2: http2)
        let kept = try kept(proxy)
        for number in 0...1 { #expect(try kept.ask("get \(number) /bytes/16").hasPrefix("503 upstream-tls-failure")) }
        try files.place(stranger.certificate + own.certificate, "ca.pem")
        for number in 0...1 {
            #expect(
                try eventually { try kept.ask("get \(number) /bytes/16") == "200 0123456789abcdef" }, "\(proxy.logged)")
        }
        // A request under way on a connection that was made before is answered, whatever the file says now.
        let waiting = try WaitingClient(Wire(.http1, .http1TLS), proxy, "/hang/change")
        #expect(try eventually { try kept.ask("get 0 /told/change") == "200 [\"begun\"]" })
        try files.place(stranger.certificate, "ca.pem")
        #expect(
            try eventually { try kept.ask("get 0 /bytes/16").hasPrefix("503 upstream-tls-failure") }, "\(proxy.logged)")
        #expect(try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "1")
        waiting.giveUp()
        #expect(try kept.ask("told 1") == "nothing")
    }

    @Test("certificate and private_key: new connections show the new one", arguments: [false, true])
    func certificate(http2: Bool) throws {
        let nginx = try NginxTLS(
            "ssl_client_certificate \(try Wire.authority()); ssl_verify_client on; keepalive_requests 2;", http2: http2)
        let files = try CertificateFolder(try forge.client("first"))
        let proxy = try proxy(
            nginx.port,
            "ca: \(try Wire.authority()), certificate: \(files.path("own.pem")), private_key: \(files.path("own.key"))",
            http2: http2)
        let kept = try kept(proxy)
        for _ in 0..<5 {
            #expect(try kept.ask("get 0 /who").hasPrefix("200 CN=first,"))
            #expect(try kept.ask("get 1 /who").hasPrefix("200 CN=first,"))
        }
        try files.replace(with: try forge.client("second"))
        for number in 0...1 {
            var answers: Set<Substring> = []
            let isNew = try eventually {
                let answer = try kept.ask("get \(number) /who")
                answers.insert(answer.prefix { $0 != "," })
                return answer.hasPrefix("200 CN=second,")
            }
            #expect(isNew && answers.isSubset(of: ["200 CN=first", "200 CN=second"]), "\(answers), \(proxy.logged)")
        }
        // None of the old one's sessions is taken up.
        for _ in 0..<5 { #expect(try kept.ask("get 0 /who").hasPrefix("200 CN=second,")) }
        #expect(try kept.ask("told 1") == "nothing")
    }
}
