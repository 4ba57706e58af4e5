import Foundation
import MartletTesting
import Testing

@Suite("Clusters: balancing by key, latency and zone")
struct BalancingTests {
    /// Servers that answer with their number.
    private func servers(_ count: Int) throws -> [ScriptedUpstream] {
        try (0..<count).map { try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\($0)") }
    }

    private func listener(hash: String) -> String {
        """
            filters: [router]
            routes:
              - match: { path: { prefix: / } }
                cluster: up
                hash: \(hash)
        """
    }

    private func cluster(_ servers: [ScriptedUpstream], _ settings: String) -> String {
        """
        clusters:
          - name: up
            endpoints: [\(servers.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", "))]
            \(settings)
        """
    }

    private func body(_ answer: String) -> String { answer.components(separatedBy: "\r\n\r\n").dropFirst().joined() }

    @Test(
        "The same key goes to the same endpoint, on every worker and after a reload",
        arguments: ["ring_hash", "maglev"])
    func keys(policy: String) throws {
        let servers = try servers(5)
        let hash = listener(hash: "[{ header: x-user, terminal: true }, { query: id, terminal: true }, client_ip]")
        let proxy = try TestProxy(
            workers: 3, listener: hash, rest: cluster(servers, "load_balancing: \(policy)"), companions: servers)
        func homes() throws -> [String] {
            try (0..<20).map { try body(proxy.get("/", headers: "X-User: \($0)\r\n")) }
        }
        let first = try homes()
        #expect(Set(first).count > 2)
        for _ in 0..<3 { #expect(try homes() == first) }
        #expect(try (0..<20).map { try body(proxy.get("/?a=b&id=\($0)")) } == first)
        #expect(Set(try (0..<10).map { _ in try body(proxy.get("/")) }).count == 1)
        try proxy.configure(
            listener: hash, rest: cluster(servers, "load_balancing: \(policy)\n    connect_timeout: 4s"))
        #expect(try eventually { try proxy.metric("martlet_config_version") == "2" })
        #expect(try homes() == first)
    }

    @Test("A client is given a cookie once, and stays where it was, a reload included")
    func stickiness() throws {
        let servers = try servers(6)
        let hash = listener(hash: "[{ cookie: { name: sid, ttl: 1h, path: /app } }]")
        let proxy = try TestProxy(
            workers: 2, listener: hash, rest: cluster(servers, "load_balancing: maglev"), companions: servers)
        var homes: [String: String] = [:]
        for _ in 0..<12 {
            let answer = try proxy.get("/", headers: "Cookie: other=1\r\n")
            let line = try #require(answer.components(separatedBy: "\r\n").first { $0.hasPrefix("set-cookie: ") })
            let parts = line.dropFirst("set-cookie: ".count).components(separatedBy: "; ")
            #expect(Array(parts.dropFirst()) == ["Max-Age=3600", "Path=/app", "HttpOnly", "SameSite=Lax"])
            let cookie = try #require(parts.first)
            #expect(cookie.hasPrefix("sid=") && cookie.utf8.count == 4 + 32)
            homes[cookie] = body(answer)
        }
        // Random, and so everywhere.
        #expect(homes.count == 12 && Set(homes.values).count > 1)
        func check() throws {
            for (cookie, home) in homes {
                let answer = try proxy.get("/", headers: "Cookie: a=b; \(cookie) ;c=d\r\n")
                #expect(body(answer) == home && !answer.contains("set-cookie"))
            }
        }
        try check()
        try proxy.configure(listener: hash, rest: cluster(servers, "load_balancing: maglev\n    idle_timeout: 30s"))
        #expect(try eventually { try proxy.metric("martlet_config_version") == "2" })
        try check()
    }

    @Test("Without ttl no cookie is given; a local answer carries none")
    func noCookie() throws {
        let servers = try servers(2)
        let proxy = try TestProxy(
            listener: listener(hash: "[{ cookie: sid }]"), rest: cluster(servers, "load_balancing: ring_hash"),
            companions: servers)
        #expect(try !proxy.get("/").contains("set-cookie"))
        let dead = try TCPListener.freePort()
        try proxy.configure(
            listener: listener(hash: "[{ cookie: { name: sid, ttl: 0 } }]"),
            rest: "clusters: [{ name: up, endpoints: [\"127.0.0.1:\(dead)\"], load_balancing: ring_hash }]")
        #expect(try eventually { try proxy.get("/").hasPrefix("HTTP/1.1 503 ") })
        #expect(try !proxy.get("/").contains("set-cookie"))
    }

    @Test("The endpoint of a key fails: the key goes elsewhere, and comes back")
    func failover() throws {
        let (one, two) = (try Changeable("one"), try Changeable("two"))
        let proxy = try TestProxy(
            workers: 2, listener: listener(hash: "[{ header: x-user }]"),
            rest: cluster(
                [one.upstream, two.upstream],
                "load_balancing: ring_hash\n    health_check: { http: { path: /healthz }, interval: 20ms, timeout: 5s, unhealthy_threshold: 1, healthy_threshold: 1 }"
            ))
        let homes = try (0..<10).map { try body(proxy.get("/", headers: "X-User: \($0)\r\n")) }
        #expect(Set(homes).count == 2)
        one.answer(500)
        #expect(try eventually { try proxy.health(one.port) == "unhealthy" })
        for user in 0..<10 { #expect(try body(proxy.get("/", headers: "X-User: \(user)\r\n")) == "two") }
        one.answer(200)
        #expect(try eventually { try proxy.health(one.port) == "healthy" })
        #expect(try (0..<10).map { try body(proxy.get("/", headers: "X-User: \($0)\r\n")) } == homes)
    }

    @Test("A ten times slower server gets at most a third of its share", arguments: ["least_request", "peak_ewma"])
    func slowServer(policy: String) throws {
        // Time is counted in answers of the fast ones, so that a busy machine is slow for all of them.
        let clients = 16
        let clock = AnswerClock(clients: clients)
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        let slow = try ScriptedUpstream.answering { _ in
            clock.wait(for: 10 * clients)
            return answer
        }
        let fast = try (0..<3).map { _ in
            try ScriptedUpstream.answering { _ in
                clock.advance()
                return answer
            }
        }
        let proxy = try TestProxy(
            listener: TestProxy.forwarding, rest: cluster([slow] + fast, "load_balancing: \(policy)"),
            companions: [slow] + fast)
        let each = 60
        for _ in 0..<clients {
            Thread.detachNewThread {
                for _ in 0..<each { _ = try? proxy.get("/") }
                clock.clientEnded()
            }
        }
        #expect(eventually { clock.running == 0 })
        let all = slow.recorded.count + fast.reduce(0) { $0 + $1.recorded.count }
        #expect(all == clients * each)
        #expect(Double(slow.recorded.count) <= Double(all) / 4 / 3, "\(slow.recorded.count) of \(all)")
    }

    @Test("zone_preference: requests stay in the proxy's zone, and leave it for what it lacks")
    func zones() throws {
        let (near, far) = (try Changeable("near"), try Changeable("far"))
        let rest = """
            zone: a
            clusters:
              - name: up
                endpoints: [{ address: "127.0.0.1:\(near.port)", zone: a }, { address: "127.0.0.1:\(far.port)", zone: b }]
                zone_preference: {}
                health_check: { http: { path: /healthz }, interval: 20ms, timeout: 5s, unhealthy_threshold: 1 }
            """
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: rest)
        // Until its first check an endpoint may count as none, and the zone as one that lacks some.
        #expect(
            try eventually {
                try proxy.health(near.port) == "healthy" && proxy.cluster()["local_zone_percent"] as? Int == 100
            })
        for _ in 0..<10 { #expect(try body(proxy.get("/")) == "near") }
        near.answer(500)
        #expect(try eventually { try proxy.health(near.port) == "unhealthy" })
        for _ in 0..<10 { #expect(try body(proxy.get("/")) == "far") }
    }
}

/// Counts answers; one may wait for so many more, or until every client that is left waits.
private final class AnswerClock: @unchecked Sendable {
    // Sendable because what changes is only touched under its lock.
    private let condition = NSCondition()
    private var count = 0
    private var waiting = 0
    private var clients: Int

    init(clients: Int) { self.clients = clients }

    var running: Int { condition.withLock { clients } }

    func advance() { change { $0.count += 1 } }
    func clientEnded() { change { $0.clients -= 1 } }

    private func change(_ body: (AnswerClock) -> Void) {
        condition.withLock {
            body(self)
            condition.broadcast()
        }
    }

    func wait(for answers: Int) {
        condition.withLock {
            let end = count + answers
            waiting += 1
            condition.broadcast()
            while count < end, waiting < clients { condition.wait() }
            waiting -= 1
        }
    }
}
