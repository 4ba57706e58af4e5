import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// A client made of frames (Peers/h2_client.py), and one that keeps its connections (Peers/kept_connections.py).
@Suite("HTTP/2 clients that ask for too much, do not read, reset, or flood")
struct HTTP2ClientTests {
    private func proxy(
        _ origin: Origin, _ form: WireForm = .http1, limits: String = "", rest: String = ""
    ) throws -> TestProxy {
        try origin.proxy(
            Wire(.http2, form),
            listener: """
                    limits: { stream_buffer: 64KiB\(limits) }
                    filters: [router]
                    routes:
                      - { match: { path: { exact: /hang } }, cluster: hang, timeout: 0 }
                      - { match: {}, cluster: up, timeout: 0 }
                """,
            rest: "  - { name: hang, endpoints: [\"127.0.0.1:\(silent.port)\"] }\n" + rest)
    }

    /// Takes requests and says nothing.
    private let silent: ScriptedUpstream

    init() throws {
        silent = try ScriptedUpstream { _, connection in
            while case .bytes = connection.receive() { connection.forget() }
        }
    }

    private func client(_ proxy: TestProxy) throws -> TalkingTool {
        try TalkingTool(Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"])
    }

    private func isQuiet(_ proxy: TestProxy) throws -> Bool {
        try eventually {
            try ["up", "hang"].allSatisfy {
                try proxy.metric("martlet_cluster_requests_active{cluster=\"\($0)\"}") == "0"
            }
        }
    }

    @Test(
        "Streams beyond the limit are refused, whether the client could know or not", arguments: ["many", "many-late"])
    func limit(command: String) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, limits: ", max_concurrent_streams: 2")
        let client = try client(proxy)
        // REFUSED_STREAM (RFC 9113 section 5.1.2).
        #expect(try client.ask("\(command) 5") == "refused 7 7 7")
        #expect(try client.ask("\(command) 2") == "refused")
    }

    @Test("A response that is not read waits upstream, not in the proxy", arguments: [WireForm.http1, .http2])
    func unread(form: WireForm) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, form)
        let client = try client(proxy)
        _ = try client.ask("resets 2 /seen")
        let memory = proxy.residentMemory
        // The window that every stream begins with.
        #expect(try client.ask("unread-window /bytes/52428800") == "65535")
        #expect(proxy.residentMemory < memory + 8192, "\(memory) KiB before, \(proxy.residentMemory) now")
        #expect(try client.ask("reset") == "reset")
        #expect(try isQuiet(proxy))
        #expect(try client.ask("unread-socket /bytes/52428800") == "waiting")
        #expect(proxy.residentMemory < memory + 8192, "\(memory) KiB before, \(proxy.residentMemory) now")
        #expect(try client.ask("drain") == "200 52428800")
        #expect(try isQuiet(proxy))
    }

    @Test("Requests that are given up leave nothing behind", arguments: [WireForm.http1, .http2])
    func resets(form: WireForm) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, form)
        let client = try client(proxy)
        for path in ["/seen", "/bytes/1048576", "/hang", "/unsized/1048576"] {
            #expect(try client.ask("resets 50 \(path)") == "done")
            #expect(try isQuiet(proxy), "\(path)")
        }
        #expect(try Wire(.http2, form).get(proxy, "/seen").status == 200)
        #expect(
            try proxy.metric("martlet_http2_frames_total{listener=\"public\",kind=\"reset_received\"}") != nil)
    }

    @Test(
        "A drain: GOAWAY, streams under way are served, then the process ends", arguments: [WireForm.http2, .http2TLS])
    func drain(form: WireForm) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(Wire(form, .http2))
        let tls = form.isTLS ? [try Wire.authority(), Wire.name] : []
        let client = try TalkingTool(
            Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"] + tls)
        #expect(try client.ask("open /echo") == "1" && client.ask("open /echo") == "3")
        #expect(
            try eventually { try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "2" })
        proxy.signal(SIGTERM)
        // The notice first, then the last stream that counts.
        #expect(try eventually { try client.ask("told") == "goaway 3 0" })
        #expect(try client.ask("end 1") == "200 late")
        #expect(proxy.isRunning)
        #expect(try client.ask("end 3") == "200 late")
        #expect(proxy.exitCode() == 0)
    }

    @Test("A request that crosses the notice of a drain is served", arguments: [WireForm.http2, .http2TLS])
    func crossesTheNotice(form: WireForm) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(Wire(form, .http1))
        let tls = form.isTLS ? [try Wire.authority(), Wire.name] : []
        let client = try TalkingTool(
            Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"] + tls)
        #expect(try client.ask("open /echo") == "1")
        let active = "martlet_cluster_requests_active{cluster=\"up\"}"
        #expect(try eventually { try proxy.metric(active) == "1" })
        proxy.signal(SIGTERM)
        #expect(eventually { (try? proxy.admin("/ready").hasPrefix("HTTP/1.1 503 ")) ?? false })
        // The client has not read what has been sent to it since, and begins another.
        let second = try client.ask("open /echo")
        #expect(second == "3")
        var told = ""
        #expect(
            try eventually {
                told = try client.ask("told")
                return told == "goaway 3 0" || told == "goaway 1 0"
            }, "\(told)")
        #expect(try client.ask("end 1") == "200 late")
        // On a machine that stood still for the second between notice and end it may be made again elsewhere, and nobody saw it.
        if told == "goaway 3 0" { #expect(try client.ask("end 3") == "200 late") }
        #expect(proxy.exitCode() == 0)
    }

    @Test("A head that does not end, and a connection without requests, end by their time")
    func time() throws {
        let origin = try Origin()
        let proxy = try proxy(origin, limits: ", request_headers_timeout: 200ms, idle_timeout: 300ms")
        let client = try client(proxy)
        for command in ["half-head", "slow-head"] { #expect(try client.ask(command) == "11", "\(command)") }
        for command in ["idle", "idle-after /seen"] { #expect(try client.ask(command) == "0", "\(command)") }
        #expect(try proxy.metric("martlet_downstream_connections_active{listener=\"public\"}") == "0")
    }

    @Test("A client that does not read its socket is let go of")
    func unreadSocket() throws {
        let origin = try Origin()
        let proxy = try proxy(origin, limits: ", stream_idle_timeout: 300ms")
        let client = try client(proxy)
        #expect(try client.ask("unread-socket /bytes/52428800") == "waiting")
        #expect(
            try eventually { try proxy.metric("martlet_downstream_connections_active{listener=\"public\"}") == "0" })
        #expect(try isQuiet(proxy))
    }

    @Test("A HEAD that is refused is answered without a body, a GET with one")
    func refusedHead() throws {
        let origin = try Origin()
        let wire = Wire(.http2, .http1)
        let proxy = try origin.proxy(
            wire,
            listener: """
                    limits: { request_headers: 1KiB }
                    filters: [router]
                    routes: [{ match: {}, cluster: up }]
                """)
        let fields = [["x-large", String(repeating: "x", count: 1200)]]
        let (head, get) = (
            try wire.send(proxy, "HEAD", "/", fields: fields), try wire.send(proxy, "GET", "/", fields: fields)
        )
        #expect(head.status == 431 && head.body.isEmpty, "\(head)")
        #expect(get.status == 431 && !get.body.isEmpty, "\(get)")
    }

    @Test("Floods end with GOAWAY, and are counted by what they were")
    func floods() throws {
        let origin = try Origin()
        let proxy = try proxy(origin)
        let client = try client(proxy)
        let table = [
            ("ping", "ping_flood"), ("settings", "settings_flood"), ("priority", "priority_flood"),
            ("window-update", "window_update_flood"), ("unknown", "unknown_frame_flood"),
            ("empty-data", "empty_data_flood"), ("continuation", "continuation_flood"), ("reset", "rapid_reset"),
            ("provoked", "provoked_resets"), ("refused", "refused_stream_flood"),
        ]
        for (kind, fault) in table {
            // ENHANCE_YOUR_CALM.
            #expect(try client.ask("flood \(kind)") == "11", "\(kind)")
            let series = "martlet_http2_connections_failed_total{listener=\"public\",fault=\"\(fault)\"}"
            #expect(try eventually { try proxy.metric(series) == "1" }, "\(kind)")
        }
        #expect(try Wire(.http2, .http1).get(proxy, "/seen").status == 200)
        #expect(try isQuiet(proxy))
    }

    @Test(
        "Windows that stay shut end their streams, and too many of them the connection",
        arguments: ["/bytes/100", "/bytes/1048576"])
    func shutWindows(path: String) throws {
        let origin = try Origin()
        let proxy = try proxy(
            origin,
            limits: ", stream_idle_timeout: 200ms, http2: { floods: { provoked_resets: { burst: 4, per_second: 1 } } }")
        let client = try client(proxy)
        #expect(try client.ask("stalled 3 \(path)") == "3 None")
        #expect(try isQuiet(proxy))
        // ENHANCE_YOUR_CALM.
        #expect(try client.ask("stalled 30 \(path)").hasSuffix(" 11"))
        #expect(try isQuiet(proxy))
        let series = "martlet_http2_connections_failed_total{listener=\"public\",fault=\"provoked_resets\"}"
        #expect(try eventually { try proxy.metric(series) == "1" })
        #expect(try Wire(.http2, .http1).get(proxy, "/seen").status == 200)
    }

    @Test("Rapid reset at full speed: others are served, memory stays")
    func rapidReset() throws {
        let origin = try Origin()
        let proxy = try proxy(origin)
        let client = try client(proxy)
        #expect(try client.ask("rapid 0.5").contains("\"11\""))
        let memory = proxy.residentMemory
        client.say("rapid 3")
        let wire = Wire(.http2, .http1)
        var isOver = false
        let answer = Locked("")
        Thread.detachNewThread {
            let line = client.answer()
            answer.withLock { $0 = line }
        }
        while !isOver {
            #expect(try wire.get(proxy, "/seen").status == 200)
            isOver = answer.withLock { !$0.isEmpty }
        }
        let told = try JSONDecoder().decode(Rapid.self, from: Data(answer.withLock { $0 }.utf8))
        #expect(told.connections > 3 && told.streams > 1000)
        // All connections that were given up were told why, as far as the client still read.
        #expect(Set(told.codes.keys).isSubset(of: ["11", "None"]) && told.codes["11"] ?? 0 > 0, "\(told)")
        #expect(proxy.residentMemory < memory + 16_384, "\(memory) KiB before, \(proxy.residentMemory) now")
        let failed = try proxy.metric(
            "martlet_http2_connections_failed_total{listener=\"public\",fault=\"rapid_reset\"}")
        #expect((failed.flatMap { Int($0) } ?? 0) >= told.connections - 1)
        #expect(try isQuiet(proxy))
    }

    private struct Rapid: Decodable {
        let streams: Int
        let connections: Int
        let codes: [String: Int]
    }
}
