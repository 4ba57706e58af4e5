import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("What one exchange or setting may not do to others")
struct ResilienceTests {
    @Test("No policy makes a CONNECT of a request, and none an h2c of an upgrade")
    func policiesAndTunnels() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local headers = handle:headers()
              local method = headers:get("x-method")
              if method then
                local fine, message = pcall(headers.replace, headers, ":method", method)
                if not fine then return handle:respond({[":status"] = "400"}, message) end
              end
              if headers:get("x-upgrade") then headers:replace("upgrade", headers:get("x-upgrade")) end
            end
            """, listener: "    upgrades: [websocket]")
        #expect(
            try test.proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\nX-Method: CONNECT\r\nConnection: close\r\n\r\n")
                .hasSuffix("invalid header value"))
        #expect(
            try test.proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\nX-Method: PUT\r\nConnection: close\r\n\r\n")
                .hasSuffix("ok"))
        let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nX-Upgrade: h2c\r\n\r\n"
        let answer = try test.proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\n\(upgrade)")
        #expect(answer.hasPrefix("HTTP/1.1 500 "))
        #expect(answer.contains("x-martlet-error: invalid-request-after-filters\r\n"))
        #expect(test.upstream.recorded.count == 1)
        #expect(test.upstream.recorded.first?.hasPrefix("PUT / ") == true)
    }

    @Test("max_connections: connections that idle make room, across endpoints and workers", arguments: [1, 3])
    func idleConnectionsMakeRoom(workers: Int) throws {
        let one = try ScriptedUpstream.answering(ok)
        let two = try ScriptedUpstream.answering(ok)
        let rest = """
            clusters:
              - name: up
                endpoints: ["127.0.0.1:\(one.port)", "127.0.0.1:\(two.port)"]
                circuit_breaker: { max_connections: 1 }
            """
        let proxy = try TestProxy(
            workers: workers, listener: TestProxy.forwarding, rest: rest, companions: [one, two])
        for _ in 0..<12 { #expect(try proxy.get("/").hasSuffix("ok")) }
        #expect(one.recorded.count + two.recorded.count == 12)
        #expect(one.recorded.count > 0 && two.recorded.count > 0)
    }

    @Test("Every mirror of a list gets its copy; one of a request that breaks off holds nothing")
    func mirrors() throws {
        let up = try ScriptedUpstream.answering(ok)
        let first = try ScriptedUpstream.answering(ok)
        let second = try ScriptedUpstream.answering(ok)
        let rest = TestProxy.cluster(
            up.port,
            """
              - { name: m1, endpoints: ["127.0.0.1:\(first.port)"], circuit_breaker: { max_requests: 3 } }
              - { name: m2, endpoints: ["127.0.0.1:\(second.port)"] }
            """)
        let proxy = try TestProxy(
            workers: 1,
            listener: """
                    filters: [router]
                    routes:
                      - { match: { path: { prefix: /m1 } }, cluster: m1 }
                      - { match: {}, cluster: up, mirror: [{ cluster: m1 }, { cluster: m2 }] }
                """, rest: rest, companions: [up, first, second])
        #expect(try proxy.get("/both").hasSuffix("ok"))
        #expect(eventually { first.recorded.count == 1 && second.recorded.count == 1 })
        for _ in 0..<5 {
            let client = try proxy.connect()
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            client.reset()
        }
        // Their slots are free again: the cluster serves its own requests.
        let active = "martlet_cluster_requests_active{cluster=\"m1\"}"
        #expect(try eventually { try proxy.metric(active) == "0" })
        #expect(try proxy.get("/m1").hasSuffix("ok"))
    }

    @Test("Requests that began before a reload count on, though their cluster has changed")
    func countsOverReloads() throws {
        let release = DispatchSemaphore(value: 0)
        let up = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                if request.hasPrefix("GET /held") { release.wait() }
                do { try connection.send(ok) } catch { return }
            }
        }
        func rest(_ more: String) -> String {
            "clusters:\n  - { name: up, endpoints: [\"127.0.0.1:\(up.port)\"], circuit_breaker: { max_requests: 1 }\(more) }\n"
        }
        let proxy = try TestProxy(workers: 1, listener: TestProxy.forwarding, rest: rest(""), companions: [up])
        let held = try proxy.connect()
        try held.send("GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(eventually { up.recorded.count == 1 })
        try proxy.configure(listener: TestProxy.forwarding, rest: rest(", connect_timeout: 4s"))
        #expect(try eventually { try proxy.admin("/config").contains("4s") })
        #expect(try proxy.get("/").contains("x-martlet-error: upstream-overflow-requests\r\n"))
        release.signal()
        #expect(held.receiveToEnd())
        #expect(held.text.hasSuffix("ok"))
        #expect(try eventually { try proxy.get("/").hasSuffix("ok") })
    }

    @Test("The weights of a split may add up to more than 32 bits hold")
    func hugeSplit() throws {
        let up = try ScriptedUpstream.answering(ok)
        let count = 4_400
        let clusters = (0..<count).map { "  - { name: c\($0), endpoints: [\"127.0.0.1:\(up.port)\"] }" }
        let split = (0..<count).map { "{ cluster: c\($0), weight: 1000000 }" }
        let proxy = try TestProxy(
            workers: 1,
            listener: "    filters: [router]\n    routes: [{ match: {}, split: [\(split.joined(separator: ", "))] }]\n",
            rest: "clusters:\n" + clusters.joined(separator: "\n"), companions: [up])
        #expect(try proxy.get("/").hasSuffix("ok"))
    }

    @Test("limits of heads hold for the next request of an open connection")
    func limitsOfOpenConnections() throws {
        let up = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: up)
        let client = try proxy.connect()
        let request = "GET / HTTP/1.1\r\nHost: a\r\n" + (0..<10).map { "x-\($0): 1\r\n" }.joined() + "\r\n"
        try client.send(request)
        #expect(client.receive { $0.text.hasSuffix("ok") })
        try proxy.configure(
            listener: "    limits: { header_count: 5 }\n" + TestProxy.forwarding, rest: TestProxy.cluster(up.port))
        #expect(try eventually { try proxy.exchange(request).hasPrefix("HTTP/1.1 431 ") })
        client.forget()
        try client.send(request)
        #expect(client.receiveToEnd())
        #expect(client.text.hasPrefix("HTTP/1.1 431 "))
    }

    @Test("A call of a policy goes to the clusters that its exchange began with")
    func callsAfterReload() throws {
        let release = DispatchSemaphore(value: 0)
        let slow = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        let other = try ScriptedUpstream.answering("HTTP/1.1 201 Here\r\nContent-Length: 0\r\n\r\n")
        let up = try ScriptedUpstream.answering(ok)
        let policy = """

            policies:
              - name: p
                inline: |
                  function on_request(handle)
                    local to = {[":method"] = "GET", [":path"] = "/", [":authority"] = "a"}
                    handle:httpCall("slow", to, nil, 0)
                    local second = handle:httpCall("other", to, nil, 5000)
                    handle:headers():add("x-second", second[":status"])
                  end
            """
        let more = """
              - { name: slow, endpoints: ["127.0.0.1:\(slow.port)"] }
              - { name: other, endpoints: ["127.0.0.1:\(other.port)"] }
            """
        let proxy = try TestProxy(
            workers: 1,
            listener: "    filters: [{ lua: { policy: p } }, router]\n    routes: [{ match: {}, cluster: up }]\n",
            rest: TestProxy.cluster(up.port, more) + policy, companions: [slow, other, up])
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { slow.recorded.count == 1 })
        try proxy.configure(listener: TestProxy.forwarding, rest: TestProxy.cluster(up.port))
        #expect(try eventually { try !proxy.admin("/clusters").contains("other") })
        release.signal()
        #expect(client.receive { $0.text.hasSuffix("ok") }, "\(client.text) \(proxy.logged)")
        #expect(up.recorded.last?.contains("x-second: 201\r\n") == true)
    }

    @Test("A client that stops in its request is 408; one that is answered early hears that the connection ends")
    func earlyEnds() throws {
        let up = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            workers: 1,
            listener: """
                    limits: { stream_idle_timeout: 200ms }
                    filters: [router]
                    routes:
                      - { match: { path: { prefix: /no } }, respond: { status: 403, body: no } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(up.port), companions: [up])
        let stopped = try proxy.connect()
        try stopped.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        #expect(stopped.receiveToEnd())
        #expect(stopped.text.hasPrefix("HTTP/1.1 408 "))
        #expect(stopped.text.contains("x-martlet-error: request-idle-timeout\r\n"))
        let head = "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: "
        #expect(try proxy.exchange(head + "9\r\nExpect: 100-continue\r\n\r\n").contains("connection: close\r\n"))
        #expect(try proxy.exchange(head + "9000000\r\n\r\n").contains("connection: close\r\n"))
        let small = try proxy.connect()
        try small.send(head + "9\r\n\r\n123456789" + "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(small.receiveToEnd())
        #expect(small.text.components(separatedBy: "HTTP/1.1 403 ").count == 3)
    }
}
