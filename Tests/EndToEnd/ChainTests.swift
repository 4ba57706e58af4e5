import Foundation
import MartletTesting
import Testing

/// The built-in filters together, in the order in which the configuration's documentation shows them: what one leaves on the
/// exchange the others see.
@Suite("A chain of built-in filters")
struct ChainTests {
    private static let key = Result { try TokenForge(.rsa, kid: "one") }

    private static func token(_ subject: String, role: String, audience: String = "shop") throws -> String {
        let expires = Int(Date().timeIntervalSince1970 + 600)
        return try key.get().token(
            "RS256",
            "{\"iss\":\"https://id.example.com\",\"aud\":\"\(audience)\",\"sub\":\"\(subject)\",\"role\":\"\(role)\",\"exp\":\(expires)}"
        )
    }

    private static let json = String(repeating: "{\"a\": 1}, ", count: 400)

    /// Every third request to it fails.
    private static func upstream() throws -> ScriptedUpstream {
        try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                let body = request.hasPrefix("GET /json") ? Self.json : "ok"
                let answer =
                    upstream.recorded.count % 3 == 0
                    ? "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                do { try connection.send(answer) } catch { return }
            }
        }
    }

    private func proxy(_ up: ScriptedUpstream, authz: ScriptedUpstream, workers: Int) throws -> TestProxy {
        try TestProxy(
            workers: workers,
            listener: """
                    filters:
                      - access_control: { allow_cidrs: [127.0.0.0/8] }
                      - cors: { allow_origins: ["https://*.example.com"], allow_methods: [GET, POST], max_age: 1h }
                      - jwt: { issuer: https://id.example.com, audiences: [shop], jwks: { file: jwks.json } }
                      - rbac: { rules: [{ name: admins, action: allow, when: { path: { prefix: /admin }, principal: { jwt_claim: { role: admin } } } }, { name: rest, action: allow, when: { not: { path: { prefix: /admin } } } }], default: deny }
                      - ext_authz: { cluster: authz, protocol: http, timeout: 5s, on_error: deny, upstream_headers: [x-grade] }
                      - lua: { inline: "function on_response(h) h:headers():add('x-served-by', 'martlet') end" }
                      - rate_limit: { requests: 5, per: 1h, burst: 5, key: jwt:sub }
                      - headers: { request: { set: { x-edge: "1", x-who: "%JWT_CLAIM(sub)%" }, remove: [x-internal] }, response: { add: { x-frame-options: DENY } } }
                      - fault: { abort: { status: 503, percent: 0% } }
                      - compress: { algorithms: [zstd, br, gzip], min_size: 1KiB }
                      - retry: { on: [gateway-error], attempts: 3, budget: off, backoff: { base: 1ms, max: 2ms } }
                      - router
                    routes:
                      - match: { path: { prefix: /open } }
                        cluster: up
                        filters: { jwt: { require: false }, rate_limit: off, ext_authz: off }
                      - { match: {}, cluster: up }
                """,
            rest: TestProxy.cluster(up.port, "  - { name: authz, endpoints: [\"127.0.0.1:\(authz.port)\"] }"),
            files: ["jwks.json": TokenForge.set([try Self.key.get().jwk()])], companions: [up, authz])
    }

    private func bearer(_ token: String) -> String {
        "Authorization: Bearer \(token)\r\nX-Internal: 1\r\nX-Who: root\r\n"
    }

    @Test("Each does its part, and sees what those in front have proved", arguments: [1, 3])
    func together(workers: Int) throws {
        let up = try Self.upstream()
        let authz = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nX-Grade: gold\r\nContent-Length: 0\r\n\r\n")
        let test = try proxy(up, authz: authz, workers: workers)
        let ann = bearer(try Self.token("ann", role: "user"))
        let eve = bearer(try Self.token("eve", role: "admin"))

        // Four of ann's five requests, one of which upstream fails at first.
        for path in ["/a", "/b", "/c"] {
            let answer = try test.get(path, headers: ann)
            #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
            #expect(answer.contains("x-served-by: martlet\r\n") && answer.contains("x-frame-options: DENY\r\n"))
        }
        let seen = up.recorded
        #expect(seen.count == 4)
        #expect(seen.allSatisfy { $0.lowercased().contains("x-who: ann\r\n") && $0.contains("x-edge: 1\r\n") })
        #expect(seen.allSatisfy { !$0.contains("root") && !$0.lowercased().contains("x-internal") })
        #expect(
            seen.allSatisfy { $0.lowercased().contains("x-grade: gold\r\n") && !$0.lowercased().contains("bearer") })

        let denied = try test.get("/admin", headers: ann)
        #expect(denied.hasPrefix("HTTP/1.1 403 ") && denied.contains("x-martlet-error: rbac"), "\(denied)")
        #expect(try test.get("/admin", headers: eve).hasPrefix("HTTP/1.1 200 "))
        // What rbac refused has taken nothing of the limit.
        for _ in 0..<2 { #expect(try test.get("/d", headers: ann).hasPrefix("HTTP/1.1 200 ")) }
        let limited = try test.get("/d", headers: ann)
        #expect(limited.hasPrefix("HTTP/1.1 429 ") && limited.contains("retry-after: "), "\(limited)")
        #expect(try test.get("/d", headers: eve).hasPrefix("HTTP/1.1 200 "))

        let refused = try test.get("/", headers: bearer(try Self.token("ann", role: "user", audience: "other")))
        #expect(refused.hasPrefix("HTTP/1.1 401 ") && refused.contains("x-martlet-error: jwt-"), "\(refused)")
        let open = try test.get("/open", headers: "X-Who: root\r\n")
        #expect(open.hasPrefix("HTTP/1.1 200 "), "\(open)")
        #expect(up.recorded.last?.contains("root") == false)
        #expect(authz.recorded.count == 8)
    }

    @Test("A preflight is answered before anybody asks for a token; a large answer is compressed behind all of them")
    func outer() throws {
        let up = try Self.upstream()
        let authz = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let test = try proxy(up, authz: authz, workers: 1)
        let preflight = try test.exchange(
            "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://www.example.com\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
        )
        #expect(preflight.contains("access-control-allow-origin: https://www.example.com\r\n"), "\(preflight)")
        #expect(up.recorded.isEmpty && authz.recorded.isEmpty)
        let answer = try test.exchange(
            "GET /json HTTP/1.1\r\nHost: a\r\nOrigin: https://www.example.com\r\nAccept-Encoding: gzip\r\nConnection: close\r\n"
                + bearer(try Self.token("ann", role: "user")) + "\r\n")
        let head = String(answer.prefix(1000)).lowercased()
        #expect(
            head.contains("content-encoding: gzip\r\n") && head.contains("access-control-allow-origin: "), "\(head)")
        #expect(head.contains("origin") && answer.utf8.count < Self.json.utf8.count / 2)
    }
}
