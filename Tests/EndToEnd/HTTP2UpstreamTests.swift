import Foundation
import MartletTesting
import Testing

/// A server of the package h2 that goes away, refuses, stops or dawdles (Peers/h2_upstream.py).
final class OddUpstream {
    let port: UInt16
    private let file: URL
    private let tool: BackgroundTool

    /// - Parameter mode: nil is the one that floods (Peers/h2_flooding.py).
    init(_ mode: String?) throws {
        port = try TCPListener.freePort()
        file = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-odd-\(UUID().uuidString)")
        let script = mode == nil ? "h2_flooding.py" : "h2_upstream.py"
        tool = try BackgroundTool(
            Origin.python, [Origin.script(script), "\(port)"] + (mode.map { [$0] } ?? []) + [file.path],
            endedBy: SIGKILL)
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "the upstream did not start: Scripts/install-packages test")
        }
    }

    deinit { try? FileManager.default.removeItem(at: file) }

    struct Note: Decodable {
        let event: String
        let connection: Int
        let stream: Int?
        let path: String?
        let code: Int?
        let streams: Int?
    }

    /// What it wrote so far.
    var text: String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }

    /// All that it saw so far.
    var notes: [Note] {
        text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Note.self, from: Data($0.utf8)) }
    }

    /// Those that brought a request.
    var connections: Int { Set(notes("request").map(\.connection)).count }

    func notes(_ event: String) -> [Note] { notes.filter { $0.event == event } }
}

@Suite("HTTP/2 upstreams that go away, refuse, stop or dawdle")
struct HTTP2UpstreamTests {
    private func proxy(
        _ upstream: OddUpstream, filters: String = "", limits: String = "", cluster: String = ""
    ) throws -> TestProxy {
        try TestProxy(
            listener: """
                    limits: { stream_buffer: 64KiB\(limits) }
                    filters: [\(filters)router]
                    routes: [{ match: {}, cluster: up, timeout: 60s }]
                """, rest: TestProxy.cluster(upstream.port, "    protocol: http2\n" + cluster))
    }

    private func load(_ proxy: TestProxy, _ count: Int, _ more: String...) throws -> LoadCount {
        try LoadCount(["-n", "\(count)", "-c", "4", "-m", "10"] + more + ["http://127.0.0.1:\(proxy.port)/x"])
    }

    private func isQuiet(_ proxy: TestProxy) throws -> Bool {
        try eventually {
            try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0"
                && proxy.admin("/clusters").contains("\"requests_active\":0,\"requests_pending\":0")
        }
    }

    @Test("GOAWAY under load: what was not looked at is asked again, what was is answered, nothing twice")
    func goAway() throws {
        let upstream = try OddUpstream("goaway")
        let proxy = try proxy(
            upstream,
            filters:
                "{ retry: { on: [refused-stream, connect-failure], attempts: 16, budget: off, backoff: { base: 1ms } } }, ",
            cluster: "    circuit_breaker: { max_retries: 1000 }")
        // POSTs: one that may have been processed would never be sent again.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-body-\(UUID().uuidString)")
        try "body".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        // Fewer at once than would let one of them be turned away sixteen times.
        let count = try load(proxy, 400, "-m", "2", "-d", file.path)
        #expect(count.succeeded == 400 && count.good == 400, "\(count.output)\(proxy.logged)")
        #expect(upstream.notes("answered").count == 400)
        #expect(upstream.connections >= 80)
        #expect(try isQuiet(proxy))
    }

    @Test(
        "POSTs that a GOAWAY leaves out are sent again without a retry filter",
        arguments: ["--h1", "--no-tls-proto=h2c"])
    func leftOut(version: String) throws {
        let upstream = try OddUpstream("goaway-once")
        let proxy = try proxy(upstream)
        try proxy.write("body", "body")
        // Three at once, of which it looks at one.
        let count = try LoadCount([
            "-n", "3", "-c", "3", "-d", proxy.directory.appendingPathComponent("body").path, version,
            "http://127.0.0.1:\(proxy.port)/x",
        ])
        #expect(count.good == 3, "\(count.output)")
        #expect(upstream.notes("request").count == 5 && upstream.notes("answered").count == 3)
        #expect(upstream.connections == 2)
        #expect(try isQuiet(proxy))
    }

    @Test("A stream that is refused is asked again, with the retry filter and without")
    func refused() throws {
        let upstream = try OddUpstream("refuse")
        let patient = try proxy(
            upstream,
            filters: "{ retry: { on: [refused-stream], attempts: 8, budget: off, backoff: { base: 1ms } } }, ",
            cluster: "    circuit_breaker: { max_retries: 1000 }")
        let count = try load(patient, 300)
        #expect(count.good == 300, "\(count.output)")
        #expect(upstream.notes("answered").count == 300 && upstream.notes("request").count >= 400)
        let plain = try proxy(upstream)
        let statuses = try (0..<6).map { _ in try Wire(.http1, .http2).get(plain, "/x").status }
        #expect(statuses == Array(repeating: 200, count: 6))
    }

    @Test("A response that is reset in its middle is not passed off as whole", arguments: [WireForm.http1, .http2])
    func cut(form: WireForm) throws {
        let upstream = try OddUpstream("cut")
        let proxy = try proxy(upstream)
        let wire = Wire(form, .http2)
        for _ in 0..<3 {
            let result = try Tool.run("curl", try wire.curl(proxy.port) + [wire.url(proxy.port, "/x")])
            // 18: a part of a file; 92: a stream error of HTTP/2; 56: the connection was reset.
            #expect([18, 92, 56].contains(result.code), "\(result)")
        }
        #expect(upstream.connections == 1)
        #expect(try isQuiet(proxy))
    }

    @Test("Windows that open by a few bytes", arguments: [WireForm.http1, .http2])
    func windows(form: WireForm) throws {
        let upstream = try OddUpstream("windows")
        let proxy = try proxy(upstream)
        let text = String(repeating: "x", count: 300_000)
        let answer = try Wire(form, .http2).get(
            proxy, "/x", ["-H", "expect:", "--data-binary", "@-"], input: text)
        #expect(answer.status == 200 && answer.body == "300000")
        #expect(try isQuiet(proxy))
    }

    @Test("As many streams at once as the endpoint takes, and further connections for the others")
    func streams() throws {
        let upstream = try OddUpstream("limit")
        let proxy = try proxy(upstream)
        let count = try load(proxy, 400)
        #expect(count.good == 400, "\(count.output)")
        let most = upstream.notes("open").compactMap(\.streams).max() ?? 0
        #expect(most == 4)
        #expect(upstream.connections > 4)
        // Our own limit, where it is lower.
        let lower = try self.proxy(upstream, cluster: "    http2: { max_concurrent_streams: 2 }")
        let before = upstream.notes.count
        #expect(try load(lower, 100).good == 100)
        #expect(upstream.notes.dropFirst(before).compactMap(\.streams).max() == 2)
    }

    @Test("An upload that is not read waits in the client, not in the proxy", arguments: ["deaf", "closed"])
    func uploads(mode: String) throws {
        let upstream = try OddUpstream(mode)
        let proxy = try proxy(upstream)
        let client = try TalkingTool(Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"])
        _ = try client.ask("resets 2 /warm")
        let memory = proxy.residentMemory
        let sent = Int(try client.ask("upload 52428800 /x")) ?? 0
        // The buffers on the way and those of the kernel.
        #expect(sent > 60_000 && sent < 16 << 20, "\(sent)")
        #expect(proxy.residentMemory < memory + 8192, "\(memory) KiB before, \(proxy.residentMemory) now")
        #expect(try client.ask("reset") == "reset")
        #expect(try isQuiet(proxy))
        if mode == "closed" { #expect(eventually { upstream.notes("reset").contains { $0.path == nil } }) }
    }

    @Test("Upstream is told of each request that its client gives up")
    func given() throws {
        let upstream = try OddUpstream("hang")
        let proxy = try proxy(upstream)
        let client = try TalkingTool(Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"])
        #expect(try client.ask("resets 40 /x") == "done")
        // Those that had begun there; the others never came.
        #expect(
            eventually {
                let (begun, ended) = (upstream.notes("request").count, upstream.notes("reset").count)
                return begun >= 20 && begun == ended
            })
        #expect(upstream.notes("reset").allSatisfy { $0.code == 8 })
        #expect(upstream.connections == 1)
        #expect(try isQuiet(proxy))
        #expect(
            try proxy.metric("martlet_endpoint_requests_active{cluster=\"up\",endpoint=\"127.0.0.1:\(upstream.port)\"}")
                == "0")
    }
}
