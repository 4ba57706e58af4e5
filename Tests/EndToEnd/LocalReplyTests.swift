import Foundation
import MartletTesting
import Testing

@Suite("How the proxy's own replies are told")
struct LocalReplyTests {
    private func proxy(_ replies: String, routes: String = "") throws -> TestProxy {
        try TestProxy(
            listener: """
                    filters: [router]
                    routes:
                \(routes)
                      - match: { path: { exact: /respond } }
                        respond: { status: 404, body: own }
                      - { match: { path: { exact: /down } }, cluster: down }
                """,
            rest: """
                \(replies)
                clusters: [{ name: down, endpoints: ["127.0.0.1:\(try TCPListener.freePort())"] }]
                """)
    }

    private func body(_ response: String) -> String {
        response.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")
    }

    @Test("Without configuration a refusal is a line of text, or JSON for those who ask for it")
    func standard() throws {
        let test = try proxy("")
        let text = try test.get("/nowhere", headers: "Accept: */*\r\n")
        #expect(text.contains("content-type: text/plain\r\n") && body(text) == "no-route\n")
        let json = try test.get("/nowhere", headers: "Accept: application/json\r\n")
        #expect(json.hasPrefix("HTTP/1.1 404 ") && json.contains("x-martlet-error: no-route\r\n"))
        #expect(json.contains("content-type: application/json\r\n") && json.contains("vary: accept\r\n"))
        #expect(body(json) == "{\"error\":\"no-route\",\"status\":404}\n")
        // A route's own answer is no refusal.
        #expect(body(try test.get("/respond", headers: "Accept: application/json\r\n")) == "own")
    }

    @Test("local_replies: the first that matches says status, headers and body")
    func configured() throws {
        let test = try proxy(
            """
            local_replies:
              - match: { flags: [UF], status: [5xx] }
                status: 502
                headers: { x-why: "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%", retry-after: "5" }
                text: "%RESPONSE_CODE%: try again, %REQ(x-name)% (%LOCAL_REPLY_BODY%)"
                json: { error: { code: "%RESPONSE_CODE%", message: "%RESPONSE_CODE_DETAILS%", path: "%REQ(:PATH)%", who: "%REQ(x-name)%" } }
              - match: { reasons: [no-route], headers: [{ name: x-name, exact: ann }] }
                text: "<p>nothing</p>"
                content_type: text/html
              - match: { status: [200-599] }
                status: 500
            """.replacingOccurrences(of: "[200-599]", with: "[503]"))
        let text = try test.get("/down", headers: "X-Name: \"ann\"\r\n")
        #expect(text.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
        #expect(text.contains("x-why: upstream-connect-failure UF\r\n") && text.contains("retry-after: 5\r\n"))
        #expect(text.contains("x-martlet-error: upstream-connect-failure\r\n"))
        #expect(body(text) == "502: try again, \"ann\" (upstream-connect-failure\n)")
        let json = try test.get(
            "/down?\"", headers: "X-Name: \"ann\"\r\nAccept: text/plain;q=0.5, application/json\r\n")
        #expect(json.contains("content-type: application/json\r\n") && json.contains("vary: accept\r\n"))
        #expect(
            body(json)
                == #"{"error":{"code":502,"message":"upstream-connect-failure","path":"/down?\"","who":"\"ann\""}}"#
                + "\n")
        let page = try test.get("/nowhere", headers: "X-Name: ann\r\n")
        #expect(page.contains("content-type: text/html\r\n") && body(page) == "<p>nothing</p>")
        #expect(body(try test.get("/nowhere")) == "no-route\n")
        #expect(body(try test.get("/respond")) == "own")
    }

    @Test("A HEAD gets the head of the reply and no body; a client that speaks no HTTP gets it too")
    func heads() throws {
        let test = try proxy("local_replies: [{ json: { code: '%RESPONSE_CODE%', why: '%RESPONSE_CODE_DETAILS%' } }]")
        let head = try test.exchange("HEAD /nowhere HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(head.contains("content-type: application/json\r\n") && body(head) == "")
        let refused = try test.exchange("BROKEN\r\n\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 400 ") && body(refused).hasPrefix(#"{"code":400,"why":"bad-request"#))
    }

    @Test("A listener's own list takes the place of the top level's")
    func listeners() throws {
        let test = try TestProxy(
            listener: """
                    local_replies: [{ text: inner }]
                    filters: [router]
                    routes: [{ match: { path: { exact: /x } }, respond: { status: 200 } }]
                """, rest: "local_replies: [{ text: outer }]")
        #expect(body(try test.get("/nowhere")) == "inner")
    }
}
