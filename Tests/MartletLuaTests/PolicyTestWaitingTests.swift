import MartletLua
import Testing

@Suite("Policy tests of hooks that wait")
struct PolicyTestWaitingTests {
    private func pass(_ policy: String, _ tests: String) throws {
        let report = try PolicyTestFolder(policy: policy, tests: tests).run()
        #expect(report.errors.isEmpty && report.failed == 0 && report.passed > 0, "\(report.text)")
    }

    @Test("Bodies: whole, in pieces, and trailers, in both directions")
    func bodies() throws {
        try pass(
            """
            function on_request(h)
              if h:headers():get("x-chunks") then
                local sizes = {}
                for chunk in h:bodyChunks() do table.insert(sizes, chunk:length()) end
                h:logInfo("sizes " .. table.concat(sizes, " "))
                local trailers = h:trailers()
                if trailers then trailers:add("x-sum", #sizes) end
                return
              end
              local body = h:body()
              if body then
                h:headers():replace("x-size", body:length())
                body:setBytes("<" .. body:getBytes(0, body:length()) .. ">")
              end
            end
            function on_response(h)
              local body = h:body()
              if body then body:setBytes(string.upper(body:getBytes(0, body:length()))) end
            end
            """,
            """
            tests:
            - name: whole
              request: { method: POST, chunks: [ab, cd] }
              upstream: { chunks: [x, y] }
              expect:
                upstream: { headers: { x-size: "4", content-length: "6" }, body: <abcd> }
                response: { headers: { content-length: "2" }, body: XY }
            - name: none
              expect: { upstream: { headers: { x-size: null }, body: "" } }
            - name: pieces and trailers
              request: { method: POST, headers: { x-chunks: "1" }, chunks: [a, bcd, ef], trailers: { x-t: v } }
              expect:
                upstream: { body: abcdef, trailers: { x-t: v, x-sum: "3" } }
                logs: [sizes 1 3 2]
            """)
    }

    private static let caller = """
        function on_request(h)
          local headers, body = h:httpCall("auth",
            { [":method"] = "POST", [":path"] = "/check", [":authority"] = "auth.internal", ["x-user"] = "ann" },
            "token", 200)
          if headers[":status"] ~= "200" then
            h:respond({ [":status"] = headers[":status"] }, body)
          end
          h:headers():add("x-role", headers["x-role"] or "none")
          h:headers():add("x-ms", h:timestamp())
        end
        """

    @Test("Calls are checked, and answered with a reply, a failure or too late")
    func calls() throws {
        try pass(
            Self.caller,
            """
            tests:
            - name: reply
              calls:
              - cluster: auth
                expect: { method: POST, path: /check, authority: auth.internal, headers: { x-user: ann, x-other: null }, body: token }
                reply: { status: 200, headers: { x-role: admin }, body: fine }
                delay: 150ms
              expect: { upstream: { headers: { x-role: admin, x-ms: "1767225600150" } } }
            - name: refused
              calls: [{ cluster: auth, reply: { status: 401, body: who } }]
              expect: { upstream: none, response: { status: 401, body: who } }
            - name: failed
              calls: [{ cluster: auth, fail: connect-failure }]
              expect: { response: { status: 503, body: upstream failure } }
            - name: too late
              calls: [{ cluster: auth, delay: 200ms }]
              expect: { response: { status: 503 } }
            - name: twice
              repeat: 2
              calls: [{ cluster: auth }]
              expect: { upstream: { headers: { x-role: none } } }
            """)
    }

    @Test("Streamed calls are checked whole and answered in pieces")
    func streams() throws {
        try pass(
            """
            function on_request(h)
              local head = { [":method"] = "POST", [":path"] = "/scan", [":authority"] = "scan" }
              local headers, pieces = h:httpCall("scan", head, h:bodyChunks(), { stream = true, timeout_ms = 100 })
              local sizes = {}
              local whole, message = pcall(function() for piece in pieces do sizes[#sizes + 1] = #piece end end)
              h:logInfo(headers[":status"] .. " " .. table.concat(sizes, " ") .. (whole and "" or message))
            end
            """,
            """
            tests:
            - name: both ways
              request: { method: POST, chunks: [a, bcd, ef] }
              calls:
              - cluster: scan
                expect: { method: POST, path: /scan, body: abcdef }
                reply: { status: 202, body: \(String(repeating: "x", count: 1500)) }
                delay: 5ms
              expect: { logs: [202 1024 476], upstream: { body: abcdef } }
            - name: too late
              calls: [{ cluster: scan, delay: 100ms }]
              expect: { logs: [503 16] }
            """)
    }

    @Test("A policy that still waits at the test's end, with a timer of its own, is let go of")
    func timersAtTheEnd() throws {
        let text = try PolicyTestFolder(
            policy: "every(1, function(h) end) function on_request(h) while true do h:sleep(60000) end end",
            tests: "tests: [{ name: never ends, expect: { response: { status: 200 } } }]"
        ).text()
        #expect(text.contains("not ok 1 never ends"), "\(text)")
    }

    @Test("Calls that are otherwise, that are not in the list or that are not made fail")
    func wrongCalls() throws {
        let text = try PolicyTestFolder(
            policy: Self.caller,
            tests: """
                tests:
                - name: unasked
                  expect: {}
                - name: other
                  calls: [{ cluster: authz, expect: { path: /other, body: tokens } }, { cluster: auth }]
                  expect: {}
                """
        ).text()
        for line in [
            "not ok 1 unasked\n    tests.yaml:2:3\n    a call that is not in `calls`\n        + to auth:\n        + POST /check HTTP/1.1",
            "5:11: the called cluster\n        - authz\n        + auth",
            "5:45: path of the call to auth\n        - /other\n        + /check",
            "5:59: body of the call to auth\n        - tokens\n        + token", "5:71: a call to auth was not made",
            "called auth:\n        POST /check HTTP/1.1\n        host: auth.internal",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
    }

    @Test("Several calls at once, and one that nobody waits for")
    func manyCalls() throws {
        try pass(
            """
            function on_request(h)
              local function head(path) return { [":method"] = "GET", [":path"] = path, [":authority"] = "a" } end
              local answers = h:httpCalls{ { cluster = "a", headers = head("/1") }, { cluster = "b", headers = head("/2") } }
              h:headers():add("x-both", answers[1].body .. answers[2].body)
              h:httpCall("log", head("/log"), "seen", 0, true)
            end
            """,
            """
            tests:
            - name: all
              calls:
              - { cluster: a, expect: { path: /1 }, reply: { body: one }, delay: 30ms }
              - { cluster: b, expect: { path: /2 }, reply: { body: two }, delay: 10ms }
              - { cluster: log, expect: { path: /log, body: seen }, delay: 1h }
              expect: { upstream: { headers: { x-both: onetwo } } }
            """)
    }

    @Test("Sleeping costs no time, and timers fire as time passes")
    func time() throws {
        try pass(
            """
            local ticks = 0
            every(10, function() ticks = ticks + 1 end)
            function on_request(h)
              local start = h:timestamp()
              if h:headers():get("x-sleep") then h:sleep(tonumber(h:headers():get("x-sleep"))) end
              h:headers():add("x-slept", h:timestamp() - start)
              h:headers():add("x-ticks", ticks)
            end
            """,
            """
            tests:
            - name: a minute
              request: { headers: { x-sleep: "65000" } }
              expect: { upstream: { headers: { x-slept: "65000", x-ticks: "6" } } }
            - name: between requests
              requests:
              - expect: { upstream: { headers: { x-slept: "0", x-ticks: "0" } } }
              - advance: 35s
                expect: { upstream: { headers: { x-ticks: "3" } } }
              - advance: 5s
                expect: { upstream: { headers: { x-ticks: "4" } } }
            """)
    }

    @Test("An error of a timer fails the request it comes before")
    func timerError() throws {
        let text = try PolicyTestFolder(
            policy: "every(1, function() error('tick') end)\nfunction on_request(h) end",
            tests: "tests: [{ name: a, requests: [{}, { advance: 1s, expect: {} }] }]"
        ).text()
        #expect(text.contains("the policy failed\n        + policy.lua:1: tick"), "\(text)")
        #expect(text.contains("in request 2 of 2:"), "\(text)")
    }

    @Test("Shared stores are seeded, looked into, and expire by the test's clock")
    func shared() throws {
        try pass(
            """
            function on_request(h)
              local store = shared("quota")
              local count = store:incr("team", 1, 0, 60)
              store:set("last", { path = h:headers():get(":path"), tags = { "a", 1.0, true } })
              if count > 2 then h:respond({ [":status"] = 429 }) end
            end
            """,
            """
            tests:
            - name: quota
              repeat: 3
              expect:
                response: { status: 429 }
                shared: { quota: { team: 3, gone: null, last: { tags: [a, 1, true], path: / } } }
            - name: seeded
              shared: { quota: { team: 2, text: "2" } }
              expect: { response: { status: 429 }, shared: { quota: { team: 3, text: "2" } } }
            - name: expires
              requests:
              - {}
              - {}
              - expect: { response: { status: 429 } }
              - advance: 61s
                expect: { response: { status: 200 }, shared: { quota: { team: 1 } } }
            """)
        let text = try PolicyTestFolder(
            policy: "function on_request(h) shared('s'):set('k', { 1, 'b' }) end",
            tests: "tests: [{ name: a, expect: { shared: { s: { k: [1, c], other: x } } } }]"
        ).text()
        #expect(text.contains("k in shared store s\n        - [1,\"c\"]\n        + [1,\"b\"]"), "\(text)")
        #expect(text.contains("other in shared store s\n        - \"x\"\n        + (absent)"), "\(text)")
    }

    @Test("Metadata, stats, an endpoint of the policy's choice, a drained connection, the log hook")
    func others() throws {
        try pass(
            """
            function on_request(h)
              local claims = h:streamInfo():dynamicMetadata():get("jwt")
              h:headers():add("x-sub", claims.payload.sub)
              h:streamInfo():dynamicMetadata():set("policy", "seen", { claims.payload.sub, 2 })
              h:stats():counter("tried"):inc()
              h:setUpstreamOverrideHost("10.1.1.1:80")
              h:streamInfo():drainConnectionUponCompletion()
              h:context().path = h:headers():get(":path")
            end
            function on_log(h)
              h:logInfo("done with " .. h:context().path)
            end
            """,
            """
            tests:
            - name: all
              request: { path: /p, metadata: { jwt: { payload: { sub: ann } } } }
              expect:
                upstream: { headers: { x-sub: ann }, endpoint: "10.1.1.1:80" }
                response: { headers: { connection: close } }
                metadata: { policy: { seen: [ann, 2] }, jwt: { other: null } }
                metrics: { lua_tried: 1 }
                logs: [info done with /p]
            """)
    }

    @Test("In shadow mode decisions are noted and nothing is applied")
    func shadow() throws {
        try pass(
            """
            function on_request(h)
              h:headers():add("x-a", "1")
              h:respond({ [":status"] = 403 })
            end
            """,
            """
            mode: shadow
            tests:
            - name: would refuse
              expect:
                upstream: { headers: { x-a: null } }
                response: { status: 200 }
                shadow: ["add x-a: 1", reply 403]
                metrics: { policy_shadow_decisions_total: 1 }
            """)
    }

    @Test("A policy that waits for what does not come fails its test instead of hanging it")
    func stuck() throws {
        let text = try PolicyTestFolder(
            policy: "function on_request(h) for i = 1, 3 do h:sleep(3600000) end end",
            tests: "tests: [{ name: a, expect: {} }]"
        ).text()
        #expect(text.contains("no response: the policy still waits"), "\(text)")
    }

    @Test("A policy in quarantine fails, and says why")
    func quarantine() throws {
        try pass(
            "function on_request(h) while h:headers():get('x-loop') do end end",
            """
            budget: { instructions: 10000, breaches: 2 }
            tests:
            - name: twice over
              requests:
              - { request: { headers: { x-loop: "1" } }, expect: { error: instruction budget } }
              - { request: { headers: { x-loop: "1" } }, expect: { error: instruction budget } }
              - expect: { error: not run, response: { status: 500 } }
            """)
    }
}
