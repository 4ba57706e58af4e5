import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("cors")
struct CORSTests {
    private func proxy(_ settings: String, upstream answer: String = ok, routes: String = "", before: String = "")
        throws
        -> (TestProxy, ScriptedUpstream)
    {
        let upstream = try ScriptedUpstream.answering(answer)
        let proxy = try TestProxy(
            listener: """
                    filters:
                \(before)
                      - cors: { \(settings) }
                      - router
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        return (proxy, upstream)
    }

    private func preflight(_ proxy: TestProxy, _ origin: String, _ more: String = "", path: String = "/") throws
        -> String
    {
        try proxy.exchange(
            "OPTIONS \(path) HTTP/1.1\r\nHost: t\r\nConnection: close\r\nOrigin: \(origin)\r\nAccess-Control-Request-Method: PUT\r\n\(more)\r\n"
        )
    }

    /// The values of a field, in order.
    private func values(_ name: String, _ answer: String) -> [String] {
        answer.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("\(name): ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    @Test("Origins: written out, with wildcards, by expression; nothing that only looks like one")
    func origins() throws {
        let (proxy, _) = try proxy(
            #"allow_origins: ["https://a.example", "https://*.b.example", "http://*.c.example:8080", "regex:https://d[0-9]+\\.example"]"#
        )
        for origin in [
            "https://a.example", "https://x.b.example", "https://y.x.b.example", "http://x.c.example:8080",
            "https://d12.example",
        ] {
            let answer = try proxy.get("/", headers: "Origin: \(origin)\r\n")
            #expect(values("access-control-allow-origin", answer) == [origin])
            #expect(values("vary", answer) == ["origin"])
        }
        for origin in [
            "https://b.example", "https://evil-b.example", "https://.b.example", "https://x..b.example",
            "https://x.b.example.evil.example", "https://x.b.example:8443", "http://x.b.example",
            "https://evil.example/x.b.example", "https://evil.example?.b.example", "https://user@x.b.example",
            "https://evil.example#.b.example", "https://a:80.b.example", "https://a.example.", "https://A.example",
            "https://a.example:443", "http://a.example", "http://x.c.example", "https://xd1.example",
            "https://d1.example.evil", "https://d1xexample", "null", "", "https://a.example, https://a.example", "*",
        ] {
            let answer = try proxy.get("/", headers: "Origin: \(origin)\r\n")
            #expect(answer.hasSuffix("ok"), "\(origin): the request itself is no business of this filter")
            #expect(values("access-control-allow-origin", answer).isEmpty, "\(origin)")
            #expect(values("vary", answer) == ["origin"], "\(origin)")
        }
        let two = try proxy.get("/", headers: "Origin: https://a.example\r\nOrigin: https://evil.example\r\n")
        #expect(values("access-control-allow-origin", two).isEmpty)
        let none = try proxy.get("/")
        #expect(values("access-control-allow-origin", none).isEmpty && values("vary", none) == ["origin"])
        #expect(try proxy.metric("martlet_cors_origin_valid_total{listener=\"public\"}") == "5")
        #expect(try proxy.metric("martlet_cors_origin_invalid_total{listener=\"public\"}") == "25")
    }

    @Test("A preflight of an allowed origin is answered here, with all that was configured")
    func preflights() throws {
        let (proxy, upstream) = try proxy(
            "allow_origins: [\"https://a.example\"], allow_methods: [GET, PUT], allow_headers: [x-token, content-type], expose_headers: [x-total], max_age: 1h, allow_credentials: true, allow_private_network: true"
        )
        let answer = try preflight(proxy, "https://a.example", "Access-Control-Request-Private-Network: true\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example"), ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-token, content-type"), ("access-control-max-age", "3600"),
            ("access-control-allow-credentials", "true"), ("access-control-allow-private-network", "true"),
            ("vary", "origin"), ("content-length", "0"),
        ] {
            #expect(values(name, answer) == [value], "\(name) in \(answer)")
        }
        #expect(values("access-control-expose-headers", answer).isEmpty)
        #expect(upstream.recorded.isEmpty)
        #expect(
            values("access-control-allow-private-network", try preflight(proxy, "https://a.example")).isEmpty,
            "only who asks is told")
        let plain = try proxy.get("/", headers: "Origin: https://a.example\r\n")
        #expect(values("access-control-expose-headers", plain) == ["x-total"])
        #expect(values("access-control-allow-methods", plain).isEmpty)
        // OPTIONS without the question is a request like any other.
        #expect(
            try proxy.exchange(
                "OPTIONS / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nOrigin: https://a.example\r\n\r\n"
            )
            .hasSuffix("ok"))
        #expect(try proxy.metric("martlet_cors_preflight_total{listener=\"public\"}") == "2")
    }

    @Test("Preflights of other origins go on to upstream, or are refused")
    func notMatching() throws {
        let answer = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nup"
        let (forwarding, upstream) = try proxy("allow_origins: [\"https://a.example\"]", upstream: answer)
        let passed = try preflight(forwarding, "https://z.example")
        #expect(passed.hasSuffix("up") && values("access-control-allow-origin", passed) == ["*"])
        #expect(upstream.recorded.count == 1)

        let (closed, untouched) = try proxy(
            "allow_origins: [\"https://a.example\"], forward_not_matching_preflights: false", upstream: answer)
        let refused = try preflight(closed, "https://z.example")
        #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.contains("x-martlet-error: cors-origin-not-allowed\r\n"))
        #expect(untouched.recorded.isEmpty)
        for headers in ["Origin: https://z.example\r\n", ""] {
            let plain = try closed.get("/", headers: headers)
            #expect(plain.hasSuffix("up") && values("access-control-allow-origin", plain).isEmpty)
        }
    }

    @Test("Upstream's own fields are not doubled, and its Vary is kept")
    func doubled() throws {
        let (proxy, _) = try proxy(
            "allow_origins: [\"https://a.example\"]",
            upstream:
                "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: x-up\r\nVary: Accept\r\nContent-Length: 2\r\n\r\nok"
        )
        let answer = try proxy.get("/", headers: "Origin: https://a.example\r\n")
        #expect(values("access-control-allow-origin", answer) == ["https://a.example"])
        #expect(values("access-control-allow-credentials", answer).isEmpty)
        #expect(values("access-control-expose-headers", answer) == ["x-up"])
        #expect(values("vary", answer) == ["Accept, origin"])
    }

    @Test("A star is the same for everybody and needs no Vary; null only where it is written")
    func star() throws {
        let (any, _) = try proxy("allow_origins: \"*\", allow_methods: [GET]")
        for headers in ["Origin: https://z.example\r\n", "Origin: null\r\n", ""] {
            let answer = try any.get("/", headers: headers)
            #expect(values("access-control-allow-origin", answer) == ["*"] && values("vary", answer).isEmpty)
        }
        let (null, _) = try proxy("allow_origins: [\"null\", \"regex:.*\"]")
        #expect(values("access-control-allow-origin", try null.get("/", headers: "Origin: null\r\n")) == ["null"])
        let (regex, _) = try proxy("allow_origins: [\"regex:.*\"]")
        #expect(values("access-control-allow-origin", try regex.get("/", headers: "Origin: null\r\n")).isEmpty)
    }

    @Test("Refusals of filters behind it can be read by pages; routes have their own settings")
    func chainAndRoutes() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: """
                    filters:
                      - cors: { allow_origins: ["https://a.example"] }
                      - rbac: { rules: [{ name: all, action: allow, when: { headers: [{ name: x-user }] } }] }
                      - router
                    routes:
                      - { match: { path: { prefix: /b } }, cluster: up, filters: { cors: { allow_origins: ["https://b.example"] } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { cors: off } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        let refused = try proxy.get("/", headers: "Origin: https://a.example\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 403 "))
        #expect(values("access-control-allow-origin", refused) == ["https://a.example"])
        #expect(try preflight(proxy, "https://a.example").hasPrefix("HTTP/1.1 200 "), "asked without credentials")
        let own = try proxy.get("/b", headers: "Origin: https://b.example\r\nX-User: a\r\n")
        #expect(values("access-control-allow-origin", own) == ["https://b.example"])
        let other = try proxy.get("/b", headers: "Origin: https://a.example\r\nX-User: a\r\n")
        #expect(values("access-control-allow-origin", other).isEmpty)
        let off = try proxy.get("/off", headers: "Origin: https://a.example\r\nX-User: a\r\n")
        #expect(values("access-control-allow-origin", off).isEmpty && values("vary", off).isEmpty)
    }
}
