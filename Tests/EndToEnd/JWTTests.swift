import Foundation
import MartletCore
import MartletTesting
import Testing

@Suite("jwt: tokens at the door")
struct JWTTests {
    private static let rsa = Result { try TokenForge(.rsa, kid: "one") }
    private static let next = Result { try TokenForge(.p256, kid: "two") }
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private static func claims(_ more: String = "", audience: String = "shop", lifetime: Double = 600) -> String {
        let expires = Int(Date().timeIntervalSince1970 + lifetime)
        return "{\"iss\":\"https://id.example.com\",\"aud\":\"\(audience)\",\"sub\":\"ann\",\"exp\":\(expires)\(more)}"
    }

    private func proxy(_ settings: String, routes: String = "", workers: Int = 1) throws -> (
        TestProxy, ScriptedUpstream
    ) {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        let jwks = TokenForge.set([try Self.rsa.get().jwk()])
        let settings = settings.split(separator: "\n").map { "          " + $0.drop { $0 == " " } }
            .joined(separator: "\n")
        let test = try TestProxy(
            workers: workers,
            listener: """
                    filters:
                      - jwt:
                          issuer: https://id.example.com
                          audiences: [shop]
                          jwks: { file: jwks.json }
                \(settings)
                      - router
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), files: ["jwks.json": jwks], companions: [upstream])
        return (test, upstream)
    }

    private func bearer(_ token: String) -> String { "Authorization: Bearer \(token)\r\n" }

    private func refusal(_ answer: String) -> String? {
        guard let start = answer.range(of: "x-martlet-error: ") else { return nil }
        return String(answer[start.upperBound...].prefix { $0 != "\r\n" })
    }

    @Test("who brings a valid token passes, claims travel as headers, and the client's own copies do not")
    func passes() throws {
        let (test, upstream) = try proxy(
            """
                          claim_to_headers: { x-user: sub, x-team: team.name }
                          forward_payload_header: x-payload
            """,
            routes: """
                      - { match: { path: { prefix: /open } }, cluster: up, filters: { jwt: { require: false } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { jwt: off } }
                      - { match: { path: { prefix: /maybe } }, cluster: up, filters: { jwt: { allow_missing: true } } }
                """)
        let token = try Self.rsa.get().token("RS256", Self.claims(",\"team\":{\"name\":\"red\"}"))
        let forged = "X-User: root\r\nx_user: root\r\nX_Team: root\r\nX-Payload: root\r\n"
        for _ in 0..<3 {
            #expect(try test.get("/", headers: forged + bearer(token)).hasPrefix("HTTP/1.1 200 "))
            let seen = upstream.recorded.last ?? ""
            #expect(seen.contains("x-user: ann\r\n") && seen.contains("x-team: red\r\n"), "\(seen)")
            #expect(seen.contains("x-payload: \(token.split(separator: ".")[1])\r\n"))
            #expect(!seen.contains("root") && !seen.lowercased().contains("authorization"), "\(seen)")
        }
        #expect(try test.metric("martlet_jwt_cache_hits_total{provider=\"\"}") == "2")
        #expect(try test.metric("martlet_jwt_passed_total{listener=\"public\"}") == "3")
        // Wherever no token is needed, nobody says who they are either.
        for path in ["/open", "/off", "/maybe"] {
            #expect(try test.get(path, headers: forged).hasPrefix("HTTP/1.1 200 "), "\(path)")
            let seen = upstream.recorded.last ?? ""
            #expect(seen.hasPrefix("GET \(path) ") && !seen.contains("root"), "\(seen)")
        }
        #expect(try test.metric("martlet_jwt_anonymous_total{listener=\"public\"}") == "1")
        // Nor in trailers.
        let trailed = try test.exchange(
            "POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX-User: root\r\nX-Kept: 1\r\n\r\n"
        )
        #expect(trailed.hasPrefix("HTTP/1.1 200 "))
        #expect(upstream.recorded.last?.contains("root") == false)
        #expect(try refusal(test.get("/maybe", headers: bearer("a.b.c"))) == "jwt-malformed")
    }

    @Test("each way to be wrong has its words and its count")
    func refusals() throws {
        let (test, upstream) = try proxy("              max_token_size: 2KiB")
        let rsa = try Self.rsa.get()
        let good = try rsa.token("RS256", Self.claims())
        let table: [(String, String, String)] = [
            ("none", "", "jwt-missing"), ("another scheme", "Authorization: Basic YTpi\r\n", "jwt-missing"),
            ("two", bearer(good) + bearer(good), "jwt-several-tokens"),
            ("no token", bearer("abc"), "jwt-malformed"),
            ("large", bearer(good + String(repeating: "A", count: 2048)), "jwt-too-large"),
            (
                "alg none", bearer("\(TokenForge.text(#"{"alg":"none"}"#.utf8)).\(good.split(separator: ".")[1])."),
                "jwt-algorithm-refused"
            ),
            (
                "confusion",
                bearer(
                    try TokenForge.hmacToken(
                        "HS256", secret: Array(rsa.pem.utf8), Self.claims(), header: #","kid":"one""#)),
                "jwt-key-mismatch"
            ),
            ("another key", bearer(try Self.next.get().token("ES256", Self.claims())), "jwt-key-unknown"),
            ("expired", bearer(try rsa.token("RS256", Self.claims(lifetime: -61))), "jwt-expired"),
            ("audience", bearer(try rsa.token("RS256", Self.claims(audience: "desk"))), "jwt-audience-refused"),
            (
                "issuer", bearer(try rsa.token("RS256", #"{"iss":"me","aud":"shop","exp":9999999999}"#)),
                "jwt-issuer-refused"
            ),
            (
                "endless", bearer(try rsa.token("RS256", #"{"iss":"https://id.example.com","aud":"shop"}"#)),
                "jwt-expiration-missing"
            ),
            (
                "crit", bearer(try rsa.token("RS256", Self.claims(), header: #","crit":["x"],"x":1"#)),
                "jwt-critical-header"
            ),
        ]
        for (name, headers, reason) in table {
            let answer = try test.get("/", headers: headers)
            #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(name)")
            #expect(refusal(answer) == reason, "\(name)")
            let challenge = "www-authenticate: Bearer realm=\"public\""
            let error =
                reason == "jwt-missing"
                ? "\r\n"
                : reason == "jwt-several-tokens"
                    ? ", error=\"invalid_request\"\r\n"
                    : ", error=\"invalid_token\", error_description=\"\(reason)\"\r\n"
            #expect(answer.contains(challenge + error), "\(name): \(answer)")
        }
        for reason in Set(table.map(\.2)) {
            let count = table.filter { $0.2 == reason }.count
            #expect(
                try test.metric("martlet_jwt_refused_total{listener=\"public\",reason=\"\(reason)\"}") == "\(count)")
        }
        #expect(upstream.recorded.isEmpty)
    }

    @Test("tokens in headers of other names, queries and cookies, and what of them goes on")
    func places() throws {
        let (test, upstream) = try proxy(
            """
                          from_headers: [{ name: x-token, prefix: "Token " }, x-raw]
                          from_params: [token]
                          from_cookies: [session]
                          forward: true
            """)
        let token = try Self.rsa.get().token("RS256", Self.claims())
        for (target, headers, kept) in [
            ("/", "X-Token: token \(token)\r\n", "X-Token: token \(token)\r\n"),
            ("/", "X-Raw: \(token)\r\n", "X-Raw: \(token)\r\n"),
            ("/?a=1&token=\(token)", "", "GET /?a=1&token=\(token) "),
            ("/", "Cookie: a=1; session=\(token)\r\n", "session=\(token)"),
        ] {
            #expect(try test.get(target, headers: headers).hasPrefix("HTTP/1.1 200 "), "\(target) \(headers)")
            #expect(upstream.recorded.last?.contains(kept) == true, "\(kept)")
        }
        // One is looked at; what was not goes no further.
        let unseen = "Cookie: a=1; session=forged; b=2\r\nX-Raw: forged\r\n"
        #expect(
            try test.get("/?token=forged&x=1", headers: "X-Token: Token \(token)\r\n" + unseen).hasPrefix(
                "HTTP/1.1 200 "))
        let seen = upstream.recorded.last ?? ""
        #expect(!seen.contains("forged") && seen.contains("GET /?x=1 ") && seen.contains("a=1; b=2"), "\(seen)")
        #expect(try refusal(test.get("/?token=\(token)&token=\(token)")) == "jwt-several-tokens")
        #expect(try refusal(test.get("/", headers: bearer(token))) == "jwt-missing")
    }

    @Test("several providers: any of them, all of them, and a route's own choice")
    func providers() throws {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        let test = try TestProxy(
            listener: """
                    filters:
                      - jwt:
                          providers:
                            people: { issuer: https://id.example.com, audiences: [shop], jwks: { file: one.json }, claim_to_headers: { x-user: sub } }
                            robots: { issuer: robots, audiences: any, jwks: { secret_file: secret }, from_headers: [x-robot], claim_to_headers: { x-robot-name: sub } }
                      - router
                    routes:
                      - { match: { path: { prefix: /both } }, cluster: up, filters: { jwt: { require: all } } }
                      - { match: { path: { prefix: /robots } }, cluster: up, filters: { jwt: { providers: [robots] } } }
                      - { match: { path: { prefix: /admin } }, cluster: up, filters: { jwt: { audiences: admin } } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port),
            files: [
                "one.json": TokenForge.set([try Self.rsa.get().jwk()]), "secret": "0123456789abcdef0123456789abcdef\n",
            ], companions: [upstream])
        let person = bearer(try Self.rsa.get().token("RS256", Self.claims()))
        let secret = Array("0123456789abcdef0123456789abcdef".utf8)
        let expires = Int(Date().timeIntervalSince1970) + 600
        let robot =
            "X-Robot: \(try TokenForge.hmacToken("HS256", secret: secret, "{\"iss\":\"robots\",\"sub\":\"r2\",\"exp\":\(expires)}"))\r\n"
        let admin = bearer(try Self.rsa.get().token("RS256", Self.claims(audience: "admin")))
        for (path, headers, reason) in [
            ("/", person, nil), ("/", robot, nil), ("/", "", "jwt-missing"), ("/both", person, "jwt-missing"),
            ("/both", robot, "jwt-missing"), ("/both", person + robot, nil), ("/both", "", "jwt-missing"),
            ("/both", admin + robot, "jwt-audience-refused"), ("/robots", person, "jwt-missing"),
            ("/robots", robot, nil),
            ("/admin", person, "jwt-audience-refused"), ("/admin", admin, nil), ("/", admin, "jwt-audience-refused"),
        ] as [(String, String, String?)] {
            let answer = try test.get(path, headers: headers)
            #expect(answer.hasPrefix(reason == nil ? "HTTP/1.1 200 " : "HTTP/1.1 401 "), "\(path) \(headers)")
            #expect(refusal(answer) == reason, "\(path) \(headers)")
        }
        #expect(try test.get("/both", headers: person + robot).hasPrefix("HTTP/1.1 200 "))
        let seen = upstream.recorded.last ?? ""
        #expect(seen.contains("x-user: ann\r\n") && seen.contains("x-robot-name: r2\r\n"))
        #expect(!seen.contains("X-Robot:") && !seen.contains("Authorization"))
    }

    @Test("policies read the claims where Envoy's scripts look for them, and only those of tokens that count")
    func policies() throws {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        let test = try TestProxy(
            listener: """
                    filters:
                      - jwt: { issuer: https://id.example.com, audiences: [shop], jwks: { file: jwks.json }, allow_missing: true }
                      - lua:
                          inline: |
                            function on_request(h)
                              local found = h:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
                              local claims = found and found.jwt_payload
                              h:headers():add("x-seen", claims and claims.sub .. claims.team.roles[2] .. tostring(claims.ok) or "nobody")
                            end
                      - router
                    routes: [{ match: {}, cluster: up }]
                """, rest: TestProxy.cluster(upstream.port),
            files: ["jwks.json": TokenForge.set([try Self.rsa.get().jwk()])],
            companions: [upstream])
        let token = try Self.rsa.get().token(
            "RS256", Self.claims(#","team":{"roles":["a","b"]},"ok":true,"none":null,"n":1.5"#))
        #expect(try test.get("/", headers: bearer(token)).hasPrefix("HTTP/1.1 200 "))
        #expect(
            upstream.recorded.last?.contains("x-seen: annbtrue\r\n") == true,
            "\(upstream.recorded.last ?? "") \(test.logged)")
        #expect(try test.get("/").hasPrefix("HTTP/1.1 200 "))
        #expect(upstream.recorded.last?.contains("x-seen: nobody\r\n") == true)
    }

    @Test("a key file that changes is read again, and the old key's tokens count no more")
    func reload() throws {
        let (test, _) = try proxy("")
        let old = try Self.rsa.get().token("RS256", Self.claims())
        let new = try Self.next.get().token("ES256", Self.claims())
        #expect(try test.get("/", headers: bearer(old)).hasPrefix("HTTP/1.1 200 "))
        #expect(try refusal(test.get("/", headers: bearer(new))) == "jwt-key-unknown")
        try test.write("jwks.json", TokenForge.set([try Self.next.get().jwk()]))
        #expect(try eventually { try test.get("/", headers: bearer(new)).hasPrefix("HTTP/1.1 200 ") })
        #expect(try refusal(test.get("/", headers: bearer(old))) == "jwt-key-unknown")
        // A file that holds no keys is refused whole, and the keys there are stay.
        try test.write("jwks.json", "{}")
        #expect(
            eventually {
                test.logged.contains("has no list called \\\"keys\\\"")
                    || test.logged.contains("has no list called \"keys\"")
            })
        #expect(try test.get("/", headers: bearer(new)).hasPrefix("HTTP/1.1 200 "))
    }
}
