import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("rbac on a running proxy")
struct RBACTests {
    @Test(
        "A denial names its rule, a route has its own rules, shadow rules are noted and counted, nothing denied goes on"
    )
    func rules() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-rbac-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        let test = try TestProxy(
            listener: """
                    access_log: { path: \(log.path), format: "%REQ(:PATH)% %RESPONSE_CODE% %SHADOW%" }
                    filters:
                      - rbac:
                          rules:
                            - { name: readers, action: allow, when: { methods: [GET], not: { headers: [{ name: x-bot }] } } }
                            - { name: no-secrets, action: deny, when: { path: { prefix: /secret } } }
                            - { name: drafts, action: deny, shadow: true, when: { path: { prefix: /draft } } }
                      - router
                    routes:
                      - match: { path: { prefix: /open } }
                        cluster: up
                        filters: { rbac: off }
                      - match: { path: { prefix: /local } }
                        cluster: up
                        filters: { rbac: { rules: [{ name: near, action: allow, when: { source: { direct: 127.0.0.1 } } }] } }
                      - match: { path: { prefix: /far } }
                        cluster: up
                        filters: { rbac: { rules: [{ name: far, action: allow, when: { source: { direct: 10.0.0.0/8 } } }] } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        func refused(_ answer: String, _ reason: String) -> Bool {
            answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("x-martlet-error: \(reason)\r\n")
        }
        #expect(try test.get("/a").hasPrefix("HTTP/1.1 200 "))
        #expect(try refused(test.get("/secret/x"), "rbac-denied: no-secrets"))
        // Made normal before any rule sees it.
        #expect(try refused(test.get("/a/%2e%2e/./secret/x?q=/a"), "rbac-denied: no-secrets"))
        #expect(try refused(test.get("/a", headers: "X-Bot: yes\r\n"), "rbac-no-rule-allows"))
        #expect(
            try refused(
                test.exchange("PUT /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"),
                "rbac-no-rule-allows"))
        #expect(try test.get("/draft").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/open", headers: "X-Bot: yes\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/local", headers: "X-Bot: yes\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(try refused(test.get("/far"), "rbac-no-rule-allows"))
        #expect(upstream.recorded.count == 4)
        #expect(!upstream.recorded.contains { $0.contains("secret") || $0.hasPrefix("PUT ") })

        let listener = "listener=\"public\""
        #expect(try test.metric("martlet_rbac_denied_total{\(listener)}") == "5")
        #expect(try test.metric("martlet_rbac_allowed_total{\(listener)}") == "3")
        #expect(
            try test.metric(
                "martlet_rbac_rule_hits_total{\(listener),rule=\"no-secrets\",action=\"deny\",mode=\"enforce\"}")
                == "2")
        #expect(
            try test.metric("martlet_rbac_rule_hits_total{\(listener),rule=\"drafts\",action=\"deny\",mode=\"shadow\"}")
                == "1")
        #expect(
            try test.metric("martlet_rbac_rule_hits_total{\(listener),rule=\"near\",action=\"allow\",mode=\"enforce\"}")
                == "1")
        #expect(
            eventually {
                let lines = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
                return lines.contains("/draft 200 rbac: would deny by rule drafts\n") && lines.contains("/a 200 -\n")
            })
    }

    @Test("A rule on a path that no request has when filters see it is a mistake")
    func unreachable() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-rbac-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        listeners:
          - name: public
            address: 127.0.0.1:8080
            filters:
              - rbac:
                  default: allow
                  rules:
                    - { name: a, action: deny, when: { or: [{ path: { prefix: //admin/ } }] } }
              - router
            routes: [{ match: {}, respond: { status: 204 } }]
        """.write(to: file, atomically: true, encoding: .utf8)
        let result = try Tool.run(Tool.martlet.path, ["check", file.path])
        #expect(result.code == 1)
        #expect(result.output.contains(".yaml:8:") && result.output.contains("write \"/admin/\""), "\(result.output)")
    }
}
