import Foundation
import MartletTesting
import Testing

/// gRPC says the same over every version of HTTP; these tests speak HTTP/1.1, where its words can be read.
@Suite("The proxy's own replies to gRPC clients")
struct GRPCReplyTests {
    private static func call(
        _ test: TestProxy, _ path: String, type: String = "application/grpc", headers: String = ""
    ) throws -> String {
        try test.exchange(
            "POST \(path) HTTP/1.1\r\nHost: test\r\nContent-Type: \(type)\r\nTE: trailers\r\nConnection: close\r\n"
                + "\(headers)Content-Length: 5\r\n\r\n\0\0\0\0\0")
    }

    /// The head is all there is.
    private static func expect(
        _ response: String, status: Int, _ message: String?, reason: String?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let lines = response.components(separatedBy: "\r\n")
        #expect(lines.first == "HTTP/1.1 200 OK", "\(response)", sourceLocation: sourceLocation)
        #expect(response.hasSuffix("\r\n\r\n"), "\(response)", sourceLocation: sourceLocation)
        #expect(lines.contains("content-type: application/grpc"), "\(response)", sourceLocation: sourceLocation)
        #expect(lines.contains("grpc-status: \(status)"), "\(response)", sourceLocation: sourceLocation)
        let told = lines.first { $0.hasPrefix("grpc-message: ") }?.dropFirst("grpc-message: ".count)
        #expect(told.map(String.init) == message, "\(response)", sourceLocation: sourceLocation)
        let why = lines.first { $0.hasPrefix("x-martlet-error: ") }?.dropFirst("x-martlet-error: ".count)
        #expect(why.map(String.init) == reason, "\(response)", sourceLocation: sourceLocation)
    }

    @Test("A refusal is a status in a head alone, by what its HTTP status means in gRPC")
    func statuses() throws {
        let silent = try ScriptedUpstream { _, connection in _ = connection.nextRequest() }
        let slow = try ScriptedUpstream { _, connection in
            while connection.nextRequest() != nil {}
        }
        let test = try TestProxy(
            listener: """
                    filters:
                      - access_control: { allow_cidrs: [127.0.0.0/8] }
                      - rate_limit: { requests: 1000 }
                      - lua: { inline: "function on_request(h) if h:headers():get('x-lua') then h:respond({[':status'] = '418'}, 'short & stout: 100%') end end" }
                      - router
                    routes:
                      - match: { path: { exact: /s/respond } }
                        respond: { status: 403, body: "no\\ntwo", headers: { content-type: text/plain } }
                      - { match: { path: { exact: /s/redirect } }, redirect: { path: /new, status: 302 } }
                      - { match: { path: { exact: /s/down } }, cluster: down }
                      - { match: { path: { exact: /s/silent } }, cluster: silent }
                      - { match: { path: { exact: /s/slow } }, cluster: slow, timeout: 50ms }
                      - { match: { path: { exact: /s/later } }, cluster: slow, timeout: 60s }
                      - { match: { path: { exact: /s/denied } }, cluster: down, filters: { access_control: { deny_cidrs: [127.0.0.0/8] } } }
                      - { match: { path: { exact: /s/limited } }, cluster: silent, filters: { rate_limit: { requests: 1, per: 1h } } }
                      - match: { path: { exact: /s/exhausted } }
                        cluster: silent
                        filters: { rate_limit: { requests: 1, per: 1h, burst: 1, rate_limited_as_resource_exhausted: true } }
                """,
            rest: """
                clusters:
                  - { name: down, endpoints: ["127.0.0.1:\(try TCPListener.freePort())"] }
                  - { name: silent, endpoints: ["127.0.0.1:\(silent.port)"] }
                  - { name: slow, endpoints: ["127.0.0.1:\(slow.port)"] }
                """)
        func expect(
            _ path: String, _ status: Int, _ message: String?, reason: String?, headers: String = "",
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            Self.expect(
                try Self.call(test, path, headers: headers), status: status, message, reason: reason,
                sourceLocation: sourceLocation)
        }
        try expect("/s/nowhere", 12, "no-route", reason: "no-route")
        try expect("/s/down", 14, "upstream-connect-failure", reason: "upstream-connect-failure")
        try expect("/s/silent", 14, "upstream-closed", reason: "upstream-closed")
        try expect("/s/slow", 14, "request-timeout", reason: "request-timeout")
        try expect("/s/later", 4, "request-timeout", reason: "request-timeout", headers: "grpc-timeout: 50m\r\n")
        try expect("/s/respond", 7, "no%0Atwo", reason: nil)
        let redirect = try Self.call(test, "/s/redirect")
        Self.expect(redirect, status: 2, nil, reason: nil)
        #expect(redirect.contains("location: http://test/new\r\n"))
        try expect("/s/respond", 2, "short & stout: 100%25", reason: nil, headers: "x-lua: 1\r\n")
        let guarded = try TestProxy(
            listener: """
                    filters:
                      - api_key: { header: x-api-key, keys: [{ key_sha256: \(String(repeating: "d0", count: 32)), client: c }] }
                      - router
                    routes: [{ match: {}, respond: { status: 200 } }]
                """, rest: "")
        let key = try Self.call(guarded, "/s/m")
        #expect(key.contains("grpc-status: 16\r\n") && key.contains("www-authenticate: "))
        let denied = try Self.call(test, "/s/denied")
        #expect(denied.contains("grpc-status: 7\r\n"))
        _ = try Self.call(test, "/s/limited")
        try expect("/s/limited", 14, "rate-limited", reason: "rate-limited")
        _ = try Self.call(test, "/s/exhausted")
        try expect("/s/exhausted", 8, "rate-limited", reason: "rate-limited")
        // Others are told as ever.
        #expect(try Self.call(test, "/s/nowhere", type: "application/grpc-web").hasPrefix("HTTP/1.1 404 "))
        #expect(try Self.call(test, "/s/nowhere", type: "application/json").hasPrefix("HTTP/1.1 404 "))
        Self.expect(
            try Self.call(test, "/s/nowhere", type: "application/grpc+proto"), status: 12, "no-route",
            reason: "no-route")
    }

    @Test("local_replies may change what a gRPC client is told, and a policy may answer in gRPC itself")
    func overridden() throws {
        let test = try TestProxy(
            listener: """
                    filters:
                      - lua:
                          inline: |
                            function on_request(h)
                              if h:headers():get('x-own') then
                                h:respond({[':status'] = '200', ['content-type'] = 'application/grpc', ['grpc-status'] = '9'}, 'xyz')
                              end
                            end
                      - router
                    routes: [{ match: { path: { exact: /never } }, respond: { status: 200 } }]
                """,
            rest: """
                local_replies:
                  - match: { reasons: [no-route], headers: [{ name: x-a, exact: "1" }] }
                    status: 429
                    text: "slow down, %REQ(x-a)%: %LOCAL_REPLY_BODY%"
                  - match: { reasons: [no-route], headers: [{ name: x-a, exact: "2" }] }
                    headers: { grpc-status: "10", x-more: yes }
                    json: { why: "%RESPONSE_CODE_DETAILS%" }
                """)
        let mapped = try Self.call(test, "/s/m", headers: "x-a: 1\r\n")
        Self.expect(mapped, status: 14, "slow down, 1: no-route", reason: "no-route")
        let own = try Self.call(test, "/s/m", headers: "x-a: 2\r\n")
        Self.expect(own, status: 10, #"{"why":"no-route"}"#, reason: "no-route")
        #expect(own.contains("x-more: yes\r\n"))
        let spoken = try Self.call(test, "/s/m", headers: "x-own: 1\r\n")
        #expect(spoken.contains("grpc-status: 9\r\n") && spoken.hasSuffix("\r\n\r\nxyz"))
        // JSON is for those who do not speak gRPC.
        let wanted = try Self.call(test, "/s/m", headers: "accept: application/json\r\n")
        Self.expect(wanted, status: 12, "no-route", reason: "no-route")
    }

    @Test("The access log has the status, from trailers, a head alone, or what the HTTP status means")
    func accessLog() throws {
        let chunk = "5\r\n\0\0\0\0\0\r\n0\r\n"
        let up = try ScriptedUpstream.answering { request in
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n"
            if request.contains("/trailers") {
                return head + "Transfer-Encoding: chunked\r\n\r\n\(chunk)grpc-status: 1\r\ngrpc-message: x\r\n\r\n"
            }
            if request.contains("/head") { return head + "grpc-status: 5\r\nContent-Length: 0\r\n\r\n" }
            if request.contains("/odd") { return head + "grpc-status: 99\r\nContent-Length: 0\r\n\r\n" }
            return "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
        }
        let format =
            "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER% %RESPONSE_CODE%"
        let test = try TestProxy(
            listener: """
                \(TestProxy.forwarding)
                    access_log:
                      - { path: log.txt, format: "\(format)" }
                      - { path: log.json, format: json }
                      - { path: fields.json, format: { json: { name: "%GRPC_STATUS%", number: "%GRPC_STATUS_NUMBER%" } } }
                """, rest: TestProxy.cluster(up.port), companions: [up])
        for path in ["/trailers", "/head", "/odd", "/plain"] { _ = try Self.call(test, "/s" + path) }
        _ = try test.get("/no-grpc")
        func lines(_ name: String) -> [String] {
            let text = try? String(contentsOf: test.directory.appendingPathComponent(name), encoding: .utf8)
            return (text ?? "").split(separator: "\n").map(String.init)
        }
        #expect(eventually { lines("log.txt").count == 5 && lines("log.json").count == 5 })
        #expect(
            lines("log.txt") == [
                "Canceled CANCELLED 1 1 200", "NotFound NOT_FOUND 5 5 200", "99 99 99 99 200",
                "Unavailable UNAVAILABLE 14 14 503", "- - - - 503",
            ])
        #expect(lines("log.json").map { $0.contains("\"grpc_status\":") } == [true, true, true, true, false])
        #expect(lines("log.json").first?.contains("\"status\":200,\"grpc_status\":1,") == true)
        #expect(
            lines("fields.json") == [
                #"{"name":"Canceled","number":1}"#, #"{"name":"NotFound","number":5}"#, #"{"name":"99","number":99}"#,
                #"{"name":"Unavailable","number":14}"#, #"{"name":null,"number":null}"#,
            ])
    }

    @Test("A status that the retry filter names is retried although calls are POSTs; others are not")
    func retries() throws {
        for (on, isRetried) in [("unavailable", true), ("[internal, cancelled]", false)] {
            let turn = Turns()
            let up = try ScriptedUpstream.answering { _ in
                "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-status: \(turn.next() == 0 ? 14 : 0)\r\n"
                    + "Content-Length: 0\r\n\r\n"
            }
            let test = try TestProxy(
                listener: """
                        filters: [{ retry: { on: \(on), backoff: { base: 1ms } } }, router]
                        routes:
                          - { match: { path: { exact: /s/get } }, cluster: up, filters: { retry: { methods: [GET] } } }
                          - { match: {}, cluster: up }
                    """, rest: TestProxy.cluster(up.port), companions: [up])
            #expect(try Self.call(test, "/s/m").contains("grpc-status: \(isRetried ? 0 : 14)\r\n"))
            turn.reset()
            #expect(try Self.call(test, "/s/get").contains("grpc-status: 14\r\n"))
        }
    }
}

/// Counts, from whatever thread.
private final class Turns: @unchecked Sendable {
    // Sendable because the lock guards the number.
    private let lock = NSLock()
    private var count = 0
    func next() -> Int {
        lock.withLock {
            defer { count += 1 }; return count
        }
    }
    func reset() { lock.withLock { count = 0 } }
}
