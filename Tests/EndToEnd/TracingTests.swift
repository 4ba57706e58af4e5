import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let trace = "0af7651916cd43dd8448eb211c80319c"
private let span = "b7ad6b7169203331"

@Suite("Traces")
struct TracingTests {
    private func proxy(
        _ tracing: String, collector: UInt16? = nil, listener: String = "", routes: String = "",
        upstream: ScriptedUpstream, rest: String = ""
    ) throws -> TestProxy {
        let otlp = collector.map { _ in "otlp: { cluster: otel, interval: 20ms }, service_name: shop, " } ?? ""
        return try TestProxy(
            listener: """
                \(listener)
                    filters: [{ tracing: { \(otlp)\(tracing) } }, router]
                    routes:
                \(routes)
                      - { name: main, match: {}, cluster: up }
                """,
            rest: """
                \(rest)
                clusters:
                  - { name: up, endpoints: ["127.0.0.1:\(upstream.port)"] }
                  - { name: otel, endpoints: ["127.0.0.1:\(collector ?? 1)"] }
                """, companions: [upstream])
    }

    private func field(_ name: String, _ request: String) -> String? {
        request.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix(name + ": ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    @Test(
        "A request in a trace: a span of the server below its parent, one of the client below that, upstream below both"
    )
    func spans() throws {
        let collector = try Collector()
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy(
            "tags: { shop.user: '%REQ(x-user)%', shop.none: '%REQ(x-none)%' }", collector: collector.port,
            listener: "    access_log: { path: a.log, format: '%TRACE_ID% %SPAN_ID%' }", upstream: upstream)
        _ = try proxy.exchange(
            "POST /buy?card=1 HTTP/1.1\r\nHost: shop.example:8080\r\nConnection: close\r\nUser-Agent: t\"est\u{FF}\r\n"
                + "traceparent: 00-\(trace)-\(span)-01\r\ntracestate: a=1,b=2\r\nX-User: ann\r\nContent-Length: 2\r\n\r\nhi"
        )
        let spans = collector.spans(2)
        #expect(collector.complaints == [])
        let server = try #require(spans.first { $0.kind == 2 })
        let client = try #require(spans.first { $0.kind == 3 })
        #expect(server["traceId"] == trace && server["parentSpanId"] == span && server["traceState"] == "a=1,b=2")
        #expect(client["traceId"] == trace && client["parentSpanId"] == server["spanId"])
        let request = try #require(upstream.recorded.first)
        #expect(field("traceparent", request) == "00-\(trace)-\(client["spanId"] ?? "")-01")
        #expect(field("tracestate", request) == "a=1,b=2")
        #expect(server["name"] == "POST main" && server.service == "shop")
        for (key, value) in [
            "http.request.method": "POST", "url.path": "/buy", "url.scheme": "http", "server.address": "shop.example",
            "server.port": "8080", "client.address": "127.0.0.1", "user_agent.original": "t\"est\u{FF}",
            "http.response.status_code": "200", "http.request.body.size": "2", "http.response.body.size": "2",
            "shop.user": "ann", "martlet.cluster": "up", "martlet.route": "main", "martlet.listener": "public",
        ] { #expect(server.attributes[key] == value, "\(key)") }
        #expect(server.attributes["shop.none"] == nil && server.fields["status"] == nil)
        #expect(client.attributes["server.port"] == "\(upstream.port)")
        let log = proxy.directory.appendingPathComponent("a.log").path
        #expect(
            eventually {
                ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "") == "\(trace) \(server["spanId"] ?? "")\n"
            })
        #expect(
            try eventually {
                try proxy.metric("martlet_tracing_spans_exported_total{listener=\"public\"}") == "2"
            })
    }

    @Test("A trace that begins here, and failures")
    func roots() throws {
        let collector = try Collector()
        let upstream = try ScriptedUpstream.answering(ok.replacingOccurrences(of: "200 OK", with: "503 No"))
        let proxy = try proxy("name: '%REQ(x-op)%'", collector: collector.port, upstream: upstream)
        _ = try proxy.get(
            "/a", headers: "X-Op: buy\r\ntraceparent: 00-\(trace)-0000000000000000-01\r\ntracestate: x=1\r\n")
        _ = try proxy.exchange("BREW /pot HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let spans = collector.spans(4)
        #expect(collector.complaints == [])
        let server = try #require(spans.first { $0.kind == 2 && $0["name"] == "buy" })
        #expect(server["traceId"] != trace && server["parentSpanId"] == nil && server["traceState"] == nil)
        #expect(
            server.attributes["error.type"] == "503"
                && (server.fields["status"] as? [String: Any])?["code"] as? Int == 2)
        let odd = try #require(spans.first { $0.kind == 2 && $0["name"] != "buy" })
        #expect(odd["name"] == "HTTP main" && odd.attributes["http.request.method"] == "_OTHER")
        #expect(odd.attributes["http.request.method_original"] == "BREW")
        #expect(odd["traceId"] != server["traceId"])
        #expect(try field("tracestate", #require(upstream.recorded.first)) == nil)
    }

    @Test(
        "Who is recorded: the parent's word, the share, the header; what a stranger says when he is not trusted",
        arguments: [
            ("", "traceparent: 00-\(trace)-\(span)-01\r\n", true, true),
            ("", "traceparent: 00-\(trace)-\(span)-00\r\n", true, false),
            ("", "", false, true), ("sampling: 0%", "", false, false),
            ("sampling: 0%", "traceparent: 00-\(trace)-\(span)-01\r\n", true, true),
            ("sampling: 0%, trust_incoming: false", "traceparent: 00-\(trace)-\(span)-01\r\n", false, false),
            ("sampling: 0%, force_header: x-force", "X-Force: 1\r\n", false, true),
            ("sampling: 0%, force_header: { name: x-force, value: please }", "X-Force: 1\r\n", false, false),
            ("sampling: 0%", "X-Envoy-Force-Trace: 1\r\n", false, false),
            ("sampling: 0%, propagation: [b3, tracecontext]", "b3: \(trace)-\(span)-1\r\n", true, true),
            ("propagation: [b3]", "b3: 0\r\n", false, false), ("propagation: [b3]", "b3: d\r\n", false, true),
            (
                "sampling: 0%, propagation: [b3multi]",
                "X-B3-TraceId: \(trace)\r\nX-B3-SpanId: \(span)\r\nX-B3-Flags: 1\r\n", true, true
            ),
        ])
    func sampling(config: String, headers: String, continues: Bool, isSampled: Bool) throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy(config, upstream: upstream)
        _ = try proxy.get("/", headers: headers)
        let sent = try #require(upstream.recorded.first)
        let told = try #require(
            field("traceparent", sent) ?? field("b3", sent)
                ?? field("x-b3-traceid", sent).map { "\($0)-\(field("x-b3-flags", sent) ?? "0")" })
        #expect(told.contains(trace) == continues, "\(sent)")
        #expect(!told.contains(span))
        #expect(
            try proxy.metric("martlet_tracing_requests_total{listener=\"public\",sampled=\"\(isSampled)\"}") == "1")
        if let parent = field("traceparent", sent) { #expect(parent.hasSuffix(isSampled ? "-01" : "-00")) }
        if config.contains("trust_incoming: false") { #expect(!sent.contains(trace)) }
    }

    @Test("From a trusted proxy x-envoy-force-trace counts; a route says its own share, or off")
    func routes() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy(
            "sampling: 0%", listener: "    xff_num_trusted_hops: 1",
            routes: """
                      - { match: { path: { prefix: /all } }, cluster: up, filters: { tracing: { sampling: 100% } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { tracing: off } }
                """, upstream: upstream)
        _ = try proxy.get("/", headers: "X-Envoy-Force-Trace: 1\r\n")
        _ = try proxy.get("/all")
        _ = try proxy.get("/off", headers: "traceparent: as it was\r\n")
        _ = try proxy.get("/")
        let told = upstream.recorded.map { field("traceparent", $0) }
        #expect(told[0]?.hasSuffix("-01") == true && told[1]?.hasSuffix("-01") == true)
        #expect(told[2] == "as it was" && told[3]?.hasSuffix("-00") == true)
    }

    @Test(
        "A collector that does not answer costs spans, which are counted, and no request; retry-after is honoured once")
    func pressure() throws {
        let release = DispatchSemaphore(value: 0)
        let answers = Locked(["HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"])
        let collector = try ScriptedUpstream.answering { _ in
            release.wait()
            release.signal()
            let partial = "{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}"
            return answers.withLock { $0.popLast() }
                ?? "HTTP/1.1 200 OK\r\nContent-Length: \(partial.utf8.count)\r\n\r\n\(partial)"
        }
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: """
                    filters: [{ tracing: { otlp: { cluster: otel, batch: 4, max_queue: 8, interval: 10ms }, upstream_span: false } }, router]
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: """
                clusters:
                  - { name: up, endpoints: ["127.0.0.1:\(upstream.port)"] }
                  - { name: otel, endpoints: ["127.0.0.1:\(collector.port)"] }
                """, companions: [collector])
        for _ in 0..<20 { #expect(try proxy.get("/").hasPrefix("HTTP/1.1 200 ")) }
        func count(_ series: String) throws -> Int {
            Int(try proxy.metric("martlet_tracing_spans_\(series)") ?? "") ?? -1
        }
        let full = "dropped_total{listener=\"public\",reason=\"queue-full\"}"
        let refused = "dropped_total{listener=\"public\",reason=\"refused\"}"
        let exported = "exported_total{listener=\"public\"}"
        let dropped = try count(full)
        #expect((12...14).contains(dropped))
        release.signal()
        #expect(try eventually { try count(exported) + count(refused) + dropped == 20 })
        let batches = collector.recorded
        // The first came twice: refused, then taken.
        #expect(batches.count >= 2 && batches[0] == batches[1])
        // Of each batch that was taken, the collector would not have one span.
        #expect(try count(refused) == batches.count - 1)
    }

    @Test("What a proxy that drains still holds goes to the collector first")
    func drain() throws {
        let collector = try Collector()
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            workers: 2,
            listener: """
                    filters: [{ tracing: { otlp: { cluster: otel, interval: 5m } } }, router]
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: """
                clusters:
                  - { name: up, endpoints: ["127.0.0.1:\(upstream.port)"] }
                  - { name: otel, endpoints: ["127.0.0.1:\(collector.port)"] }
                """)
        for _ in 0..<5 { _ = try proxy.get("/") }
        proxy.signal(SIGTERM)
        #expect(proxy.exitCode() == 0)
        #expect(collector.spans(10).count == 10)
        #expect(collector.complaints == [])
    }

    @Test("A drain does not wait for a collector that is gone")
    func drainWithout() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy("", collector: try TCPListener.freePort(), upstream: upstream)
        _ = try proxy.get("/")
        let start = Instant.now()
        proxy.signal(SIGTERM)
        #expect(proxy.exitCode() == 0)
        // The deadline, which nothing here may need, is 30 seconds.
        #expect(Instant.now() - start < .seconds(25))
    }

    @Test("Spans go on over a reload that takes their filter away")
    func reload() throws {
        let collector = try Collector()
        let upstream = try ScriptedUpstream.answering(ok)
        let clusters = """
            clusters:
              - { name: up, endpoints: ["127.0.0.1:\(upstream.port)"] }
              - { name: otel, endpoints: ["127.0.0.1:\(collector.port)"] }
            """
        let proxy = try TestProxy(
            listener: """
                    filters: [{ tracing: { otlp: { cluster: otel, interval: 500ms } } }, router]
                    routes: [{ match: {}, cluster: up }]
                """, rest: clusters)
        _ = try proxy.get("/")
        try proxy.configure(listener: TestProxy.forwarding, rest: clusters)
        #expect(try eventually { try proxy.metric("martlet_config_version") == "2" })
        #expect(collector.spans(2).count == 2)
    }

    @Test("Exemplars: for who asks for OpenMetrics, where the configuration has them", arguments: [true, false])
    func exemplars(isOn: Bool) throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy("", upstream: upstream, rest: "metrics: { exemplars: \(isOn) }")
        _ = try proxy.get("/", headers: "traceparent: 00-\(trace)-\(span)-01\r\n")
        let client = try TCPSocket(port: proxy.adminPort)
        try client.send(
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n"
        )
        client.receiveToEnd()
        #expect(client.text.contains("application/openmetrics-text; version=1.0.0; charset=utf-8") == isOn)
        #expect(client.text.hasSuffix("# EOF\n") == isOn)
        let marked = client.text.split(separator: "\n").filter { $0.contains(" # {trace_id=\"\(trace)\"} ") }
        #expect(marked.count == (isOn ? 1 : 0))
        #expect(marked.allSatisfy { $0.hasPrefix("martlet_request_duration_seconds_bucket{") })
        #expect(client.text.contains("# TYPE martlet_requests\(isOn ? "" : "_total") counter\n"))
        #expect(!(try proxy.admin("/metrics")).contains("trace_id"))
    }
}
