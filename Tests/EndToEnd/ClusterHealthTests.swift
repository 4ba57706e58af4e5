import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// A server whose answer the test changes.
final class Changeable: Sendable {
    let upstream: ScriptedUpstream
    private let status: Status

    private final class Status: Sendable {
        private let held: Locked<Int>
        init(_ status: Int) { held = Locked(status) }
        var present: Int { held.withLock { $0 } }
        func set(_ status: Int) { held.withLock { $0 = status } }
    }

    init(_ name: String, status: Int = 200) throws {
        let status = Status(status)
        self.status = status
        upstream = try ScriptedUpstream.answering { _ in
            "HTTP/1.1 \(status.present) X\r\nContent-Length: \(name.utf8.count)\r\n\r\n\(name)"
        }
    }

    func answer(_ status: Int) { self.status.set(status) }
    var port: UInt16 { upstream.port }
    /// Requests of clients; checks have another path.
    var requests: Int { upstream.recorded.count { !$0.hasPrefix("GET /healthz ") } }
    var checks: Int { upstream.recorded.count { $0.hasPrefix("GET /healthz ") } }
}

extension TestProxy {
    /// The one cluster `up` of `GET /clusters`.
    func cluster() throws -> [String: Any] {
        let body = try admin("/clusters").components(separatedBy: "\r\n\r\n").dropFirst().joined()
        let json = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        return (json?["clusters"] as? [[String: Any]])?.first ?? [:]
    }

    /// What is said of the cluster's endpoint at a port.
    func endpoint(_ port: UInt16) throws -> [String: Any] {
        let endpoints = try cluster()["endpoints"] as? [[String: Any]] ?? []
        return endpoints.first { $0["address"] as? String == "127.0.0.1:\(port)" } ?? [:]
    }

    func health(_ port: UInt16) throws -> String? { try endpoint(port)["health"] as? String }
}

@Suite("Clusters: health, ejection, circuit breaker")
struct ClusterHealthTests {
    private func cluster(_ ports: [UInt16], _ settings: String) -> String {
        """
        clusters:
          - name: up
            endpoints: [\(ports.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", "))]
        \(settings.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
        """
    }

    private static let check =
        "health_check: { http: { path: /healthz }, interval: 20ms, timeout: 5s, unhealthy_threshold: 2, healthy_threshold: 2 }"

    @Test(
        "A check that fails takes an endpoint out on every worker, and one that succeeds brings it back",
        arguments: [1, 3])
    func httpChecks(workers: Int) throws {
        let (one, two) = (try Changeable("one"), try Changeable("two"))
        let proxy = try TestProxy(
            workers: workers, listener: TestProxy.forwarding, rest: cluster([one.port, two.port], Self.check))
        #expect(try proxy.health(one.port) == "healthy" && proxy.health(two.port) == "healthy")
        #expect(one.checks > 0 && two.checks > 0)
        one.answer(503)
        #expect(try eventually { try proxy.health(one.port) == "unhealthy" })
        #expect(try proxy.endpoint(one.port)["reason"] as? String == "status 503")
        #expect(try proxy.metric("martlet_endpoint_healthy{cluster=\"up\",endpoint=\"127.0.0.1:\(one.port)\"}") == "0")
        // Sets are made a moment after the endpoint is marked.
        #expect(try eventually { try proxy.metric("martlet_cluster_endpoints_healthy{cluster=\"up\"}") == "1" })
        #expect(eventually { proxy.logged.contains("endpoint 127.0.0.1:\(one.port) is unhealthy: status 503") })
        let before = one.requests
        for _ in 0..<20 { #expect(try proxy.get("/").hasSuffix("two")) }
        #expect(one.requests == before)
        one.answer(200)
        #expect(try eventually { try proxy.health(one.port) == "healthy" })
        #expect(try eventually { try proxy.get("/").hasSuffix("one") })
        #expect(eventually { proxy.logged.contains("endpoint 127.0.0.1:\(one.port) is healthy") })
    }

    @Test("At the start nothing that fails its first check is sent a request; a reload keeps what is known")
    func firstCheck() throws {
        let (one, two) = (try Changeable("one", status: 500), try Changeable("two"))
        let settings = Self.check.replacingOccurrences(of: "interval: 20ms", with: "interval: 1h")
        let proxy = try TestProxy(listener: TestProxy.forwarding, rest: cluster([one.port, two.port], settings))
        // Ready means that the first results are in.
        #expect(try proxy.health(one.port) == "unhealthy")
        for _ in 0..<6 { #expect(try proxy.get("/").hasSuffix("two")) }
        #expect(one.requests == 0)
        let third = try Changeable("three")
        try proxy.configure(
            listener: TestProxy.forwarding, rest: cluster([one.port, two.port, third.port], settings))
        #expect(try eventually { try proxy.health(third.port) == "healthy" })
        #expect(try proxy.health(one.port) == "unhealthy")
        for _ in 0..<6 { _ = try proxy.get("/") }
        #expect(one.requests == 0 && third.requests == 3)
    }

    @Test("Python's server goes down and comes up again; TCP checks see it")
    func python() throws {
        let ports = [try TCPListener.freePort(), try TCPListener.freePort()]
        func server(_ port: UInt16) throws -> BackgroundTool {
            try BackgroundTool(
                "python3", ["-m", "http.server", "\(port)", "--bind", "127.0.0.1", "--directory", "/usr/share"],
                endedBy: SIGKILL)
        }
        var first: BackgroundTool? = try server(ports[0])
        let second = try server(ports[1])
        let proxy = try TestProxy(
            workers: 2, listener: TestProxy.forwarding,
            rest: cluster(
                ports,
                "health_check: { tcp: {}, interval: 20ms, timeout: 5s, unhealthy_threshold: 1, healthy_threshold: 1 }"))
        #expect(try eventually { try proxy.health(ports[0]) == "healthy" && proxy.health(ports[1]) == "healthy" })
        #expect(try proxy.get("/").hasPrefix("HTTP/1.1 200 "))
        first = nil
        #expect(first == nil)
        #expect(try eventually { try proxy.health(ports[0]) == "unhealthy" })
        // Each worker hears of it a moment after the page that tells it.
        #expect(try eventually { try (0..<10).allSatisfy { _ in try proxy.get("/").hasPrefix("HTTP/1.1 200 ") } })
        #expect((try proxy.endpoint(ports[0])["reason"] as? String)?.contains("refused") == true)
        first = try server(ports[0])
        #expect(try eventually { try proxy.health(ports[0]) == "healthy" })
        #expect(try proxy.get("/").hasPrefix("HTTP/1.1 200 "))
        withExtendedLifetime((first, second)) {}
    }

    @Test("With no endpoint healthy all are used, but at a panic threshold of 0%")
    func panic() throws {
        let one = try Changeable("one", status: 500)
        let proxy = try TestProxy(listener: TestProxy.forwarding, rest: cluster([one.port], Self.check))
        #expect(try proxy.health(one.port) == "unhealthy")
        #expect(try proxy.get("/").hasSuffix("one"))
        #expect(try proxy.cluster()["panic"] as? Bool == true)
        try proxy.configure(
            listener: TestProxy.forwarding, rest: cluster([one.port], Self.check + "\npanic_threshold: 0%"))
        #expect(try eventually { try proxy.get("/").contains("x-martlet-error: no-healthy-upstream\r\n") })
    }

    @Test(
        "An endpoint that fails is ejected, comes back on probation, and is well again or ejected at once",
        arguments: [1, 3])
    func ejection(workers: Int) throws {
        let (one, two) = (try Changeable("one"), try Changeable("two"))
        let settings =
            "outlier_detection: { consecutive_5xx: 3, base_ejection_time: 100ms, max_ejection_time: 400ms, half_open_requests: 2 }"
        let proxy = try TestProxy(
            workers: workers, listener: TestProxy.forwarding, rest: cluster([one.port, two.port], settings))
        one.answer(500)
        #expect(
            try eventually {
                _ = try proxy.get("/"); return try proxy.endpoint(one.port)["ejections"] as? Int ?? 0 > 1
            })
        #expect(
            eventually { proxy.logged.contains("endpoint 127.0.0.1:\(one.port) is ejected for 1s: consecutive_5xx") })
        #expect(
            eventually { proxy.logged.contains("endpoint 127.0.0.1:\(one.port) is ejected for 1s: half_open_failure") })
        #expect(eventually { proxy.logged.contains("endpoint 127.0.0.1:\(one.port) is back on probation") })
        one.answer(200)
        #expect(
            try eventually {
                _ = try proxy.get("/"); return try proxy.health(one.port) == "healthy"
            })
        #expect(try eventually { try proxy.get("/").hasSuffix("one") })
        let ejections = "martlet_endpoint_ejections_total{cluster=\"up\",endpoint=\"127.0.0.1:\(one.port)\"}"
        #expect(Int(try proxy.metric(ejections) ?? "0") ?? 0 > 1)
    }

    @Test("While an endpoint is ejected no worker sends it anything")
    func ejected() throws {
        let (one, two) = (try Changeable("one", status: 503), try Changeable("two"))
        let proxy = try TestProxy(
            workers: 3, listener: TestProxy.forwarding,
            rest: cluster([one.port, two.port], "outlier_detection: { consecutive_5xx: 3 }"))
        #expect(
            try eventually {
                _ = try proxy.get("/"); return try proxy.health(one.port) == "ejected"
            })
        #expect(try proxy.endpoint(one.port)["ejected"] as? Bool == true)
        let left = try #require(try proxy.endpoint(one.port)["ejected_for_ms"] as? Int)
        #expect(left > 0 && left <= 30_000)
        let before = one.requests
        for _ in 0..<30 { #expect(try proxy.get("/").hasPrefix("HTTP/1.1 200 ")) }
        #expect(one.requests == before)
        // A reload that changes the cluster forgets nothing, and one that judges nobody any more lets it go.
        try proxy.configure(
            listener: TestProxy.forwarding,
            rest: cluster([one.port, two.port], "outlier_detection: { consecutive_5xx: 4 }"))
        #expect(try eventually { try proxy.metric("martlet_config_version") == "2" })
        #expect(try proxy.health(one.port) == "ejected")
        try proxy.configure(listener: TestProxy.forwarding, rest: cluster([one.port, two.port], ""))
        #expect(try eventually { try proxy.health(one.port) == "healthy" })
    }

    @Test("Refused connections count too")
    func connectFailures() throws {
        let two = try Changeable("two")
        let closed = try TCPListener.freePort()
        let proxy = try TestProxy(
            listener: TestProxy.forwarding,
            rest: cluster([closed, two.port], "outlier_detection: { consecutive_5xx: 2 }"))
        #expect(
            try eventually {
                _ = try proxy.get("/"); return try proxy.health(closed) == "ejected"
            })
        for _ in 0..<10 { #expect(try proxy.get("/").hasSuffix("two")) }
    }

    @Test(
        "A stranger's own deadline ejects nobody and opens no circuit; a trusted proxy's does",
        arguments: [false, true])
    func clientsDeadline(isTrusted: Bool) throws {
        let silent = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() { upstream.record(request) }
        }
        let other = try Changeable("other")
        let proxy = try TestProxy(
            listener: (isTrusted ? "    xff_num_trusted_hops: 1\n" : "") + TestProxy.forwarding,
            rest: cluster(
                [silent.port, other.port],
                """
                outlier_detection: { consecutive_5xx: 2, base_ejection_time: 60s }
                circuit_breaker: { error_rate: { minimum_requests: 100 } }
                """), companions: [silent])
        for _ in 0..<8 { _ = try proxy.get("/", headers: "grpc-timeout: 30m\r\n") }
        #expect(silent.recorded.count >= 2)
        #expect(try proxy.health(silent.port) == (isTrusted ? "ejected" : "healthy"))
    }

    @Test("The circuit breaker opens on failures, answers 503 by itself, and closes when requests succeed")
    func breaker() throws {
        let one = try Changeable("one", status: 500)
        let settings =
            "circuit_breaker: { error_rate: { minimum_requests: 5, threshold: 50%, open_for: 200ms, half_open_requests: 2 } }"
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: cluster([one.port], settings))
        for _ in 0..<5 { #expect(try proxy.get("/").hasPrefix("HTTP/1.1 500 ")) }
        let refused = try proxy.get("/")
        #expect(refused.hasPrefix("HTTP/1.1 503 "))
        #expect(refused.contains("x-martlet-error: upstream-circuit-open\r\n"))
        #expect(one.requests == 5)
        one.answer(200)
        #expect(try eventually { try proxy.get("/").hasSuffix("one") })
        #expect(
            try eventually {
                _ = try proxy.get("/")
                return try proxy.metric("martlet_circuit_breaker_state{cluster=\"up\"}") == "0"
            })
        #expect(try proxy.metric("martlet_circuit_breaker_opened_total{cluster=\"up\"}") == "1")
        #expect(Int(try proxy.metric("martlet_upstream_circuit_open_total{cluster=\"up\"}") ?? "0") ?? 0 > 0)
        #expect(eventually { proxy.logged.contains("cluster up: circuit breaker closed again") })
        #expect(eventually { proxy.logged.contains("cluster up: circuit breaker open: too many requests failed") })
    }
}
