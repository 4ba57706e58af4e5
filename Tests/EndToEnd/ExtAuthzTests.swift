import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let silent = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/// A proxy that asks a service about every request.
private struct Asking {
    let proxy: TestProxy
    let upstream: ScriptedUpstream
    let service: ScriptedUpstream

    init(
        _ settings: String = "", routes: String = "", listener: String = "", before: String = "", after: String = "",
        upstream answer: String = ok, service: ScriptedUpstream
    ) throws {
        upstream = try .answering(answer)
        self.service = service
        proxy = try TestProxy(
            listener: """
                \(listener)
                    filters:
                \(before)
                      - ext_authz: { cluster: authz\(settings.isEmpty ? "" : ", \(settings)") }
                \(after)
                      - router
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """,
            rest: TestProxy.cluster(upstream.port, "  - { name: authz, endpoints: [\"127.0.0.1:\(service.port)\"] }"),
            companions: [upstream, service])
    }

    init(_ settings: String = "", routes: String = "", answers: @escaping @Sendable (String) -> String) throws {
        try self.init(settings, routes: routes, service: .answering(answers))
    }

    func count(_ name: String, _ more: String = "") throws -> String? {
        try proxy.metric("martlet_ext_authz_\(name)_total{listener=\"public\",cluster=\"authz\"\(more)}")
    }

    func post(_ body: String) throws -> String {
        try proxy.exchange(
            "POST /p HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: text/x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
    }
}

@Suite("ext_authz")
struct ExtAuthzTests {
    @Test("The service is asked with method, path, host and the listed headers, and a 200 lets pass")
    func question() throws {
        let test = try Asking("path_prefix: /check, context: { x-mesh: edge, x-forwarded-user: none }") { _ in silent }
        let answer = try test.proxy.get(
            "/a%2Fb?x=1",
            headers:
                "Authorization: Bearer t\r\nCookie: a=1\r\nX-Secret: s\r\nX-Mesh: forged\r\nX-Forwarded-User: root\r\n")
        #expect(answer.hasSuffix("ok"))
        let question = try #require(test.service.recorded.first)
        #expect(question.hasPrefix("GET /check/a%2Fb?x=1 HTTP/1.1\r\n"))
        for line in [
            "host: test\r\n", "authorization: bearer t\r\n", "cookie: a=1\r\n", "x-forwarded-for: 127.0.0.1\r\n",
            "x-mesh: edge\r\n", "x-forwarded-user: none\r\n", "x-request-id: ",
        ] {
            #expect(question.lowercased().contains(line), "\(line) in \(question)")
        }
        #expect(!question.lowercased().contains("x-secret"))
        #expect(!question.contains("forged") && !question.contains("root"))
        let seen = try #require(test.upstream.recorded.first)
        #expect(seen.contains("X-Secret: s\r\n"), "the request itself is what it was")
        #expect(try test.count("ok") == "1")
    }

    @Test("Bytes that are no UTF-8 reach the service as they came; a written list takes the default's place")
    func bytes() throws {
        let service = try ScriptedUpstream { upstream, connection in
            guard connection.receive(until: { $0.text.contains("\r\n\r\n") }) else { return }
            upstream.record(connection.received.contains(0xE9) ? "raw" : "changed")
            upstream.record(connection.text)
            try? connection.send(silent)
        }
        let test = try Asking("allowed_headers: [x-raw]", service: service)
        let client = try test.proxy.connect()
        try client.send(
            Array("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Raw: ".utf8) + [0xE9]
                + Array("\r\nAuthorization: x\r\n\r\n".utf8))
        client.receiveToEnd()
        #expect(client.text.hasSuffix("ok"))
        #expect(service.recorded.first == "raw")
        #expect(service.recorded.last?.lowercased().contains("authorization") == false)
    }

    @Test("What the service says of the user goes on; what the client says of itself does not, however it is spelt")
    func upstreamHeaders() throws {
        let test = try Asking(
            "upstream_headers: [x-user, x-role-*], client_headers_on_success: [x-session, set-cookie]"
        ) {
            question in
            question.contains("/known")
                ? "HTTP/1.1 200 OK\r\nX-User: ann\r\nX-Role-A: r1\r\nX-Role-B: r2\r\nX-Other: o\r\nX-Session: 7\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n"
                : silent
        }
        let forged = "X-User: root\r\nx_user: root\r\nX-ROLE_Admin: root\r\nX-User: root2\r\nX-Usher: kept\r\n"
        let answer = try test.proxy.get("/known", headers: forged)
        let seen = try #require(test.upstream.recorded.last)
        #expect(seen.contains("X-User: ann\r\nX-Role-A: r1\r\nX-Role-B: r2\r\n"))
        #expect(!seen.contains("root") && !seen.contains("X-Other"))
        #expect(seen.contains("X-Usher: kept\r\n"))
        #expect(answer.contains("X-Session: 7\r\n") && answer.contains("Set-Cookie: s=1\r\n"))
        #expect(!answer.contains("X-Other"))
        _ = try test.proxy.get("/unknown", headers: forged)
        #expect(test.upstream.recorded.last?.contains("root") == false)
        // Nor behind the body, nor by having the service's word taken out on the way.
        let chunked = "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-User: root\r\nX-Sum: 1\r\n\r\n"
        _ = try test.proxy.exchange("POST /known HTTP/1.1\r\nHost: t\r\nConnection: close, x-user\r\n\(chunked)")
        let posted = try #require(test.upstream.recorded.last)
        #expect(posted.hasPrefix("POST ") && posted.contains("X-User: ann\r\n") && posted.contains("X-Sum: 1\r\n"))
        #expect(!posted.contains("root"))
        #expect(test.upstream.recorded.count == 3)
    }

    @Test("A denial is the service's own: status, body and the listed headers")
    func denial() throws {
        let test = try Asking("") { question in
            let status =
                question.contains("/login")
                ? "302 Found" : question.contains("/odd") ? "204 No Content" : "401 Unauthorized"
            let body = question.contains("/odd") ? "" : "Content-Length: 4\r\n\r\nnope"
            return
                "HTTP/1.1 \(status)\r\nWWW-Authenticate: Bearer\r\nLocation: https://id/\r\nSet-Cookie: x=1\r\nX-Internal: i\r\nContent-Type: text/y\r\nConnection: keep-alive\r\n\(body.isEmpty ? "\r\n" : body)"
        }
        let answer = try test.proxy.get("/a")
        #expect(answer.hasPrefix("HTTP/1.1 401 "))
        #expect(answer.hasSuffix("\r\n\r\nnope"))
        for field in [
            "www-authenticate: bearer", "set-cookie: x=1", "content-type: text/y", "x-martlet-error: ext-authz-denied",
        ] {
            #expect(answer.lowercased().contains("\r\n\(field)\r\n"), "\(field) in \(answer)")
        }
        #expect(!answer.contains("X-Internal"))
        let login = try test.proxy.get("/login")
        #expect(login.hasPrefix("HTTP/1.1 302 ") && login.lowercased().contains("location: https://id/\r\n"))
        #expect(try test.proxy.get("/odd").hasPrefix("HTTP/1.1 403 "), "no success that did not happen")
        #expect(test.upstream.recorded.isEmpty)
        #expect(try test.count("denied") == "3")
    }

    @Test("A service that fails: deny by default, or let pass; both are counted with their reason")
    func failures() throws {
        let broken = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        let deny = try Asking("status_on_error: 503") { _ in broken }
        let answer = try deny.proxy.get("/a")
        #expect(answer.hasPrefix("HTTP/1.1 503 "))
        #expect(answer.contains("x-martlet-error: ext-authz-failed: 5xx\r\n"))
        #expect(deny.upstream.recorded.isEmpty)
        #expect(try deny.count("error", ",reason=\"5xx\"") == "1")

        let allow = try Asking("on_error: allow, upstream_headers: [x-user]") { _ in broken }
        #expect(try allow.proxy.get("/a", headers: "X-User: root\r\n").hasSuffix("ok"))
        #expect(allow.upstream.recorded.first?.contains("root") == false, "not even then")
        #expect(try allow.count("failure_allowed") == "1")
    }

    @Test("A service that hangs holds a request no longer than the timeout, and no connection")
    func hanging() throws {
        let open = Locked(0)
        let service = try ScriptedUpstream { upstream, connection in
            while let question = connection.nextRequest() {
                open.withLock { $0 += 1 }
                upstream.record(question)
                if question.contains("/slow-body") {
                    try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
                }
                // Until the proxy hangs up.
                if connection.receiveToEnd() { open.withLock { $0 -= 1 } }
                return
            }
        }
        let test = try Asking("timeout: 50ms", service: service)
        for path in ["/hang", "/slow-body"] {
            let answer = try test.proxy.get(path)
            #expect(answer.hasPrefix("HTTP/1.1 403 "), "\(path)")
            #expect(answer.contains("x-martlet-error: ext-authz-failed: timeout\r\n"), "\(answer)")
        }
        #expect(try test.count("error", ",reason=\"timeout\"") == "2")
        #expect(eventually { open.withLock { $0 } == 0 }, "no question is left behind")
        #expect(test.upstream.recorded.isEmpty)
    }

    @Test("A service that answers without end, hangs up or cannot be reached")
    func unusable() throws {
        let service = try ScriptedUpstream { _, connection in
            guard let question = connection.nextRequest(), question.contains("/huge") else { return }
            try? connection.send("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "1000\r\n" + String(repeating: "x", count: 4096) + "\r\n"
            while (try? connection.send(chunk)) != nil {}
        }
        let test = try Asking("timeout: 30s", service: service)
        #expect(try test.proxy.get("/huge").contains("x-martlet-error: ext-authz-failed: response-too-large\r\n"))
        #expect(try test.proxy.get("/gone").contains("x-martlet-error: ext-authz-failed: upstream-reset\r\n"))
        service.stop()
        #expect(try test.proxy.get("/none").contains("x-martlet-error: ext-authz-failed: connect-failure\r\n"))
        #expect(test.upstream.recorded.isEmpty)
    }

    @Test("A client that goes ends its question")
    func clientGoes() throws {
        let asked = Locked(0)
        let ended = Locked(0)
        let service = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            asked.withLock { $0 += 1 }
            connection.receiveToEnd()
            ended.withLock { $0 += 1 }
        }
        let test = try Asking("timeout: 60s", service: service)
        let client = try test.proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(eventually { asked.withLock { $0 } == 1 })
        client.reset()
        #expect(eventually { ended.withLock { $0 } == 1 })
        #expect(test.upstream.recorded.isEmpty)
    }

    @Test("Per route: off, and fields that go along")
    func routes() throws {
        let test = try Asking(
            "context: { x-mesh: edge }, upstream_headers: [x-user]",
            routes: """
                      - { match: { path: { prefix: /open } }, cluster: up, filters: { ext_authz: off } }
                      - { match: { path: { prefix: /shop } }, cluster: up, filters: { ext_authz: { context: { x-area: shop } } } }
                """
        ) { _ in silent }
        #expect(try test.proxy.get("/open", headers: "X-User: root\r\n").hasSuffix("ok"))
        #expect(test.service.recorded.isEmpty)
        #expect(test.upstream.recorded.first?.contains("root") == false)
        #expect(try test.proxy.get("/shop", headers: "X-Area: forged\r\n").hasSuffix("ok"))
        let question = try #require(test.service.recorded.first)
        #expect(question.contains("x-mesh: edge\r\n") && question.contains("x-area: shop\r\n"))
        #expect(!question.contains("forged"))
    }

    @Test("The body goes along, whole or its beginning; the request then goes on with all of it")
    func bodies() throws {
        let whole = try Asking("with_request_body: { max_bytes: 8B }") {
            $0.hasSuffix("evil") ? "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" : silent
        }
        #expect(try whole.post("12345678").hasSuffix("ok"))
        let question = try #require(whole.service.recorded.first)
        #expect(question.hasPrefix("POST /p ") && question.hasSuffix("\r\n\r\n12345678"))
        #expect(question.contains("text/x\r\n") && question.contains("x-envoy-auth-partial-body: false\r\n"))
        #expect(whole.upstream.recorded.last?.hasSuffix("\r\n\r\n12345678") == true)
        #expect(try whole.post("evil").hasPrefix("HTTP/1.1 400 "))
        #expect(try whole.post("123456789").hasPrefix("HTTP/1.1 413 "))
        let chunked = try whole.proxy.exchange(
            "POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n"
        )
        #expect(chunked.hasPrefix("HTTP/1.1 413 "))
        #expect(try whole.proxy.get("/").hasSuffix("ok"))
        #expect(whole.service.recorded.count == 3)

        let part = try Asking("with_request_body: { max_bytes: 8B, allow_partial: true }") { _ in silent }
        let long = String(repeating: "0123456789", count: 50_000)
        #expect(try part.post(long).hasSuffix("ok"))
        let beginning = try #require(part.service.recorded.first)
        #expect(beginning.hasSuffix("\r\n\r\n01234567"))
        #expect(beginning.contains("x-envoy-auth-partial-body: true\r\n"))
        #expect(part.upstream.recorded.last?.hasSuffix("\r\n\r\n" + long) == true)
        for (body, isPartial) in [("12345678", false), ("123456789", true)] {
            #expect(try part.post(body).hasSuffix("ok"))
            let question = try #require(part.service.recorded.last)
            #expect(question.contains("x-envoy-auth-partial-body: \(isPartial)\r\n"))
            #expect(question.hasSuffix("\r\n\r\n12345678"))
            #expect(part.upstream.recorded.last?.hasSuffix("\r\n\r\n" + body) == true)
        }
    }

    @Test("Behind buffer and before body_limit: each sees the body there is")
    func chain() throws {
        let test = try Asking(
            "with_request_body: { max_bytes: 64B }", before: "      - buffer: { max_request_bytes: 32B }",
            after: "      - body_limit: { request: 16B }", service: .answering(silent))
        func chunked(_ length: Int) throws -> String {
            try test.proxy.exchange(
                "POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\(String(length, radix: 16))\r\n\(String(repeating: "x", count: length))\r\n0\r\n\r\n"
            )
        }
        #expect(try chunked(10).hasSuffix("ok"))
        #expect(try chunked(20).hasPrefix("HTTP/1.1 413 "))
        #expect(try chunked(40).hasPrefix("HTTP/1.1 413 "))
        #expect(test.service.recorded.count == 2, "what buffer refuses is not asked about")
    }
}
