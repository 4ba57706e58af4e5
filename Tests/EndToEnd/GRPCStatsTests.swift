import Foundation
import MartletTesting
import Testing

@Suite("What is counted and traced of gRPC calls")
struct GRPCStatsTests {
    private static func upstream() throws -> ScriptedUpstream {
        try ScriptedUpstream.answering { request in
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n"
            if request.contains("/unknown") { return head + "grpc-status: 12\r\nContent-Length: 0\r\n\r\n" }
            if request.contains("/fail") { return head + "grpc-status: 14\r\nContent-Length: 0\r\n\r\n" }
            // Two messages, cut in the middle of the second's prefix.
            return head + "Transfer-Encoding: chunked\r\n\r\n7\r\n\0\0\0\0\0\0\0\r\n4\r\n\0\0\u{1}x\r\n"
                + "0\r\ngrpc-status: 0\r\n\r\n"
        }
    }

    private static func call(_ test: TestProxy, _ path: String, type: String = "application/grpc") throws -> String {
        try test.exchange(
            "POST \(path) HTTP/1.1\r\nHost: test\r\nContent-Type: \(type)\r\nConnection: close\r\n"
                + "Content-Length: 10\r\n\r\n\0\0\0\0\0\0\0\0\0\0")
    }

    private static func series(_ name: String, _ service: String, _ method: String, _ status: String? = nil) -> String {
        "martlet_grpc_\(name){listener=\"public\",service=\"\(service)\",method=\"\(method)\""
            + (status.map { ",grpc_status=\"\($0)\"" } ?? "") + "}"
    }

    @Test("Calls by method and status, their messages, and a bound on the names of methods")
    func counts() throws {
        let up = try Self.upstream()
        let test = try TestProxy(
            listener: """
                    filters: [{ grpc_stats: { max_methods: 2 } }, grpc_web, router]
                    routes:
                      - { match: { path: { prefix: /a.A/ } }, cluster: up }
                      - { match: { path: { prefix: /b.B/ } }, cluster: up }
                """, rest: TestProxy.cluster(up.port), companions: [up])
        for index in 0..<5 { _ = try Self.call(test, "/x/\(index)") }
        for index in 0..<5 { _ = try Self.call(test, "/b.B/unknown\(index)") }
        for _ in 0..<3 { _ = try Self.call(test, "/a.A/m") }
        _ = try Self.call(test, "/b.B/fail")
        for _ in 0..<2 { _ = try Self.call(test, "/b.B/third") }
        _ = try Self.call(test, "/a.A/m", type: "application/grpc-web+proto")
        _ = try test.get("/a.A/m")
        #expect(try test.metric(Self.series("requests_total", "a.A", "m", "OK")) == "4")
        #expect(try test.metric(Self.series("requests_total", "b.B", "fail", "UNAVAILABLE")) == "1")
        #expect(try test.metric(Self.series("requests_total", "other", "other", "UNIMPLEMENTED")) == "10")
        #expect(try test.metric(Self.series("requests_total", "other", "other", "OK")) == "2")
        #expect(try test.metric(Self.series("request_messages_total", "a.A", "m")) == "8")
        #expect(try test.metric(Self.series("response_messages_total", "a.A", "m")) == "8")
        #expect(try test.metric(Self.series("request_duration_seconds_count", "a.A", "m")) == "4")
    }

    @Test("Listed methods alone are named")
    func listed() throws {
        let up = try Self.upstream()
        let test = try TestProxy(
            listener: """
                    filters: [{ grpc_stats: { methods: [a.A/m], messages: false } }, router]
                    routes: [{ match: {}, cluster: up }]
                """, rest: TestProxy.cluster(up.port), companions: [up])
        for path in ["/a.A/m", "/a.A/n"] { _ = try Self.call(test, path) }
        #expect(try test.metric(Self.series("requests_total", "a.A", "m", "OK")) == "1")
        #expect(try test.metric(Self.series("requests_total", "other", "other", "OK")) == "1")
        #expect(try test.metric(Self.series("response_messages_total", "a.A", "m")) == "0")
    }

    @Test("A span says which method was called and how that ended")
    func spans() throws {
        let collector = try Collector()
        let up = try Self.upstream()
        let test = try TestProxy(
            listener: """
                    filters: [{ tracing: { otlp: { cluster: otel, interval: 20ms } } }, router]
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: """
                clusters:
                  - { name: up, endpoints: ["127.0.0.1:\(up.port)"] }
                  - { name: otel, endpoints: ["127.0.0.1:\(collector.port)"] }
                """, companions: [up])
        _ = try Self.call(test, "/a.A/fail")
        let spans = collector.spans(2)
        #expect(collector.complaints == [])
        #expect(spans.count == 2)
        for span in spans {
            #expect(span.attributes["rpc.system"] == "grpc" && span.attributes["rpc.service"] == "a.A")
            #expect(span.attributes["rpc.method"] == "fail" && span.attributes["rpc.grpc.status_code"] == "14")
            #expect((span.fields["status"] as? [String: Any])?["code"] as? Int == 2)
        }
    }
}
