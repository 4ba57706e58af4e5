import Foundation
import MartletTesting
import Testing

@Suite("What policies keep, share and tell")
struct PolicyStateTests {
    @Test("A shared store is exact over workers, and survives reloads of policy and configuration")
    func shared() throws {
        let script = """
            local store = shared("counts")
            function on_response(handle)
              handle:headers():add("x-count", store:incr("requests"))
              handle:headers():add("x-version", "1")
            end
            """
        let test = try PolicyProxy(script, workers: 2)
        for _ in 0..<50 { _ = try test.proxy.get("/") }
        try test.proxy.write("p.lua", script.replacingOccurrences(of: "\"1\"", with: "\"2\""))
        #expect(try test.proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        let answer = try test.proxy.get("/")
        #expect(answer.contains("x-count: 51\r\n"))
        #expect(answer.contains("x-version: 2\r\n"))
    }

    @Test("get, set, add, cas, delete, time to live, and values of every kind")
    func operations() throws {
        let test = try PolicyProxy(
            """
            function on_response(handle)
              local s = shared("s")
              local out = {}
              local function say(...) for i = 1, select("#", ...) do out[#out + 1] = tostring((select(i, ...))) end end
              say(s:get("k"), s:set("k", "v"), s:get("k"), s:add("k", 1), s:add("n", 1.5), s:incr("n", 2), s:delete("k"), s:delete("k"))
              say(s:cas("c", nil, "a"), s:cas("c", "b", "x"), s:cas("c", "a", nil), s:get("c"))
              s:set("t", {list = {1, 2, 3}, flag = true, text = "x"})
              local t = s:get("t")
              say(#t.list, t.flag, t.text, s:incr("new", 5, 10, 100))
              s:set("gone", 1, 0.02)
              handle:sleep(60)
              say(s:get("gone"), pcall(s.incr, s, "t"))
              handle:headers():add("x-out", table.concat(out, " "))
            end
            """)
        let answer = try test.proxy.get("/")
        #expect(
            answer.contains(
                "x-out: nil true v false true 3.5 true false true false true nil 3 true x 15 nil false the key holds no number"
            ),
            "\(answer)")
    }

    @Test("Timers run on one worker, with calls and stores of their own")
    func timers() throws {
        let test = try PolicyProxy(
            """
            local store = shared("s")
            every(0.05, function(handle)
              local headers, body = handle:httpCall("calls", {[":method"]="GET", [":path"]="/list", [":authority"]="a"}, nil, 1000)
              store:set("list", body)
              store:incr("times")
            end)
            function on_response(handle)
              handle:headers():add("x-list", store:get("list") or "none")
              handle:headers():add("x-times", store:get("times") or 0)
            end
            """, workers: 2)
        #expect(try eventually { try test.proxy.get("/").contains("x-list: ok\r\n") })
        // Twice the period on one worker; two workers would have been there twice as often.
        #expect(eventually { test.calls.recorded.count >= 3 })
    }

    @Test("Metadata, filter state, stream info, stats and the rest of Envoy's objects")
    func objects() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(handle)
              local info = handle:streamInfo()
              info:dynamicMetadata():set("my.filter", "user", {name = "ann", roles = {"a", "b"}, age = 7})
              info:filterState():set("obj", "factory", "text")
              handle:stats():counter("seen"):add(2)
              handle:stats():gauge("depth"):set(5)
              handle:stats():histogram("took", "ms"):recordValue(3)
              local _, wrong = pcall(function() info:dynamicMetadata():set("f", "k", print) end)
              handle:logInfo(wrong)
              local _, negative = pcall(function() handle:stats():counter("seen"):add(-1) end)
              handle:logInfo(negative)
              local _, unit = pcall(function() handle:stats():histogram("x", "furlongs") end)
              handle:logInfo(unit)
              local _, typed = pcall(function() handle:logInfo({}) end)
              handle:logInfo(typed)
            end
            function envoy_on_response(handle)
              local info = handle:streamInfo()
              local user = info:dynamicMetadata():get("my.filter").user
              local out = {user.name, #user.roles, user.age, info:filterState():get("obj"), info:protocol(), info:routeName(),
                tostring(info:dynamicMetadata():get("other")), tostring(handle:connection():ssl()),
                handle:stats():counter("seen"):value(), handle:stats():gauge("depth"):value(),
                type(handle:timestamp(EnvoyTimestampResolution.MILLISECOND)), #handle:timestampString(1),
                tostring(handle:route():metadata():get("x")), tostring(handle:virtualHost():metadata():get("x"))}
              for name in pairs(info:dynamicMetadata()) do out[#out + 1] = name end
              out[#out + 1] = info:downstreamRemoteAddress():match("^127.0.0.1:%d+$") and "remote" or "?"
              handle:headers():add("x-out", table.concat(out, " "))
            end
            """)
        let answer = try test.proxy.get("/")
        #expect(
            answer.contains("x-out: ann 2 7 text HTTP/1.1 route-0 nil nil 2 5 number 16 nil nil my.filter remote\r\n"),
            "\(answer) \(test.proxy.logged)")
        for line in [
            "unexpected type 'function' in dynamicMetadata", "counter add amount must be non-negative",
            "invalid histogram unit 'furlongs'", "string expected, got table",
        ] { #expect(eventually { test.proxy.logged.contains(line) }, "\(line)") }
        #expect(try test.proxy.metric("martlet_lua_seen{policy=\"p\"}") == "2")
        #expect(try test.proxy.metric("martlet_lua_took_count{policy=\"p\"}") == "1")
    }

    @Test("setUpstreamOverrideHost goes where it says; strict goes nowhere else")
    func override() throws {
        let other = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        let one = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        let script = """
            function on_request(h)
              local to = h:headers():get("x-to")
              if to then h:setUpstreamOverrideHost(to, h:headers():get("x-strict") ~= nil) end
            end
            """
        let proxy = try TestProxy(
            listener: "    filters: [{ lua: { policy: p } }, router]\n    routes: [{ match: {}, cluster: up }]",
            rest: """
                clusters:
                  - { name: up, endpoints: [{ address: "127.0.0.1:\(one.port)", weight: 128 }, "127.0.0.1:\(other.port)"] }
                policies: [{ name: p, file: p.lua }]
                """, files: ["p.lua": script])
        for _ in 0..<5 {
            #expect(try proxy.get("/", headers: "X-To: 127.0.0.1:\(other.port)\r\n").hasSuffix("other"))
        }
        #expect(try proxy.get("/", headers: "X-To: 127.0.0.9:1\r\n").hasPrefix("HTTP/1.1 200 "))
        let strict = try proxy.get("/", headers: "X-To: 127.0.0.9:1\r\nX-Strict: 1\r\n")
        #expect(strict.hasPrefix("HTTP/1.1 503 "))
        #expect(try proxy.get("/", headers: "X-To: not-an-ip\r\n").hasPrefix("HTTP/1.1 500 "))
    }

    @Test("Shadow mode: everything recorded, nothing applied, nothing held")
    func shadow() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              handle:headers():replace("x-team", "blue")
              handle:headers():remove("x-secret")
              handle:headers():replace(":path", "/elsewhere")
              local body = handle:body()
              if body then body:setBytes("changed") end
              handle:respond({[":status"] = "403"}, "no")
            end
            function on_response(handle) handle:headers():add("x-shadow", "yes") end
            """, policy: "    mode: shadow\n", listener: "    access_log: { path: access.log, format: json }")
        let answer = try test.post("body", headers: "X-Team: red\r\nX-Secret: s\r\n")
        #expect(answer.hasSuffix("ok"))
        #expect(!answer.contains("x-shadow"))
        let seen = try #require(test.upstream.recorded.first)
        #expect(seen.hasPrefix("POST / HTTP/1.1\r\n"))
        #expect(seen.contains("X-Team: red\r\nX-Secret: s\r\n"))
        #expect(seen.hasSuffix("body"))
        let path = test.proxy.directory.appendingPathComponent("access.log").path
        #expect(eventually { ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").hasSuffix("\n") })
        let line = try String(contentsOfFile: path, encoding: .utf8)
        for note in [
            "p: set x-team: blue", "p: remove x-secret", "p: set :path: /elsewhere", "p: body of 7 bytes",
            "p: reply 403",
            "p: add x-shadow: yes",
        ] { #expect(line.contains(note), "\(note) in \(line)") }
        #expect(try test.proxy.metric("martlet_policy_shadow_decisions_total{listener=\"public\",policy=\"p\"}") == "2")
        #expect(try test.proxy.admin("/policies").contains("\"mode\":\"shadow\""))
    }

    @Test("A text format has the shadow's decisions as an operator, and cannot be forged by them")
    func shadowText() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              handle:headers():replace("x-a", 'one" two')
              handle:respond({[":status"] = "418"}, nil)
            end
            """, policy: "    mode: shadow\n",
            listener: "    access_log: { path: access.log, format: '[%RESPONSE_CODE%] \"%SHADOW%\"' }")
        #expect(try test.proxy.get("/").hasPrefix("HTTP/1.1 200 "))
        let path = test.proxy.directory.appendingPathComponent("access.log").path
        let expected = #"[200] "p: set x-a: one\x22 two; p: reply 418""# + "\n"
        #expect(eventually { (try? String(contentsOfFile: path, encoding: .utf8)) == expected })
    }

    @Test("GET /policies has runs and memory of all workers, also after the configuration changed around a policy")
    func counts() throws {
        let test = try PolicyProxy(
            "local kept = {} function on_request(handle) kept[#kept + 1] = handle:timestamp() end", workers: 2)
        for _ in 0..<6 { _ = try test.proxy.get("/") }
        func figure(_ name: String) throws -> Int {
            let text = try test.proxy.admin("/policies")
            let rest = text.components(separatedBy: "\"\(name)\":").dropFirst().first ?? ""
            return Int(rest.prefix { $0.isNumber }) ?? -1
        }
        #expect(try eventually { try figure("runs") == 6 })
        #expect(try figure("largest_vm") > 10_000)
        #expect(try figure("all_vms") >= figure("largest_vm"))
        #expect(try test.proxy.admin("/policies").contains("\"memory\":{\"budget\":8388608,"))
        #expect(try test.proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        for _ in 0..<3 { _ = try test.proxy.get("/") }
        #expect(try eventually { try figure("runs") == 9 })
    }

    @Test("A policy that goes over its budget again and again is quarantined until it is replaced")
    func quarantine() throws {
        let test = try PolicyProxy(
            "function on_request(h) while true do end end",
            policy: "    budget: { instructions: 10000, breaches: 3 }\n")
        for _ in 0..<5 { #expect(try test.proxy.get("/").contains("x-martlet-error: policy-error")) }
        let status = try test.proxy.admin("/policies")
        #expect(status.contains("\"quarantined\":true"))
        #expect(status.contains("\"budget_breaches\":3"))
        #expect(try test.proxy.metric("martlet_policy_runs_total{listener=\"public\",policy=\"p\"}") == "3")
        try test.proxy.write("p.lua", "function on_request(h) end")
        #expect(try test.proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.proxy.get("/").hasSuffix("ok"))
    }

    @Test("A policy that did not change goes on with its VM and its counts through a reload")
    func unchanged() throws {
        let test = try PolicyProxy(
            "local n = 0\nfunction on_response(h) n = n + 1 h:headers():add('x-n', n) end")
        for number in 1...3 { #expect(try test.proxy.get("/").contains("x-n: \(number)\r\n")) }
        #expect(try test.proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.proxy.get("/").contains("x-n: 4\r\n"))
        #expect(try test.proxy.admin("/policies").contains("\"runs\":4"))
    }

    @Test("Parameters that the policy's schema does not allow are mistakes of the configuration")
    func schema() throws {
        let script = """
            schema = { header = "string", limit = { type = "integer", default = 5, min = 1, max = 10 }, tags = { type = "list", optional = true } }
            function on_response(h) h:headers():add("x-limit", h:config().limit) end
            """
        let test = try PolicyProxy(script, lua: "{ policy: p, config: { header: x } }")
        #expect(try test.proxy.get("/").contains("x-limit: 5\r\n"))
        let file = try String(contentsOf: test.proxy.file, encoding: .utf8)
        for (config, message) in [
            ("{}", "header: missing, a string"), ("{ header: 5 }", "header: expected string, got number"),
            ("{ header: x, limit: 11 }", "limit: 11"), ("{ header: x, heder: y }", "unknown parameter"),
        ] {
            try test.proxy.write(
                "martlet.yaml", file.replacingOccurrences(of: "config: { header: x }", with: "config: \(config)"))
            let answer = try test.proxy.admin("/reload", method: "POST")
            #expect(answer.hasPrefix("HTTP/1.1 422 "))
            #expect(answer.contains(message), "\(answer)")
        }
    }
}
