import Foundation
import MartletTesting
import Testing

/// grpcio on both sides of the proxy.
@Suite("gRPC from end to end")
struct GRPCTests {
    private static func proxy(_ peer: GRPCPeer, isSecure: Bool = false, filters: String = "") throws -> TestProxy {
        let tls = try GRPCPeer.tls(isSecure)
        return try TestProxy(
            workers: 2,
            listener: """
                    \(tls.listener)
                    limits: { max_concurrent_streams: 2000 }
                    filters: [\(filters)router]
                    routes:
                      - { match: { path: { prefix: /test.Echo/ } }, cluster: up, timeout: 60s }
                """, rest: TestProxy.cluster(peer.port, "    protocol: http2\n    \(tls.cluster)"))
    }

    @Test(
        "Calls of all four shapes, metadata both ways, large messages, and each message as it comes",
        arguments: [false, true])
    func calls(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let test = try Self.proxy(peer, isSecure: isSecure)
        try GRPCPeer.call(test.port, isSecure: isSecure, "unary", "streams", "in_step", "compressed", "metadata")
    }

    @Test("A client that does not read holds its server up, and no other call", arguments: [false, true])
    func backPressure(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let test = try Self.proxy(peer, isSecure: isSecure)
        try GRPCPeer.call(test.port, isSecure: isSecure, "held_back")
    }

    @Test("A server that goes away in the middle of a call is no good end of it", arguments: [false, true])
    func gone(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let test = try Self.proxy(peer, isSecure: isSecure, filters: "grpc_stats, ")
        let client = try GRPCPeer.steered(test.port, isSecure: isSecure)
        #expect(try client.ask("one") == "one")
        peer.stop()
        // The stream is reset, which is INTERNAL to a client (gRPC over HTTP/2, "Errors").
        #expect(try client.ask("two") == "INTERNAL")
        let labels = "{listener=\"public\",service=\"test.Echo\",method=\"Bidi\",grpc_status=\"UNKNOWN\"}"
        #expect(try test.metric("martlet_grpc_requests_total\(labels)") == "1")
        try peer.start()
        try GRPCPeer.call(test.port, isSecure: isSecure, "unary")
    }

    @Test(
        "A stream goes on through a reload that changes all it passes, and through a drain", arguments: [false, true])
    func changes(isSecure: Bool) throws {
        let (peer, next) = (try GRPCPeer(isSecure: isSecure), try GRPCPeer(isSecure: isSecure))
        let test = try Self.proxy(peer, isSecure: isSecure)
        let client = try GRPCPeer.steered(test.port, isSecure: isSecure)
        #expect(try client.ask("one") == "one")
        let tls = try GRPCPeer.tls(isSecure)
        try test.configure(
            listener: """
                    \(tls.listener)
                    filters: [grpc_stats, router]
                    routes: [{ match: { path: { prefix: /test.Echo/ } }, cluster: up, timeout: 10s }]
                """, rest: TestProxy.cluster(next.port, "    protocol: http2\n    \(tls.cluster)"))
        #expect(eventually { test.logged.contains("version 2 in force") })
        #expect(try client.ask("two") == "two")
        try GRPCPeer.call(test.port, isSecure: isSecure, "unary")
        #expect(
            next.seen.contains { $0["kind"] as? String == "unary" }
                && !peer.seen.contains { $0["kind"] as? String == "unary" })
        test.signal(SIGTERM)
        #expect(eventually { test.logged.contains("draining") })
        #expect(try client.ask("three") == "three")
        #expect(try client.ask("end") == "OK")
        #expect(test.exitCode() == 0)
    }

    @Test("Statuses and their words, from the server and from the proxy")
    func statuses() throws {
        let peer = try GRPCPeer()
        let test = try Self.proxy(peer)
        try GRPCPeer.call(test.port, "errors", "replies")
        peer.stop()
        try GRPCPeer.call(test.port, "down")
    }

    @Test("A deadline that passes, and a call that is given up, end the work at the server", arguments: [false, true])
    func endings(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let test = try Self.proxy(peer, isSecure: isSecure)
        try GRPCPeer.call(test.port, isSecure: isSecure, "deadline")
        #expect(eventually { peer.seen.contains { $0["cancelled"] as? String == "unary" } })
        let left = peer.seen.compactMap { $0["left"] as? Double }
        // grpcio sends a little more than it was told; the route has a minute.
        #expect(left.contains { $0 > 0 && $0 < 3 })
        try GRPCPeer.call(test.port, isSecure: isSecure, "cancel")
        #expect(eventually { peer.seen.filter { $0["cancelled"] != nil }.count >= 3 })
    }

    @Test("A thousand streams at once over one connection", arguments: [false, true])
    func many(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let test = try Self.proxy(peer, isSecure: isSecure)
        let connections = "martlet_downstream_connections_total{listener=\"public\"}"
        let before = try test.metric(connections).flatMap { Int($0) } ?? 0
        try GRPCPeer.call(test.port, isSecure: isSecure, "many")
        #expect(try test.metric(connections) == "\(before + 1)")
    }

    @Test("A status in a head alone is retried, where the policy says so")
    func retries() throws {
        let peer = try GRPCPeer()
        let test = try Self.proxy(peer, filters: "{ retry: { on: [unavailable], backoff: { base: 1ms } } }, ")
        try GRPCPeer.call(test.port, "retried")
        #expect(peer.seen.count { ($0["metadata"] as? [String: String])?["x-fail"] == "UNAVAILABLE busy" } == 2)
        #expect(peer.seen.count { ($0["metadata"] as? [String: String])?["x-fail"] == "INTERNAL broken" } == 1)
    }

    @Test("Checks of the standard health service decide which endpoints are used", arguments: [false, true])
    func health(isSecure: Bool) throws {
        let good = try GRPCPeer(isSecure: isSecure, state: ["health:shop": "1"])
        let bad = try GRPCPeer(isSecure: isSecure, state: ["health:shop": "2"])
        let unknown = try GRPCPeer(isSecure: isSecure)
        let tls = try GRPCPeer.tls(isSecure).cluster
        let test = try TestProxy(
            listener: TestProxy.forwarding,
            rest: """
                clusters:
                  - name: up
                    endpoints: ["127.0.0.1:\(good.port)", "127.0.0.1:\(bad.port)", "127.0.0.1:\(unknown.port)", "127.0.0.1:\(try TCPListener.freePort())"]
                    protocol: http2
                    \(tls)
                    panic_threshold: 0%
                    health_check: { grpc: { service: shop, authority: shop.example }, interval: 20ms, unhealthy_threshold: 1, healthy_threshold: 1 }
                """)
        for _ in 0..<4 { try GRPCPeer.call(test.port, "unary") }
        #expect(bad.seen.allSatisfy { $0["kind"] == nil } && unknown.seen.allSatisfy { $0["kind"] == nil })
        let clusters = try test.admin("/clusters")
        #expect(clusters.contains("NOT_SERVING") && clusters.contains("grpc-status NOT_FOUND"), "\(clusters)")
        #expect(bad.seen.first?["health"] as? String == "shop")
        try bad.set(["health:shop": "1"])
        try good.set(["health:shop": "2"])
        func isHealthy(_ peer: GRPCPeer) -> Bool {
            (try? test.metric("martlet_endpoint_healthy{cluster=\"up\",endpoint=\"127.0.0.1:\(peer.port)\"}")) == "1"
        }
        #expect(eventually { isHealthy(bad) && !isHealthy(good) })
        try GRPCPeer.call(test.port, "unary")
        #expect(bad.seen.contains { $0["kind"] as? String == "unary" })
        try bad.set(["health:shop": "2"])
        #expect(eventually { !isHealthy(bad) })
        try GRPCPeer.call(test.port, "unhealthy")
    }
}
