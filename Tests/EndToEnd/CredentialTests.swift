import Foundation
import MartletCore
import MartletTesting
import Testing

@Suite("api_key and basic_auth")
struct CredentialTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    private static let keyA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    private static let keyB = "b+b/%b=bbbbbbbbbbbbbbbbbbb"

    private func proxy(
        _ filter: String, routes: String = "", files: [String: String] = [:]
    ) throws -> (TestProxy, ScriptedUpstream) {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        let test = try TestProxy(
            listener: Self.listener(filter, routes), rest: TestProxy.cluster(upstream.port), files: files,
            companions: [upstream])
        return (test, upstream)
    }

    private static func listener(_ filter: String, _ routes: String) -> String {
        """
            filters: [\(filter), router]
            routes:
        \(routes)
              - { match: {}, cluster: up }
        """
    }

    @Test("api_key: by header, query and cookie; per route; hidden from upstream; counted")
    func keys() throws {
        let hash = try Tool.run("openssl", ["dgst", "-sha256", "-r"], input: Self.keyB).output.prefix(64)
        let (test, upstream) = try proxy(
            """
            { api_key: { header: [x-api-key, authorization], query: key, cookie: key, forward_client_header: x-client,
                keys: [{ key_file: team-a, client: team-a }, { key_sha256: "\(hash)", client: team-b }] } }
            """,
            routes: """
                      - match: { path: { prefix: /b } }
                        cluster: up
                        filters: { api_key: { allowed_clients: [team-b] } }
                      - { match: { path: { prefix: /open } }, cluster: up, filters: { api_key: { require: false } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { api_key: off } }
                """, files: ["team-a": Self.keyA + "\n"])
        for (target, headers, client) in [
            ("/", "X-API-Key: \(Self.keyA)\r\n", "team-a"), ("/", "Authorization: Bearer \(Self.keyA)\r\n", "team-a"),
            ("/?key=\(Self.keyA)", "", "team-a"),
            ("/?key=b%2Bb%2F%25b%3Dbbbbbbbbbbbbbbbbbbb", "", "team-b"),
            ("/", "Cookie: key=\(Self.keyA)\r\n", "team-a"), ("/b", "X-API-Key: \(Self.keyB)\r\n", "team-b"),
        ] {
            #expect(
                try test.get(target, headers: headers + "X-Client: root\r\n").hasPrefix("HTTP/1.1 200 "),
                "\(target) \(headers)")
            let seen = upstream.recorded.last ?? ""
            #expect(seen.contains("x-client: \(client)\r\n") && !seen.contains("root"), "\(seen)")
            #expect(!seen.contains("aaaaaaaa") && !seen.contains("bbbbbbbb") && !seen.contains("key="), "\(seen)")
        }
        for (target, headers, status, reason) in [
            ("/", "", 401, "api-key-missing"), ("/", "X-API-Key: nonsense\r\n", 401, "api-key-unknown"),
            ("/", "X-API-Key: \(Self.keyA)a\r\n", 401, "api-key-unknown"),
            ("/?key=%zz", "", 401, "api-key-unknown"), ("/?key=%", "", 401, "api-key-unknown"),
            ("/", "X-API-Key: \(Self.keyA)\r\nX-API-Key: \(Self.keyA)\r\n", 401, "api-key-several"),
            ("/b", "X-API-Key: \(Self.keyA)\r\n", 403, "api-key-client-refused"),
        ] {
            let answer = try test.get(target, headers: headers)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(target) \(headers)")
            #expect(answer.contains("x-martlet-error: \(reason)\r\n"), "\(target) \(headers)")
            #expect(answer.contains("www-authenticate: ApiKey realm=\"public\"") == (status == 401))
        }
        for path in ["/open", "/off"] {
            #expect(try test.get(path, headers: "X-Client: root\r\nX_Client: root\r\n").hasPrefix("HTTP/1.1 200 "))
            #expect(upstream.recorded.last?.contains("root") == false)
        }
        #expect(try test.metric("martlet_api_key_passed_total{listener=\"public\"}") == "6")
        #expect(try test.metric("martlet_api_key_refused_total{listener=\"public\",reason=\"api-key-unknown\"}") == "4")
        // Keys are nowhere to be read.
        let shown = try test.admin("/config")
        #expect(!shown.contains(Self.keyA) && !shown.contains(hash))
    }

    private static let sha = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
    private static let bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    private static let crypt =
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"

    private func basic(_ pair: String) -> String { "Authorization: Basic \(Data(pair.utf8).base64EncodedString())\r\n" }

    @Test("basic_auth: each kind of hash, made by others; unknown users, wrong passwords and forgeries; per route")
    func passwords() throws {
        let made = try Tool.run("openssl", ["passwd", "-5", "p\u{E4}ss:word"]).output
        let (test, upstream) = try proxy(
            "{ basic_auth: { htpasswd: users, realm: Back office, forward_username_header: x-user } }",
            routes: """
                      - { match: { path: { prefix: /open } }, cluster: up, filters: { basic_auth: off } }
                      - { match: { path: { prefix: /few } }, cluster: up, filters: { basic_auth: { htpasswd: few } } }
                """,
            files: [
                "users": "# who may\nann:\(Self.sha)\nbob:\(Self.bcrypt)\ncat:\(Self.crypt)\ndan:\(made)",
                "few": "ann:\(Self.bcrypt)\n",
            ])
        for (pair, user) in [
            ("ann:password", "ann"), ("bob:U*U", "bob"), ("cat:Hello world!", "cat"), ("dan:p\u{E4}ss:word", "dan"),
            ("ann:password", "ann"),
        ] {
            #expect(try test.get("/", headers: basic(pair) + "X-User: root\r\n").hasPrefix("HTTP/1.1 200 "), "\(pair)")
            let seen = upstream.recorded.last ?? ""
            #expect(
                seen.contains("x-user: \(user)\r\n") && !seen.contains("root") && !seen.contains("Authorization"),
                "\(seen)")
        }
        #expect(try test.metric("martlet_basic_auth_checks_total") == "4")
        #expect(try test.metric("martlet_basic_auth_cache_hits_total") == "1")
        for (headers, reason) in [
            ("", "basic-auth-missing"), ("Authorization: Bearer abc\r\n", "basic-auth-missing"),
            (basic("ann:Password"), "basic-auth-wrong"), (basic("eve:password"), "basic-auth-wrong"),
            (basic("bob:"), "basic-auth-wrong"),
            (basic("ann:password\u{0}x"), "basic-auth-malformed"), (basic("ann"), "basic-auth-malformed"),
            ("Authorization: Basic YW5uOnBhc3N3b3Jk=\r\n", "basic-auth-malformed"),
            ("Authorization: Basic \(String(repeating: "A", count: 4096))\r\n", "basic-auth-malformed"),
            (basic("ann:password") + basic("ann:password"), "basic-auth-several"),
        ] {
            let answer = try test.get("/", headers: headers)
            #expect(
                answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("x-martlet-error: \(reason)\r\n"),
                "\(headers) \(answer)")
            #expect(answer.contains("www-authenticate: Basic realm=\"Back office\", charset=\"UTF-8\"\r\n"))
        }
        #expect(
            try test.metric("martlet_basic_auth_refused_total{listener=\"public\",reason=\"basic-auth-wrong\"}") == "3")
        #expect(try test.get("/open", headers: "X-User: root\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(upstream.recorded.last?.contains("root") == false)
        #expect(try test.get("/few", headers: basic("ann:U*U")).hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/few", headers: basic("ann:password")).contains("basic-auth-wrong"))
    }

    @Test("basic_auth: a slow hash holds nobody else up, is made once for many, and failures end in 429")
    func slow() throws {
        // Some hundred milliseconds, off the worker.
        let (test, _) = try proxy(
            "{ basic_auth: { htpasswd: users, max_failures: 2, failure_window: 1h } }",
            routes:
                "      - { match: { path: { prefix: /open } }, cluster: up, filters: { basic_auth: { require: false } } }",
            files: ["users": "bob:$2y$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"])
        let waiting = try (0..<8).map { _ in
            let client = try test.connect()
            try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(basic("bob:one"))\r\n")
            return client
        }
        #expect(try test.get("/open").hasPrefix("HTTP/1.1 200 "))
        for client in waiting {
            client.receiveToEnd()
            #expect(client.text.contains("x-martlet-error: basic-auth-wrong"))
        }
        #expect(try test.metric("martlet_basic_auth_checks_total") == "1")
        #expect(try test.get("/", headers: basic("bob:two")).contains("basic-auth-wrong"))
        let third = try test.get("/", headers: basic("bob:three"))
        #expect(
            third.hasPrefix("HTTP/1.1 429 ") && third.contains("retry-after: ")
                && third.contains("basic-auth-too-many-failures"))
        // Only that user.
        #expect(try test.get("/", headers: basic("eve:three")).contains("basic-auth-wrong"))
        #expect(try test.metric("martlet_basic_auth_checks_total") == "3")
    }

    @Test("basic_auth: more passwords at a time than may wait are refused, and counted")
    func overload() throws {
        let (test, _) = try proxy(
            "{ basic_auth: { htpasswd: users, max_waiting: 1 } }",
            files: ["users": "bob:$2y$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"])
        let clients = try (0..<10).map { number in
            let client = try test.connect()
            try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(basic("bob:\(number)"))\r\n")
            return client
        }
        for client in clients { client.receiveToEnd() }
        let refused = clients.filter { $0.text.hasPrefix("HTTP/1.1 503 ") && $0.text.contains("basic-auth-overloaded") }
        #expect(!refused.isEmpty && refused.allSatisfy { $0.text.contains("retry-after: 1\r\n") })
        #expect(
            clients.allSatisfy { $0.text.contains("basic-auth-wrong") || $0.text.contains("basic-auth-overloaded") })
        #expect(
            try test.metric("martlet_basic_auth_refused_total{listener=\"public\",reason=\"basic-auth-overloaded\"}")
                == "\(refused.count)")
    }

    @Test("basic_auth: a changed file is read again; another change keeps what is known")
    func reload() throws {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        func listener(_ realm: String) -> String {
            Self.listener("{ basic_auth: { htpasswd: users, realm: \(realm) } }", "")
        }
        let rest = TestProxy.cluster(upstream.port)
        let test = try TestProxy(
            listener: listener("a"), rest: rest, files: ["users": "ann:\(Self.sha)\n"], companions: [upstream])
        #expect(try test.get("/", headers: basic("ann:password")).hasPrefix("HTTP/1.1 200 "))
        try test.configure(listener: listener("b"), rest: rest)
        #expect(try eventually { try test.get("/").contains("realm=\"b\"") })
        #expect(try test.get("/", headers: basic("ann:password")).hasPrefix("HTTP/1.1 200 "))
        #expect(try test.metric("martlet_basic_auth_checks_total") == "1")
        try test.write("users", "ann:\(Self.bcrypt)\n")
        #expect(try eventually { try test.get("/", headers: basic("ann:U*U")).hasPrefix("HTTP/1.1 200 ") })
        #expect(try test.get("/", headers: basic("ann:password")).contains("basic-auth-wrong"))
    }
}
