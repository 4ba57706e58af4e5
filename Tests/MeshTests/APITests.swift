import Foundation
import MartletTesting
import Testing

@Suite("The control plane's API")
struct APITests {
    private static let documents = "/v1/namespaces/default"

    @Test("A document lives: applied, read, planned, changed, rolled back, deleted")
    func life() throws {
        let control = try ControlProcess().start()
        let path = Self.documents
        let plan = try control.ask(
            "POST", path + "/apply?dry_run=true", body: try ControlProcess.apply(ControlProcess.cluster("api")))
        #expect(plan.status == 200 && plan["changes.0.action"] == "create", "\(plan)")
        #expect(try control.ask("GET", path + "/clusters/api").status == 404)

        let first = try control.ask(
            "POST", path + "/apply", body: try ControlProcess.apply(ControlProcess.cluster("api"), message: "first"))
        #expect(first.status == 200 && first["revision"] == "1" && first["changes.0.name"] == "api", "\(first)")
        let second = try control.ask(
            "POST", path + "/apply", body: try ControlProcess.apply(ControlProcess.cluster("api", port: 9001)))
        #expect(second["revision"] == "2" && second["changes.0.action"] == "update", "\(second)")
        #expect(try control.ask("GET", path + "/clusters/api")["text"].contains("9001"))
        #expect(try control.ask("GET", path + "/clusters/api?revision=1")["text"].contains("9000"))
        #expect(try control.ask("GET", path + "/clusters")["documents"] == "1 items")
        #expect(try control.ask("GET", "/v1/documents")["documents.0.name"] == "api")

        let history = try control.ask("GET", path + "/clusters/api/history")
        #expect(history["versions"] == "2 items" && history["versions.1.message"] == "first", "\(history)")
        #expect(history["versions.0.author"] == "local")
        let back = try control.ask("POST", path + "/clusters/api/rollback", body: "{\"revision\":1}")
        #expect(back["revision"] == "3", "\(back)")
        #expect(try control.ask("GET", path + "/clusters/api")["text"].contains("9000"))
        let gone = try control.ask("DELETE", path + "/clusters/api?message=old+times")
        #expect(gone["changes.0.action"] == "delete", "\(gone)")
        let all = try control.ask("POST", path + "/rollback", body: "{\"revision\":2}")
        #expect(all["revision"] == "5", "\(all)")
        let log = try control.ask("GET", path + "/log?limit=2")
        #expect(log["transactions"] == "2 items" && log["transactions.1.message"] == "old times", "\(log)")
        #expect(
            try control.ask("POST", path + "/delete", body: "{\"documents\":[{\"kind\":\"cluster\",\"name\":\"api\"}]}")
                .status == 200)
    }

    @Test("A mistake is refused with its place and hint, and nothing is changed")
    func mistakes() throws {
        let control = try ControlProcess().start()
        let body = try ControlProcess.apply("clusters:\n  - name: api\n    endpoint: [\"127.0.0.1:9000\"]\n")
        let answer = try control.ask("POST", Self.documents + "/apply", body: body)
        #expect(answer.status == 422 && answer["error.code"] == "invalid_configuration", "\(answer)")
        #expect(answer["error.errors.0.file"] == "mesh.yaml" && answer["error.errors.0.line"] == "3", "\(answer)")
        #expect(answer["error.errors.0.hint"].contains("endpoints"), "\(answer)")
        #expect(answer["error.errors.0.text"].hasPrefix("mesh.yaml:3:5: error: "), "\(answer)")
        #expect(try control.ask("GET", "/v1/documents")["documents"] == "0 items")
    }

    @Test("A change that another's came before is refused")
    func conflict() throws {
        let control = try ControlProcess().start()
        for port in [9000, 9001] {
            _ = try control.ask(
                "POST", Self.documents + "/apply",
                body: try ControlProcess.apply(ControlProcess.cluster("api", port: port)))
        }
        let body =
            try ControlProcess.apply(ControlProcess.cluster("api", port: 9002)).dropLast() + ",\"expected_revision\":1}"
        let answer = try control.ask("POST", Self.documents + "/apply", body: String(body))
        #expect(answer.status == 409 && answer["error.code"] == "conflict", "\(answer)")
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let method: String
        let path: String
        var body: String?
        var options: [String] = []
        let status: Int
        var message = ""

        var testDescription: String { "\(method) \(path) \(status)" }

        init(
            _ method: String, _ path: String, body: String? = nil, options: [String] = [], _ status: Int,
            _ message: String = ""
        ) {
            (self.method, self.path, self.body, self.options) = (method, path, body, options)
            (self.status, self.message) = (status, message)
        }
    }

    @Test("What is not understood is told, never passed over")
    func strictness() throws {
        let control = try ControlProcess(api: "    max_body: 64KiB").start()
        let apply = Self.documents + "/apply"
        let cases = [
            Refusal("GET", "/v1/nowhere", 404), Refusal("GET", "/v1/namespaces/default/clusterz", 404, "clusters"),
            Refusal("PUT", "/v1/proxies", 405, "GET"), Refusal("GET", "/v1/proxies?limit=1", 400, "takes none"),
            Refusal("GET", Self.documents + "/log?limt=1", 400, "limit"),
            Refusal("GET", Self.documents + "/log?limit=0", 400, "1 to 1000"),
            Refusal("GET", Self.documents + "/log?limit=1&limit=2", 400, "twice"),
            Refusal("POST", apply + "?dry_run=yes", body: "{}", 400, "true or false"),
            Refusal("GET", Self.documents + "/clusters/a%20b", 400),
            Refusal("GET", Self.documents + "/clusters/%ff", 400),
            Refusal("GET", Self.documents + "/clusters/api?revision=99", 404, "99"),
            Refusal("POST", apply, body: "{", 400, "no JSON"), Refusal("POST", apply, body: "[]", 400, "object"),
            Refusal("POST", apply, body: "{\"fles\":[]}", 400, "files"),
            Refusal("POST", apply, body: "{}", 400, "files is required"),
            Refusal("POST", apply, body: "{\"files\":[{\"nam\":1}]}", 400, "name"),
            Refusal("POST", apply, body: "{\"files\":[{\"name\":1,\"text\":\"\"}]}", 400, "files[0].name"),
            Refusal("POST", apply, body: "{\"files\":[],\"files\":[]}", 400, "twice"),
            Refusal("POST", apply, body: "{\"files\":[],\"attachments\":{\"a\":\"?\"}}", 400, "attachments.a"),
            Refusal("POST", apply, body: "{\"files\":[]}", 400, "nothing in it"),
            Refusal("POST", apply, body: "{}", options: ["-H", "Content-Type: text/plain"], 415),
            Refusal("POST", apply, body: "{}", options: ["-H", "Content-Encoding: gzip"], 415),
            Refusal("POST", apply, body: String(repeating: " ", count: 70_000), 413, "max_body"),
            Refusal(
                "POST", apply, body: String(repeating: " ", count: 70_000),
                options: ["-H", "Transfer-Encoding: chunked"], 413),
            Refusal("GET", "/v1/proxies", options: ["-H", "Origin: http://example.com"], 403, "web pages"),
            Refusal("GET", "/v1/proxies", options: ["-H", "Host: rebound.example.com"], 403, "localhost"),
            Refusal("GET", "/v1/proxies/nobody", 404, "nobody"),
            Refusal("POST", Self.documents + "/clusters/api/rollback", body: "{\"revision\":1}", 404),
            Refusal("DELETE", Self.documents + "/clusters/api", 404),
        ]
        for refusal in cases {
            let answer = try control.ask(refusal.method, refusal.path, body: refusal.body, options: refusal.options)
            #expect(answer.status == refusal.status, "\(refusal): \(answer)")
            #expect(
                refusal.message.isEmpty || answer["error.message"].contains(refusal.message), "\(refusal): \(answer)")
            #expect(answer["error.code"] != "" && answer["error.errors"].hasSuffix("items"), "\(refusal): \(answer)")
        }
    }

    @Test("Tokens: roles, namespaces, and no way past either")
    func access() throws {
        let control = try ControlProcess(api: ControlProcess.guarded).start()
        let apply = try ControlProcess.apply(ControlProcess.cluster("api"))
        let dodge = try ControlProcess.apply("namespace: default\n" + ControlProcess.cluster("api"))
        let spying = try ControlProcess.apply(
            "namespace: default\nlisteners: [{ name: l, address: 127.0.0.1:1, filters: [router], routes: [{ match: {}, cluster: ap }] }]"
        )
        let sharing = try ControlProcess.apply(
            "clusters: [{ name: s, shared_with: [default], endpoints: [\"127.0.0.1:1\"] }]")
        let back = "{\"revision\":1}"
        let shop = "/v1/namespaces/shop"
        let cases: [(who: String?, method: String, path: String, body: String?, status: Int)] = [
            (nil, "GET", "/v1/documents", nil, 401), (nil, "GET", "/v1/nowhere", nil, 401),
            (nil, "GET", "/openapi.json", nil, 200), (nil, "GET", "/metrics", nil, 200),
            (nil, "GET", "/ready", nil, 200),
            ("reader", "GET", "/v1/documents", nil, 200), ("reader", "POST", Self.documents + "/apply", apply, 403),
            ("reader", "POST", Self.documents + "/apply?dry_run=true", apply, 403),
            ("reader", "GET", "/v1/audit", nil, 403),
            ("writer", "POST", Self.documents + "/apply", apply, 200), ("writer", "GET", "/v1/audit", nil, 403),
            ("admin", "GET", "/v1/audit", nil, 200), ("shopkeeper", "POST", shop + "/apply", apply, 200),
            ("shopkeeper", "GET", Self.documents + "/clusters", nil, 403),
            ("shopkeeper", "POST", Self.documents + "/apply", apply, 403),
            ("shopkeeper", "POST", shop + "/apply", dodge, 403),
            ("shopkeeper", "POST", shop + "/apply?dry_run=true", dodge, 403),
            ("shopkeeper", "POST", shop + "/apply", spying, 403),
            ("shopkeeper", "POST", shop + "/apply?dry_run=true", spying, 403),
            ("shopkeeper", "POST", shop + "/apply", sharing, 403),
            ("shopkeeper", "POST", shop + "/rollback", "{\"revision\":0}", 400),
            ("shopkeeper", "POST", Self.documents + "/rollback", back, 403),
            ("shopkeeper", "DELETE", Self.documents + "/clusters/api", nil, 403),
        ]
        for (who, method, path, body, status) in cases {
            let answer = try control.ask(method, path, token: who.flatMap { ControlProcess.tokens[$0] }, body: body)
            #expect(answer.status == status, "\(who ?? "nobody") \(method) \(path): \(answer)")
            if status == 401 { #expect(answer.headers.lowercased().contains("www-authenticate: bearer")) }
        }
        let seen = try control.ask("GET", "/v1/documents", token: ControlProcess.tokens["shopkeeper"])
        #expect(seen["documents"] == "1 items" && seen["documents.0.namespace"] == "shop", "\(seen)")
        let own = try control.ask("GET", "/v1/audit?limit=1000", token: ControlProcess.tokens["shopkeeper"])
        #expect(own.body.contains("\"shop\"") && !own.body.contains("\"writer\""), "\(own)")
        #expect(
            try control.ask("GET", Self.documents + "/log", token: ControlProcess.tokens["reader"])[
                "transactions.0.author"]
                == "writer")
    }

    @Test("Who guesses tokens is counted, and does not fill the audit log; no token is in it")
    func guessing() throws {
        let control = try ControlProcess(api: ControlProcess.guarded).start()
        for number in 0..<40 {
            let answer = try control.ask("GET", "/v1/documents", token: "wrong-token-number-\(number)")
            #expect(answer.status == 401)
        }
        #expect(try control.ask("GET", "/metrics").body.contains("failed_authentications_total 40\n"))
        let lines = try control.read("audit.jsonl").split(separator: "\n")
        #expect((20..<40).contains(lines.count), "\(lines.count)")
        _ = try control.ask(
            "POST", Self.documents + "/apply", token: ControlProcess.tokens["writer"],
            body: try ControlProcess.apply(ControlProcess.cluster("api")))
        let audit = try control.read("audit.jsonl")
        let last = try #require(audit.split(separator: "\n").last)
        #expect(
            last.contains("\"who\":\"writer\"") && last.contains("\"result\":\"done\"") && last.contains("clusters/api")
        )
        for text in [audit, control.said] {
            #expect(!text.contains("wrong-token") && !text.contains("token-0123456789"), "\(text)")
        }
        let file = control.folder.appendingPathComponent("audit.jsonl").path
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("A required audit log that cannot be written keeps changes back")
    func requiredAudit() throws {
        let control = try ControlProcess(rest: "audit: { path: logs/audit.jsonl, required: true }").start()
        let body = try ControlProcess.apply(ControlProcess.cluster("api"))
        #expect(try control.ask("POST", Self.documents + "/apply", body: body).status == 503)
        #expect(try control.ask("GET", "/v1/documents")["documents"] == "0 items")
        try control.write("logs/here", "")
        #expect(try control.ask("POST", Self.documents + "/apply", body: body).status == 200)
        let results = try control.read("logs/audit.jsonl").split(separator: "\n")
        #expect(results.count == 2 && results[0].contains("started") && results[1].contains("done"), "\(results)")
    }

    @Test("Over TLS, and over a Unix socket")
    func transports() throws {
        let local = try ControlProcess(address: "unix:FOLDER/api.sock").start()
        #expect(try local.ask("GET", "/v1/documents").status == 200)
        let mode = try FileManager.default.attributesOfItem(
            atPath: local.folder.appendingPathComponent("api.sock").path)
        #expect(((mode[.posixPermissions] as? Int) ?? 0o777) & 0o077 == 0)
        #expect(try local.martlet("get").code == 0)
        let secure = try ControlProcess(
            api: "    tls: { certificate: api.pem, private_key: api.key }\n" + ControlProcess.guarded)
        let made = try Tool.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=control", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", secure.folder.appendingPathComponent("api.key").path,
                "-out", secure.folder.appendingPathComponent("api.pem").path,
            ])
        #expect(made.code == 0, "\(made.output)")
        try secure.start()
        let pem = secure.folder.appendingPathComponent("api.pem").path
        let answer = try secure.ask(
            "GET", "/v1/documents", token: ControlProcess.tokens["reader"], options: ["--cacert", pem])
        #expect(answer.status == 200, "\(answer)")
        #expect(try secure.martlet("get", "--ca", "api.pem", "--token-file", "reader.token").code == 0)
        #expect(try secure.martlet("get", "--token-file", "reader.token").code == 4)
    }

    @Test("SIGTERM ends it well, and what was kept is there again")
    func restart() throws {
        let control = try ControlProcess().start()
        _ = try control.ask(
            "POST", Self.documents + "/apply", body: try ControlProcess.apply(ControlProcess.cluster("api")))
        #expect(control.end() == 0)
        try control.start()
        #expect(try control.ask("GET", Self.documents + "/clusters/api").status == 200)
        #expect(try control.ask("GET", "/ready").body == "ready\n")
    }
}
