import Foundation
import MartletTesting
import Testing

/// Filters that `ProtocolMatrixTests` leaves out, all in one chain, over each form on either side.
@Suite("Every filter over every protocol")
struct FilterMatrixTests {
    private static let secret = "a-secret-of-thirty-two-bytes-at-least"
    private static let token = Result {
        let expires = Int(Date().timeIntervalSince1970) + 3600
        return try TokenForge.hmacToken(
            "HS256", secret: Array(secret.utf8), "{\"sub\":\"ann\",\"role\":\"admin\",\"exp\":\(expires)}")
    }

    /// Each route under /p/NAME turns one filter on, or has it do more than elsewhere.
    private static let listener = """
            access_log: { path: access.log, format: "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%" }
            filters:
              - tracing: { otlp: { cluster: up, path: /kept/spans, interval: 20ms } }
              - grpc_stats
              - cors: { allow_origins: ["https://shop.example"], allow_methods: [PUT], expose_headers: [x-told], forward_not_matching_preflights: false }
              - access_control: { deny_cidrs: [192.0.2.0/24] }
              - fault: { abort: { status: 500, percent: 100% }, headers: [{ name: x-fail, present: true }] }
              - jwt: { issuer: any, audiences: any, jwks: { secret_file: secret }, allow_missing: true, claim_to_headers: { x-subject: sub } }
              - basic_auth: { htpasswd: users, forward_username_header: x-name }
              - rbac:
                  rules: [{ name: admins, action: deny, when: { path: { prefix: /p/admin }, not: { principal: { jwt_claim: { role: admin } } } } }]
                  default: allow
              - ext_authz: { cluster: up, path_prefix: /auth, timeout: 10s, allowed_headers: [x-token], upstream_headers: [x-user], client_headers: [www-authenticate] }
              - concurrency_limit: { max: 1000 }
              - adaptive_concurrency: { min_rtt: { concurrency: 1000 } }
              - grpc_web
              - decompress
              - body_limit: { request: 1MiB, response: 1MiB }
              - buffer: { max_request_bytes: 1MiB }
              - lua: { policy: watch }
              - router
            routes:
              - { match: { path: { prefix: /p/basic/ } }, cluster: up, filters: { ext_authz: off } }
              - { match: { path: { prefix: /p/ext/ } }, cluster: up, filters: { basic_auth: off } }
              - { match: { path: { prefix: /p/denied/ } }, cluster: up, filters: { access_control: { deny_cidrs: [127.0.0.0/8] } } }
              - { match: { path: { prefix: /p/token/ } }, cluster: up, filters: { jwt: { allow_missing: false }, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/slow/ } }, cluster: up, filters: { fault: { delay: { duration: 1ms, percent: 100% }, response_rate: { rate: 1GiB, percent: 100% } }, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/one/ } }, cluster: up, timeout: 0, filters: { concurrency_limit: { max: 1 }, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/first/ } }, cluster: up, timeout: 0, filters: { adaptive_concurrency: { min_rtt: { concurrency: 1 }, min_limit: 1, name: first }, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/small/ } }, cluster: up, filters: { body_limit: { request: 1KiB, response: 1KiB }, buffer: off, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/held/ } }, cluster: up, filters: { buffer: { max_request_bytes: 1KiB }, basic_auth: off, ext_authz: off } }
              - { match: { path: { prefix: /p/unpacked/ } }, cluster: up, filters: { decompress: { response: {} }, basic_auth: off, ext_authz: off } }
              - { match: { path: { regex: "/.*" } }, cluster: up, filters: { basic_auth: off, ext_authz: off } }
        """

    /// What runs and waits in every hook.
    private static let policy = """
        policies:
          - name: watch
            inline: |
              function on_request(h)
                h:context().path = h:headers():get(":path")
                if h:headers():get("x-call") then
                  local headers, body = h:httpCall("up", { [":method"] = "POST", [":path"] = "/echo", [":authority"] = "call" }, "asked", 5000)
                  h:headers():add("x-called", headers[":status"] .. " " .. body)
                end
                if h:headers():get("x-count") then
                  local count = 0
                  for chunk in h:bodyChunks() do count = count + chunk:length() end
                  h:trailers():add("x-counted", tostring(count))
                end
              end
              function on_response(h)
                -- It also runs on what filters before it answer.
                h:headers():add("x-told", h:context().path or "a refusal")
                local trailers = h:trailers()
                if trailers then trailers:add("x-after", "policy") end
              end
              function on_log(h) h:stats():counter("logged"):inc() end
        """

    private func proxy(_ origin: Origin, _ wire: Wire) throws -> TestProxy {
        try origin.proxy(
            wire, listener: Self.listener, rest: Self.policy,
            files: ["secret": Self.secret + "\n", "users": "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"])
    }

    @Test("Who may pass", arguments: Wire.all)
    func admission(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, wire)
        func refused(_ path: String, _ more: [String] = [], _ status: Int, _ reason: String) throws {
            let answer = try wire.get(proxy, path, more)
            #expect(answer.status == status && answer["x-martlet-error"] == [reason], "\(path): \(answer.heads)")
        }
        try refused("/p/denied/seen", [], 403, "client-address-denied")

        let bearer = ["-H", "authorization: Bearer \(try Self.token.get())"]
        try refused("/p/token/seen", [], 401, "jwt-missing")
        try refused("/p/token/seen", ["-H", "authorization: Bearer a.b.c"], 401, "jwt-malformed")
        let asUser = try wire.seen(proxy, "/p/token/seen", bearer + ["-H", "x-subject: root"])
        #expect(asUser["x-subject"] == ["ann"] && asUser["authorization"] == [])
        try refused("/p/admin/seen", [], 403, "rbac-denied: admins")
        #expect(try wire.get(proxy, "/p/admin/seen", bearer).status == 200)

        try refused("/p/basic/seen", [], 401, "basic-auth-missing")
        try refused("/p/basic/seen", ["-u", "ann:wrong"], 401, "basic-auth-wrong")
        let named = try wire.seen(proxy, "/p/basic/seen", ["-u", "ann:password"])
        #expect(named["x-name"] == ["ann"] && named["authorization"] == [])

        let asked = try wire.get(proxy, "/p/ext/seen")
        #expect(asked.status == 401 && asked.body == "who are you?" && asked["www-authenticate"] == ["token"])
        #expect(asked["x-martlet-error"] == ["ext-authz-denied"] && asked["x-other"] == [])
        let vouched = try wire.send(
            proxy, "POST", "/p/ext/seen", fields: [["x-token", "good"], ["x-user", "root"]], pieces: ["a", "body"])
        let seen = try SeenRequest(vouched.body)
        #expect(seen["x-user"] == ["ann"] && seen["x-other"] == [] && seen.length == 5)

        let origins = ["-H", "origin: https://shop.example"]
        let preflight = try wire.get(
            proxy, "/p/basic/seen", origins + ["-X", "OPTIONS", "-H", "access-control-request-method: PUT"])
        #expect(preflight.status == 200 && preflight["access-control-allow-methods"] == ["put"])
        let shared = try wire.get(proxy, "/seen", origins)
        #expect(shared["access-control-allow-origin"] == ["https://shop.example"] && shared["vary"] == ["origin"])
        try refused(
            "/seen",
            ["-X", "OPTIONS", "-H", "origin: https://other.example", "-H", "access-control-request-method: PUT"], 403,
            "cors-origin-not-allowed")
    }

    @Test("What becomes of bodies", arguments: Wire.all)
    func bodies(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, wire)
        let long = String(repeating: "x", count: 5000)
        for path in ["/p/small/echo", "/p/held/echo"] {
            for isSized in [true, false] {
                let length = isSized ? "content-length: 5000" : "transfer-encoding: chunked"
                let refused: (status: Int, reason: [String])
                if wire.downstream.isHTTP2 {
                    // curl takes it amiss when it is told that the rest is not needed.
                    let told = try wire.send(
                        proxy, "POST", path, fields: isSized ? [["content-length", "5000"]] : [], pieces: [long])
                    refused = (told.status, told["x-martlet-error"])
                } else {
                    let answer = try wire.get(
                        proxy, path, ["-H", "expect:", "-H", length, "--data-binary", "@-"], input: long)
                    refused = (answer.status, answer["x-martlet-error"])
                }
                #expect(refused == (413, ["request-body-too-large"]), "\(path), \(length)")
            }
            #expect(try wire.get(proxy, path, ["-d", "short"]).body == "short")
        }
        let large = try wire.get(proxy, "/p/small/bytes/4096")
        #expect(large.status == 502 && large["x-martlet-error"] == ["response-body-too-large"])
        // It is whole before it goes on, and so has a length.
        let held = try SeenRequest(
            try wire.send(proxy, "POST", "/p/held/seen", pieces: ["one ", "two"]).body)
        #expect(held.length == 7 && held["content-length"] == ["7"])

        try proxy.write("body", long)
        let file = proxy.directory.appendingPathComponent("body").path
        #expect(try Tool.run("gzip", [file]).code == 0)
        let packed = ["-H", "content-encoding: gzip", "--data-binary", "@\(file).gz"]
        let decoded = try wire.seen(proxy, "/seen", packed)
        #expect(decoded.length == 5000 && decoded["content-encoding"] == [])
        let broken = try wire.get(proxy, "/echo", ["-H", "content-encoding: gzip", "-d", "no such thing"])
        #expect(broken.status == 400 && broken["x-martlet-error"] == ["request-body-malformed"])
        let unpacked = try wire.get(proxy, "/p/unpacked/gzipped/16000")
        #expect(unpacked.body.utf8.count == 16_000 && unpacked["content-encoding"] == [])
        #expect(try wire.get(proxy, "/gzipped/16000")["content-encoding"] == ["gzip"])
    }

    @Test("Faults, and limits that requests under way fill", arguments: Wire.all)
    func limits(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, wire)
        let failed = try wire.get(proxy, "/seen", ["-H", "x-fail: 1"])
        #expect(failed.status == 500 && failed["x-martlet-error"] == ["fault-abort"])
        #expect(try wire.get(proxy, "/p/slow/bytes/65536").body.utf8.count == 65_536)
        #expect(try proxy.metric("martlet_fault_delays_injected_total{listener=\"public\"}") == "1")
        #expect(try proxy.metric("martlet_fault_responses_slowed_total{listener=\"public\"}") == "1")

        for (path, filter, name, reason) in [
            ("/p/one", "concurrency_limit", "default", "concurrency-limit"),
            ("/p/first", "adaptive_concurrency", "first", "adaptive-concurrency-limit"),
        ] {
            let active = "martlet_\(filter)_active{listener=\"public\",limit=\"\(name)\"}"
            let waiting = try WaitingClient(wire, proxy, path + "/hang/x")
            #expect(try eventually { try proxy.metric(active) == "1" }, "\(filter)")
            let refused = try wire.get(proxy, path + "/seen")
            #expect(refused.status == 503 && refused["x-martlet-error"] == [reason], "\(refused.heads)")
            // A place belongs to its request until its client has gone.
            waiting.giveUp()
            #expect(try eventually { try proxy.metric(active) == "0" }, "\(filter)")
            #expect(try wire.get(proxy, path + "/seen").status == 200)
        }
        #expect(try eventually { try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0" })
    }

    @Test("gRPC, gRPC-Web and traces", arguments: Wire.all)
    func calls(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, wire)
        let message = "\0\0\0\0\u{5}hello"
        let call = try wire.send(
            proxy, "POST", "/grpc.Echo/Say", fields: [["content-type", "application/grpc"], ["te", "trailers"]],
            pieces: [message])
        #expect(call.status == 200 && call.body == message && call.trailers.contains(["grpc-status", "0"]))
        let text = Data(message.utf8).base64EncodedString()
        let web = try wire.get(
            proxy, "/grpc.Echo/Say", ["-H", "content-type: application/grpc-web-text", "-d", text])
        #expect(web["content-type"] == ["application/grpc-web-text+proto"])
        // Its two frames are padded each for itself.
        let frames = stride(from: 0, to: web.body.utf8.count, by: 4).reduce(into: "") { text, start in
            let quartet = Data(web.body.utf8.dropFirst(start).prefix(4))
            text += String(decoding: Data(base64Encoded: quartet) ?? Data(), as: UTF8.self)
        }
        #expect(frames.contains("hello") && frames.contains("grpc-status: 0\r\n"), "\(web.body)")
        let series = "martlet_grpc_requests_total{listener=\"public\",service=\"grpc.Echo\",method=\"Say\""
        #expect(try eventually { try proxy.metric(series + ",grpc_status=\"OK\"}") == "2" })
        let refused = try wire.send(
            proxy, "POST", "/p/denied/x",
            fields: [["content-type", "application/grpc"], ["te", "trailers"]], pieces: [message])
        #expect(refused["grpc-status"] == ["7"] && refused["x-martlet-error"] == ["client-address-denied"])

        let trace = "0af7651916cd43dd8448eb211c80319c"
        let traced = try wire.seen(
            proxy, "/seen", ["-H", "traceparent: 00-\(trace)-b7ad6b7169203331-01", "-H", "tracestate: a=1"])
        let parent = try #require(traced["traceparent"].first)
        #expect(parent.hasPrefix("00-\(trace)-") && !parent.contains("b7ad6b7169203331") && parent.hasSuffix("-01"))
        #expect(traced["tracestate"] == ["a=1"])
        let exported = "martlet_tracing_spans_exported_total{listener=\"public\"}"
        #expect(try eventually { (try proxy.metric(exported)).flatMap { Int($0) } ?? 0 >= 6 })
        #expect(try wire.get(proxy, "/told/spans").body.contains("application/json"))
    }

    @Test("A policy that calls, counts, adds trailers, and hears the end", arguments: Wire.all)
    func policy(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try proxy(origin, wire)
        let called = try wire.seen(proxy, "/seen", ["-H", "x-call: 1", "-d", "own body"])
        #expect(called["x-called"] == ["200 asked"] && called.length == 8)
        let counted = try wire.send(
            proxy, "POST", "/p/small/seen", fields: [["x-count", "1"]], pieces: ["four", "more"],
            trailers: [["x-digest", "abc"]])
        let seen = try SeenRequest(counted.body)
        #expect(seen.length == 8 && seen.trailers == [["x-digest", "abc"], ["x-counted", "8"]])
        #expect(counted["x-told"] == ["/p/small/seen"])
        let trailing = try wire.send(proxy, "GET", "/trailers", fields: [["te", "trailers"]])
        #expect(trailing.trailers == [["x-checksum", "1234"], ["x-more", "a"], ["x-after", "policy"]])
        let logged = "martlet_lua_logged{policy=\"watch\"}"
        #expect(try eventually { try proxy.metric(logged) == "3" })
        let file = proxy.directory.appendingPathComponent("access.log")
        #expect(
            eventually {
                (try? String(contentsOf: file, encoding: .utf8))
                    == "/seen 200 -\n/p/small/seen 200 -\n/trailers 200 -\n"
            })
    }
}
