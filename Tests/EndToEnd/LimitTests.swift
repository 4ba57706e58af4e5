import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Every buffer and wait has its limit")
struct LimitTests {
    @Test("A slow reader stops the fast writer: memory stays flat while gigabytes wait")
    func backPressure() throws {
        let sent = Locked(0)
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            let block = [UInt8](repeating: 0x61, count: 1 << 20)
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(4 << 30)\r\n\r\n")
            for _ in 0..<4096 {
                do { try connection.send(block) } catch { return }
                sent.withLock { $0 += block.count }
            }
        }
        let proxy = try TestProxy(upstream: upstream)
        let before = proxy.residentMemory
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        // Until the writer has been stopped: what it has sent grows no more.
        var last = -1
        #expect(
            eventually {
                let now = sent.withLock { $0 }
                defer { last = now }
                return now > 0 && now == last
            })
        #expect(sent.withLock { $0 } < 64 << 20)
        #expect(proxy.residentMemory - before < 16 << 10)
        // The rest comes when the reader reads.
        var total = 0
        while total < 256 << 20, let count = client.discard(1 << 20) { total += count }
        #expect(total >= 256 << 20)
        #expect(proxy.residentMemory - before < 16 << 10)
    }

    @Test("A slow upstream stops the fast client")
    func requestBackPressure() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard case .bytes = connection.receive() else { return }
            upstream.record("head")
            _ = eventually { false }
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(1 << 32)\r\n\r\n")
        #expect(eventually { upstream.recorded.count == 1 })
        let block = [UInt8](repeating: 0x61, count: 65_536)
        var sent = 0
        var stalls = 0
        #expect(
            eventually {
                while let count = client.sendWithoutWaiting(block) {
                    sent += count
                    stalls = 0
                }
                stalls += 1
                return stalls > 100 || sent > 256 << 20
            })
        #expect(sent < 64 << 20)
    }

    @Test("A head larger than the limit is 431", arguments: ["x-big: " + String(repeating: "a", count: 70_000)])
    func largeHead(field: String) throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        #expect(try proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n").hasPrefix("HTTP/1.1 431 "))
        let many = (0..<101).map { "x-\($0): 1\r\n" }.joined()
        #expect(try proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\n\(many)\r\n").hasPrefix("HTTP/1.1 431 "))
        #expect(upstream.recorded.isEmpty)
    }

    @Test("A head that does not end is 408, and others are served meanwhile")
    func slowHead() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: "    limits: { request_headers_timeout: 300ms }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        let slow = try (0..<50).map { _ in try proxy.connect() }
        for client in slow { try client.send("GET / HTTP/1.1\r\nHo") }
        #expect(try proxy.get("/").hasSuffix("ok"))
        for client in slow {
            #expect(client.receiveToEnd())
            #expect(client.text.hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("max_connections closes further ones")
    func connections() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: "    limits: { max_connections: 2 }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        let first = try proxy.connect()
        let second = try proxy.connect()
        for client in [first, second] {
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("ok") })
        }
        let third = try proxy.connect()
        try? third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(third.receiveToEnd())
        #expect(third.text.isEmpty)
        let rejected = try proxy.metric("martlet_downstream_connections_rejected_total{listener=\"public\"}")
        #expect(rejected == "1")
    }

    @Test("max_requests: exactly that many in flight, the rest refused at once")
    func maxRequests() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        let proxy = try TestProxy(
            workers: 2, listener: TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port, "    circuit_breaker: { max_requests: 10 }"))
        let clients = try (0..<100).map { _ in try proxy.connect() }
        for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }
        #expect(eventually { upstream.recorded.count == 10 })
        #expect(
            try eventually {
                try proxy.metric("martlet_requests_total{listener=\"public\",cluster=\"up\",response_class=\"5xx\"}")
                    == "90"
            })
        #expect(upstream.recorded.count == 10)
        for _ in 0..<100 { release.signal() }
        for client in clients { client.receiveToEnd() }
        #expect(clients.filter { $0.text.hasPrefix("HTTP/1.1 200") }.count == 10)
        #expect(clients.filter { $0.text.contains("x-martlet-error: upstream-overflow-requests") }.count == 90)
    }

    @Test("A request that takes longer than its route allows is 504")
    func timeout() throws {
        let upstream = try ScriptedUpstream { _, connection in
            connection.receiveToEnd()
        }
        let listener = """
                filters: [router]
                routes:
                  - match: { path: { prefix: / } }
                    cluster: up
                    timeout: 100ms
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 504 "))
        #expect(answer.contains("x-martlet-error: request-timeout"))
    }

    @Test("A route's timeout runs from the end of the request: a slow upload is not cut off")
    func timeoutAfterUpload() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let listener = """
                filters: [router]
                routes: [{ match: { path: { prefix: / } }, cluster: up, timeout: 200ms }]
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\n")
        // Longer than the timeout, byte by byte: nothing may come back.
        for _ in 0..<7 {
            #expect(client.receive(timeout: 60) == .timeout)
            try client.send("x")
        }
        try client.send("x")
        #expect(client.receive { $0.text.hasSuffix("ok") })
    }

    @Test("Connections that dribble their heads take a slot and nothing from the others")
    func dribbling() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let slow = try (0..<400).map { _ in try proxy.connect() }
        let head = Array("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".utf8)
        for index in head.indices {
            for client in slow { try client.send([head[index]]) }
            if index % 10 == 0 { #expect(try proxy.get("/").hasSuffix("ok")) }
        }
        for client in slow {
            #expect(client.receiveToEnd())
            #expect(client.text.hasSuffix("ok"))
        }
    }

    @Test("A client that sends requests and reads no answers is held up; others are served")
    func pipeliningFlood() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let listener = """
                filters: [router]
                routes:
                  - { match: { path: { exact: /local } }, respond: { status: 404, body: "no such thing, in some words" } }
                  - { match: { path: { prefix: / } }, cluster: up }
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        let before = proxy.residentMemory
        let flood = try proxy.connect()
        let block = Array(String(repeating: "GET /local HTTP/1.1\r\nHost: a\r\n\r\n", count: 1000).utf8)
        var sent = 0
        var stalls = 0
        var rest = block[...]
        #expect(
            eventually {
                while let count = flood.sendWithoutWaiting(Array(rest)) {
                    sent += count
                    rest = rest.dropFirst(count)
                    if rest.isEmpty { rest = block[...] }
                    stalls = 0
                }
                stalls += 1
                return stalls > 40
            })
        #expect(proxy.residentMemory - before < 16 << 10)
        #expect(try proxy.get("/").hasSuffix("ok"))
        // Every whole request gets its answer once the client reads.
        let single = try proxy.connect()
        try single.send("GET /local HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(single.receive { $0.text.hasSuffix("words") })
        let expected = sent / (block.count / 1000) * single.received.count
        flood.finishSending()
        var received = 0
        while received < expected, let count = flood.discard(1 << 20) { received += count }
        #expect(received == expected)
    }

    @Test("A client that reads nothing of its last answer does not keep its connection for ever")
    func stalledClose() throws {
        let body = String(repeating: "x", count: 20_000_000)
        let upstream = try ScriptedUpstream.answering(
            "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let proxy = try TestProxy(
            listener: "    limits: { stream_idle_timeout: 300ms, stream_buffer: 64MiB }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        let before = proxy.descriptors
        let clients = try (0..<5).map { _ in try proxy.connect() }
        for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }
        #expect(eventually { upstream.recorded.count == 5 })
        #expect(eventually { proxy.descriptors <= before })
        withExtendedLifetime(clients) {}
    }

    @Test("request_headers_timeout: 0 waits as long as it takes")
    func noHeadTimeout() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: "    limits: { request_headers_timeout: 0 }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        #expect(client.receive(timeout: 100) == .timeout)
        try client.send("GET / HTTP/1.1\r\n")
        #expect(client.receive(timeout: 100) == .timeout)
        try client.send("Host: a\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("ok") })
    }

    @Test("A body in chunks of one byte costs its bytes, not a read buffer for each")
    func tinyChunks() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(ok)
            while case .bytes = connection.receive() {
                if connection.text.hasSuffix("0\r\n\r\n") { try? connection.send(ok) }
            }
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("ok") })
        let before = proxy.residentMemory
        client.forget()
        // On a connection used before, so that it is kept for the stale keep-alive race.
        try client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<10_000 { try client.send("1\r\nx\r\n") }
        #expect(proxy.residentMemory - before < 8 << 10)
        try client.send("0\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("ok") })
    }

    @Test("A regular expression that gives up refuses the request: it does not count as a mismatch")
    func patterns() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let listener = """
                filters: [router]
                routes:
                  - { match: { path: { regex: "^/admin(/[a-z]+)*$" } }, respond: { status: 403 } }
                  - { match: { path: { regex: "^/((a+)+)+$" } }, respond: { status: 403 } }
                  - { match: { path: { prefix: / } }, cluster: up }
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        #expect(try proxy.get("/admin" + String(repeating: "/a", count: 2000)).hasPrefix("HTTP/1.1 403 "))
        let answer = try proxy.get("/" + String(repeating: "a", count: 2000) + "b")
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("x-martlet-error: route-pattern-gave-up"))
        #expect(try proxy.get("/other").hasSuffix("ok"))
        #expect(upstream.recorded.count == 1)
    }

    @Test("An upstream that refuses, and a cluster whose server dies mid-response")
    func deadUpstream() throws {
        let closed = try TCPListener.freePort()
        let refusing = try TestProxy(listener: TestProxy.forwarding, rest: TestProxy.cluster(closed))
        #expect(try refusing.get("/").contains("x-martlet-error: upstream-connect-failure"))

        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.receiveToEnd())
        // Broken off, not ended: the client can tell that it is not whole.
        #expect(client.text.hasSuffix("\r\n\r\nhalf"))
        #expect(try proxy.admin("/live").hasPrefix("HTTP/1.1 200"))
    }

    @Test("Random bytes for every connection: the proxy answers others")
    func randomBytes() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let client = try proxy.connect()
            let count = Int.random(in: 1...2000, using: &generator)
            try? client.send((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
            client.finishSending()
            client.receiveToEnd()
        }
        #expect(try proxy.get("/").hasSuffix("ok"))
        #expect(upstream.recorded.count == 1)
    }
}
