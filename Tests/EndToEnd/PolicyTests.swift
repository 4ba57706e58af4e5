import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Lua policies run as filters")
struct PolicyTests {
    private static func listener(_ lua: String, routes: String = "") -> String {
        """
            filters:
              - lua: \(lua)
              - router
            routes:
        \(routes)
              - match: { path: { prefix: / } }
                cluster: up
        """
    }

    private static func rest(_ upstream: ScriptedUpstream, _ more: String = "") -> String {
        TestProxy.cluster(upstream.port) + "\npolicies:\n  - name: p\n    file: p.lua\n\(more)"
    }

    private func run(_ script: String, _ more: String = "", lua: String = "{ policy: p }", routes: String = "") throws
        -> (proxy: TestProxy, upstream: ScriptedUpstream)
    {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: Self.listener(lua, routes: routes), rest: Self.rest(upstream, more), files: ["p.lua": script],
            companions: [upstream])
        return (proxy, upstream)
    }

    @Test("Headers are read and edited in both directions, by Envoy's names too")
    func headers() throws {
        let (proxy, upstream) = try run(
            """
            function envoy_on_request(handle)
              local headers = handle:headers()
              headers:add("x-seen", headers:get("X-Team") or "nobody")
              headers:replace(":path", "/rewritten")
              headers:remove("x-secret")
              headers:add("x-number", 10 / 2)
            end
            function envoy_on_response(handle)
              handle:headers():replace(":status", 201)
              handle:headers():add("x-team", handle:headers():getNumValues("content-length"))
            end
            """)
        let answer = try proxy.get("/original", headers: "X-Team: red\r\nX-Secret: s\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 201 "))
        #expect(answer.contains("x-team: 1\r\n"))
        let seen = try #require(upstream.recorded.first)
        #expect(seen.hasPrefix("GET /rewritten HTTP/1.1\r\n"))
        #expect(seen.contains("x-seen: red\r\n"))
        #expect(seen.contains("x-number: 5\r\n"))
        #expect(!seen.contains("X-Secret"))
    }

    @Test("An edited policy is in force on the next requests, without a connection lost")
    func hotReload() throws {
        let (proxy, _) = try run("function on_response(h) h:headers():add('x-version', '1') end")
        let client = try proxy.connect()
        for version in 2...20 {
            try proxy.write("p.lua", "function on_response(h) h:headers():add('x-version', '\(version)') end")
            #expect(
                try eventually {
                    client.forget()
                    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    guard client.receive(until: { $0.text.hasSuffix("ok") }) else { return false }
                    return client.text.contains("x-version: \(version)\r\n")
                })
        }
    }

    @Test("A policy that does not compile is refused with its line, and the old one keeps serving")
    func brokenReload() throws {
        let (proxy, _) = try run("function on_response(h) h:headers():add('x-version', '1') end")
        try proxy.write("p.lua", "function on_response(h)\n  h:headers(:add('x', 'y')\nend")
        let answer = try proxy.admin("/reload", method: "POST")
        #expect(answer.hasPrefix("HTTP/1.1 422 "))
        #expect(answer.contains("p.lua:2:"))
        #expect(try proxy.get("/").contains("x-version: 1\r\n"))
    }

    @Test("A reply from a script ends the request")
    func respond() throws {
        let (proxy, upstream) = try run(
            """
            function on_request(h)
              if not h:headers():get("x-team") then
                h:respond({[":status"] = "403", ["x-list"] = {"a", "b"}}, "no team\\n")
                error("never reached")
              end
            end
            """)
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
        #expect(answer.contains("x-list: a\r\nx-list: b\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nno team\n"))
        #expect(upstream.recorded.isEmpty)
        #expect(try proxy.get("/", headers: "X-Team: red\r\n").hasSuffix("ok"))
    }

    @Test("A reply from the response hook takes the response's place")
    func respondOnResponse() throws {
        let (proxy, _) = try run("function on_response(h) h:respond({[':status'] = 503}, 'replaced') end")
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 503 "))
        #expect(answer.hasSuffix("\r\n\r\nreplaced"))
    }

    static let breaches = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local f = coroutine.wrap(function() while true do end end) f()",
        "pcall(function() local c = coroutine.create(function() while true do end end) coroutine.resume(c) end) while true do end",
        "local t = setmetatable({}, {__index = function(t, k) while true do end end}) local x = t.y",
        "table.sort({3, 2, 1, 5, 4}, function(a, b) while true do end end)",
        "string.gsub('aaa', 'a', function() while true do end end)",
        "local s = string.rep('a', 100000) return string.find(s, string.rep('a-', 40) .. 'b')",
        "local s = string.rep('x', 1000000000)",
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end",
        "local s = 'x' while true do s = s .. s end",
        "table.concat(setmetatable({}, {__len = function() return 1e15 end, __index = function() return 'x' end}))",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local t = table.move({}, 1, 1e15, 2)",
    ]

    @Test("A script over its budget is stopped, whatever it tries, and counted; others go on", arguments: breaches)
    func budget(_ body: String) throws {
        let (proxy, upstream) = try run(
            "function on_request(h) if h:headers():get(':path') == '/bad' then \(body) end end",
            "    budget: { instructions: 200000, memory: 4MiB, time: 2s }\n")
        let answer = try proxy.get("/bad")
        #expect(answer.hasPrefix("HTTP/1.1 500 "), "\(answer.prefix(80))")
        #expect(answer.contains("x-martlet-error: policy-error"))
        #expect(upstream.recorded.isEmpty)
        for _ in 0..<3 { #expect(try proxy.get("/good").hasSuffix("ok")) }
        let count = try proxy.metric("martlet_policy_budget_breaches_total{listener=\"public\",policy=\"p\"}")
        #expect(count == "1")
    }

    static let removed = [
        "io", "package", "dofile", "loadfile", "debug.getinfo", "debug.sethook", "debug.setmetatable",
        "os.execute", "os.exit", "os.remove", "os.rename", "os.tmpname", "os.setlocale", "string.dump",
        "coroutine.close", "ffi", "jit",
    ]

    @Test("What is dangerous does not exist", arguments: removed)
    func sandbox(_ name: String) throws {
        let parts = name.split(separator: ".")
        let expression = parts.count == 2 ? "\(parts[0]) and \(parts[0]).\(parts[1])" : name
        let (proxy, _) = try run(
            "function on_response(h) h:headers():add('x-there', tostring((\(expression)) ~= nil and (\(expression)) ~= false)) end"
        )
        #expect(try proxy.get("/").contains("x-there: false\r\n"))
    }

    static let escapes = [
        "setmetatable({}, {__gc = function() end})", "setmetatable({}, {__close = function() end})",
        "getmetatable('').__index = nil", "h:headers():add('x\\r\\ny', 'z')", "h:headers():add('x', 'a\\r\\nb: c')",
        "h:headers():replace(':path', 'no slash')", "h:headers():replace(':path', '/a b')",
        "h:headers():replace(':authority', 'user@host')", "h:headers():add(':path', '/x')", "load('\\27Lua')()",
        "stolen:headers()",
    ]

    @Test("An escape is an error in the script", arguments: escapes)
    func refused(_ statement: String) throws {
        let (proxy, upstream) = try run("function on_request(h) stolen = stolen or {} \(statement) end")
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 500 "), "\(answer.prefix(100))")
        #expect(upstream.recorded.isEmpty)
    }

    @Test("on_error: skip goes on as if the policy were not there")
    func skip() throws {
        let (proxy, _) = try run("function on_request(h) error('boom') end", "    on_error: skip\n")
        #expect(try proxy.get("/").hasSuffix("ok"))
        let status = try proxy.admin("/policies")
        #expect(status.contains("\"errors\":1"))
        #expect(status.contains("p.lua:1: boom"))
    }

    @Test("Parameters are typed, and a route may change them or turn the policy off")
    func parameters() throws {
        let routes = """
                  - match: { path: { exact: /off } }
                    cluster: up
                    filters: { lua: { p: off } }
                  - match: { path: { exact: /other } }
                    cluster: up
                    filters: { lua: { p: { config: { name: route, list: [1] } } } }
            """
        let (proxy, _) = try run(
            """
            function on_response(h)
              local c = h:config()
              local context = h:filterContext()
              h:headers():add("x-config", c.name .. " " .. #c.list .. " " .. tostring(c.flag) .. " " .. context:get("name"))
            end
            """, lua: "{ policy: p, config: { name: listener, list: [1, 2], flag: true } }", routes: routes)
        #expect(try proxy.get("/").contains("x-config: listener 2 true listener\r\n"))
        #expect(try proxy.get("/other").contains("x-config: route 1 nil route\r\n"))
        #expect(!(try proxy.get("/off").contains("x-config")))
    }

    @Test("Error texts of header maps are Envoy's")
    func errors() throws {
        let (proxy, _) = try run(
            """
            function on_response(h)
              local headers = h:headers()
              local ok, message
              for k, v in pairs(headers) do
                ok, message = pcall(function() headers:add("x-a", "b") end)
                break
              end
              h:logInfo(message)
              local _, second = pcall(function() for k, v in headers:pairs() do end end)
              h:logInfo(second)
            end
            """)
        _ = try proxy.get("/")
        #expect(eventually { proxy.logged.contains("header map cannot be modified while iterating") })
        #expect(eventually { proxy.logged.contains("cannot create a second iterator before completing the first") })
    }
}
