import Foundation
import MartletTesting
import Testing

/// Scripts as operators write them for Envoy's Lua filter, LuaJIT's dialect and all, run as they stand.
@Suite("Scripts for Envoy run unchanged")
struct EnvoyScriptTests {
    private func send(_ test: PolicyProxy, _ head: String, _ body: String = "") throws -> String {
        let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
        return try test.proxy.exchange("\(head)\r\nHost: shop.test\r\nConnection: close\r\n\(length)\r\n\(body)")
    }

    @Test("A token is checked by a service, whose answer becomes headers; without one the client hears why")
    func authorisation() throws {
        let test = try PolicyProxy(
            """
            local function contains(list, value)
              for _, each in ipairs(list) do if each == value then return true end end
              return false
            end
            function envoy_on_request(request_handle)
              local path = request_handle:headers():get(":path")
              if contains({"/health", "/ready"}, path) then return end
              local token = request_handle:headers():get("authorization")
              if token == nil then
                request_handle:respond({[":status"] = "401", ["www-authenticate"] = "Bearer"}, "no token")
                return
              end
              local headers, body = request_handle:httpCall("calls",
                {[":method"] = "POST", [":path"] = "/verify", [":authority"] = "calls", ["content-type"] = "text/plain"},
                token, 5000)
              if tonumber(headers[":status"]) ~= 200 then
                request_handle:logWarn("refused by the service: " .. headers[":status"])
                request_handle:respond({[":status"] = 403}, "refused")
                return
              end
              request_handle:headers():remove("authorization")
              request_handle:headers():add("x-user", body)
            end
            """,
            calls: { request in
                let user = request.hasSuffix("\r\n\r\nBearer good") ? "ann" : ""
                let status = user.isEmpty ? "401 Unauthorized" : "200 OK"
                return "HTTP/1.1 \(status)\r\nContent-Length: \(user.utf8.count)\r\n\r\n\(user)"
            })
        #expect(try send(test, "GET /health HTTP/1.1").hasSuffix("ok"))
        #expect(test.calls.recorded.isEmpty)
        let refused = try send(test, "GET /a HTTP/1.1")
        #expect(refused.hasPrefix("HTTP/1.1 401 ") && refused.contains("www-authenticate: Bearer\r\n"))
        #expect(try send(test, "GET /a HTTP/1.1\r\nAuthorization: Bearer bad").hasPrefix("HTTP/1.1 403 "))
        #expect(try send(test, "GET /a HTTP/1.1\r\nAuthorization: Bearer good").hasSuffix("ok"))
        let seen = try #require(test.upstream.recorded.last)
        #expect(seen.contains("x-user: ann\r\n") && !seen.lowercased().contains("authorization"))
    }

    @Test("What the request said is kept in dynamic metadata for the response")
    func metadata() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(request_handle)
              local headers = request_handle:headers()
              request_handle:streamInfo():dynamicMetadata():set("envoy.filters.http.lua", "request.info", {
                auth = headers:get("authorization"),
                token = headers:get("x-request-token"),
              })
            end
            function envoy_on_response(response_handle)
              local meta = response_handle:streamInfo():dynamicMetadata():get("envoy.filters.http.lua")["request.info"]
              response_handle:logInfo("Auth: " .. meta.auth .. ", token: " .. meta.token)
              response_handle:headers():add("x-token", meta.token)
            end
            """)
        let answer = try send(test, "GET / HTTP/1.1\r\nAuthorization: Basic YQ==\r\nX-Request-Token: t-1")
        #expect(answer.contains("x-token: t-1\r\n"))
        #expect(eventually { test.proxy.logged.contains("Auth: Basic YQ==, token: t-1") })
    }

    @Test("An answer is made anew: status, body, length, type")
    func errorPage() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_response(response_handle)
              if response_handle:headers():get(":status") == "404" then
                local length = response_handle:body(true):setBytes("<html><b>Not here<b></html>")
                response_handle:headers():replace("content-length", length)
                response_handle:headers():replace("content-type", "text/html")
                response_handle:headers():replace(":status", 200)
              end
            end
            """,
            upstream: { _ in "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnone" })
        let answer = try send(test, "GET / HTTP/1.1")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(answer.contains("27\r\n") && answer.contains("text/html\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n<html><b>Not here<b></html>"))
    }

    @Test("A preflight is answered with lists of headers")
    func preflight() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(handle)
              local headers = handle:headers()
              if headers:get(":method") == "OPTIONS" and headers:get("origin") then
                handle:respond({
                  [":status"] = "204",
                  ["access-control-allow-origin"] = headers:get("origin"),
                  ["vary"] = {"origin", "access-control-request-method"},
                })
              end
            end
            """)
        let answer = try send(test, "OPTIONS / HTTP/1.1\r\nOrigin: http://a.test")
        #expect(answer.hasPrefix("HTTP/1.1 204 "))
        #expect(answer.contains("access-control-allow-origin: http://a.test\r\n"))
        #expect(answer.contains("vary: origin\r\nvary: access-control-request-method\r\n"))
    }

    @Test("The dialect of LuaJIT: unpack, loadstring, table.maxn, math.pow, bit, string methods")
    func dialect() throws {
        let test = try PolicyProxy(
            """
            local function sum(...) local all = 0 for _, each in ipairs({...}) do all = all + each end return all end
            local checksum = function(text)
              local hash = 5381
              for index = 1, #text do hash = bit.band(bit.bxor(bit.lshift(hash, 5) + hash, text:byte(index)), 0x7fffffff) end
              return hash
            end
            function envoy_on_request(handle)
              local parts = {}
              for part in string.gmatch(handle:headers():get(":path"), "[^/]+") do table.insert(parts, part) end
              handle:headers():add("x-sum", sum(unpack({1, 2, 3})))
              handle:headers():add("x-half", 10 / 2)
              handle:headers():add("x-power", math.pow(2, 10))
              handle:headers():add("x-count", table.maxn(parts) .. ":" .. table.concat(parts, ","))
              handle:headers():add("x-made", assert(loadstring("return 'made'"))())
              handle:headers():add("x-bits", bit.tohex(checksum("martlet"), 8) .. " " .. bit.rshift(256, 4))
              handle:headers():add("x-date", os.date("!%Y-%m-%d", 0) .. " " .. tostring(os.getenv("HOME")))
              handle:headers():add("x-basic", "Basic " .. handle:base64Escape("user:pass"))
              local count = 0
              for key, value in pairs(handle:headers()) do if key:sub(1, 2) == "x-" then count = count + 1 end end
              handle:headers():add("x-total", count)
            end
            """)
        _ = try send(test, "GET /a/b/c HTTP/1.1")
        let seen = try #require(test.upstream.recorded.first)
        for line in [
            "x-sum: 6", "x-half: 5", "x-power: 1024", "x-count: 3:a,b,c", "x-made: made", " 16",
            "x-date: 1970-01-01 nil",
            "x-basic: Basic dXNlcjpwYXNz",
        ] { #expect(seen.contains("\(line)\r\n"), "\(line) in \(seen)") }
    }

    @Test("Bodies are counted as they stream, and a trailer is read behind them")
    func streaming() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(request_handle)
              local size = 0
              for chunk in request_handle:bodyChunks() do size = size + chunk:length() end
              local trailers = request_handle:trailers()
              request_handle:logInfo("size " .. size .. " sum " .. (trailers and trailers:get("x-sum") or "none"))
            end
            """)
        _ = try test.postChunked(["ab", "cde"], trailers: "X-Sum: 5\r\n")
        #expect(eventually { test.proxy.logged.contains("size 5 sum 5") })
        _ = try test.post("four")
        #expect(eventually { test.proxy.logged.contains("size 4 sum none") })
    }

    @Test("A script's mistake is its own: the line is told, and Envoy's words for misuse are used")
    func mistakes() throws {
        let test = try PolicyProxy(
            """
            function envoy_on_request(handle)
              local ok, message = pcall(function() handle:httpCall("nowhere", {}, nil, 10) end)
              handle:headers():add("x-cluster", message)
              ok, message = pcall(function() handle:httpCall("calls", {[":path"] = "/"}, nil, 10) end)
              handle:headers():add("x-head", message)
              ok, message = pcall(function() handle:respond({[":status"] = "99"}) end)
              handle:headers():add("x-status", message)
              ok, message = pcall(function() for k in pairs(handle:headers()) do handle:headers():add("a", "b") end end)
              -- The loop was left: the map stays locked until the next wait.
              handle:logInfo("loop: " .. message)
            end
            """)
        let answer = try send(test, "GET / HTTP/1.1")
        #expect(eventually { test.proxy.logged.contains("header map cannot be modified while iterating") })
        let seen = test.upstream.recorded.first ?? ""
        for words in [
            "http call cluster invalid. Must be configured",
            "http call headers must include ':path', ':method', and ':authority'", ":status must be between 200-599",
        ] { #expect(seen.contains(words), "\(words) in \(seen) \(answer) \(test.proxy.logged)") }
    }
}
