import Foundation
import MartletTesting
import Testing

/// What an endpoint may not do to the proxy, and how the proxy finds out that one is gone.
@Suite("HTTP/2 upstreams that flood, or have nothing more to say")
struct UpstreamLivenessTests {
    private func proxy(_ upstream: OddUpstream, _ cluster: String = "") throws -> TestProxy {
        try TestProxy(
            listener: """
                    filters: [router]
                    routes: [{ match: {}, cluster: up, timeout: 0 }]
                """, rest: TestProxy.cluster(upstream.port, "    protocol: http2\n" + cluster))
    }

    private static func series(_ fault: String) -> String {
        "martlet_upstream_http2_connections_failed_total{cluster=\"up\",fault=\"\(fault)\"}"
    }

    @Test("Floods end the connection with 502, and are counted by what they were")
    func floods() throws {
        let upstream = try OddUpstream(nil)
        let proxy = try proxy(upstream)
        let wire = Wire(.http2, .http2)
        let table = [
            ("ping", "ping_flood"), ("settings", "settings_flood"), ("priority", "priority_flood"),
            ("window-update", "window_update_flood"), ("unknown", "unknown_frame_flood"),
            ("empty-data", "empty_data_flood"), ("continuation", "continuation_flood"),
        ]
        for (kind, fault) in table {
            if kind == "empty-data" {
                // Its head has gone to the client before.
                let result = try Tool.run("curl", try wire.curl(proxy.port) + [wire.url(proxy.port, "/" + kind)])
                #expect(result.code == 92, "\(result)")
            } else {
                let answer = try wire.get(proxy, "/" + kind)
                #expect(answer.status == 502 && answer["x-martlet-error"] == ["upstream-invalid-response"], "\(kind)")
            }
            // A close with something unread takes the GOAWAY along, often before it is read.
            #expect(eventually { ["11", "none"].contains { upstream.text.contains("\(kind) \($0)\n") } }, "\(kind)")
            #expect(try eventually { try proxy.metric(Self.series(fault)) == "1" }, "\(kind)")
        }
        // Nobody has asked for pushes (RFC 9113 section 8.4).
        #expect(try wire.get(proxy, "/push").status == 502)
        #expect(try eventually { try proxy.metric(Self.series("protocol_violation")) == "1" })
        for _ in 0..<3 { #expect(try wire.get(proxy, "/ok").body == "ok") }
        let frames = "martlet_upstream_http2_frames_total{cluster=\"up\",kind=\"ping\"}"
        #expect((try proxy.metric(frames)).flatMap { Int($0) } ?? 0 > 500)
    }

    @Test("An endpoint that answers no PING is given up, and the request with it", arguments: [WireForm.http1, .http2])
    func gone(form: WireForm) throws {
        let upstream = try OddUpstream("deaf")
        let proxy = try proxy(upstream, "    http2: { ping_interval: 1s, ping_timeout: 100ms }")
        let answer = try Wire(form, .http2).get(proxy, "/x")
        #expect(answer.status == 502 && answer["x-martlet-error"] == ["upstream-closed"], "\(answer.heads)")
        #expect(try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0")
    }

    @Test("One that answers PINGs may take its time")
    func slow() throws {
        let upstream = try OddUpstream("hang")
        let proxy = try proxy(upstream, "    http2: { ping_interval: 1s, ping_timeout: 10s }")
        let waiting = try WaitingClient(Wire(.http1, .http2), proxy, "/x")
        #expect(eventually { upstream.notes("ping").count >= 2 })
        #expect(try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "1")
        #expect(upstream.connections == 1)
        waiting.giveUp()
        #expect(eventually { upstream.notes("reset").count == 1 })
    }
}
