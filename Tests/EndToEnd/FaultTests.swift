import Foundation
import MartletCore
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("fault")
struct FaultTests {
    private func proxy(_ settings: String, listener: String = "", routes: String = "") throws -> (
        TestProxy, ScriptedUpstream
    ) {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: """
                \(listener)
                    filters: [{ fault: { \(settings) } }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        return (proxy, upstream)
    }

    private func metric(_ proxy: TestProxy, _ name: String) throws -> String? {
        try proxy.metric("martlet_fault_\(name){listener=\"public\"}")
    }

    @Test("Aborts: the status, the reason, the flag, the count; only requests with the headers; routes")
    func abort() throws {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-fault-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        let (proxy, upstream) = try proxy(
            "abort: { status: 418, percent: 100% }, headers: [{ name: x-test, exact: \"1\" }]",
            listener: "    access_log: { path: \(log.path), format: \"%RESPONSE_CODE% %RESPONSE_FLAGS%\" }",
            routes: """
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { fault: off } }
                      - { match: { path: { prefix: /own } }, cluster: up, filters: { fault: { abort: { status: 504, percent: 100% } } } }
                """)
        let answer = try proxy.get("/", headers: "X-Test: 1\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 418 ") && answer.contains("x-martlet-error: fault-abort\r\n"))
        #expect(try proxy.get("/").hasSuffix("ok"))
        #expect(try proxy.get("/off", headers: "X-Test: 1\r\n").hasSuffix("ok"))
        #expect(try proxy.get("/own").hasPrefix("HTTP/1.1 504 "))
        // Strangers have no say.
        #expect(try proxy.get("/", headers: "x-envoy-fault-abort-request: 500\r\n").hasSuffix("ok"))
        #expect(upstream.recorded.count == 3)
        #expect(try metric(proxy, "aborts_injected_total") == "2")
        #expect(eventually { ((try? String(contentsOf: log, encoding: .utf8)) ?? "").contains("418 FI\n") })
    }

    @Test("Delays hold one request and nothing else; then it goes on, or is aborted")
    func delay() throws {
        let (proxy, upstream) = try proxy(
            "delay: { duration: 1h, percent: 100% }, headers: [{ name: x-test }]",
            routes: """
                      - { match: { path: { prefix: /short } }, cluster: up, filters: { fault: { delay: { duration: 20ms, percent: 100% } } } }
                      - { match: { path: { prefix: /both } }, cluster: up, filters: { fault: { delay: { duration: 1ms, percent: 100% }, abort: { status: 503, percent: 100% } } } }
                """)
        let held = try proxy.connect()
        try held.send("GET /held HTTP/1.1\r\nHost: t\r\nX-Test: 1\r\nConnection: close\r\n\r\n")
        #expect(eventually { (try? metric(proxy, "active")) == "1" })
        #expect(try proxy.get("/").hasSuffix("ok"))
        #expect(try proxy.get("/short").hasSuffix("ok"))
        #expect(try proxy.get("/both").hasPrefix("HTTP/1.1 503 "))
        #expect(upstream.recorded.count == 2)
        #expect(try metric(proxy, "delays_injected_total") == "3")
        #expect(try metric(proxy, "active") == "1")
    }

    @Test("A client that goes ends its delay, and frees its place")
    func clientGoes() throws {
        let (proxy, upstream) = try proxy("delay: { duration: 1h, percent: 100% }, max_active: 1")
        let held = try proxy.connect()
        try held.send("GET /held HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(eventually { (try? metric(proxy, "active")) == "1" })
        #expect(try proxy.get("/").hasSuffix("ok"), "no place: not delayed")
        #expect(try metric(proxy, "overflow_total") == "1")
        held.reset()
        #expect(eventually { (try? metric(proxy, "active")) == "0" })
        let next = try proxy.connect()
        try next.send("GET /next HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(eventually { (try? metric(proxy, "active")) == "1" })
        #expect(upstream.recorded.count == 1)
        #expect(try metric(proxy, "delays_injected_total") == "2")
    }

    @Test("A slow response comes whole, is held by no buffer, and ends with its client")
    func responseRate() throws {
        let body = String(repeating: "y", count: 3000)
        let upstream = try ScriptedUpstream.answering { request in
            request.contains("/small")
                ? "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + body
                : "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + String(repeating: body, count: 1000)
        }
        let proxy = try TestProxy(
            listener: """
                    filters: [{ fault: { response_rate: { rate: 1KiB, percent: 100% }, max_active: 1 } }, router]
                    routes:
                      - { match: { path: { prefix: /small } }, cluster: up, filters: { fault: { response_rate: { rate: 100KiB, percent: 100% } } } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        #expect(try proxy.get("/small").hasSuffix("\r\n\r\n" + body))
        #expect(try metric(proxy, "responses_slowed_total") == "1")
        #expect(try metric(proxy, "active") == "0")
        let slow = try proxy.connect()
        try slow.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(slow.receive { $0.text.contains("\r\n\r\n") }, "the head is not slowed")
        #expect(try metric(proxy, "active") == "1")
        #expect(try proxy.get("/").count > 3_000_000, "no place: as fast as ever")
        #expect(try metric(proxy, "overflow_total") == "1")
        slow.reset()
        #expect(eventually { (try? metric(proxy, "active")) == "0" })
    }

    @Test("A request may ask for its fault where that is switched on, within bounds")
    func headers() throws {
        let (proxy, upstream) = try proxy(
            "from_headers: true, delay: { percent: 100% }, abort: { percent: 100% }, max_header_delay: 5ms",
            listener: "    use_remote_address: false")
        func get(_ headers: String) throws -> String { try proxy.get("/", headers: headers) }
        #expect(try get("").hasSuffix("ok"))
        #expect(try get("x-envoy-fault-abort-request: 429\r\n").hasPrefix("HTTP/1.1 429 "))
        for value in ["99", "600", "abc", "", "-1", "99999999999999999999999"] {
            #expect(try get("x-envoy-fault-abort-request: \(value)\r\n").hasSuffix("ok"), "\(value)")
        }
        for percent in ["0", "101", "x"] {
            #expect(
                try get("x-envoy-fault-abort-request: 500\r\nx-envoy-fault-abort-request-percentage: \(percent)\r\n")
                    .hasSuffix("ok"), "\(percent)")
        }
        // Two hours are cut to what is allowed, or this would not end.
        #expect(try get("x-envoy-fault-delay-request: 7200000\r\n").hasSuffix("ok"))
        #expect(try get("x-envoy-fault-delay-request: 18446744073709551615\r\n").hasSuffix("ok"))
        #expect(try metric(proxy, "delays_injected_total") == "2")
        #expect(upstream.recorded.count == 12)
    }
}
