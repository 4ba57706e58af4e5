import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"

/// Answers the requests it gets one after the other, over all its connections; the last answer goes on for ever. Nil: the
/// connection is closed without an answer.
private func upstream(_ answers: [String?]) throws -> ScriptedUpstream {
    try ScriptedUpstream { upstream, connection in
        while let request = connection.nextRequest() {
            upstream.record(request)
            let number = upstream.recorded.count - 1
            guard let answer = number < answers.count ? answers[number] : answers.last ?? nil else { return }
            do { try connection.send(answer) } catch { return }
        }
    }
}

private func proxy(
    _ retry: String, _ upstreams: [ScriptedUpstream], workers: Int = 1, route: String = "", cluster: String = "",
    dead: [UInt16] = []
) throws -> TestProxy {
    let ports = upstreams.map(\.port) + dead
    let endpoints = ports.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
    return try TestProxy(
        workers: workers,
        listener: """
                filters: [{ retry: \(retry) }, router]
                routes:
                  - { match: { path: { exact: /off } }, cluster: up, filters: { retry: off } }
                  - { match: { path: { exact: /more } }, cluster: up, filters: { retry: { attempts: 4 } } }
                  - { match: {}, cluster: up\(route) }
            """,
        rest: "clusters:\n  - { name: up, endpoints: [\(endpoints)]\(cluster) }\n", companions: upstreams)
}

private let quick = "backoff: { base: 1ms, max: 2ms }"

@Suite("Retries")
struct RetryTests {
    @Test("A response that is to be retried is; its connection serves the next try; the attempts are numbered")
    func retries() throws {
        let up = try upstream([unavailable, unavailable, ok])
        let test = try proxy("{ on: [gateway-error], attempts: 3, \(quick) }", [up])
        #expect(try test.get("/a?b").hasSuffix("\r\n\r\nok"))
        #expect(up.recorded.count == 3)
        #expect(up.accepted == 1)
        #expect(up.recorded.allSatisfy { $0.hasPrefix("GET /a?b HTTP/1.1\r\n") })
        for (number, request) in up.recorded.enumerated() {
            #expect(request.contains("x-martlet-attempt: \(number + 1)\r\n"))
        }
        #expect(try test.metric("martlet_upstream_retries_total{cluster=\"up\"}") == "2")
        #expect(try test.metric("martlet_upstream_retries_succeeded_total{cluster=\"up\"}") == "1")
    }

    @Test("The last attempt's answer goes to the client, whatever it is; without the filter there is one attempt")
    func exhausted() throws {
        let up = try upstream([unavailable])
        let test = try proxy("{ on: [5xx], attempts: 2, budget: off, \(quick) }", [up])
        #expect(try test.get("/").hasSuffix("\r\n\r\nbusy"))
        #expect(up.recorded.count == 2)
        #expect(try test.get("/more").hasSuffix("\r\n\r\nbusy"))
        #expect(up.recorded.count == 6)
        #expect(try test.get("/off").hasSuffix("\r\n\r\nbusy"))
        #expect(up.recorded.count == 7)
        #expect(up.recorded.last?.contains("x-martlet-attempt") == false)
        #expect(try test.metric("martlet_upstream_retries_exhausted_total{cluster=\"up\"}") == "2")
    }

    @Test(
        "What is retried",
        arguments: [
            ("gateway-error", "502", true), ("gateway-error", "500", false), ("5xx", "500", true),
            ("retriable-4xx", "409", true), ("retriable-4xx", "404", false),
            ("retriable-status-codes], status_codes: [429", "429", true),
            ("retriable-status-codes], status_codes: [429", "503", false), ("connect-failure, reset", "503", false),
            ("5xx", "503 X\r\nx-envoy-ratelimited: true", false),
            ("envoy-ratelimited", "429 X\r\nx-envoy-ratelimited: true", true),
            ("retriable-headers], headers: [{ name: x-try, exact: again }", "200 X\r\nX-Try: again", true),
            ("retriable-headers], headers: [{ name: x-try, exact: again }", "200 X\r\nX-Try: no", false),
            ("unavailable", "200 X\r\ngrpc-status: 14", true), ("unavailable", "200 X\r\ngrpc-status: 13", false),
            ("internal, cancelled", "200 X\r\ngrpc-status: 13", true),
        ])
    func conditions(_ on: String, _ status: String, _ isRetried: Bool) throws {
        let line = status.contains(" ") ? status : status + " X"
        let up = try upstream(["HTTP/1.1 \(line)\r\nContent-Length: 0\r\n\r\n", ok])
        let test = try proxy("{ on: [\(on)], \(quick) }", [up])
        let answer = try test.get("/")
        #expect(answer.hasSuffix("ok") == isRetried)
        #expect(up.recorded.count == (isRetried ? 2 : 1))
    }

    @Test("A connection closed without an answer, and one refused, go to another endpoint")
    func resetsAndRefusals() throws {
        let closing = try upstream([nil])
        let good = try upstream([ok])
        let reset = try proxy("{ on: [reset], \(quick) }", [closing, good])
        for _ in 0..<6 { #expect(try reset.get("/").hasSuffix("ok")) }
        #expect(closing.recorded.count > 0)
        // A request that may have been processed is not sent twice, unless it may be.
        let answers = try (0..<4).map { _ in
            try reset.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        }
        #expect(answers.contains { $0.hasPrefix("HTTP/1.1 502 ") })

        let refused = try proxy("{ on: [connect-failure], \(quick) }", [good], dead: [try TCPListener.freePort()])
        for _ in 0..<4 {
            #expect(
                try refused.exchange(
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
                ).hasSuffix("ok"))
        }
    }

    @Test("A body is sent again whole, one beyond the buffer is not; methods may be allowed")
    func bodies() throws {
        let body = String(repeating: "0123456789", count: 300)
        func post(_ test: TestProxy, _ framing: String, _ bytes: String) throws -> String {
            try test.exchange("POST / HTTP/1.1\r\nHost: a\r\n\(framing)\r\nConnection: close\r\n\r\n\(bytes)")
        }
        let up = try upstream([unavailable, ok])
        let test = try proxy("{ on: [5xx], methods: [POST], buffer: 4KiB, \(quick) }", [up])
        #expect(try post(test, "Content-Length: 3000", body).hasSuffix("ok"))
        #expect(up.recorded.count == 2 && up.recorded.allSatisfy { $0.hasSuffix(body) })

        let chunked = try upstream([unavailable, ok])
        let second = try proxy("{ on: [5xx], methods: [POST], buffer: 4KiB, \(quick) }", [chunked])
        #expect(try post(second, "Transfer-Encoding: chunked", "bb8\r\n\(body)\r\n0\r\n\r\n").hasSuffix("ok"))
        #expect(chunked.recorded.count == 2)
        #expect(chunked.recorded.first?.hasSuffix("0\r\n\r\n") == true)

        let large = try upstream([unavailable, ok])
        let third = try proxy("{ on: [5xx], methods: [POST], buffer: 1KiB, \(quick) }", [large])
        #expect(try post(third, "Content-Length: 3000", body).hasSuffix("busy"))
        #expect(large.recorded.count == 1)

        let careful = try upstream([unavailable, ok])
        let fourth = try proxy("{ on: [5xx], \(quick) }", [careful])
        #expect(try post(fourth, "Content-Length: 3000", body).hasSuffix("busy"))
        #expect(careful.recorded.count == 1)
    }

    @Test("per_try_timeout: a silent try is given up for another; the last one is 504")
    func perTryTimeout() throws {
        let release = DispatchSemaphore(value: 0)
        let silent = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
        }
        defer { for _ in 0..<8 { release.signal() } }
        let good = try upstream([ok])
        let test = try proxy("{ on: [reset], per_try_timeout: 100ms, \(quick) }", [silent, good])
        for _ in 0..<4 { #expect(try test.get("/").hasSuffix("ok")) }
        #expect(silent.recorded.count > 0)
        #expect(good.recorded.allSatisfy { $0.contains("x-envoy-expected-rq-timeout-ms: 100\r\n") })
        let alone = try proxy("{ on: [connect-failure], per_try_timeout: 100ms }", [silent])
        let answer = try alone.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 504 "))
        #expect(answer.contains("x-martlet-error: per-try-timeout\r\n"))
    }

    @Test("hedge_on_per_try_timeout: the slow try goes on beside the next, and whichever answers first wins")
    func hedging() throws {
        let gate = DispatchSemaphore(value: 0)
        defer { for _ in 0..<8 { gate.signal() } }
        let slow = try Self.slow(gate)
        let good = try upstream([ok])
        let hedge =
            "{ on: [reset], per_try_timeout: 100ms, hedge_on_per_try_timeout: true, methods: [GET, POST], budget: off, \(quick) }"
        let test = try proxy(hedge, [slow, good])
        for _ in 0..<4 { #expect(try test.get("/").hasSuffix("ok")) }
        #expect(slow.recorded.count > 0)
        #expect(try test.metric("martlet_upstream_hedged_requests_total{cluster=\"up\"}") == "\(slow.recorded.count)")
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole"
        for _ in 0..<2 { #expect(try test.exchange(post).hasSuffix("ok")) }
        #expect(
            (good.recorded + slow.recorded).filter { $0.hasPrefix("POST ") }.allSatisfy {
                $0.hasSuffix("\r\n\r\nwhole")
            })
        // None of its tries holds anything any more.
        #expect(try test.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0")
    }

    @Test("A hedge that wins brings its whole body, whatever is spoken on either side", arguments: Wire.all)
    func hedgeOfEveryProtocol(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(
            wire,
            listener: """
                    filters:
                      - retry: { on: [reset], per_try_timeout: 100ms, hedge_on_per_try_timeout: true, budget: off }
                      - router
                    routes: [{ match: {}, cluster: up }]
                """)
        let answer = try wire.get(proxy, "/slow-first/a")
        #expect(answer.status == 200 && answer.body.utf8.count == 160_000, "\(answer)")
        #expect(try proxy.metric("martlet_upstream_hedged_requests_total{cluster=\"up\"}") != "0")
        #expect(try eventually { try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0" })
    }

    @Test(
        "hedge_on_per_try_timeout: the first try may still be the one that answers, and the other's failure is not the request's"
    )
    func hedgingFirst() throws {
        for other in [nil, unavailable] as [String?] {
            let gate = DispatchSemaphore(value: 0)
            let slow = try Self.slow(gate)
            // Whatever it answers, it lets the other go.
            let failing = try ScriptedUpstream { upstream, connection in
                guard let request = connection.nextRequest() else { return }
                upstream.record(request)
                if let other { try? connection.send(other) }
                gate.signal()
            }
            let test = try proxy(
                "{ on: [5xx], attempts: 2, per_try_timeout: 100ms, hedge_on_per_try_timeout: true, \(quick) }",
                [slow, failing])
            var answers: [String] = []
            for _ in 0..<2 where !answers.contains("slow") {
                answers.append(String(try test.get("/").suffix(4)))
            }
            #expect(answers.contains("slow"), "\(answers)")
            for _ in 0..<8 { gate.signal() }
        }
    }

    private static func slow(_ gate: DispatchSemaphore) throws -> ScriptedUpstream {
        try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                gate.wait()
                guard (try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")) != nil else { return }
            }
        }
    }

    @Test("retry-after is waited for, but not longer than the request has")
    func retryAfter() throws {
        let soon = "HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
        let late = "HTTP/1.1 503 X\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
        let up = try upstream([soon, late, ok])
        let test = try proxy("{ on: [5xx], attempts: 3, backoff: { base: 10s } }", [up], route: ", timeout: 15s")
        // The back-off alone would take longer than the route has; what upstream says is shorter, then longer.
        #expect(try test.get("/").hasPrefix("HTTP/1.1 503 "))
        #expect(up.recorded.count == 2)
    }

    @Test("A proxy behind another that retries leaves it to that one, unless told otherwise")
    func nested() throws {
        let up = try upstream([unavailable])
        let inner = try proxy("{ on: [5xx], attempts: 3, \(quick) }", [up])
        let outer = try TestProxy(
            listener: """
                    filters: [{ retry: { on: [5xx], attempts: 3, \(quick) } }, router]
                    routes: [{ match: {}, cluster: inner }]
                """,
            rest: "clusters:\n  - { name: inner, endpoints: [\"127.0.0.1:\(inner.port)\"] }\n")
        #expect(try outer.get("/").hasPrefix("HTTP/1.1 503 "))
        #expect(up.recorded.count == 3)
    }

    @Test("With one of two endpoints failing every request, every client gets its answer")
    func oneOfTwoFails() throws {
        let bad = try upstream([unavailable])
        let good = try upstream([ok])
        let test = try proxy("{ on: [gateway-error], \(quick) }", [bad, good], workers: 2)
        let failures = load(test, clients: 16, each: 125)
        #expect(failures == 0)
        #expect(bad.recorded.count > 500)
    }

    @Test("With all failing, upstream sees no more than the budget on top")
    func allFail() throws {
        let bad = try upstream([unavailable])
        let test = try proxy("{ on: [gateway-error], attempts: 3, \(quick) }", [bad])
        let requests = 16 * 100
        #expect(load(test, clients: 16, each: 100) == requests)
        #expect(bad.recorded.count <= requests * 12 / 10)
        #expect(bad.recorded.count > requests)
        let metric = try test.metric("martlet_upstream_retries_over_budget_total{cluster=\"up\"}")
        #expect((metric.flatMap { Int($0) } ?? 0) > 0)
    }

    @Test("Without a budget, max_retries bounds the retries under way")
    func maxRetries() throws {
        let bad = try upstream([unavailable])
        let test = try proxy(
            "{ on: [5xx], budget: off, \(quick) }", [bad], cluster: ", circuit_breaker: { max_retries: 0 }")
        #expect(try test.get("/").hasSuffix("busy"))
        #expect(bad.recorded.count == 1)
        let series = "martlet_upstream_overflow_total{cluster=\"up\",limit=\"retries\"}"
        #expect(try test.metric(series) == "1")
    }

    /// How many of the requests were not answered 200.
    private func load(_ test: TestProxy, clients: Int, each: Int) -> Int {
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: clients) { _ in
            guard let client = try? test.connect() else { return failures.add(each) }
            for _ in 0..<each {
                client.forget()
                guard (try? client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) != nil,
                    client.receive(until: { $0.text.contains("\r\n\r\n") && !$0.text.hasSuffix("\r\n") })
                else { return failures.add(1) }
                if !client.text.hasPrefix("HTTP/1.1 200 ") { failures.add(1) }
            }
        }
        return failures.count
    }
}

private final class Failures: @unchecked Sendable {
    // Sendable because every access holds the lock.
    private let lock = NSLock()
    private var failures = 0
    func add(_ number: Int) { lock.withLock { failures += number } }
    var count: Int { lock.withLock { failures } }
}

@Suite("Deadlines")
struct DeadlinePropagationTests {
    private let name = "x-envoy-expected-rq-timeout-ms"

    private func sent(_ request: String?) -> Int? {
        guard let request, let range = request.range(of: "\(name): ") else { return nil }
        return Int(request[range.upperBound...].prefix { $0.isNumber })
    }

    @Test(
        "A deadline that comes with the request shrinks and goes on; a route's own timeout does too; the default does not"
    )
    func goesOn() throws {
        let up = try upstream([ok])
        let test = try TestProxy(
            listener: """
                    filters: [router]
                    routes:
                      - { match: { path: { exact: /own } }, cluster: up, timeout: 2s }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(up.port), companions: [up])
        _ = try test.get("/")
        #expect(sent(up.recorded.last) == nil)
        _ = try test.get("/own")
        #expect((1...2000).contains(sent(up.recorded.last) ?? 0))
        _ = try test.get("/", headers: "grpc-timeout: 10S\r\n")
        #expect((1...10_000).contains(sent(up.recorded.last) ?? 0))
        #expect(up.recorded.last?.contains("m\r\n") == true)
        // From a client that is no trusted proxy only gRPC's own counts.
        _ = try test.get("/own", headers: "\(name): 1\r\ngrpc-timeout: 900000m\r\n")
        #expect((2...2000).contains(sent(up.recorded.last) ?? 0))
    }

    @Test("A deadline that passes ends the request and the work upstream; one that has passed starts none")
    func passes() throws {
        let closed = DispatchSemaphore(value: 0)
        let silent = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() { upstream.record(request) }
            closed.signal()
        }
        let test = try TestProxy(upstream: silent)
        let answer = try test.get("/", headers: "grpc-timeout: 100m\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 504 "))
        #expect(answer.contains("x-martlet-error: request-timeout\r\n"))
        #expect(closed.wait(timeout: .now() + 20) == .success)
        #expect(silent.recorded.count == 1)
        #expect(try test.get("/", headers: "grpc-timeout: 0n\r\n").hasPrefix("HTTP/1.1 504 "))
        #expect(silent.recorded.count == 1)
    }
}
