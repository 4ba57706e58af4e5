import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("What one policy may take from others")
struct PolicyBoundTests {
    @Test("Calls nobody waits for: 64 under way, and their bodies within the policy's memory")
    func looseCalls() throws {
        let hole = try ScriptedUpstream { _, connection in
            while case .bytes = connection.receive() {}
        }
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local size = tonumber(handle:headers():get("x-size"))
              local to = {[":method"] = "POST", [":path"] = "/", [":authority"] = "a"}
              local sent, message = 0, nil
              for _ = 1, 100 do
                local fine, why = pcall(handle.httpCall, handle, "calls", to, ("x"):rep(size), 0, true)
                if not fine then message = why break end
                sent = sent + 1
              end
              handle:respond({[":status"] = 200}, sent .. " " .. tostring(message))
            end
            """, policy: "    budget: { instructions: 100000000, time: 5s }\n", server: hole)
        let proxy = test.proxy
        #expect(try proxy.get("/", headers: "x-size: 3000000\r\n").hasSuffix("\r\n\r\n2 too many at once"))
        #expect(try proxy.get("/", headers: "x-size: 1\r\n").hasSuffix("\r\n\r\n62 too many at once"))
        #expect(try proxy.get("/", headers: "x-size: 1\r\n").hasSuffix("\r\n\r\n0 too many at once"))
    }

    @Test("An error between calls made at once does not hide those that are under way")
    func callsUnderWay() throws {
        let hole = try ScriptedUpstream { _, connection in
            while case .bytes = connection.receive() {}
        }
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local to = {[":method"] = "GET", [":path"] = "/", [":authority"] = "a"}
              local batch = {}
              for i = 1, 15 do batch[i] = {cluster = "calls", headers = to} end
              batch[16] = {cluster = "not there", headers = to}
              local rounds, message = 0, nil
              repeat
                rounds = rounds + 1
                message = select(2, pcall(handle.httpCalls, handle, batch))
              until rounds == 20 or message:find("too many")
              handle:respond({[":status"] = 200}, rounds .. " " .. message)
            end
            """, policy: "    budget: { instructions: 100000000, time: 5s }\n", server: hole)
        #expect(try test.proxy.get("/").hasSuffix("\r\n\r\n5 too many at once"))
    }

    @Test("Calls one after another have no end; at once there are 64")
    func manyCalls() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local to = {[":method"] = "GET", [":path"] = "/", [":authority"] = "a"}
              for _ = 1, 150 do assert(handle:httpCall("calls", to, nil, 5000)[":status"] == "200") end
              for _ = 1, 70 do
                local _, pieces = handle:httpCall("calls", to, nil, {stream = true, timeout_ms = 5000})
                assert(pieces() == "ok" and pieces() == nil)
              end
            end
            """, policy: "    budget: { instructions: 100000000, time: 5s }\n")
        #expect(try test.proxy.get("/").hasSuffix("ok"))
        #expect(test.calls.recorded.count == 220)
    }

    @Test("Calls at once that fail at once are told apart, each in its place")
    func failingAtOnce() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local to = {[":method"] = "GET", [":path"] = "/", [":authority"] = "a"}
              local nowhere = {cluster = "nowhere", headers = to}
              local all = handle:httpCalls{nowhere, nowhere, {cluster = "calls", headers = to}, nowhere}
              local out = {}
              for place, one in ipairs(all) do out[place] = tostring(one.headers[":status"]) .. one.body end
              handle:respond({[":status"] = 200}, table.concat(out, ","))
            end
            """, calls: { _ in "HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nup" },
            clusters: "  - { name: nowhere, discovery: { dns: \"no-such-host.invalid:80\" } }\n")
        let failed = "503upstream failure"
        #expect(try test.proxy.get("/").hasSuffix("\r\n\r\n\(failed),\(failed),201up,\(failed)"))
    }

    @Test("Values on an exchange: 1 MiB in one go")
    func metadataBytes() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              local metadata, value = handle:streamInfo():dynamicMetadata(), ("x"):rep(60000)
              local count, message = 0, nil
              repeat
                local fine, why = pcall(metadata.set, metadata, "p", "k", value)
                if fine then count = count + 1 else message = why end
              until message or count == 100
              handle:respond({[":status"] = 200}, count .. " " .. tostring(message))
            end
            """, policy: "    budget: { instructions: 100000000, time: 5s }\n")
        #expect(try test.proxy.get("/").hasSuffix("\r\n\r\n17 too many at once"))
    }

    @Test("A policy has 16 stores; what one policy leaves on an exchange takes no room of another's")
    func storesAndMetadata() throws {
        let up = try ScriptedUpstream.answering(ok)
        let rest =
            TestProxy.cluster(up.port)
            + "\npolicies: [{ name: hog, file: hog.lua }, { name: good, file: good.lua }]"
        let proxy = try TestProxy(
            workers: 1,
            listener: """
                    filters: [{ lua: { policy: hog } }, { lua: { policy: good } }, router]
                    routes: [{ match: {}, cluster: up }]
                """, rest: rest,
            files: [
                "hog.lua": """
                function on_request(handle)
                  local fine, message = true, nil
                  for i = 1, 17 do
                    fine, message = pcall(function() shared("store" .. i):set("k", 1) end)
                    if not fine then handle:headers():add("x-stores", i .. " " .. message) end
                  end
                  local metadata = handle:streamInfo():dynamicMetadata()
                  for i = 1, 300 do
                    fine, message = pcall(metadata.set, metadata, "hog", "k" .. i, i)
                    if not fine then handle:headers():add("x-metadata", i .. " " .. message) break end
                  end
                end
                """,
                "good.lua": """
                function on_request(handle)
                  handle:streamInfo():dynamicMetadata():set("good", "k", 1)
                  handle:headers():add("x-good", handle:streamInfo():dynamicMetadata():get("hog").k256)
                end
                """,
            ], companions: [up])
        #expect(try proxy.get("/").hasSuffix("ok"))
        let seen = up.recorded.first ?? ""
        #expect(seen.contains("x-stores: 17 hog.lua:4: a policy has 16 shared stores at most\r\n"), "\(seen)")
        #expect(seen.contains("x-metadata: 257 too many at once\r\n"), "\(seen)")
        #expect(seen.contains("x-good: 256\r\n"), "\(seen)")
    }

    @Test("What metadata() and its like answer logs too, as every object does")
    func logsEverywhere() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              handle:metadata():logWarn("from metadata " .. handle:metadata():get("k"))
              handle:filterContext():logWarn("from context")
              handle:route():metadata():logWarn("from route")
            end
            """, lua: "{ policy: p, config: { k: v } }")
        #expect(try test.proxy.get("/").hasSuffix("ok"))
        for words in ["from metadata v", "from context", "from route"] {
            #expect(eventually { test.proxy.logged.contains(words) }, "\(words)")
        }
    }

    @Test("A run gets 99 lines into the log, and one that says there were more")
    func logLines() throws {
        let test = try PolicyProxy("function on_request(handle) for i = 1, 500 do handle:logWarn('line ' .. i) end end")
        #expect(try test.proxy.get("/").hasSuffix("ok"))
        #expect(eventually { test.proxy.logged.contains("further lines of this run are dropped") })
        #expect(test.proxy.logged.contains("line 99\n"))
        #expect(!test.proxy.logged.contains("line 100\n"))
        #expect(try test.proxy.get("/").hasSuffix("ok"))
        #expect(eventually { test.proxy.logged.components(separatedBy: "line 1\n").count == 3 })
    }

    @Test("In shadow mode chunks, trailers and metadata are there as they would be; credentials are not noted")
    func shadow() throws {
        let test = try PolicyProxy(
            """
            function on_request(handle)
              handle:streamInfo():dynamicMetadata():set("ctx", "team", "red")
              handle:headers():replace("authorization", "Bearer sesame")
              local count = 0
              for chunk in handle:bodyChunks() do
                count = count + chunk:length()
                chunk:setBytes("x")
              end
              local trailers = handle:trailers()
              handle:logWarn("saw " .. count .. " " .. tostring(trailers and trailers:get("x-t")))
            end
            function on_response(handle)
              handle:logWarn("team " .. handle:streamInfo():dynamicMetadata():get("ctx").team)
            end
            """, policy: "    mode: shadow\n", listener: "    access_log: { path: access.log, format: '%SHADOW%' }")
        _ = try test.postChunked(["abc", "defg"], trailers: "X-T: end\r\n")
        #expect(eventually { test.proxy.logged.contains("saw 7 end") })
        #expect(eventually { test.proxy.logged.contains("team red") })
        #expect(try test.proxy.get("/").hasSuffix("ok"))
        #expect(eventually { test.proxy.logged.contains("saw 0 nil") })
        #expect(!test.proxy.logged.contains(" error "), "\(test.proxy.logged)")
        #expect(test.upstream.recorded.first?.contains("abc") == true)
        let log = test.proxy.directory.appendingPathComponent("access.log")
        #expect(eventually { (try? String(contentsOf: log, encoding: .utf8))?.contains("chunk of 1 bytes") == true })
        #expect(try !String(contentsOf: log, encoding: .utf8).contains("sesame"))
        #expect(try String(contentsOf: log, encoding: .utf8).contains("p: set authorization: (13 bytes)"))
    }

    @Test("What LuaJIT does with fractions, zero bytes and percent signs; what it never shows")
    func luaJIT() throws {
        let test = try PolicyProxy(
            #"""
            local function words(f, ...) return tostring(select(2, pcall(f, ...))) end
            function on_response(handle)
              local s = "abcdef"
              local out = {
                s:sub(1, #s / 4), ("x"):rep(2.9), s:byte(1.5), s:find("c", 2.5), table.concat({1, 2, 3}, "", 1, 2.5),
                os.date("!%Y", 1767225600123 / 1000), select("#", unpack({1, 2, 3}, 1.5, 2.5)),
                (("a\0b"):gsub("%z", "Z")), (("a\0b"):gsub("%Z", "x")):byte(2), (("a-b"):gsub("%-", "%-")),
                words(string.format, "%s %s", "a"), words(string.format, ("y"):rep(2000) .. "%s"),
                words(handle.timestamp, handle, 5), words(string.rep, "x", "y"),
              }
              handle:headers():add("x-out", table.concat(out, "|"))
              handle:headers():add("x-bad", words(function() handle:headers():add("x-c", "a\1b") end))
            end
            """#)
        let answer = try test.proxy.get("/")
        let expected =
            "x-out: a|xx|97|3|12|2026|2|aZb|0|a-b|bad argument #3 to 'string.format' (no value)|bad argument #2 to 'string.format' (no value)|"
            + "timestamp format must be MILLISECOND.|bad argument #2 to 'string.rep' (number expected, got string)\r\n"
        #expect(answer.contains(expected), "\(answer)")
        #expect(answer.contains("invalid header value\r\n"), "\(answer)")
    }
}
