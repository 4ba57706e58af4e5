import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/// An upstream that answers when it is told to, and knows how many wait for that.
private final class HoldingUpstream: Sendable {
    private struct State {
        var underWay = 0
        var most = 0
        var isOpen = false
        var permits = 0
    }
    private let state = Locked(State())
    private let server = Locked<ScriptedUpstream?>(nil)

    init() throws {
        let server = try ScriptedUpstream { [weak self] _, connection in
            while connection.nextRequest() != nil {
                self?.enter()
                _ = eventually { self?.mayLeave() ?? true }
                do { try connection.send(ok) } catch { return }
            }
        }
        self.server.withLock { $0 = server }
    }

    private func enter() {
        state.withLock {
            $0.underWay += 1
            $0.most = max($0.most, $0.underWay)
        }
    }

    private func mayLeave() -> Bool {
        state.withLock {
            guard $0.isOpen || $0.permits > 0 else { return false }
            if !$0.isOpen { $0.permits -= 1 }
            $0.underWay -= 1
            return true
        }
    }

    func release(_ count: Int) { state.withLock { $0.permits += count } }
    func open() { state.withLock { $0.isOpen = true } }
    var underWay: Int { state.withLock { $0.underWay } }
    var most: Int { state.withLock { $0.most } }
    var port: UInt16 { server.withLock { $0?.port ?? 0 } }
}

@Suite("Limits of concurrency")
struct ConcurrencyLimitTests {
    private func proxy(
        _ settings: String, _ upstream: HoldingUpstream, workers: Int = 1, routes: String = "", listener: String = ""
    ) throws -> TestProxy {
        try TestProxy(
            workers: workers,
            listener: """
                \(listener)
                    filters: [{ concurrency_limit: { \(settings) } }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port))
    }

    private static let labels = "{listener=\"public\",limit=\"default\"}"

    private func start(_ test: TestProxy, _ count: Int, headers: String = "", path: String = "/") throws -> [TCPSocket]
    {
        let clients = try (0..<count).map { _ in try test.connect() }
        for client in clients {
            try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(headers)\r\n")
        }
        return clients
    }

    @Test("A hundred at once, ten may: exactly ten pass, the others are refused at once")
    func refuses() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy("max: 10", upstream, workers: 3)
        let clients = try start(test, 100)
        #expect(eventually { upstream.underWay == 10 })
        #expect(try eventually { try test.metric("martlet_concurrency_limit_refused_total\(Self.labels)") == "90" })
        #expect(try test.metric("martlet_concurrency_limit_active\(Self.labels)") == "10")
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.filter { $0.text.hasPrefix("HTTP/1.1 200 ") }.count == 10)
        let refused = clients.filter { $0.text.hasPrefix("HTTP/1.1 503 ") }
        #expect(refused.count == 90)
        #expect(refused.allSatisfy { $0.text.contains("x-martlet-error: concurrency-limit\r\n") })
        #expect(upstream.most == 10)
        #expect(try eventually { try test.metric("martlet_concurrency_limit_active\(Self.labels)") == "0" })
    }

    @Test("With a queue all hundred are served, on whichever worker, and never more than ten at once")
    func queues() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy("max: 10, queue: { size: 90, timeout: 1h }", upstream, workers: 3)
        let clients = try start(test, 100)
        #expect(try eventually { try test.metric("martlet_concurrency_limit_waiting\(Self.labels)") == "90" })
        #expect(eventually { upstream.underWay == 10 })
        // The queue is full too.
        #expect(try test.get("/").contains("x-martlet-error: concurrency-limit\r\n"))
        upstream.release(1)
        // A place that comes free is taken, whichever worker it was on.
        #expect(try eventually { try test.metric("martlet_concurrency_limit_waiting\(Self.labels)") == "89" })
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.allSatisfy { $0.text.hasPrefix("HTTP/1.1 200 ") })
        #expect(upstream.most == 10)
        for (gauge, value) in [("active", "0"), ("waiting", "0")] {
            #expect(try eventually { try test.metric("martlet_concurrency_limit_\(gauge)\(Self.labels)") == value })
        }
        #expect(try test.metric("martlet_concurrency_limit_queued_total\(Self.labels)") == "90")
        // Every place has come back.
        #expect(inParallel(10) { _ in try test.get("/") }.answers(200) == 10)
    }

    @Test("By cluster: routes to one cluster share its places, others have their own")
    func clusters() throws {
        let upstream = try HoldingUpstream()
        let test = try TestProxy(
            listener: """
                    filters: [{ concurrency_limit: { max: 2, key: cluster } }, router]
                    routes:
                      - { match: { path: { prefix: /a } }, cluster: up }
                      - { match: { path: { prefix: /b } }, cluster: up }
                      - { match: {}, cluster: other }
                """,
            rest: TestProxy.cluster(
                upstream.port, "  - { name: other, endpoints: [\"127.0.0.1:\(upstream.port)\"] }"))
        let clients = try ["/a", "/b", "/other", "/more"].flatMap { try start(test, 1, path: $0) }
        #expect(eventually { upstream.underWay == 4 })
        #expect(try test.get("/a").hasPrefix("HTTP/1.1 503 "))
        #expect(try test.get("/other").hasPrefix("HTTP/1.1 503 "))
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.allSatisfy { $0.text.hasPrefix("HTTP/1.1 200 ") })
    }

    @Test("Who waits too long is refused, and leaves no gap")
    func timesOut() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy("max: 1, queue: { size: 5, timeout: 50ms }", upstream, workers: 2)
        let first = try start(test, 1)
        #expect(eventually { upstream.underWay == 1 })
        let late = try test.get("/")
        #expect(late.hasPrefix("HTTP/1.1 503 "))
        #expect(late.contains("x-martlet-error: concurrency-queue-timeout\r\n"))
        #expect(try test.metric("martlet_concurrency_limit_queue_timeout_total\(Self.labels)") == "1")
        upstream.open()
        first[0].receiveToEnd()
        #expect(first[0].text.hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/").hasPrefix("HTTP/1.1 200 "))
    }

    @Test("A client that goes away leaves the queue, and one that goes away inside leaves its place")
    func goesAway() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy("max: 2, queue: { size: 100, timeout: 1h }", upstream, workers: 2)
        let inside = try start(test, 2)
        #expect(eventually { upstream.underWay == 2 })
        let waiting = try start(test, 50)
        func gauge(_ name: String) throws -> String? {
            try test.metric("martlet_concurrency_limit_\(name)\(Self.labels)")
        }
        #expect(try eventually { try gauge("waiting") == "50" })
        for client in waiting.dropLast() { client.reset() }
        #expect(try eventually { try gauge("waiting") == "1" })
        for client in inside { client.reset() }
        #expect(try eventually { try gauge("waiting") == "0" })
        #expect(try eventually { try gauge("active") == "1" })
        upstream.open()
        waiting.last?.receiveToEnd()
        #expect(waiting.last?.text.hasPrefix("HTTP/1.1 200 ") == true)
        #expect(try eventually { try gauge("active") == "0" })
        #expect(inParallel(2) { _ in try test.get("/") }.answers(200) == 2)
    }

    @Test("Callers and routes do not take each other's places")
    func keys() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy(
            "max: 2, key: header:x-team", upstream, workers: 2,
            routes: """
                      - match: { path: { prefix: /slow } }
                        cluster: up
                        filters: { concurrency_limit: { max: 1, key: route } }
                      - match: { path: { prefix: /open } }
                        cluster: up
                        filters: { concurrency_limit: off }
                """)
        var clients: [TCPSocket] = []
        for (headers, path, expected) in [
            ("X-Team: a\r\n", "/", 2), ("X-Team: b\r\n", "/", 4), ("X-Team: a\r\n", "/slow", 5),
            ("X-Team: a\r\n", "/open", 10),
        ] {
            clients += try start(test, 5, headers: headers, path: path)
            #expect(eventually { upstream.underWay == expected }, "\(path)")
        }
        #expect(try eventually { try test.metric("martlet_concurrency_limit_refused_total\(Self.labels)") == "10" })
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.map(\.text).answers(200) == 10)
        #expect(upstream.most == 10)
    }

    @Test("A reload in between keeps the count: what is under way is under way")
    func reload() throws {
        let upstream = try HoldingUpstream()
        let filter = "{ concurrency_limit: { max: 1 } }"
        func listener(_ more: String) -> String {
            """
                filters: [\(more)\(filter), router]
                routes: [{ match: {}, cluster: up }]
            """
        }
        let rest = TestProxy.cluster(upstream.port)
        let test = try TestProxy(workers: 2, listener: listener(""), rest: rest)
        let first = try start(test, 1)
        #expect(eventually { upstream.underWay == 1 })
        try test.configure(listener: listener("{ headers: { response: { add: { x-new: \"1\" } } } }, "), rest: rest)
        #expect(try eventually { try test.get("/").contains("x-new: 1") })
        #expect(try test.get("/").contains("x-martlet-error: concurrency-limit\r\n"))
        upstream.open()
        first[0].receiveToEnd()
        #expect(try eventually { try test.get("/").hasPrefix("HTTP/1.1 200 ") })
    }

    @Test("In shadow mode nobody is refused; what would have been is counted")
    func shadow() throws {
        let upstream = try HoldingUpstream()
        let test = try proxy("max: 2, mode: shadow, queue: {}", upstream, workers: 2)
        let clients = try start(test, 5)
        #expect(eventually { upstream.underWay == 5 })
        #expect(try test.metric("martlet_concurrency_limit_shadow_refused_total\(Self.labels)") == "3")
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.map(\.text).answers(200) == 5)
    }

    @Test("adaptive_concurrency: lets few through at first, learns, and shows what it knows")
    func adaptive() throws {
        let upstream = try HoldingUpstream()
        let test = try TestProxy(
            workers: 2,
            listener: """
                    filters: [{ adaptive_concurrency: { min_rtt: { samples: 5 }, update_interval: 1ms } }, router]
                    routes: [{ match: {}, cluster: up }]
                """, rest: TestProxy.cluster(upstream.port))
        func value(_ name: String) throws -> Int {
            Int(try test.metric("martlet_adaptive_concurrency_\(name)\(Self.labels)") ?? "") ?? -1
        }
        #expect(try value("limit") == 3)
        #expect(try value("min_rtt_microseconds") == 0)
        let clients = try start(test, 20)
        #expect(eventually { upstream.underWay == 3 })
        #expect(try eventually { try value("blocked_total") == 17 })
        #expect(try value("active") == 3)
        upstream.open()
        for client in clients { client.receiveToEnd() }
        #expect(clients.map(\.text).answers(200) == 3)
        #expect(clients.filter { $0.text.contains("x-martlet-error: adaptive-concurrency-limit\r\n") }.count == 17)
        // Steady requests, none of which waits for another: the limit rises.
        #expect(
            try eventually {
                _ = try test.get("/")
                return try value("limit") > 10
            })
        #expect(try value("min_rtt_microseconds") > 0)
        #expect(try eventually { try value("active") == 0 })
    }
}
