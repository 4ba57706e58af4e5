import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Requests and responses pass as they were meant")
struct ForwardingTests {
    @Test("A request reaches the upstream with its fields in order and case, and the proxy's own added")
    func request() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.get("/path?q=1", headers: "X-First: One\r\nx-SECOND: two\r\nX-First: three\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nok"))
        let seen = try #require(upstream.recorded.first)
        #expect(
            seen.hasPrefix(
                "GET /path?q=1 HTTP/1.1\r\nHost: test\r\nX-First: One\r\nx-SECOND: two\r\nX-First: three\r\n"))
        #expect(seen.contains("x-forwarded-for: 127.0.0.1\r\n"))
        #expect(seen.contains("x-forwarded-proto: http\r\n"))
        #expect(seen.contains("x-request-id: "))
        #expect(!seen.lowercased().contains("connection:"))
    }

    @Test("What a stranger says of who it is and where it came in does not go on; a trusted proxy's word does")
    func identity() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let names = [
            "X-Forwarded-Host", "x-forwarded-port", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "X-Envoy-Internal",
            "x-martlet-error", "X-Forwarded-Client-Cert", "X_Forwarded_For", "x_forwarded-proto", "X_Real_IP",
            "x-envoy_foo",
            "x_request_id",
        ]
        let headers = names.map { "\($0): lie\r\n" }.joined()
        let stranger = try TestProxy(upstream: upstream)
        #expect(try stranger.get("/", headers: headers).hasSuffix("ok"))
        #expect(upstream.recorded.last?.contains("lie") == false)
        // What a certificate has proved to another takes more than an address.
        for (mode, goesOn) in [("sanitize", false), ("forward_only", false), ("always_forward_only", true)] {
            let trusting = try TestProxy(
                listener: "    xff_num_trusted_hops: 1\n    forward_client_cert: \(mode)\n" + TestProxy.forwarding,
                rest: TestProxy.cluster(upstream.port))
            #expect(try trusting.get("/", headers: headers).hasSuffix("ok"))
            for name in names {
                let isExpected = goesOn || name != "X-Forwarded-Client-Cert"
                #expect(upstream.recorded.last?.contains("\(name): lie\r\n") == isExpected, "\(mode) \(name)")
            }
        }
    }

    @Test("Every response has one date: upstream's own, or the proxy's")
    func date() throws {
        let dated = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        let upstream = try ScriptedUpstream.answering { request in
            request.hasPrefix("GET /dated") ? "HTTP/1.1 200 OK\r\n\(dated)Content-Length: 2\r\n\r\nok" : ok
        }
        let proxy = try TestProxy(
            listener: """
                    filters: [router]
                    routes:
                      - { match: { path: { exact: /direct } }, respond: { status: 200, body: ok } }
                      - { match: { path: { exact: /nobody } }, redirect: { path: / } }
                      - { match: { path: { prefix: / }, methods: [GET] }, cluster: up }
                """, rest: TestProxy.cluster(upstream.port))
        for (path, method) in [("/", "GET"), ("/dated", "GET"), ("/direct", "GET"), ("/nobody", "GET"), ("/", "POST")] {
            let answer = try proxy.exchange("\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            let dates = answer.lowercased().components(separatedBy: "\r\ndate: ").dropFirst().map { $0.prefix(29) }
            #expect(dates.count == 1, "\(answer)")
            #expect(dates.first?.hasSuffix(" gmt") == true, "\(answer)")
            #expect(answer.contains(dated) == (path == "/dated"))
            // A body of our own has a type: nothing is left to a browser's guess.
            #expect(answer.contains("\r\ncontent-type: text/plain\r\n") == (path == "/direct" || method == "POST"))
        }
    }

    @Test("Pipelined requests are answered in order on one connection")
    func pipelining() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let path = String(request.split(separator: " ")[1])
            return "HTTP/1.1 200 OK\r\nContent-Length: \(path.utf8.count)\r\n\r\n\(path)"
        }
        let proxy = try TestProxy(upstream: upstream)
        let requests = (0..<50).map { "GET /\($0) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined()
        let answer = try proxy.exchange(requests)
        let bodies = answer.components(separatedBy: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "H" } }
        #expect(bodies.map(String.init) == (0..<50).map { "/\($0)" })
    }

    @Test("Bodies pass whole, whatever frames them", arguments: [1, 100, 5000, 300_000])
    func bodies(size: Int) throws {
        let upstream = try ScriptedUpstream.answering { request in
            let body = request.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")
            let chunk = String(body.utf8.count, radix: 16)
            return
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk)\r\n\(body)\r\n0\r\nX-Trailer: yes\r\n\r\n"
        }
        let proxy = try TestProxy(upstream: upstream)
        let body = String(repeating: "z", count: size)
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(size)\r\n\r\n\(body)")
        #expect(client.receive { $0.text.hasSuffix("\r\n\r\n") && $0.received.count > size })
        #expect(client.text.filter { $0 == "z" }.count == size)
        #expect(client.text.contains("X-Trailer: yes"))
    }

    @Test("A HEAD response keeps its length and has no body")
    func head() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange("HEAD / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(answer.contains("Content-Length: 1234\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
    }

    @Test("A response that ends with its connection is chunked for HTTP/1.1 and closed for HTTP/1.0")
    func untilClose() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 200 OK\r\n\r\nall of it")
        }
        let proxy = try TestProxy(upstream: upstream)
        #expect(try proxy.get("/").contains("transfer-encoding: chunked"))
        let old = try proxy.exchange("GET / HTTP/1.0\r\nHost: test\r\n\r\n")
        #expect(old.hasSuffix("\r\n\r\nall of it"))
        #expect(!old.contains("chunked"))
    }

    @Test("100-continue is answered once the body is wanted, and not sent on")
    func expectContinue() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.receive { $0.text == "HTTP/1.1 100 Continue\r\n\r\n" })
        try client.send("body")
        #expect(client.receive { $0.text.hasSuffix("ok") })
        #expect(upstream.recorded.first?.lowercased().contains("expect") == false)
    }

    @Test("A request on a connection that the server closed meanwhile is sent once more")
    func staleConnection() throws {
        // The server keeps a connection for one request and then closes it as the next arrives.
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let first = connection.nextRequest() else { return }
            upstream.record(first)
            try? connection.send(ok)
            _ = connection.receive()
            connection.reset()
        }
        let proxy = try TestProxy(upstream: upstream)
        for _ in 0..<5 { #expect(try proxy.get("/").hasSuffix("ok")) }
        let replays = try #require(try proxy.metric("martlet_upstream_stale_connection_replays_total"))
        #expect((Int(replays) ?? 0) >= 1)
    }

    @Test("A POST on such a connection is not: it may have been processed")
    func staleConnectionUnsafe() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(ok)
            _ = connection.receive()
            connection.reset()
        }
        let proxy = try TestProxy(upstream: upstream)
        let post = "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
        let answers = try (0..<6).map { _ in try proxy.exchange(post).prefix(12) }
        #expect(answers.contains("HTTP/1.1 502"))
        #expect(answers.allSatisfy { $0 == "HTTP/1.1 502" || $0 == "HTTP/1.1 200" })
    }

    @Test("HTTP/1.0 without Host gets one: what goes upstream is HTTP/1.1")
    func hostless() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        #expect(try proxy.exchange("GET / HTTP/1.0\r\n\r\n").hasSuffix("ok"))
        #expect(upstream.recorded.first?.contains("\r\nhost: localhost\r\n") == true)
    }

    @Test("A body of no bytes leaves the upstream connection free for the next request")
    func emptyBody() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        for _ in 0..<5 {
            client.forget()
            try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("ok") })
        }
        #expect(upstream.recorded.count == 5)
        #expect(upstream.accepted == 1)
    }

    @Test("A request that is answered early is read to its end, and its connection serves the next")
    func answeredEarly() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let listener = """
                filters: [router]
                routes:
                  - { match: { path: { exact: /early } }, respond: { status: 403, body: early } }
                  - { match: { path: { prefix: / } }, cluster: up }
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        for (framing, body) in [
            ("Content-Length: 7", "GET /x "),
            ("Transfer-Encoding: chunked", "7\r\nGET /x \r\n0\r\nX-Trailer: 1\r\n\r\n"),
        ] {
            client.forget()
            try client.send("POST /early HTTP/1.1\r\nHost: test\r\n\(framing)\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("early") })
            client.forget()
            try client.send(body)
            try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("ok") })
        }
        #expect(upstream.recorded.allSatisfy { $0.hasPrefix("GET / HTTP/1.1\r\nHost: test\r\n") })
        #expect(upstream.recorded.count == 2)
        // More than is worth reading ends the connection.
        let large = try proxy.connect()
        try large.send("POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\n")
        #expect(large.receive { $0.text.hasSuffix("early") })
        for _ in 0..<40 { try? large.send([UInt8](repeating: 0x61, count: 65_536)) }
        #expect(large.receiveToEnd())
    }

    @Test("Heads larger than a read buffer pass when the limits allow them")
    func largeHeads() throws {
        let large = String(repeating: "h", count: 200_000)
        let upstream = try ScriptedUpstream.answering(
            "HTTP/1.1 200 OK\r\nX-Large: \(large)\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(
            listener: "    limits: { request_headers: 512KiB }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port, "    limits: { response_headers: 512KiB }"))
        let answer = try proxy.get("/", headers: "X-Large: \(large)\r\n")
        #expect(answer.contains("X-Large: \(large)\r\n"))
        #expect(answer.hasSuffix("ok"))
        #expect(upstream.recorded.first?.contains("X-Large: \(large)\r\n") == true)
    }

    @Test("CONNECT passes where it is allowed, and tunnels once the upstream accepts it")
    func connect() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            guard request.hasPrefix("CONNECT yes:443 ") else {
                try? connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                return
            }
            // A length says nothing here, and must not reach the client.
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            while connection.received.count < 4 { guard case .bytes = connection.receive() else { return } }
            try? connection.send(connection.received + Array("!".utf8))
            connection.receiveToEnd()
        }
        let listener = """
                upgrades: [connect]
                filters: [router]
                routes: [{ match: { methods: [CONNECT] }, cluster: up }]
            """
        let proxy = try TestProxy(listener: listener, rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("CONNECT yes:443 HTTP/1.1\r\nHost: yes:443\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("hello") })
        #expect(client.text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(!client.text.lowercased().contains("content-length"))
        try client.send("ping")
        #expect(client.receive { $0.text.hasSuffix("ping!") })

        let refused = try proxy.exchange(
            "CONNECT no:443 HTTP/1.1\r\nHost: no:443\r\n\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 403 "))
        #expect(refused.hasSuffix("no"))
        let content = try proxy.exchange("CONNECT no:443 HTTP/1.1\r\nHost: no:443\r\nContent-Length: 3\r\n\r\nabc")
        #expect(content.hasPrefix("HTTP/1.1 400 "))
        #expect(upstream.recorded.map { $0.prefix(12) } == ["CONNECT yes:", "CONNECT no:4"])
    }

    @Test("Once some of a response has come, the request is not sent again")
    func brokenResponse() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let first = connection.nextRequest() else { return }
            upstream.record(first)
            try? connection.send(ok)
            guard let second = connection.nextRequest() else { return }
            upstream.record(second)
            try? connection.send("HTTP/1.1 2")
        }
        let proxy = try TestProxy(upstream: upstream)
        #expect(try proxy.get("/").hasSuffix("ok"))
        let answer = try proxy.exchange("DELETE / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 502 "))
        #expect(upstream.recorded.count == 2)
    }

    @Test("An answer that comes while the request is still being sent arrives, though the server resets behind it")
    func earlyAnswerAndReset() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard case .bytes = connection.receive() else { return }
            try? connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            // Closed with bytes unread: the kernel sends a reset.
        }
        let proxy = try TestProxy(upstream: upstream)
        for _ in 0..<10 {
            let client = try proxy.connect()
            try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n")
            for _ in 0..<20 where client.sendWithoutWaiting([UInt8](repeating: 0x61, count: 65_536)) == nil { break }
            #expect(client.receive { $0.text.hasSuffix("big") })
            #expect(client.text.hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test("A tunnel's fast side waits for its slow side, and nothing is lost")
    func tunnelBackPressure() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            release.wait()
            var total = 0
            while total < 6_000_000, let count = connection.discard(1 << 20) { total += count }
            try? connection.send("\(total)!")
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(client.receive { $0.text.hasPrefix("HTTP/1.1 101 ") })
        client.forget()
        var left = [UInt8](repeating: 0x61, count: 6_000_000)
        // Until neither the proxy nor the kernel takes more.
        #expect(
            eventually {
                guard let count = client.sendWithoutWaiting(left) else { return true }
                left.removeFirst(count)
                return false
            })
        release.signal()
        try client.send(left)
        #expect(client.receive { $0.text.hasSuffix("6000000!") })
    }

    @Test("An accepted upgrade becomes a tunnel in both directions")
    func tunnel() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard let request = connection.nextRequest(), request.lowercased().contains("upgrade: websocket") else {
                return
            }
            try? connection.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
            while connection.received.count < 4 { guard case .bytes = connection.receive() else { return } }
            try? connection.send(connection.received + Array("!".utf8))
            connection.finishSending()
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(client.receive { $0.text.hasSuffix("hello") })
        #expect(client.text.hasPrefix("HTTP/1.1 101 "))
        try client.send("ping")
        #expect(client.receive { $0.text.hasSuffix("ping!") })
    }
}
