import MartletTesting
import Testing

private func named(_ name: String) throws -> ScriptedUpstream {
    try .answering("HTTP/1.1 200 OK\r\nContent-Length: \(name.utf8.count)\r\n\r\n\(name)")
}

@Suite("Routes do what they say")
struct RoutingTests {
    private func proxy(_ routes: String, _ clusters: String) throws -> TestProxy {
        try TestProxy(listener: "    filters: [router]\n    routes:\n\(routes)", rest: "clusters:\n\(clusters)")
    }

    private func cluster(_ name: String, _ upstreams: [ScriptedUpstream], _ more: String = "") -> String {
        let endpoints = upstreams.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", ")
        return "  - { name: \(name), endpoints: [\(endpoints)]\(more) }\n"
    }

    @Test("redirect: path, prefix, host, scheme, port and query")
    func redirects() throws {
        let upstream = try named("up")
        let proxy = try proxy(
            """
                  - { match: { path: { exact: /old } }, redirect: { path: /new, status: 308 } }
                  - { match: { path: { prefix: /p/ } }, redirect: { prefix: /q/ } }
                  - { match: { path: { prefix: /tls } }, redirect: { scheme: https, strip_query: true } }
                  - { match: { path: { prefix: /there } }, redirect: { host: b.example, port: 81 } }
                  - { match: { path: { prefix: / } }, cluster: up }
            """, cluster("up", [upstream]))
        let cases = [
            ("/old?x=1", "308", "http://test/new?x=1"), ("/p/a/b?x", "301", "http://test/q/a/b?x"),
            ("/tls/a?x", "301", "https://test/tls/a"), ("/there/a", "301", "http://b.example:81/there/a"),
        ]
        for (path, status, location) in cases {
            let answer = try proxy.get(path)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(answer.contains("location: \(location)\r\n"), "\(path): \(answer)")
        }
        #expect(upstream.recorded.isEmpty)
    }

    @Test("rewrite: prefix, expression and host; respond; no route")
    func rewrites() throws {
        let upstream = try named("up")
        let proxy = try proxy(
            """
                  - { match: { path: { prefix: /api/ } }, cluster: up, rewrite: { prefix: /, host: api.internal } }
                  - { match: { path: { prefix: /x/ } }, cluster: up, rewrite: { regex: "^/x/([a-z]+)/(.*)$", to: "/\\\\2/\\\\1" } }
                  - { match: { path: { exact: /teapot } }, respond: { status: 418, body: "short and stout\\n", headers: { x-pot: tea } } }
            """, cluster("up", [upstream]))
        _ = try proxy.get("/api/v1?q")
        _ = try proxy.get("/x/abc/def")
        #expect(upstream.recorded.first?.hasPrefix("GET /v1?q HTTP/1.1\r\nHost: api.internal\r\n") == true)
        #expect(upstream.recorded.last?.hasPrefix("GET /def/abc HTTP/1.1\r\n") == true)
        let teapot = try proxy.get("/teapot")
        #expect(teapot.hasPrefix("HTTP/1.1 418 "))
        #expect(teapot.contains("x-pot: tea\r\n"))
        #expect(teapot.hasSuffix("short and stout\n"))
        let none = try proxy.get("/elsewhere")
        #expect(none.hasPrefix("HTTP/1.1 404 "))
        #expect(none.contains("x-martlet-error: no-route\r\n"))
    }

    @Test("split shares requests out by weight, and mirror copies them")
    func splitAndMirror() throws {
        let (one, two, shadow) = (try named("one"), try named("two"), try named("shadow"))
        let proxy = try proxy(
            """
                  - match: { path: { prefix: / } }
                    split: [{ cluster: one, weight: 75 }, { cluster: two, weight: 25 }]
                    mirror: { cluster: shadow, percent: 100% }
            """, cluster("one", [one]) + cluster("two", [two]) + cluster("shadow", [shadow]))
        let client = try proxy.connect()
        for _ in 0..<400 {
            client.forget()
            try client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody")
            #expect(client.receive { $0.text.hasSuffix("one") || $0.text.hasSuffix("two") })
        }
        #expect(one.recorded.count + two.recorded.count == 400)
        // 100 are expected; the bounds are seven standard deviations away.
        #expect((40...160).contains(two.recorded.count))
        #expect(eventually { shadow.recorded.count == 400 })
        #expect(shadow.recorded.allSatisfy { $0.hasSuffix("body") && $0.contains("Host: test-shadow") })
    }

    @Test("Endpoints share requests by policy and weight", arguments: ["round_robin", "random", "least_request"])
    func balancing(policy: String) throws {
        let (one, two) = (try named("one"), try named("two"))
        let clusters = """
              - name: up
                load_balancing: \(policy)
                endpoints: [{ address: "127.0.0.1:\(one.port)", weight: 3 }, "127.0.0.1:\(two.port)"]
            """
        let proxy = try proxy("      - { match: { path: { prefix: / } }, cluster: up }", clusters)
        let client = try proxy.connect()
        for _ in 0..<200 {
            client.forget()
            try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("one") || $0.text.hasSuffix("two") })
        }
        #expect(one.recorded.count + two.recorded.count == 200)
        if policy == "round_robin" {
            #expect(one.recorded.count == 150)
        } else {
            #expect(one.recorded.count > two.recorded.count)
            #expect(two.recorded.count > 0)
        }
    }

    @Test("With paths left as they are, a lone percent sign does not hide what else is made of one")
    func lonePercent() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
        let proxy = try TestProxy(
            listener: """
                    normalize_path: false
                    escaped_slashes: unescape
                    filters: [router]
                    routes:
                      - { match: { path: { prefix: /admin } }, respond: { status: 403 } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        for path in ["//admin%zz", "/%2Fadmin%", "//admin"] {
            #expect(try proxy.get(path).hasPrefix("HTTP/1.1 403 "), "\(path)")
        }
        #expect(try proxy.get("/x%zz%00").hasPrefix("HTTP/1.1 400 "))
        #expect(try proxy.get("/x%zz").hasSuffix("up"))
    }

    @Test("A cluster by name finds its server, and one that does not resolve is 503")
    func names() throws {
        let upstream = try named("up")
        let proxy = try proxy(
            """
                  - { match: { path: { exact: /no } }, cluster: nowhere }
                  - { match: { path: { prefix: / } }, cluster: up }
            """,
            """
              - { name: up, discovery: { dns: "localhost:\(upstream.port)" } }
              - { name: nowhere, discovery: { dns: "no-such-host.invalid:80" } }
            """)
        #expect(try eventually { try proxy.get("/").hasSuffix("up") })
        #expect(try proxy.get("/no").contains("x-martlet-error: no-healthy-upstream\r\n"))
    }
}
