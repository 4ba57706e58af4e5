import Foundation
import MartletTesting
import Testing

/// Every test runs over each form on either side, and says the same of all.
@Suite("The chain is blind to the protocol")
struct ProtocolMatrixTests {
    @Test("Requests and responses with and without bodies", arguments: Wire.all)
    func messages(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        let plain = try wire.get(proxy, "/seen?q=1")
        #expect(plain.status == 200)
        let seen = try SeenRequest(plain.body)
        #expect(seen.protocol == wire.upstream.version)
        #expect(seen.pseudo[":method"] == "GET" && seen.pseudo[":path"] == "/seen?q=1" && seen.length == 0)
        #expect(seen.pseudo[":authority"] == "api.test:\(proxy.port)")
        let scheme = wire.downstream.isTLS ? "https" : "http"
        #expect(seen["x-forwarded-proto"] == [scheme])
        #expect(seen.pseudo[":scheme"] == (wire.upstream.isHTTP2 ? scheme : nil))
        #expect(seen["host"].count == (wire.upstream.isHTTP2 ? 0 : 1) && seen["transfer-encoding"] == [])

        let head = try wire.get(proxy, "/bytes/1600", ["-I"])
        #expect(head.status == 200 && head["content-length"] == ["1600"] && head.body == "")

        let posted = try wire.seen(proxy, "/seen", ["-d", "hello"])
        #expect(posted.pseudo[":method"] == "POST" && posted.length == 5 && posted["content-length"] == ["5"])
        let nothing = try wire.seen(proxy, "/seen", ["-d", ""])
        #expect(nothing.length == 0 && nothing.pseudo[":method"] == "POST")
        let unsized = try wire.send(proxy, "POST", "/seen", pieces: ["one ", "two ", "three"])
        let seenUnsized = try SeenRequest(unsized.body)
        #expect(seenUnsized.length == 13 && seenUnsized["content-length"] == [])

        #expect(try wire.get(proxy, "/unsized/1600").body.utf8.count == 1600)
        #expect(try wire.get(proxy, "/unsized/0").body == "")
        #expect(try wire.get(proxy, "/bytes/0")["content-length"] == ["0"])
        for status in [204, 304] {
            let bodiless = try wire.get(proxy, "/status/\(status)")
            #expect(bodiless.status == status && bodiless.body == "" && bodiless["etag"] == ["\"1\""])
            #expect(bodiless["transfer-encoding"] == [])
        }
        #expect(try wire.get(proxy, "/status/404").body == "404")
        let redirect = try wire.get(proxy, "/redirect")
        #expect(redirect.status == 302 && redirect["location"] == ["/seen"])
    }

    @Test("A mebibyte each way", arguments: Wire.all)
    func bodies(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        let text = String(repeating: "0123456789abcdef", count: 65_536)
        for length in ["content-type: text/plain", "transfer-encoding: chunked"] {
            // HTTP/2 has no such field; there it is curl that leaves it out.
            let echo = try wire.get(
                proxy, "/echo", ["-H", length, "-H", "expect:", "--data-binary", "@-"], input: text)
            #expect(echo.status == 200 && echo.body == text, "\(length)")
        }
        #expect(try wire.get(proxy, "/bytes/1048576").body == text)
        #expect(try wire.get(proxy, "/unsized/1048576").body == text)
        let waiting = try wire.get(
            proxy, "/echo", ["-H", "expect: 100-continue", "--data-binary", "@-"], input: text)
        #expect(waiting.status == 200 && waiting.body == text)
        #expect(try wire.seen(proxy, "/seen", ["-H", "expect: 100-continue", "-d", "x"])["expect"] == [])
    }

    @Test("Cookies, hop-by-hop fields, large heads", arguments: Wire.all)
    func fields(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(
            wire, listener: "    limits: { request_headers: 32KiB }\n" + TestProxy.forwarding)
        // A client of HTTP/2 may send crumbs, which are one field again (RFC 9113 section 8.2.3).
        let crumbs = [["cookie", "a=1"], ["cookie", "b=2"], ["cookie", "c=3"]]
        let whole = [["cookie", "a=1; b=2; c=3"]]
        let cookies = try wire.send(proxy, "GET", "/seen", fields: wire.downstream.isHTTP2 ? crumbs : whole)
        #expect(try SeenRequest(cookies.body)["cookie"] == ["a=1; b=2; c=3"])
        #expect(try wire.get(proxy, "/cookies")["set-cookie"] == ["a=1; path=/", "b=2"])

        let te = try wire.send(proxy, "GET", "/seen", fields: [["te", "trailers"], ["x-lower", "Kept As It Is"]])
        let seen = try SeenRequest(te.body)
        #expect(seen["x-lower"] == ["Kept As It Is"] && seen["connection"] == [] && seen["keep-alive"] == [])
        let large = (0..<20).flatMap { ["-H", "x-large-\($0): \(String(repeating: "v", count: 1000))"] }
        let seenLarge = try wire.seen(proxy, "/seen", large)
        #expect((0..<20).allSatisfy { seenLarge["x-large-\($0)"].first?.utf8.count == 1000 })
        let big = try wire.get(proxy, "/big/30000")
        #expect(big.status == 200 && (0..<30).allSatisfy { big["x-big-\($0)"].first?.utf8.count == 1000 })
        let many = (0..<50).flatMap { ["-H", "x-large-\($0): \(String(repeating: "v", count: 1000))"] }
        let refused = try wire.get(proxy, "/seen", many)
        #expect(refused.status == 431, "\(refused.heads)")
    }

    @Test("Trailers both ways, and what comes before a response", arguments: Wire.all)
    func trailers(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        let answer = try wire.send(proxy, "GET", "/trailers", fields: [["te", "trailers"]])
        #expect(answer.body == "body" && answer.trailers == [["x-checksum", "1234"], ["x-more", "a"]])
        let told = try wire.send(
            proxy, "POST", "/seen", pieces: ["some", "thing"], trailers: [["x-digest", "abc"], ["x-other", "1"]])
        let seen = try SeenRequest(told.body)
        #expect(seen.length == 9 && seen.trailers == [["x-digest", "abc"], ["x-other", "1"]])
        let hinted = try wire.send(proxy, "GET", "/hints")
        #expect(hinted.hints == [103] && hinted.status == 200 && hinted.body == "hinted")
    }

    @Test("A policy reads and changes heads and bodies both ways", arguments: Wire.all)
    func policy(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(
            wire,
            listener: """
                    filters: [lua: { policy: mend }, router]
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: """
                policies:
                  - name: mend
                    inline: |
                      function on_request(h)
                        h:headers():add("x-method", h:headers():get(":method"))
                        h:headers():add("x-authority", h:headers():get(":authority"))
                        h:headers():remove("x-secret")
                        local body = h:body()
                        if body then
                          h:headers():replace("content-length", body:setBytes(body:getBytes(0, body:length()) .. "!"))
                        end
                        if h:headers():get("x-stop") then
                          h:respond({ [":status"] = "418", ["x-from"] = "policy" }, "stopped")
                        end
                      end
                      function on_response(h)
                        local length = h:body(true):setBytes("<" .. h:body():getBytes(0, h:body():length()) .. ">")
                        h:headers():replace("content-length", length)
                        h:headers():add("x-mended", h:headers():get(":status"))
                      end
                """)
        let echo = try wire.get(proxy, "/echo", ["-d", "hello"])
        #expect(echo.body == "<hello!>" && echo["x-mended"] == ["200"] && echo["content-length"] == ["8"])
        let seen = try wire.get(proxy, "/seen", ["-H", "x-secret: 1"]).body.dropFirst().dropLast()
        let request = try SeenRequest(String(seen))
        #expect(request["x-method"] == ["GET"] && request["x-secret"] == [])
        #expect(request["x-authority"] == ["api.test:\(proxy.port)"])
        let unsized = try wire.send(proxy, "POST", "/echo", pieces: ["a", "b"])
        #expect(unsized.body == "<ab!>")
        let stopped = try wire.get(proxy, "/echo", ["-H", "x-stop: 1", "-d", "unread"])
        #expect(stopped.status == 418 && stopped["x-from"] == ["policy"] && stopped.body == "<stopped>")
    }

    @Test("Built-in filters", arguments: Wire.all)
    func filters(wire: Wire) throws {
        let origin = try Origin()
        let key = "a-key-of-sixteen-bytes-or-more"
        let proxy = try origin.proxy(
            wire,
            listener: """
                    filters:
                      - compress: { min_size: 1KiB }
                      - api_key: { header: x-api-key, keys: [{ key_file: key, client: shop }], forward_client_header: x-client }
                      - rate_limit: { requests: 1, per: 1h, key: "header:x-user", missing: skip }
                      - retry: { on: [gateway-error], backoff: { base: 1ms } }
                      - headers: { request: { set: { x-set: "%PROTOCOL%" }, remove: [x-gone] }, response: { add: { x-added: "1" } } }
                      - router
                    routes:
                      - { match: { path: { prefix: /p/keys } }, cluster: up }
                      - { match: { path: { exact: /local } }, respond: { status: 200, body: here }, filters: { api_key: { require: false } } }
                      - { match: { path: { exact: /nowhere } }, cluster: down, filters: { api_key: { require: false } } }
                      - { match: { path: { regex: "/[a-z]+(/.*)?" } }, cluster: up, filters: { api_key: { require: false } } }
                """,
            rest: "  - { name: down, endpoints: [\"127.0.0.1:1\"] }\n",
            files: ["key": key + "\n"])
        let seen = try wire.seen(proxy, "/seen", ["-H", "x-gone: 1"])
        #expect(seen["x-set"] == [wire.downstream.version] && seen["x-gone"] == [])
        #expect(try wire.get(proxy, "/local")["x-added"] == ["1"])

        let refused = try wire.get(proxy, "/p/keys/seen")
        #expect(refused.status == 401 && refused["x-martlet-error"] == ["api-key-missing"])
        #expect(refused["www-authenticate"].count == 1)
        let known = try wire.get(proxy, "/p/keys/seen", ["-H", "x-api-key: \(key)"])
        #expect(known.status == 200)
        let asClient = try SeenRequest(known.body)
        #expect(asClient["x-client"] == ["shop"] && asClient["x-api-key"] == [])

        #expect(try wire.get(proxy, "/seen", ["-H", "x-user: a"]).status == 200)
        let limited = try wire.get(proxy, "/seen", ["-H", "x-user: a"])
        #expect(limited.status == 429 && limited["x-martlet-error"] == ["rate-limited"])
        #expect(limited["retry-after"].count == 1)

        #expect(try wire.get(proxy, "/flaky/\(UUID().uuidString)").body == "at last")
        let missing = try wire.get(proxy, "/NOWHERE", ["-H", "x-api-key: \(key)"])
        #expect(missing.status == 404 && missing["x-martlet-error"] == ["no-route"])
        let down = try wire.get(proxy, "/nowhere", ["-H", "accept: application/json"])
        #expect(down.status == 503 && down["x-martlet-error"] == ["upstream-connect-failure"])
        #expect(down.body == "{\"error\":\"upstream-connect-failure\",\"status\":503}\n")

        for coding in ["gzip", "br", "zstd"] {
            let packed = try wire.get(proxy, "/bytes/65536", ["--compressed", "-H", "accept-encoding: \(coding)"])
            #expect(packed["content-encoding"] == [coding] && packed.body.utf8.count == 65_536, "\(coding)")
            let unsized = try wire.get(proxy, "/unsized/65536", ["--compressed", "-H", "accept-encoding: \(coding)"])
            #expect(unsized["content-encoding"] == [coding] && unsized.body.utf8.count == 65_536, "\(coding)")
        }
    }

    @Test("The access log names the protocol", arguments: Wire.all)
    func log(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire, listener: "    access_log: { path: access.log }\n" + TestProxy.forwarding)
        _ = try wire.get(proxy, "/echo", ["-d", "hello"])
        let file = proxy.directory.appendingPathComponent("access.log").path
        var line = ""
        #expect(
            eventually {
                line = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
                return line.hasSuffix("\n")
            })
        #expect(line.contains("\"protocol\":\"\(wire.downstream.version)\""), "\(line)")
        #expect(line.contains("\"tls_version\":\"TLSv1.3\"") == wire.downstream.isTLS, "\(line)")
        #expect(line.contains("\"bytes_received\":5,\"bytes_sent\":5"), "\(line)")
        #expect(line.contains("\"status\":200") && line.contains("\"path\":\"/echo\""), "\(line)")
    }
}
