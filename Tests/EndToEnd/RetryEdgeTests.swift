import Foundation
import MartletTesting
import Testing

@Suite("Retries at the edges: answers that come early, late, broken or twice")
struct RetryEdgeTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private func proxy(
        _ retry: String, _ upstreams: [ScriptedUpstream], listener: String = "", route: String = "",
        cluster: String = ""
    ) throws -> TestProxy {
        let endpoints = upstreams.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", ")
        return try TestProxy(
            listener: """
                    filters: [{ retry: \(retry) }, router]
                    routes: [{ match: {}, cluster: up\(route) }]
                \(listener)
                """,
            rest: "clusters:\n  - { name: up, endpoints: [\(endpoints)]\(cluster) }\n", companions: upstreams)
    }

    /// An upstream's time to think; whatever comes meanwhile is left for later.
    private static func think(_ connection: TCPSocket, _ milliseconds: Int32) {
        _ = connection.receive(timeout: milliseconds)
    }

    @Test("A hedge that answers while the first try's body is on its way is not mixed into it")
    func hedgeWithinBody() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            if upstream.recorded.count == 1 {
                Self.think(connection, 250)
                try? connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n" + String(repeating: "a", count: 40))
                Self.think(connection, 600)
                try? connection.send(String(repeating: "a", count: 40))
            } else {
                Self.think(connection, 400)
                try? connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n" + String(repeating: "b", count: 80))
            }
        }
        let test = try proxy("{ on: [reset], per_try_timeout: 100ms, hedge_on_per_try_timeout: true }", [up])
        let answer = try test.get("/")
        #expect(answer.components(separatedBy: "HTTP/1.1 200").count == 2, "\(answer)")
        #expect(answer.hasSuffix("\r\n\r\n" + String(repeating: "a", count: 80)), "\(answer)")
    }

    @Test("No hedge begins once the response has, however late the request ends")
    func hedgeAfterEarlyAnswer() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard case .bytes = connection.receive() else { return }
            upstream.record(connection.text)
            let letter = upstream.recorded.count == 1 ? "a" : "b"
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n" + String(repeating: letter, count: 40))
            Self.think(connection, 800)
            try? connection.send(String(repeating: letter, count: 40))
        }
        let test = try proxy("{ on: [reset], per_try_timeout: 100ms, hedge_on_per_try_timeout: true }", [up])
        let client = try test.connect()
        try client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("aaaa") })
        try client.send("0\r\n\r\n")
        client.receiveToEnd()
        #expect(up.recorded.count == 1)
        #expect(client.text.hasSuffix("\r\n\r\n" + String(repeating: "a", count: 80)), "\(client.text)")
    }

    @Test("per_try_timeout does not cut a response that began before the request's end")
    func tryTimeoutAfterEarlyAnswer() throws {
        let up = try ScriptedUpstream { _, connection in
            guard case .bytes = connection.receive() else { return }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            Self.think(connection, 600)
            try? connection.send("half")
        }
        let test = try proxy("{ on: [reset], per_try_timeout: 100ms }", [up])
        let client = try test.connect()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nh")
        #expect(client.receive { $0.text.hasSuffix("half") })
        try client.send("i")
        client.receiveToEnd()
        #expect(client.text.hasSuffix("halfhalf"), "\(client.text)")
    }

    @Test("per_try_timeout does not cut a tunnel")
    func tunnel() throws {
        let up = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while case .bytes = connection.receive() { try? connection.send("pong") }
        }
        let test = try proxy(
            "{ on: [reset], per_try_timeout: 100ms }", [up], listener: "    upgrades: [websocket]")
        let client = try test.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("\r\n\r\n") })
        // Longer than a try may take.
        #expect(client.receive(timeout: 400) == .timeout)
        try client.send("ping")
        #expect(client.receive { $0.text.hasSuffix("pong") }, "\(client.text)")
    }

    @Test("Nothing of a response that could not be read is in that of the next try")
    func brokenHead() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            try? connection.send(
                upstream.recorded.count == 1
                    ? "HTTP/1.1 200 OK\r\nSet-Cookie: first=1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nX-Second: 1\r\nContent-Length: 2\r\n\r\nok")
        }
        let test = try proxy("{ on: [reset] }", [up])
        let answer = try test.get("/")
        #expect(up.recorded.count == 2)
        #expect(answer.hasSuffix("\r\n\r\nok"))
        #expect(!answer.lowercased().contains("first=1"), "\(answer)")
    }

    @Test("Half of a head that could not be read is not looked for in the next one")
    func brokenFields() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            let fields = (0..<50).map { "X-Filler-\($0): \(String(repeating: "f", count: 60))\r\n" }.joined()
            try? connection.send(
                upstream.recorded.count == 1 ? "HTTP/1.1 200 OK\r\n\(fields)no field\r\n\r\n" : Self.ok)
        }
        let test = try proxy("{ on: [reset] }", [up])
        let answer = try test.get("/")
        #expect(try test.get("/").hasSuffix("ok"))
        #expect(test.isRunning, "\(test.logged.suffix(3000))")
        #expect(answer.hasSuffix("\r\n\r\nok"), "\(answer)")
    }

    @Test("A body longer than stream_buffer goes on after a retry that sent what was kept of it")
    func longReplay() throws {
        let up = try ScriptedUpstream { upstream, connection in
            if upstream.accepted == 1 {
                // Early, and behind more than the buffer of a stream.
                guard connection.receive(until: { $0.received.count > 3_000_000 }) else { return }
                try? connection.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
                while case .bytes = connection.receive() {}
                return
            }
            guard let request = connection.nextRequest() else { return }
            upstream.record("\(request.utf8.count)")
            try? connection.send(Self.ok)
        }
        let test = try proxy("{ on: [5xx], buffer: 32MiB }", [up], listener: "    limits: { stream_idle_timeout: 30s }")
        let client = try test.connect()
        try client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\nConnection: close\r\n\r\n")
        Thread.detachNewThread { try? client.send([UInt8](repeating: 120, count: 8_000_000)) }
        // Eight megabytes take their time where every core is busy.
        for _ in 0..<3 where !client.receiveToEnd() {}
        #expect(client.text.hasSuffix("\r\n\r\nok"), "\(client.text)")
    }

    @Test("After a retry the stream's idle timeout still counts")
    func idleTimeout() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            if upstream.recorded.count == 1 {
                try? connection.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            } else {
                _ = connection.receive(timeout: 8000)
            }
        }
        let test = try proxy(
            "{ on: [5xx] }", [up], listener: "    limits: { stream_idle_timeout: 500ms }", route: ", timeout: 0")
        let client = try test.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.receiveToEnd()
        #expect(client.text.hasPrefix("HTTP/1.1 504 "), "\(client.text)")
    }

    @Test("A try that may not be hedged goes on; per_try_timeout does not cut it")
    func hedgeNotAllowed() throws {
        let up = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            Self.think(connection, 400)
            try? connection.send(Self.ok)
        }
        let test = try proxy("{ on: [reset], per_try_timeout: 100ms, hedge_on_per_try_timeout: true }", [up])
        let answer = try test.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        #expect(answer.hasSuffix("\r\n\r\nok"), "\(answer)")
    }

    @Test("No more than `attempts` requests reach upstream")
    func attempts() throws {
        let up = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                switch upstream.recorded.count {
                case 1: try? connection.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
                case 2: return
                default: try? connection.send(Self.ok)
                }
            }
        }
        let test = try proxy("{ on: [5xx], attempts: 2 }", [up])
        _ = try test.get("/")
        #expect(up.recorded.count == 2)
    }

    @Test("Hedges are within the budget, and within max_requests", arguments: [200, 5000])
    func hedgeBudget(answersAfter milliseconds: Int) throws {
        let up = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                if case .bytes = connection.receive(timeout: Int32(milliseconds)) { return }
                do { try connection.send(Self.ok) } catch { return }
            }
        }
        let test = try proxy(
            "{ on: [reset], attempts: 3, per_try_timeout: 60ms, hedge_on_per_try_timeout: true }", [up],
            route: ", timeout: 400ms")
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<10 { _ = try? test.get("/") }
        }
        #expect(up.recorded.count <= 40 * 12 / 10 + 3)
    }

    @Test("Hedges count as requests under way")
    func hedgeLimit() throws {
        let most = Most()
        let up = try ScriptedUpstream { upstream, connection in
            while connection.nextRequest() != nil {
                most.change(1)
                let received = connection.receive(timeout: 300)
                most.change(-1)
                guard case .timeout = received else { return }
                do { try connection.send(Self.ok) } catch { return }
            }
        }
        let test = try proxy(
            "{ on: [reset], attempts: 3, per_try_timeout: 60ms, hedge_on_per_try_timeout: true }", [up],
            cluster: ", circuit_breaker: { max_requests: 1 }")
        #expect(try test.get("/").hasSuffix("ok"))
        #expect(most.value == 1)
    }

    @Test("All failing at once: a wave of requests grows by the budget, and by fifty while nothing is known")
    func wave() throws {
        let up = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                Self.think(connection, 500)
                do { try connection.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") } catch { return }
            }
        }
        let test = try proxy("{ on: [5xx], backoff: { base: 1ms } }", [up])
        let clients = try (0..<200).map { _ in try test.connect() }
        for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }
        for client in clients { client.receiveToEnd() }
        #expect(up.recorded.count <= 200 + 40 + 50)
    }
}

private final class Most: @unchecked Sendable {
    // Sendable because every access holds the lock.
    private let lock = NSLock()
    private var now = 0
    private var most = 0
    var value: Int { lock.withLock { most } }
    func change(_ by: Int) {
        lock.withLock {
            now += by
            most = max(most, now)
        }
    }
}
