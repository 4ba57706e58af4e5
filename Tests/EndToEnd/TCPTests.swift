import Foundation
import MartletTesting
import Testing

@Suite("Connections whose bytes are passed on")
struct TCPTests {
    @Test("Much, both ways at once and over several connections, arrives whole", arguments: [1, 2])
    func transfers(workers: Int) throws {
        let size = 24_000_000
        let upstream = try ScriptedUpstream { upstream, connection in
            // Shared by two threads that use its two directions.
            let sending = Errand { (try? connection.send(size, seed: 1)) != nil }
            let isWhole = connection.receive(size, seed: 2)
            _ = sending.wait()
            connection.finishSending()
            upstream.record("\(isWhole)")
        }
        let proxy = try TestProxy(
            workers: workers, listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port),
            companions: [upstream])
        let clients = try (0..<3).map { _ in
            let client = try proxy.connect()
            return Errand {
                let sending = Errand {
                    let isSent = (try? client.send(size, seed: 2, piece: 30_000)) != nil
                    client.finishSending()
                    return isSent
                }
                return client.receive(size, seed: 1) && sending.wait() == true
            }
        }
        #expect(clients.map { $0.wait() } == [true, true, true])
        #expect(eventually { upstream.recorded == ["true", "true", "true"] })
        for line in TCPRig.logged(proxy, 3) {
            #expect(
                line.contains("\"protocol\":\"tcp\",\"flags\":\"-\",\"bytes_received\":\(size),\"bytes_sent\":\(size),")
            )
            #expect(line.contains("\"upstream\":\"127.0.0.1:\(upstream.port)\",\"attempts\":1,\"cluster\":\"up\"}"))
        }
        let labels = "{listener=\"public\",cluster=\"up\"}"
        #expect(try proxy.metric("martlet_tcp_connections_total" + labels) == "3")
        #expect(try proxy.metric("martlet_tcp_connections_active" + labels) == "0")
        #expect(try proxy.metric("martlet_tcp_received_bytes_total" + labels) == "\(3 * size)")
        #expect(try proxy.metric("martlet_tcp_sent_bytes_total" + labels) == "\(3 * size)")
    }

    @Test("A client that has said all still gets its answer, and the other way round")
    func halfClose() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            try? connection.send("welcome")
            connection.finishSending()
            connection.receiveToEnd()
            upstream.record(connection.text)
        }
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        #expect(client.receiveToEnd() && client.text == "welcome")
        // The server's side is closed; ours is not.
        try client.send("thank you")
        client.finishSending()
        #expect(eventually { upstream.recorded == ["thank you"] })

        let echo = try TCPRig.echo()
        try proxy.configure(listener: TCPRig.listener(), rest: TestProxy.cluster(echo.port))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.exchange("a question") == "a question")
    }

    @Test("Bytes of a connection that is still open are counted when somebody asks")
    func countsWhileOpen() throws {
        let echo = try TCPRig.echo()
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(echo.port))
        let client = try proxy.connect()
        let labels = "{listener=\"public\",cluster=\"up\"}"
        for count in 1...50 {
            try client.send("message")
            let expected = String(repeating: "message", count: count)
            #expect(client.receive { $0.text == expected })
            guard count % 10 == 0 else { continue }
            #expect(try proxy.metric("martlet_tcp_received_bytes_total" + labels) == "\(7 * count)")
            #expect(try proxy.metric("martlet_tcp_sent_bytes_total" + labels) == "\(7 * count)")
        }
    }

    @Test("A receiver that does not read stops the sender, and the proxy holds little")
    func slowReader() throws {
        let size = 200_000_000
        let upstream = try ScriptedUpstream { upstream, connection in
            let isSent = (try? connection.send(size, seed: 3, piece: 1_000_000)) != nil
            connection.finishSending()
            upstream.record("\(isSent)")
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        let before = proxy.residentMemory
        let client = try proxy.connect()
        client.receive { $0.received.count > 0 }
        let seen = client.received
        let labels = "{listener=\"public\",cluster=\"up\"}"
        var last = ""
        var same = 0
        // It has stopped when nothing more comes in for a while.
        #expect(
            try eventually {
                let now = try proxy.metric("martlet_tcp_sent_bytes_total" + labels) ?? ""
                same = now == last ? same + 1 : 0
                last = now
                return same > 20
            })
        #expect((Int(last) ?? .max) < 60_000_000)
        #expect(upstream.recorded.isEmpty)
        #expect(proxy.residentMemory - before < 8 << 10)
        var stream = ByteStream(seed: 3)
        var isWhole = seen == stream.next(seen.count)
        var left = size - seen.count
        client.forget()
        while left > 0, case .bytes(let count) = client.receive() {
            isWhole = isWhole && client.received == stream.next(count)
            client.forget()
            left -= count
        }
        #expect(isWhole && left == 0)
    }

    @Test("An upstream that refuses, and one that does not answer: the client is reset, and the log says why")
    func refused() throws {
        let nobody = try TCPListener.freePort()
        let proxy = try TestProxy(
            listener: TCPRig.listener(), rest: TestProxy.cluster(nobody, "    circuit_breaker: { max_connections: 1 }"))
        let client = try proxy.connect()
        #expect(client.receiveEnding() == .failed)
        let line = try #require(TCPRig.logged(proxy).first)
        #expect(line.contains("\"flags\":\"UF\",\"reason\":\"upstream-connect-failure\",\"bytes_received\":0"))
        #expect(line.contains("\"upstream\":\"127.0.0.1:\(nobody)\""))
        let failed = "martlet_tcp_connections_failed_total{listener=\"public\",reason=\"upstream-connect-failure\"}"
        #expect(try proxy.metric(failed) == "1")
        #expect(try proxy.metric("martlet_upstream_connect_failures_total{cluster=\"up\"}") == "1")

        let echo = try TCPRig.echo()
        try proxy.configure(
            listener: TCPRig.listener(),
            rest: TestProxy.cluster(echo.port, "    circuit_breaker: { max_connections: 1 }"))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        let first = try proxy.connect()
        try first.send("x")
        #expect(first.receive { $0.text == "x" })
        let second = try proxy.connect()
        #expect(second.receiveEnding() == .failed)
        #expect(
            TCPRig.logged(proxy, 2).last?.contains("\"flags\":\"UO\",\"reason\":\"upstream-overflow-connections\"")
                == true)
        // The place is free again once the first is over.
        first.finishSending()
        #expect(first.receiveToEnd())
        #expect(try eventually { try proxy.exchange("y") == "y" })
    }

    @Test("Another endpoint is dialled when one refuses, and outlier detection hears of it")
    func attempts() throws {
        let nobody = try TCPListener.freePort()
        let echo = try TCPRig.echo()
        func rest(_ more: String = "") -> String {
            "clusters:\n  - name: up\n    endpoints: [\"127.0.0.1:\(nobody)\", \"127.0.0.1:\(echo.port)\"]\n\(more)"
        }
        let listener = TCPRig.listener("    cluster: up\n    max_connect_attempts: 2")
        let proxy = try TestProxy(listener: listener, rest: rest())
        for _ in 0..<10 { #expect(try proxy.exchange("x") == "x") }
        let lines = TCPRig.logged(proxy, 10)
        #expect(
            lines.allSatisfy {
                $0.contains("\"flags\":\"-\"") && $0.contains("\"upstream\":\"127.0.0.1:\(echo.port)\"")
            })
        #expect(lines.contains { $0.contains("\"attempts\":2") })

        let outliers =
            "    outlier_detection: { consecutive_5xx: 1, base_ejection_time: 1h, max_ejection_percent: 50% }"
        try proxy.configure(listener: TCPRig.listener(), rest: rest(outliers))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        // One attempt each: the first that meets the dead endpoint takes it out.
        let failures = (0..<10).count { _ in (try? proxy.exchange("x")) != "x" }
        #expect(failures <= 1)
        #expect(try proxy.admin("/clusters").contains("ejected"))
    }

    @Test("Weighted clusters get their share, and a source's hash keeps its endpoint")
    func choice() throws {
        let (a, b) = (try TCPRig.naming("a"), try TCPRig.naming("b"))
        let split = TCPRig.listener("    split: [{ cluster: a, weight: 75 }, { cluster: b, weight: 25 }]")
        let proxy = try TestProxy(
            workers: 2, listener: split, rest: TCPRig.clusters([("a", a.port), ("b", b.port)]))
        let names = try (0..<400).map { _ in try proxy.exchange("") }
        #expect(names.allSatisfy { $0 == "a" || $0 == "b" })
        // Four standard deviations.
        #expect((265...335).contains(names.count { $0 == "a" }))

        let endpoints = "[\"127.0.0.1:\(a.port)\", \"127.0.0.1:\(b.port)\"]"
        try proxy.configure(
            listener: TCPRig.listener(),
            rest: "clusters: [{ name: up, load_balancing: ring_hash, endpoints: \(endpoints) }]")
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(Set(try (0..<20).map { _ in try proxy.exchange("") }).count == 1)
    }

    @Test("A connection on which nothing moves is closed, and one that lasts too long")
    func time() throws {
        let upstream = try TCPRig.echo()
        let proxy = try TestProxy(
            listener: TCPRig.listener("    cluster: up\n    limits: { idle_timeout: 100ms }"),
            rest: TestProxy.cluster(upstream.port))
        let idle = try proxy.connect()
        try idle.send("x")
        #expect(idle.receiveEnding() == .failed)
        #expect(
            TCPRig.logged(proxy).first?.contains(
                "\"flags\":\"SI\",\"reason\":\"idle-timeout\",\"bytes_received\":1,\"bytes_sent\":1") == true)

        try proxy.configure(
            listener: TCPRig.listener("    cluster: up\n    limits: { max_connection_duration: 200ms }"),
            rest: TestProxy.cluster(upstream.port))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        let busy = try proxy.connect()
        var rounds = 0
        while (try? busy.send("x")) != nil, case .bytes = busy.receive() { rounds += 1 }
        #expect(rounds > 1)
        #expect(
            TCPRig.logged(proxy, 2).last?.contains("\"flags\":\"DT\",\"reason\":\"max-connection-duration\"") == true)
    }

    @Test("A reset passes through, in both directions", arguments: [true, false])
    func resets(ofClient: Bool) throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            connection.receive { $0.text == "go" }
            upstream.record("go")
            if ofClient {
                upstream.record("\(connection.receiveEnding())")
            } else {
                try? connection.send("part")
                connection.receive { $0.text == "go on" }
                connection.reset()
            }
        }
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("go")
        if ofClient {
            #expect(eventually { upstream.recorded == ["go"] })
            client.reset()
            #expect(eventually { upstream.recorded == ["go", "failed"] })
            #expect(
                TCPRig.logged(proxy).first?.contains("\"flags\":\"DC\",\"reason\":\"downstream-disconnect\"") == true)
        } else {
            #expect(client.receive { $0.text == "part" })
            try client.send(" on")
            #expect(client.receiveEnding() == .failed)
            #expect(TCPRig.logged(proxy).first?.contains("\"flags\":\"UC\",\"reason\":\"upstream-closed\"") == true)
        }
    }
}
