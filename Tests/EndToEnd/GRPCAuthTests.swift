import Foundation
import MartletTesting
import Testing

/// Peers/grpc_server.py answers as the field `x-ask` says.
@Suite("ext_authz over gRPC")
struct GRPCAuthTests {
    private struct Asking {
        let service: GRPCPeer
        let upstream: ScriptedUpstream
        let proxy: TestProxy

        init(_ settings: String = "", routes: String = "", before: String = "") throws {
            service = try GRPCPeer()
            upstream = try .answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            proxy = try TestProxy(
                listener: """
                        filters:
                    \(before)
                          - ext_authz: { cluster: authz, protocol: grpc\(settings.isEmpty ? "" : ", \(settings)") }
                          - router
                        routes:
                    \(routes)
                          - { match: {}, cluster: up }
                    """,
                rest: TestProxy.cluster(
                    upstream.port,
                    "  - { name: authz, endpoints: [\"127.0.0.1:\(service.port)\"], protocol: http2 }"),
                companions: [upstream])
        }

        var question: [String: Any] { service.seen.last { $0["check"] != nil } ?? [:] }
        var headers: [String: String] { question["headers"] as? [String: String] ?? [:] }

        func count(_ name: String, _ more: String = "") throws -> String? {
            try proxy.metric("martlet_ext_authz_\(name)_total{listener=\"public\",cluster=\"authz\"\(more)}")
        }
    }

    private static func fields(_ name: String, _ message: String) -> [String] {
        message.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix(name + ": ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    @Test("The service is told of the request, and what it says of headers is done")
    func allowed() throws {
        let test = try Asking("context: { x-mesh: edge }, upstream_headers: [x-user], authority: authz.example")
        let answer = try test.proxy.get(
            "/a%2Fb/c?x=1&y",
            headers:
                "X-User: mallory\r\nX_User: mallory\r\nX-Secret: s\r\nX-Present: p\r\nX-More: one\r\nCookie: a=1\r\n"
                + "Cookie: b=2\r\nX-Many: 1\r\nX-Many: 2\r\nX-Latin: \u{FC}\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("ok"))
        #expect(Self.fields("x-checked", answer) == ["yes"])
        let request = try #require(test.upstream.recorded.first)
        #expect(Self.fields("x-user", request) == ["ann"] && Self.fields("x_user", request) == [])
        #expect(Self.fields("x-more", request) == ["one", "appended"])
        #expect(Self.fields("x-present", request) == ["p"] && Self.fields("x-secret", request) == [])
        #expect(Self.fields("content-length", request) == [] && Self.fields("host", request) == ["test"])
        #expect(Self.fields("x-raw", request) == ["raw"])

        let question = test.question
        for (key, value) in [
            ("method", "GET"), ("path", "/a%2Fb/c?x=1&y"), ("host", "test"), ("scheme", "http"), ("query", "x=1&y"),
            ("protocol", "HTTP/1.1"), ("body", ""), ("source", "127.0.0.1"),
        ] {
            #expect(question[key] as? String == value, "\(key)")
        }
        #expect(question["extensions"] as? [String: String] == ["x-mesh": "edge"])
        #expect(question["destination"] as? Int == Int(test.proxy.port) && question["has_port"] as? Bool == true)
        #expect(question["size"] as? Int == 0 && question["has_time"] as? Bool == true)
        #expect(question["id"] as? String == Self.fields("x-request-id", request).first)
        let left = try #require(question["left"] as? Double)
        #expect(left > 0 && left <= 0.2)
        let headers = test.headers
        #expect(headers["cookie"] == "a=1; b=2" && headers["x-many"] == "1,2" && headers["x-user"] == "mallory")
        #expect(headers[":path"] == "/a%2Fb/c?x=1&y" && headers[":authority"] == "test" && headers["host"] == nil)
        #expect(headers["x-latin"] == "\u{FC}")
        #expect(try test.count("ok") == "1")
    }

    @Test("A denial is the service's own, or 403")
    func denied() throws {
        let test = try Asking()
        let own = try test.proxy.get("/", headers: "x-ask: deny\r\n")
        #expect(own.hasPrefix("HTTP/1.1 302 ") && own.hasSuffix("\r\n\r\ngo away"))
        #expect(Self.fields("location", own) == ["/login"])
        #expect(Self.fields("x-martlet-error", own) == ["ext-authz-denied"])
        for kind in ["deny-plain", "deny-200"] {
            #expect(try test.proxy.get("/", headers: "x-ask: \(kind)\r\n").hasPrefix("HTTP/1.1 403 "), "\(kind)")
        }
        let call = try test.proxy.exchange(
            "POST /s/m HTTP/1.1\r\nHost: t\r\nx-ask: deny-plain\r\nContent-Type: application/grpc\r\nConnection: close\r\n"
                + "Content-Length: 0\r\n\r\n")
        #expect(call.hasPrefix("HTTP/1.1 200 ") && call.contains("grpc-status: 7\r\n"))
        #expect(test.upstream.recorded.isEmpty)
        #expect(try test.count("denied") == "4")
    }

    @Test("No usable answer: on_error decides", arguments: ["error", "abort", "garbage", "slow", "none", "two"])
    func failures(kind: String) throws {
        let strict = try Asking()
        let refused = try strict.proxy.get("/", headers: "x-ask: \(kind)\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 403 "))
        let reasons = [
            "error": "service-error", "abort": "grpc-status 13", "garbage": "unreadable-answer", "slow": "timeout",
            "none": "grpc-status 13", "two": "grpc-status 13",
        ]
        #expect(Self.fields("x-martlet-error", refused) == ["ext-authz-failed: \(reasons[kind] ?? "")"])
        #expect(try strict.count("error", ",reason=\"\(kind == "slow" ? "timeout" : "grpc")\"") == "1")
        let lenient = try Asking("on_error: allow")
        #expect(try lenient.proxy.get("/", headers: "x-ask: \(kind)\r\n").hasSuffix("ok"))
        #expect(try lenient.count("failure_allowed") == "1")
    }

    @Test("Bodies go along as text or as bytes, whole or in part; of headers those that are listed")
    func bodies() throws {
        func post(_ test: Asking, _ body: [UInt8]) throws -> String {
            let client = try test.proxy.connect()
            try client.send(
                "POST /p HTTP/1.1\r\nHost: t\r\nX-Ask: allow\r\nX-Other: o\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
            )
            try client.send(body)
            client.receiveToEnd()
            return client.text
        }
        let text = try Asking("with_request_body: { max_bytes: 8B }, allowed_headers: [x-ask]")
        #expect(try post(text, Array("hello".utf8)).hasSuffix("ok"))
        #expect(text.question["body"] as? String == "hello" && text.question["size"] as? Int == 5)
        #expect(text.headers["x-other"] == nil && text.headers["x-envoy-auth-partial-body"] == "false")
        #expect(try post(text, Array("much too long".utf8)).hasPrefix("HTTP/1.1 413 "))
        #expect(try post(text, [0x68, 0xFF]).hasSuffix("ok"))
        #expect(text.question["body"] as? String == "h\u{FFFD}")
        let bytes = try Asking("with_request_body: { max_bytes: 4B, allow_partial: true, pack_as_bytes: true }")
        #expect(try post(bytes, [1, 0xFF, 3, 4, 5, 6]).hasSuffix("ok"))
        #expect(bytes.question["raw_body"] as? [Int] == [1, 0xFF, 3, 4] && bytes.question["body"] as? String == "")
        #expect(bytes.headers["x-envoy-auth-partial-body"] == "true" && bytes.headers["x-other"] == "o")
    }
}
