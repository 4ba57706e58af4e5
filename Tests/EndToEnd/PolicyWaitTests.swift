import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/// A proxy with the policy `p`, an upstream that answers `ok`, and a cluster `calls` for the policy's own requests: answered
/// by `calls`, or by a server of the test's own.
struct PolicyProxy {
    let proxy: TestProxy
    let upstream: ScriptedUpstream
    let calls: ScriptedUpstream

    init(
        _ script: String, policy: String = "", upstream response: @escaping @Sendable (String) -> String = { _ in ok },
        calls answer: @escaping @Sendable (String) -> String = { _ in ok }, server: ScriptedUpstream? = nil,
        clusters: String = "", workers: Int = 1,
        lua: String = "{ policy: p }",
        listener: String = "", files: [String: String] = [:]
    ) throws {
        upstream = try .answering(response)
        calls = try server ?? .answering(answer)
        let chain = """
            \(listener)
                filters: [{ lua: \(lua) }, router]
                routes: [{ match: {}, cluster: up }]
            """
        let rest =
            TestProxy.cluster(
                upstream.port, "  - { name: calls, endpoints: [\"127.0.0.1:\(calls.port)\"] }\n\(clusters)")
            + "\npolicies:\n  - name: p\n    file: p.lua\n\(policy)"
        proxy = try TestProxy(
            workers: workers, listener: chain, rest: rest, files: files.merging(["p.lua": script]) { $1 },
            companions: [upstream, calls])
    }

    func post(_ body: String, headers: String = "") throws -> String {
        try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
        )
    }

    func postChunked(_ chunks: [String], trailers: String = "") throws -> String {
        let body = chunks.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined()
        return try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\(body)0\r\n\(trailers)\r\n"
        )
    }
}

@Suite("Policies that wait")
struct PolicyWaitTests {
    @Test("body() is the whole body, however it came; setBytes mends the length")
    func body() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(handle)
              local body = handle:body()
              handle:headers():add("x-length", body and body:length() or "none")
              if body then
                handle:headers():replace("content-length", body:setBytes(body:getBytes(0, 3) .. "!"))
              end
            end
            function envoy_on_response(handle)
              local body = handle:body(true)
              body:setBytes("<" .. body:getBytes(0, body:length()) .. ">")
              assert(handle:body():length() == 4)
            end
            """)
        #expect(try test.post("abcdef").hasSuffix("\r\n\r\n<ok>"))
        let seen = try #require(test.upstream.recorded.first)
        #expect(seen.contains("x-length: 6\r\n"))
        #expect(seen.hasSuffix("\r\n\r\nabc!"))
        #expect(seen.contains("Content-Length: 4\r\n"))
        _ = try test.postChunked(["ab", "cd"])
        #expect(test.upstream.recorded.last?.hasSuffix("\r\n\r\nabc!") == true)
        #expect(try test.proxy.get("/").hasSuffix("<ok>"))
        #expect(test.upstream.recorded.last?.contains("x-length: none\r\n") == true)
    }

    @Test("A body beyond filter_buffer is 413")
    func largeBody() throws {
        let test = try PolicyProxy(
            "function on_request(h) h:body() end", listener: "    limits: { filter_buffer: 1KiB }")
        #expect(try test.post(String(repeating: "x", count: 2000)).hasPrefix("HTTP/1.1 413 "))
        #expect(test.upstream.recorded.isEmpty)
        #expect(try test.post("small").hasSuffix("ok"))
    }

    @Test("bodyChunks() sees each chunk as it passes, and trailers() what follows")
    func chunks() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local all, count = "", 0
              for chunk in handle:bodyChunks() do
                all = all .. chunk:getBytes(0, chunk:length())
                count = count + 1
                chunk:setBytes("[" .. chunk:getBytes(0, chunk:length()) .. "]")
              end
              local trailers = handle:trailers()
              handle:logInfo("saw " .. all .. " " .. tostring(trailers and trailers:get("x-trailer")))
              if trailers then trailers:add("x-count", "many") end
            end
            """)
        _ = try test.postChunked(["one", "two", "three"], trailers: "X-Trailer: t\r\n")
        #expect(eventually { test.proxy.logged.contains("saw onetwothree t") })
        let seen = try #require(test.upstream.recorded.first)
        #expect(seen.contains("[") && seen.contains("]"))
        #expect(seen.hasSuffix("X-Trailer: t\r\nx-count: many\r\n\r\n"))
        _ = try test.postChunked(["x"])
        #expect(eventually { test.proxy.logged.contains("saw x nil") })
    }

    @Test("What a script keeps of one hook is dead in the next, in this exchange and in others")
    func keptObjects() throws {
        let test = try PolicyProxy(
            """
            local function words(f, ...)
              local _, message = pcall(f, ...)
              return tostring(message)
            end
            function on_request(handle)
              if kept then
                handle:logInfo("later " .. words(kept.headers, kept) .. ", " .. words(map.get, map, "x"))
              end
              kept, map = handle, handle:headers()
              assert(map:get(":path"))
            end
            function on_response(handle)
              handle:headers():add("x-kept", words(kept.headers, kept) .. ", " .. words(map.get, map, "x"))
            end
            """)
        for count in 1...2 {
            #expect(
                try test.proxy.get("/").contains(
                    "x-kept: object used outside of proper scope, object used outside of proper scope\r\n"), "\(count)")
        }
        #expect(
            eventually {
                test.proxy.logged.contains(
                    "later object used outside of proper scope, object used outside of proper scope")
            })
    }

    @Test("Once the head has gone on it cannot be changed, and Envoy's words say so")
    func continued() throws {
        let test = try PolicyProxy(
            """
            local function try(handle, name, f, ...)
              local ok, message = pcall(f, ...)
              handle:logInfo(name .. ": " .. tostring(message))
            end
            function on_request(handle)
              local kept = handle:headers()
              for chunk in handle:bodyChunks() do
                try(handle, "kept", kept.get, kept, "x")
                try(handle, "edit", function() handle:headers():add("x", "y") end)
                try(handle, "respond", function() handle:respond({[":status"] = "403"}, "no") end)
                try(handle, "body", function() handle:body() end)
                last = chunk
              end
              try(handle, "chunk", function() last:length() end)
            end
            """)
        #expect(try test.post("abc").hasSuffix("ok"))
        for line in [
            "kept: p.lua:2: object used outside of proper scope", "edit: p.lua:9: header map can no longer be modified",
            "respond: p.lua:10: respond() cannot be called if headers have been continued",
            "body: p.lua:11: cannot call body() after body streaming has started",
            "chunk: p.lua:14: object used outside of proper scope",
        ] {
            let words = line.split(separator: ": ", maxSplits: 1)[1].split(separator: ": ").last ?? ""
            #expect(eventually { test.proxy.logged.contains(String(words)) }, "\(line) in \(test.proxy.logged)")
        }
    }

    @Test("httpCall holds the request until its answer is there; a failing call is a 503 in words")
    func call() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local headers, body = handle:httpCall("calls", {
                [":method"] = "POST", [":path"] = "/check", [":authority"] = "auth.test", ["x-list"] = {"a", "b"},
              }, "who is it", 5000)
              handle:headers():add("x-auth", headers[":status"] .. " " .. body .. " " .. headers["x-reply"])
            end
            function on_response(handle)
              local _, message = pcall(function() handle:httpCall("nowhere", {}, nil, 0) end)
              handle:headers():add("x-message", message)
              local _, second = pcall(function() handle:httpCall("calls", {[":path"] = "/"}, nil, 0) end)
              handle:headers():add("x-second", second)
            end
            """, calls: { _ in "HTTP/1.1 202 OK\r\nX-Reply: yes\r\nContent-Length: 4\r\n\r\nfine" })
        let answer = try test.post("body")
        #expect(answer.contains("http call cluster invalid. Must be configured"))
        #expect(answer.contains("http call headers must include ':path', ':method', and ':authority'"))
        #expect(test.calls.recorded.first?.hasPrefix("POST /check HTTP/1.1\r\nhost: auth.test\r\n") == true)
        #expect(test.calls.recorded.first?.contains("x-list: a\r\nx-list: b\r\n") == true)
        #expect(test.calls.recorded.first?.hasSuffix("who is it") == true)
        #expect(test.upstream.recorded.first?.contains("x-auth: 202 fine yes\r\n") == true)
        #expect(test.upstream.recorded.first?.hasSuffix("body") == true)
    }

    @Test("Several calls at once, calls nobody waits for, and a reply after a call")
    func calls() throws {
        let test = try PolicyProxy(
            """
            local function to(path) return {[":method"] = "GET", [":path"] = path, [":authority"] = "a"} end
            function on_request(handle)
              local all = handle:httpCalls{
                {cluster = "calls", headers = to("/1")}, {cluster = "calls", headers = to("/2"), timeout_ms = 5000},
              }
              handle:httpCall("calls", to("/nobody"), nil, 100, true)
              handle:respond({[":status"] = 200}, all[1].body .. all[2].body .. all[1].headers[":status"])
            end
            """,
            calls: { request in
                let path = String(request.split(separator: " ")[1])
                return "HTTP/1.1 200 OK\r\nContent-Length: \(path.utf8.count)\r\n\r\n\(path)"
            })
        #expect(try test.proxy.get("/").hasSuffix("\r\n\r\n/1/2200"))
        #expect(eventually { test.calls.recorded.count == 3 })
        #expect(test.upstream.recorded.isEmpty)
    }

    @Test("An upstream of calls that is away ends in 503 and `upstream failure`")
    func failedCall() throws {
        let test = try PolicyProxy(
            """
            function on_response(handle)
              local headers, body = handle:httpCall("calls", {[":method"]="GET", [":path"]="/", [":authority"]="a"}, nil, 1000)
              handle:headers():add("x-call", headers[":status"] .. " " .. body)
            end
            """)
        test.calls.stop()
        let answer = try test.proxy.get("/")
        #expect(answer.contains("x-call: 503 upstream failure\r\n"))
        #expect(answer.hasSuffix("ok"))
    }

    @Test("sleep holds one exchange and no other; a client that goes never resumes its script")
    func sleeping() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              if handle:headers():get(":path") == "/slow" then
                handle:sleep(2500)
                handle:logInfo("slept")
              elseif handle:headers():get(":path") == "/gone" then
                handle:sleep(2000)
                handle:logInfo("never")
              end
            end
            """)
        let gone = try test.proxy.connect()
        try gone.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        let slow = try test.proxy.connect()
        try slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try test.proxy.get("/fast").hasSuffix("ok"))
        #expect(test.upstream.recorded.count == 1)
        gone.reset()
        #expect(slow.receive { $0.text.hasSuffix("ok") })
        #expect(eventually { test.proxy.logged.contains("slept") })
        #expect(test.upstream.recorded.count == 2)
        #expect(!test.proxy.logged.contains("never"))
    }

    @Test("context() goes from request to response to log; on_log sees how it ended, and goes on without its exchange")
    func contextAndLog() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle) handle:context().started = "yes" end
            function on_response(handle) handle:context().status = handle:headers():get(":status") end
            function on_log(handle)
              local c = handle:context()
              local path = handle:downstreamRequestHeaders():get(":path")
              handle:sleep(20)
              local headers, body = handle:httpCall("calls", {[":method"]="POST", [":path"]="/audit", [":authority"]="a"}, path, 1000)
              local ok, message = pcall(function() return handle:headers():get("x") end)
              handle:logInfo("log " .. c.started .. " " .. handle:context().status .. " " .. path .. " " .. body .. " " .. tostring(message))
            end
            """)
        #expect(try test.proxy.get("/path").hasSuffix("ok"))
        #expect(eventually { test.proxy.logged.contains("log yes 200 /path ok nil") }, "\(test.proxy.logged)")
        #expect(test.calls.recorded.first?.hasSuffix("\r\n\r\n/path") == true)
    }

    @Test("A collected body waits for a free connection and goes up whole")
    func collectedBodyWaits() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                release.wait()
                do { try connection.send(ok) } catch { return }
            }
        }
        let proxy = try TestProxy(
            listener:
                "    filters: [{ lua: { inline: \"function on_request(h) h:body() end\" } }, router]\n    routes: [{ match: {}, cluster: up }]",
            rest: TestProxy.cluster(upstream.port, "    circuit_breaker: { max_connections: 1 }"))
        let clients = try (0..<2).map { number in
            let client = try proxy.connect()
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbody\(number)")
            return client
        }
        #expect(eventually { upstream.recorded.count == 1 })
        release.signal()
        #expect(eventually { upstream.recorded.count == 2 })
        release.signal()
        for client in clients { #expect(client.receive { $0.text.hasSuffix("ok") }) }
        #expect(Set(upstream.recorded.map { $0.suffix(5) }) == ["body0", "body1"])
    }
}
