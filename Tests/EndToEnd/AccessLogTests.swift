import Foundation
import MartletCore
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("What the access log says is so")
struct AccessLogTests {
    private func proxy(
        _ format: String, listener: String = TestProxy.forwarding, rest: String,
        files: [String: String] = [:]
    ) throws -> TestProxy {
        try TestProxy(
            listener: "    access_log: { path: access.log, format: '\(format)' }\n" + listener, rest: rest,
            files: files)
    }

    /// The log's lines, once there are `count`.
    private func lines(_ proxy: TestProxy, _ count: Int = 1, _ name: String = "access.log") -> [String] {
        let path = proxy.directory.appendingPathComponent(name).path
        var text = ""
        _ = eventually {
            text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return text.filter { $0 == "\n" }.count >= count
        }
        return text.split(separator: "\n").map(String.init)
    }

    private func pass(_ span: Nanoseconds) {
        let start = Instant.now()
        #expect(eventually { Instant.now() - start >= span })
    }

    @Test("Durations run from the request's start, each to its own end")
    func durations() throws {
        let step = Nanoseconds.milliseconds(30)
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        // The policy wants all of the body, so that upstream is dialled long after the request's start.
        let proxy = try proxy(
            "%REQUEST_DURATION% %RESPONSE_DURATION% %DURATION%",
            listener: TestProxy.forwarding.replacingOccurrences(of: "[router]", with: "[lua: { policy: p }, router]"),
            rest: TestProxy.cluster(upstream.port) + "\npolicies: [{ name: p, file: p.lua }]",
            files: ["p.lua": "function on_request(h) h:body() end"])
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab")
        #expect(try eventually { try proxy.metric("martlet_requests_active{listener=\"public\"}") == "1" })
        pass(step)
        try client.send("cd")
        #expect(eventually { upstream.recorded.count == 1 })
        pass(step)
        release.signal()
        #expect(client.receive { $0.text.hasSuffix("ok") })
        let spans = try #require(lines(proxy).first).split(separator: " ").compactMap { UInt64($0) }
        try #require(spans.count == 3)
        #expect(spans[0] >= 30)
        // Each is cut to whole milliseconds.
        #expect(spans[1] >= spans[0] + 29)
        #expect(spans[2] >= spans[1])
    }

    @Test("A request that never ends and one that upstream never answers have no such durations")
    func noDurations() throws {
        let proxy = try proxy(
            "%REQUEST_DURATION% %RESPONSE_DURATION%",
            listener: "    filters: [router]\n    routes: [{ match: {}, respond: { status: 200 } }]", rest: "")
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab")
        #expect(client.receive { $0.text.contains("\r\n\r\n") })
        #expect(lines(proxy) == ["- -"])
    }

    @Test("An upstream failure has a reason; a refusal of the proxy's own is none")
    func failureReason() throws {
        let proxy = try proxy(
            "%UPSTREAM_TRANSPORT_FAILURE_REASON% %RESPONSE_CODE_DETAILS%",
            listener: """
                    filters: [router]
                    routes: [{ match: { path: { exact: /up } }, cluster: up }]
                """, rest: TestProxy.cluster(try TCPListener.freePort()))
        _ = try proxy.get("/nowhere")
        _ = try proxy.get("/up")
        #expect(lines(proxy, 2) == ["- no-route", "upstream-connect-failure upstream-connect-failure"])
    }

    @Test("Behind a wildcard the address is the one that the client reached", arguments: ["0.0.0.0", "127.0.0.1"])
    func localAddress(ip: String) throws {
        let port = try TCPListener.freePort()
        let proxy = try proxy(
            "%DOWNSTREAM_LOCAL_ADDRESS%",
            listener: """
                    filters: [router]
                    routes: [{ match: {}, respond: { status: 200 } }]
                  - name: other
                    address: \(ip):\(port)
                    access_log: { path: other.log, format: '%DOWNSTREAM_LOCAL_ADDRESS%' }
                    filters: [router]
                    routes: [{ match: {}, respond: { status: 200 } }]
                """, rest: "")
        let client = try TCPSocket(port: port)
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(lines(proxy, 1, "other.log") == ["127.0.0.1:\(port)"])
    }

    @Test(
        "A refused request has its client",
        arguments: [
            "BROKEN\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        ])
    func refused(request: String) throws {
        let proxy = try proxy(
            "%RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", rest: TestProxy.cluster(1))
        _ = try proxy.exchange(request)
        #expect(lines(proxy).map { $0.dropFirst(4) } == ["127.0.0.1"])
    }

    @Test("Bytes that no client is sent are not counted as sent", arguments: [("HEAD", "0"), ("GET", "5")])
    func bytesSent(method: String, sent: String) throws {
        let proxy = try proxy(
            "%BYTES_SENT%",
            listener: "    filters: [router]\n    routes: [{ match: {}, respond: { status: 200, body: hello } }]",
            rest: "")
        _ = try proxy.exchange("\(method) / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(lines(proxy) == [sent])
    }

    @Test(
        "A limit cuts no character and no escape in two",
        arguments: [
            ("aéé", "aé"), ("ab€", "ab"), ("a😀", "a"), ("😀a", "😀"), ("€€", "€"), ("abcde", "abcd"), ("abcd", "abcd"),
            ("a\tb", "a"), ("aaaé", "aaa"),
        ])
    func limit(value: String, logged: String) throws {
        let proxy = try proxy(
            "%REQ(X):4%|",
            listener: "    filters: [router]\n    routes: [{ match: {}, respond: { status: 200 } }]", rest: "")
        _ = try proxy.get("/", headers: "X: \(value)\r\n")
        #expect(lines(proxy) == [logged + "|"])
    }
}
