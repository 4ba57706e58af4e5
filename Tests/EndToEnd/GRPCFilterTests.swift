import MartletTesting
import Testing

/// grpcio on both sides of the proxy, and TLS on both.
@Suite("gRPC through filters, over HTTP/2 and TLS")
struct GRPCFilterTests {
    private static func proxy(
        _ peer: GRPCPeer, _ filters: String, routes: String = "", clusters: String = ""
    ) throws -> TestProxy {
        let tls = try GRPCPeer.tls()
        return try TestProxy(
            listener: """
                    \(tls.listener)
                    filters: [\(filters), router]
                    routes:
                \(routes)
                      - { match: { path: { prefix: /test.Echo/ } }, cluster: up }
                """, rest: TestProxy.cluster(peer.port, "    protocol: http2\n    \(tls.cluster)\n\(clusters)"))
    }

    @Test("Calls, statuses and messages are counted by method, in all four shapes")
    func stats() throws {
        let peer = try GRPCPeer(isSecure: true)
        let test = try Self.proxy(peer, "grpc_stats")
        try GRPCPeer.call(test.port, isSecure: true, "unary", "streams", "errors")
        func count(_ name: String, _ method: String, _ status: String? = nil) throws -> Int? {
            let labels = status.map { ",grpc_status=\"\($0)\"" } ?? ""
            return try test.metric(
                "martlet_grpc_\(name){listener=\"public\",service=\"test.Echo\",method=\"\(method)\"\(labels)}"
            ).flatMap { Int($0) }
        }
        for (method, status, calls, sent, received) in [
            ("Unary", "OK", 3, 4, 3), ("Unary", "FAILED_PRECONDITION", 1, 4, 3), ("ClientStream", "OK", 1, 3, 1),
            ("ServerStream", "OK", 2, 2, 500), ("Bidi", "OK", 2, 340, 340), ("Failing", "DATA_LOSS", 1, 1, 2),
        ] {
            #expect(try count("requests_total", method, status) == calls, "\(method) \(status)")
            #expect(try count("request_messages_total", method) == sent, "\(method)")
            #expect(try count("response_messages_total", method) == received, "\(method)")
        }
        #expect(try count("request_duration_seconds_count", "Unary") == 4)
        let missing = "{listener=\"public\",service=\"other\",method=\"other\",grpc_status=\"UNIMPLEMENTED\"}"
        #expect(try test.metric("martlet_grpc_requests_total\(missing)") == "1")
    }

    @Test("What the proxy refuses is told as a status of gRPC")
    func refusals() throws {
        let peer = try GRPCPeer(isSecure: true)
        let answers = [
            (400, "INTERNAL"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "UNIMPLEMENTED"),
            (429, "UNAVAILABLE"), (500, "UNKNOWN"), (502, "UNAVAILABLE"), (503, "UNAVAILABLE"), (504, "UNAVAILABLE"),
        ]
        func route(_ method: String, _ action: String) -> String {
            "      - { match: { path: { exact: /refused.Service/\(method) } }, \(action) }\n"
        }
        let test = try Self.proxy(
            peer, "access_control: { allow_cidrs: [127.0.0.0/8] }",
            routes: answers.map { route("S\($0.0)", "respond: { status: \($0.0), body: \"no \($0.0)\" }") }.joined()
                + route("Denied", "cluster: up, filters: { access_control: { deny_cidrs: [127.0.0.0/8] } }")
                + route("Down", "cluster: down"),
            clusters: "  - { name: down, endpoints: [\"127.0.0.1:\(try TCPListener.freePort())\"], protocol: http2 }")
        try GRPCPeer.call(
            test.port, isSecure: true,
            answers.map { "refused=S\($0.0):\($0.1):no \($0.0)" } + [
                "refused=Denied:PERMISSION_DENIED:client-address-denied",
                "refused=Down:UNAVAILABLE:upstream-connect-failure", "refused=Nowhere:UNIMPLEMENTED:no-route",
                // The connection is as good as before.
                "unary",
            ])
    }

    @Test(
        "Each status that retry can name is retried when it is, and not otherwise",
        arguments: [
            ("cancelled", "CANCELLED"), ("deadline-exceeded", "DEADLINE_EXCEEDED"), ("internal", "INTERNAL"),
            ("resource-exhausted", "RESOURCE_EXHAUSTED"), ("unavailable", "UNAVAILABLE"),
        ])
    func retries(condition: String, status: String) throws {
        let peer = try GRPCPeer(isSecure: true)
        let test = try Self.proxy(peer, "{ retry: { on: \(condition), attempts: 3, backoff: { base: 1ms } } }")
        try GRPCPeer.call(test.port, isSecure: true, "retried_on=\(status)")
        func tries(_ failure: String) -> Int {
            peer.seen.count { ($0["metadata"] as? [String: String])?["x-fail"] == failure }
        }
        for other in ["CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"] {
            #expect(tries("\(other) busy") == (other == status ? 2 : 1), "\(other)")
        }
        #expect(tries("\(status) always") == 3)
    }

    /// - Parameter tls: of the authorization service's cluster.
    private static func asking(
        _ peer: GRPCPeer, _ service: GRPCPeer, _ onError: String, tls: String
    ) throws -> TestProxy {
        try proxy(
            peer, "{ ext_authz: { cluster: authz, protocol: grpc, timeout: 5s, on_error: \(onError) } }",
            clusters: "  - { name: authz, endpoints: [\"127.0.0.1:\(service.port)\"], protocol: http2, \(tls) }")
    }

    @Test("An authorization service behind TLS allows and denies; when it is down, on_error decides")
    func authorization() throws {
        let (peer, service) = (try GRPCPeer(isSecure: true), try GRPCPeer(isSecure: true))
        let tls = try GRPCPeer.tls().cluster
        let strict = try Self.asking(peer, service, "deny", tls: tls)
        let lenient = try Self.asking(peer, service, "allow", tls: tls)
        for test in [strict, lenient] {
            try GRPCPeer.call(
                test.port, isSecure: true, "asked=allow:OK", "asked=deny:UNKNOWN", "asked=deny-plain:PERMISSION_DENIED")
        }
        let metadata = try #require(peer.seen.first?["metadata"] as? [String: String])
        #expect(metadata["x-user"] == "ann" && metadata["x-secret"] == nil)
        let question = try #require(service.seen.first)
        #expect(question["scheme"] as? String == "https" && question["protocol"] as? String == "HTTP/2")
        #expect(question["path"] as? String == "/test.Echo/Unary")
        // Two calls each of those that were allowed.
        #expect(peer.seen.count { $0["kind"] != nil } == 4)
        service.stop()
        try GRPCPeer.call(strict.port, isSecure: true, "asked=allow:PERMISSION_DENIED")
        try GRPCPeer.call(lenient.port, isSecure: true, "asked=deny:OK")
        try service.start()
        try GRPCPeer.call(strict.port, isSecure: true, "asked=allow:OK")
        try GRPCPeer.call(lenient.port, isSecure: true, "asked=deny-plain:PERMISSION_DENIED")
    }

    @Test("A service whose certificate is not trusted is not asked")
    func stranger() throws {
        let (peer, service) = (try GRPCPeer(isSecure: true), try GRPCPeer(isSecure: true))
        let other = try CertificateForge.shared.authority("Another CA").certificateFile
        let strict = try Self.asking(peer, service, "deny", tls: "tls: { ca: \(other) }")
        try GRPCPeer.call(strict.port, isSecure: true, "asked=allow:PERMISSION_DENIED")
        let failures = "{listener=\"public\",cluster=\"authz\",reason=\"connect-failure\"}"
        #expect(try strict.metric("martlet_ext_authz_error_total\(failures)") == "2")
        #expect(service.seen.isEmpty && peer.seen.isEmpty)
    }
}
