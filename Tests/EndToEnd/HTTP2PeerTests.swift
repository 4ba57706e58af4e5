import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// What h2load counts.
struct LoadCount {
    let output: String

    /// - Parameter arguments: h2load's, with the URL.
    init(_ arguments: [String]) throws { output = try Tool.run("timeout", ["60", "h2load"] + arguments).output }

    private func number(before word: String, in line: String) -> Int? {
        let line = output.split(separator: "\n").first { $0.hasPrefix(line) }
        let part = line?.components(separatedBy: ", ").first { $0.hasSuffix(" " + word) }
        return part.flatMap { Int($0.split(separator: " ").dropLast().last ?? "") }
    }

    var succeeded: Int { number(before: "succeeded", in: "requests:") ?? 0 }
    /// Answers of the two hundreds.
    var good: Int { number(before: "2xx", in: "status codes:") ?? 0 }
}

/// nghttp2's own server with a folder of files.
final class NGHTTPD {
    let port: UInt16
    let folder: URL
    private let isTLS: Bool
    private var tool: BackgroundTool?

    init(isTLS: Bool = false, _ more: [String] = []) throws {
        port = try TCPListener.freePort()
        self.isTLS = isTLS
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-nghttpd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try "hello\n".write(to: folder.appendingPathComponent("small"), atomically: true, encoding: .utf8)
        try String(repeating: "0123456789abcdef", count: 65_536)
            .write(to: folder.appendingPathComponent("large"), atomically: true, encoding: .utf8)
        try start(more)
    }

    deinit {
        tool = nil
        try? FileManager.default.removeItem(at: folder)
    }

    func start(_ more: [String] = []) throws {
        let own = try Wire.certificate()
        tool = try BackgroundTool(
            "nghttpd",
            (isTLS ? [] : ["--no-tls"]) + ["-a", "127.0.0.1", "-d", folder.path] + more + ["\(port)"]
                + (isTLS ? [own.keyFile, own.certificateFile] : []), endedBy: SIGKILL)
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "nghttpd did not start: Scripts/install-packages test")
        }
    }

    func stop() { tool = nil }
}

@Suite("nghttp2's and nginx's programs on either side")
struct HTTP2PeerTests {
    private static let forms = WireForm.allCases.filter(\.isHTTP2)

    private func url(_ form: WireForm, _ proxy: TestProxy, _ path: String) -> String {
        "\(form.isTLS ? "https" : "http")://127.0.0.1:\(proxy.port)\(path)"
    }

    @Test("nghttp and h2load in front, nghttpd behind", arguments: forms, forms)
    func nghttp2(downstream: WireForm, upstream: WireForm) throws {
        let server = try NGHTTPD(isTLS: upstream.isTLS)
        let wire = Wire(downstream, upstream)
        let proxy = try TestProxy(
            workers: 2, listener: try wire.listener() + TestProxy.forwarding,
            rest: TestProxy.cluster(server.port, try wire.cluster()))
        let single = try Tool.run("timeout", ["20", "nghttp", "-v", url(downstream, proxy, "/small")])
        #expect(single.code == 0 && single.output.contains(":status: 200") && single.output.contains("hello"))
        #expect(!single.output.contains("RST_STREAM"))
        let continued = try Tool.run(
            "timeout", ["20", "nghttp", "-v", "--continuation", url(downstream, proxy, "/small")])
        #expect(continued.output.contains(":status: 200"), "\(continued.output)")
        let small = try LoadCount(["-n", "2000", "-c", "4", "-m", "32", url(downstream, proxy, "/small")])
        #expect(small.succeeded == 2000 && small.good == 2000, "\(small.output)")
        // With windows far smaller than the body.
        let narrow = try LoadCount(
            ["-n", "40", "-c", "2", "-m", "5", "-w", "12", "-W", "14", url(downstream, proxy, "/large")])
        #expect(narrow.succeeded == 40 && narrow.good == 40, "\(narrow.output)")
    }

    @Test("nginx's HTTP/2 behind: files, ranges, uploads, and connections it ends now and then")
    func nginx() throws {
        let nginx = try NginxTLS("keepalive_requests 50;", http2: true)
        try String(repeating: "0123456789", count: 100_000)
            .write(to: nginx.folder.appendingPathComponent("file"), atomically: true, encoding: .utf8)
        let wire = Wire(.http1, .http2TLS)
        let proxy = try TestProxy(
            listener: TestProxy.forwarding, rest: TestProxy.cluster(nginx.port, try wire.cluster()))
        #expect(try wire.get(proxy, "/file", ["-r", "10-19"]).body == "0123456789")
        #expect(try wire.get(proxy, "/file").body.utf8.count == 1_000_000)
        #expect(try wire.get(proxy, "/file", ["-I"])["content-length"] == ["1000000"])
        #expect(try wire.get(proxy, "/missing").status == 404)
        // After fifty requests nginx says GOAWAY; no request may notice.
        for version in ["--h1", "--no-tls-proto=h2c"] {
            let load = try LoadCount(
                ["-n", "1000", "-c", "4", version, "http://127.0.0.1:\(proxy.port)/who"]
                    + (version == "--h1" ? [] : ["-m", "16"]))
            #expect(load.good == 1000, "\(load.output)")
        }
        let opened = try #require(try proxy.metric("martlet_upstream_connections_total{cluster=\"up\"}"))
        #expect((Int(opened) ?? 0) >= 40)
    }

    @Test("Many requests share one connection")
    func multiplexing() throws {
        let server = try NGHTTPD()
        let proxy = try TestProxy(
            listener: TestProxy.forwarding, rest: TestProxy.cluster(server.port, "    protocol: http2"))
        let load = try LoadCount(["-n", "2000", "-c", "2", "-m", "50", "http://127.0.0.1:\(proxy.port)/small"])
        #expect(load.good == 2000, "\(load.output)")
        let clusters = try proxy.admin("/clusters")
        #expect(clusters.contains("\"connections_open\":1,\"connections_idle\":1"), "\(clusters)")
        #expect(try proxy.metric("martlet_upstream_connections_total{cluster=\"up\"}") == "1")
    }

    @Test("A server that is killed and started again under load, beside another: no request fails")
    func restarts() throws {
        let (steady, restarted) = (try NGHTTPD(), try NGHTTPD())
        let proxy = try TestProxy(
            listener: """
                    filters: [retry: { on: [connect-failure, reset, refused-stream], attempts: 4, budget: off }, router]
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: """
                clusters:
                  - name: up
                    endpoints: ["127.0.0.1:\(steady.port)", "127.0.0.1:\(restarted.port)"]
                    protocol: http2
                    circuit_breaker: { max_retries: 1000 }
                """)
        let load = Locked<LoadCount?>(nil)
        let port = proxy.port
        Thread.detachNewThread {
            let count = try? LoadCount(["-n", "10000", "-c", "4", "-m", "8", "http://127.0.0.1:\(port)/small"])
            load.withLock { $0 = count }
        }
        var rounds = 0
        while load.withLock({ $0 == nil }) && rounds < 100 {
            let before = try proxy.metric("martlet_upstream_connections_total{cluster=\"up\"}")
            restarted.stop()
            try restarted.start()
            // It is in use again, or the load is over.
            _ = try eventually {
                try load.withLock { $0 != nil }
                    || proxy.metric("martlet_upstream_connections_total{cluster=\"up\"}") != before
            }
            rounds += 1
        }
        let count = try #require(load.withLock { $0 })
        #expect(count.good == 10_000, "\(rounds) rounds: \(count.output)")
        #expect(rounds > 1)
    }
}
