import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/// Sockets of their own, all at once.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) throws -> String) -> [String] {
    let answers = Answers(count)
    let group = DispatchGroup()
    for number in 0..<count {
        group.enter()
        Thread.detachNewThread {
            answers.put((try? body(number)) ?? "failed", at: number)
            group.leave()
        }
    }
    group.wait()
    return answers.all
}

private final class Answers: @unchecked Sendable {
    // Sendable because it is reached under its lock only.
    private let lock = NSLock()
    private var texts: [String]
    init(_ count: Int) { texts = Array(repeating: "", count: count) }
    func put(_ text: String, at number: Int) { lock.withLock { texts[number] = text } }
    var all: [String] { lock.withLock { texts } }
}

extension [String] {
    func answers(_ status: Int) -> Int { count { $0.hasPrefix("HTTP/1.1 \(status) ") } }
}

@Suite("Limits of rate")
struct RateLimitTests {
    private func proxy(
        _ filter: String, workers: Int = 1, listener: String = "    xff_num_trusted_hops: 1", routes: String = "",
        more: String = "", answer: String = ok
    ) throws -> TestProxy {
        let upstream = try ScriptedUpstream.answering(answer)
        return try TestProxy(
            workers: workers, listener: Self.listener(filter, listener, routes, more),
            rest: TestProxy.cluster(upstream.port), companions: [upstream])
    }

    private static func listener(_ filter: String, _ listener: String, _ routes: String, _ more: String = "") -> String
    {
        """
        \(listener)
            filters: [\(more)\(filter), router]
            routes:
        \(routes)
              - { match: {}, cluster: up }
        """
    }

    private static func from(_ client: String) -> String { "X-Forwarded-For: \(client)\r\n" }

    @Test("Exactly the burst passes, from however many clients and workers", arguments: ["client_ip", "none", "route"])
    func exact(key: String) throws {
        let test = try proxy("{ rate_limit: { requests: 1, per: 1h, burst: 137, key: \(key) } }", workers: 3)
        let answers = inParallel(40) { _ in
            let client = try test.connect()
            var all = ""
            for _ in 0..<10 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\(Self.from("192.0.2.1"))\r\n")
                client.forget()
                #expect(client.receive { $0.text.hasSuffix("ok") || $0.text.hasSuffix("rate-limited\n") })
                all += client.text.hasPrefix("HTTP/1.1 200 ") ? "+" : "-"
            }
            return all
        }
        #expect(answers.joined().count { $0 == "+" } == 137)
        #expect(answers.joined().count { $0 == "-" } == 400 - 137)
        let labels = "{listener=\"public\",limit=\"default\"}"
        #expect(try test.metric("martlet_rate_limit_allowed_total\(labels)") == "137")
        #expect(try test.metric("martlet_rate_limit_limited_total\(labels)") == "263")
    }

    @Test("scope: worker gives each worker its own")
    func perWorker() throws {
        let test = try proxy("{ rate_limit: { requests: 1, per: 1h, burst: 5, key: none, scope: worker } }", workers: 2)
        // Which worker a connection comes to is the kernel's choice: until both have refused, some of these pass.
        var passed = 0
        _ = eventually {
            let answers = inParallel(20) { _ in try test.get("/") }
            passed += answers.answers(200)
            return passed == 10
        }
        #expect(inParallel(50) { _ in try test.get("/") }.answers(200) == 0)
        #expect(passed == 10)
    }

    @Test("The refusal: status, reason, flag, when to come back; and what every answer says")
    func fields() throws {
        let test = try proxy(
            "{ rate_limit: { requests: 2, per: 20h, burst: 2, key: client_ip } }",
            listener: "    xff_num_trusted_hops: 1\n    access_log: { path: access.log, format: json }")
        for (left, reset) in [(1, 36_000), (0, 72_000)] {
            let answer = try test.get("/", headers: Self.from("192.0.2.1"))
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
            #expect(
                answer.contains("ratelimit-limit: 2\r\nratelimit-remaining: \(left)\r\nratelimit-reset: \(reset)\r\n"))
            #expect(!answer.contains("retry-after"))
        }
        let refused = try test.get("/", headers: Self.from("192.0.2.1"))
        #expect(refused.hasPrefix("HTTP/1.1 429 "))
        #expect(refused.contains("x-martlet-error: rate-limited\r\n"))
        #expect(refused.contains("ratelimit-remaining: 0\r\n"))
        let wait = refused.split(separator: "\r\n").first { $0.hasPrefix("retry-after: ") }?.dropFirst(13)
        // Ten hours, but for the time since the first one.
        #expect((35_000...36_000).contains(wait.flatMap { Int($0) } ?? 0))
        #expect(refused.hasSuffix("rate-limited\n"))
        let file = test.directory.appendingPathComponent("access.log")
        #expect(eventually { ((try? String(contentsOf: file, encoding: .utf8)) ?? "").contains("\"RL\"") })
    }

    @Test("Structured fields, both forms, none")
    func forms() throws {
        func answer(_ headers: String) throws -> String {
            let test = try proxy(
                "{ rate_limit: { name: all, requests: 7, per: 1h, key: none, headers: \(headers) } }")
            return try test.get("/")
        }
        let structured = try answer("structured")
        #expect(structured.contains("ratelimit-policy: \"all\";q=7;w=3600\r\nratelimit: \"all\";r=6;t=515\r\n"))
        #expect(!structured.contains("ratelimit-remaining"))
        let both = try answer("both")
        #expect(both.contains("ratelimit-remaining: 6\r\n"))
        #expect(both.contains("ratelimit: \"all\";r=6;t=515\r\n"))
        #expect(try !answer("off").contains("ratelimit"))
    }

    @Test("Of two limits, or upstream's own, the client hears of the one it meets first")
    func tightest() throws {
        let two = "{ rate_limit: { name: a, requests: 9, per: 1h, key: none } }, "
        let test = try proxy("{ rate_limit: { name: b, requests: 5, per: 1h, key: none } }", more: two)
        let answer = try test.get("/")
        #expect(answer.contains("ratelimit-limit: 5\r\nratelimit-remaining: 4\r\n"))
        #expect(!answer.contains("ratelimit-remaining: 8\r\n"))
        let own = "HTTP/1.1 200 OK\r\nRateLimit-Limit: 3\r\nRateLimit-Remaining: 1\r\nContent-Length: 0\r\n\r\n"
        let tighter = try proxy("{ rate_limit: { requests: 5, per: 1h, key: none } }", answer: own).get("/")
        #expect(tighter.lowercased().contains("ratelimit-limit: 3\r\nratelimit-remaining: 1\r\n"))
        #expect(!tighter.contains("ratelimit-limit: 5\r\n"))
    }

    @Test("Clients are told apart by their address, IPv6 ones by their network")
    func addresses() throws {
        let test = try proxy("{ rate_limit: { requests: 1, per: 1h, key: client_ip } }")
        func passes(_ client: String) throws -> Bool {
            try test.get("/", headers: Self.from(client)).hasPrefix("HTTP/1.1 200 ")
        }
        for (client, expected) in [
            ("192.0.2.1", true), ("192.0.2.1", false), ("192.0.2.2", true), ("::ffff:192.0.2.2", false),
            ("2001:db8:0:1::1", true), ("2001:db8:0:1:ffff::2", false), ("2001:db8:0:2::1", true),
            // No address: one bucket for all of those.
            ("nonsense", true), ("other nonsense", false),
        ] {
            #expect(try passes(client) == expected, "\(client)")
        }
        let missing = "martlet_rate_limit_missing_key_total{listener=\"public\",limit=\"default\"}"
        #expect(try test.metric(missing) == "2")
    }

    @Test("Keys of headers, query parameters and several parts; what lacks one")
    func keys() throws {
        func statuses(_ filter: String, _ requests: [(path: String, headers: String)]) throws -> [String] {
            let test = try proxy("{ rate_limit: { requests: 1, per: 1h, \(filter) } }")
            return try requests.map { String(try test.get($0.path, headers: $0.headers).dropFirst(9).prefix(3)) }
        }
        let team = "X-Team: a\r\n"
        #expect(
            try statuses(
                "key: header:x-team",
                [
                    ("/", team), ("/", "x-team: a\r\n"), ("/", "X-Team: b\r\n"), ("/", team + "X-Team: b\r\n"),
                    ("/", ""), ("/", ""),
                ])
                == ["200", "429", "200", "200", "200", "429"])
        #expect(
            try statuses("key: header:x-team, missing: skip", [("/", team), ("/", team), ("/", ""), ("/", "")])
                == ["200", "429", "200", "200"])
        #expect(
            try statuses(
                "key: query:k",
                [("/?k=ab", ""), ("/?x=1&k=%61b", ""), ("/?k=a", ""), ("/?kk=a", ""), ("/?k", ""), ("/", "")])
                == ["200", "429", "200", "200", "200", "429"])
        #expect(
            try statuses(
                "key: [header:x-team, query:k]",
                [("/?k=a", team), ("/?k=b", team), ("/?k=a", "X-Team: b\r\n"), ("/?k=a", team)])
                == ["200", "200", "200", "429"])
    }

    @Test("A route has a limit and buckets of its own, or none")
    func routes() throws {
        let test = try proxy(
            "{ rate_limit: { requests: 3, per: 1h, key: none } }",
            routes: """
                      - match: { path: { prefix: /login } }
                        cluster: up
                        filters: { rate_limit: { requests: 1, status: 420 } }
                      - match: { path: { prefix: /free } }
                        cluster: up
                        filters: { rate_limit: off }
                """)
        #expect(try test.get("/login").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/login").hasPrefix("HTTP/1.1 420 "))
        for _ in 0..<3 { #expect(try test.get("/").hasPrefix("HTTP/1.1 200 ")) }
        #expect(try test.get("/").hasPrefix("HTTP/1.1 429 "))
        let free = try test.get("/free")
        #expect(free.hasPrefix("HTTP/1.1 200 "))
        #expect(!free.contains("ratelimit"))
    }

    @Test("In shadow mode nothing is refused and nothing said, but counted and logged")
    func shadow() throws {
        let test = try proxy(
            "{ rate_limit: { requests: 1, per: 1h, key: none, mode: shadow } }",
            listener: "    access_log: { path: access.log, format: json }")
        for _ in 0..<3 {
            let answer = try test.get("/")
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
            #expect(!answer.contains("ratelimit"))
        }
        let shadowed = "martlet_rate_limit_shadow_limited_total{listener=\"public\",limit=\"default\"}"
        #expect(try test.metric(shadowed) == "2")
        let file = test.directory.appendingPathComponent("access.log")
        #expect(
            eventually {
                ((try? String(contentsOf: file, encoding: .utf8)) ?? "").contains(
                    "rate_limit default: 429 rate-limited")
            })
    }

    @Test("A reload that leaves a limit as it is leaves its buckets as they are")
    func reload() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        func listener(_ filter: String, _ more: String = "") -> String {
            Self.listener(filter, "    xff_num_trusted_hops: 1", "", more)
        }
        let limit = "{ rate_limit: { requests: 2, per: 1h, key: none } }"
        let rest = TestProxy.cluster(upstream.port)
        let test = try TestProxy(workers: 2, listener: listener(limit), rest: rest, companions: [upstream])
        for _ in 0..<2 { #expect(try test.get("/").hasPrefix("HTTP/1.1 200 ")) }
        #expect(try test.get("/").hasPrefix("HTTP/1.1 429 "))
        // Another filter comes before it, and what it answers changes.
        try test.configure(
            listener: listener(
                "{ rate_limit: { requests: 2, per: 1h, key: none, status: 503 } }",
                "{ headers: { response: { add: { x-new: \"1\" } } } }, "), rest: rest)
        #expect(try eventually { try test.get("/").contains("x-new: 1") })
        #expect(try test.get("/").hasPrefix("HTTP/1.1 503 "))
        // Another limit is another limit.
        try test.configure(listener: listener("{ rate_limit: { requests: 3, per: 1h, key: none } }"), rest: rest)
        #expect(try eventually { try test.get("/").hasPrefix("HTTP/1.1 200 ") })
    }

    @Test(
        "A table that no memory is left for is a mistake of the configuration, and the one in use goes on",
        .disabled(if: Sanitizer.isOn, "a sanitizer's own memory is beyond the limit"))
    func noMemory() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        func listener(_ keys: Int) -> String {
            Self.listener("{ rate_limit: { requests: 2, per: 1h, scope: worker, max_keys: \(keys) } }", "", "")
        }
        let rest = TestProxy.cluster(upstream.port)
        let test = try TestProxy(
            workers: 4, listener: listener(1000), rest: rest,
            launcher: ["SWIFT_BACKTRACE=enable=no", "prlimit", "--data=\(512 << 20)"], companions: [upstream])
        #expect(try test.get("/").hasPrefix("HTTP/1.1 200 "))
        // Four tables of 200 MiB.
        try test.configure(listener: listener(10_000_000), rest: rest)
        let error = "there is no memory for a table of 10000000 keys"
        #expect(eventually { test.logged.contains(error) }, "\(test.logged)")
        #expect(try test.get("/").hasPrefix("HTTP/1.1 200 "))
    }

    @Test("Under a flood of keys memory stays, and an honest client has what it had")
    func flood() throws {
        let test = try proxy(
            "{ rate_limit: { requests: 1, per: 1h, burst: 3, key: header:x-key, max_keys: 200 } }", workers: 2)
        let honest = "X-Key: honest\r\n"
        for _ in 0..<2 { #expect(try test.get("/", headers: honest).hasPrefix("HTTP/1.1 200 ")) }
        let answers = inParallel(8) { number in
            let client = try test.connect()
            for key in 0..<500 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Key: \(number)-\(key)\r\n\r\n")
                client.forget()
                #expect(client.receive { $0.text.hasSuffix("ok") || $0.text.hasSuffix("rate-limited\n") })
            }
            return "done"
        }
        #expect(answers.allSatisfy { $0 == "done" })
        #expect(try test.get("/", headers: honest).hasPrefix("HTTP/1.1 200 "))
        #expect(try test.get("/", headers: honest).hasPrefix("HTTP/1.1 429 "))
        let overflow = try test.metric("martlet_rate_limit_overflow_total{listener=\"public\",limit=\"default\"}")
        #expect(Int(overflow ?? "") ?? 0 > 3000)
    }
}
