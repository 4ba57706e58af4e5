import MartletLua
import Testing

@Suite("Policy tests run in the real engine")
struct PolicyTestRunnerTests {
    private static func report(_ policy: String, _ tests: String) throws -> String {
        try PolicyTestFolder(policy: policy, tests: tests).text()
    }

    /// Expects every test of a file to pass.
    private func pass(_ policy: String, _ tests: String) throws {
        let report = try PolicyTestFolder(policy: policy, tests: tests).run()
        #expect(report.errors.isEmpty && report.failed == 0 && report.passed > 0, "\(report.text)")
    }

    @Test("Both hooks see what the client and upstream send, and both see what the hooks make of it")
    func messages() throws {
        try pass(
            """
            function on_request(h)
              h:headers():replace(":path", "/new")
              h:headers():add("x-seen", h:headers():get("x-in") .. h:headers():get("content-length"))
              h:headers():remove("x-in")
            end
            function on_response(h)
              h:headers():replace(":status", 202)
              h:headers():add("x-a", "2")
            end
            """,
            """
            tests:
            - name: whole bodies
              request: { method: PUT, path: /old, host: a.example, headers: { x-in: [a, b] }, body: hello }
              upstream: { status: 201, headers: { x-a: "1" }, body: made }
              expect:
                upstream: { method: PUT, path: /new, host: a.example, headers: { x-seen: "a,b5", x-in: null }, body: hello }
                response: { status: 202, headers: { x-a: ["1", "2"] }, body: made, body_contains: ad }
            - name: pieces and trailers
              request: { method: POST, headers: { x-in: "", content-length: "9" }, chunks: [a, b, c], trailers: { x-t: "1" } }
              upstream: { chunks: [d, e], trailers: { x-u: "2" } }
              expect:
                upstream: { headers: { transfer-encoding: chunked }, body: abc, trailers: { x-t: "1", x-u: null } }
                response: { headers: { transfer-encoding: chunked }, body: de, trailers: { x-u: "2" } }
            """)
    }

    @Test("A reply keeps the request from upstream, on the way back it takes the response's place")
    func replies() throws {
        try pass(
            """
            function on_request(h)
              if h:headers():get("x-no") then h:respond({ [":status"] = 403, ["x-why"] = "no" }, "no\\n") end
            end
            function on_response(h)
              if h:headers():get("x-bad") then h:respond({ [":status"] = 502 }, "bad") end
            end
            """,
            """
            tests:
            - name: before
              request: { headers: { x-no: "1" }, body: "never read" }
              expect: { upstream: none, response: { status: 403, headers: { x-why: "no", content-length: "3" }, body: "no\\n" } }
            - name: behind
              upstream: { headers: { x-bad: "1" }, body: secret }
              expect: { upstream: { method: GET, body: "" }, response: { status: 502, body: bad } }
            """)
    }

    @Test("Routes of the file decide where a request goes and what parameters the policy has")
    func routes() throws {
        try pass(
            """
            function on_request(h)
              if h:headers():get("cookie") == "canary=1" then h:headers():add("x-canary", "1") end
              h:headers():add("x-mode", h:config().mode)
            end
            """,
            """
            name: canary
            config: { mode: plain }
            routes:
            - match: { path: { prefix: / }, headers: [{ name: x-canary, exact: "1" }] }
              cluster: v2
              filters: { lua: { canary: { config: { mode: route } } } }
            - match: { path: { prefix: /off } }
              cluster: v1
              filters: { lua: { canary: off } }
            - match: { path: { prefix: / } }
              cluster: v1
            tests:
            - name: stays
              expect: { upstream: { cluster: v1, headers: { x-mode: plain } } }
            - name: goes
              request: { headers: { cookie: canary=1 } }
              expect: { upstream: { cluster: v2 } }
            - name: route's parameters
              request: { headers: { x-canary: "1" } }
              expect: { upstream: { cluster: v2, headers: { x-mode: route } } }
            - name: off
              request: { path: /off }
              expect: { upstream: { headers: { x-mode: null } } }
            - name: own parameters
              config: { mode: mine }
              expect: { upstream: { headers: { x-mode: mine } } }
            """)
    }

    @Test("The clock is the test's, and moves only when the test says so")
    func clock() throws {
        try pass(
            """
            function on_request(h)
              h:headers():add("x-ms", h:timestamp())
              h:headers():add("x-s", os.time())
              h:headers():add("x-date", os.date("!%Y-%m-%dT%H:%M:%S"))
            end
            """,
            """
            tests:
            - name: default
              expect: { upstream: { headers: { x-date: "2026-01-01T00:00:00", x-s: "1767225600" } } }
            - name: given
              now: 2024-02-29T23:59:59.25Z
              requests:
              - expect: { upstream: { headers: { x-date: "2024-02-29T23:59:59", x-ms: "1709251199250" } } }
              - advance: 500ms
                expect: { upstream: { headers: { x-ms: "1709251199750" } } }
              - advance: 250ms
                expect: { upstream: { headers: { x-date: "2024-03-01T00:00:00" } } }
            """)
    }

    @Test("What a policy keeps lives as long as its test, and no longer")
    func state() throws {
        try pass(
            """
            local count = 0
            function on_request(h)
              count = count + 1
              h:headers():add("x-count", count)
            end
            """,
            """
            tests:
            - name: once
              expect: { upstream: { headers: { x-count: "1" } } }
            - name: five times
              repeat: 5
              expect: { upstream: { headers: { x-count: "5" } }, metrics: { policy_runs_total: 5 } }
            - name: in a row
              requests: [{}, { expect: { upstream: { headers: { x-count: "2" } } } }]
            """)
    }

    @Test("Logs, metrics by name and by series, and expected errors")
    func observations() throws {
        try pass(
            """
            function on_request(h)
              h:logWarn("careful: " .. h:headers():get(":path"))
              if h:headers():get("x-fail") then error("deliberate") end
              while h:headers():get("x-loop") do end
            end
            """,
            """
            name: p
            budget: { instructions: 10000 }
            tests:
            - name: logs
              request: { path: /x }
              expect: { logs: [careful, "warning careful: /x"], metrics: { policy_errors_total: 0 } }
            - name: error
              request: { headers: { x-fail: "1" } }
              expect:
                error: "policy.lua:3: deliberate"
                response: { status: 500, headers: { x-martlet-error: policy-error } }
                metrics: { 'martlet_policy_errors_total{listener="test",policy="p"}': 1 }
            - name: budget
              request: { headers: { x-loop: "1" } }
              expect: { error: instruction budget, metrics: { policy_budget_breaches_total: 1 } }
            """)
        try pass(
            "function on_request(h) error('x') end",
            "on_error: skip\ntests: [{ name: a, expect: { error: x, upstream: { method: GET }, response: { status: 200 } } }]"
        )
    }

    @Test("A failure shows what was expected, what came, and the whole of both messages")
    func failure() throws {
        let text = try Self.report(
            "function on_request(h) h:headers():add('x-a', '1') h:logInfo('seen') end",
            """
            tests:
            - name: wrong
              request: { body: question }
              upstream: { body: "one\\ntwo\\nthree\\nfour\\nfive\\nsix\\n" }
              expect:
                upstream: { path: /x, headers: { x-a: null, x-b: "2" } }
                response: { status: 404, body: "one\\ntwo\\nthree\\nfour\\n5\\nsix\\n" }
                logs: [nothing]
            """)
        #expect(
            text == """
                tests.yaml
                not ok 1 wrong
                    tests.yaml:2:3
                    6:23: path of the request upstream
                        - /x
                        + /
                    6:43: header x-a of the request upstream
                        - (absent)
                        + 1
                    6:54: header x-b of the request upstream
                        - 2
                        + (absent)
                    7:25: status of the response
                        - 404
                        + 200
                    7:36: body of the response
                          two
                          three
                          four
                        - 5
                        + five
                          six

                    8:12: no log line has this text
                        - nothing
                        + info seen
                    upstream saw:
                        GET / HTTP/1.1
                        host: test.example.com
                        content-length: 8
                        x-a: 1

                        question
                    the client saw:
                        HTTP/1.1 200 OK
                        content-length: 28

                        one
                        two
                        three
                        four
                        five
                        six
                    logged:
                        info seen
                """)
    }

    @Test("An error in the policy fails the test with file, line and traceback")
    func error() throws {
        let text = try Self.report(
            "local function deep(x)\n  return x.y\nend\nfunction on_request(h)\n  deep(nil)\n  h:headers()\nend",
            "tests: [{ name: a, expect: { response: { status: 500 } } }]")
        #expect(
            text.contains("    the policy failed\n        + policy.lua:2: attempt to index a nil value (local 'x')"))
        #expect(text.contains("policy.lua:5: in function 'on_request'"), "\(text)")
        let broken = try Self.report("function on_request(h)\n  h:headers(:\nend", "tests: [{ name: a, expect: {} }]")
        #expect(broken.contains("not ok 1 a") && broken.contains("policy.lua:2: "), "\(broken)")
    }

    @Test("Expected errors that do not come, and calls that are not made, fail")
    func missing() throws {
        let text = try Self.report(
            "function on_request(h) end",
            """
            tests:
            - name: a
              calls: [{ cluster: auth }]
              expect: { error: something, response: reset, metrics: { policy_runs: 1 } }
            """)
        for line in [
            "3:11: a call to auth was not made", "4:20: the policy did not fail\n        - something",
            "4:11: the response\n        - reset\n        + HTTP/1.1 200 OK",
            "metric policy_runs\n        - 1\n        + no such series; there are:",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
    }

    @Test("A filter picks tests by their names, which keep their numbers")
    func filter() throws {
        let folder = try PolicyTestFolder(
            policy: "function on_request() end",
            tests: "tests: [{ name: one thing, expect: {} }, { name: another, expect: {} }]")
        #expect(folder.text(filter: "other") == "tests.yaml\nok 2 another")
        #expect(folder.run(filter: "nothing").entries.isEmpty)
    }

    @Test("What is new in a report")
    func changes() throws {
        let folder = try PolicyTestFolder(
            policy: "function on_request() end",
            tests: "tests: [{ name: a, expect: {} }, { name: b, expect: {} }]")
        let first = folder.run()
        #expect(folder.run().changes(since: first) == nil)
        try folder.write("tests.yaml", "tests: [{ name: a, expect: {} }, { name: c, expect: { upstream: none } }]")
        let second = folder.run()
        let change = try #require(second.changes(since: first))
        #expect(change.contains("not ok 2 c") && change.contains("gone: b") && !change.contains("ok 1 a"), "\(change)")
        try folder.write("tests.yaml", "tests: [{")
        let third = folder.run()
        #expect(third.changes(since: second)?.contains("tests.yaml:") == true)
    }
}
