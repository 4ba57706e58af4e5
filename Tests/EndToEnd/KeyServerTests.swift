import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// A key server whose answer a test changes while it runs.
private final class KeyServer: Sendable {
    private let answer: Locked<String>
    private let count = Locked(0)
    // Set once, before anybody asks.
    private let upstream: Locked<ScriptedUpstream?> = Locked(nil)

    init(_ first: String) throws {
        answer = Locked(first)
        let server = try ScriptedUpstream.answering { [weak self] _ in
            guard let self else { return "" }
            self.count.withLock { $0 += 1 }
            return self.answer.withLock { $0 }
        }
        upstream.withLock { $0 = server }
    }

    var port: UInt16 { upstream.withLock { $0?.port ?? 0 } }
    var asked: Int { count.withLock { $0 } }
    func answers(_ text: String) { answer.withLock { $0 = text } }

    static func keys(_ forges: [TokenForge]) -> String {
        let body = TokenForge.set(forges.map { $0.jwk() })
        return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }
    static let failing = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
}

@Suite("jwt: keys from a server")
struct KeyServerTests {
    private static let one = Result { try TokenForge(.p256, kid: "one") }
    private static let two = Result { try TokenForge(.p256, kid: "two") }
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private func proxy(_ port: UInt16, _ jwks: String, workers: Int = 1) throws -> TestProxy {
        let upstream = try ScriptedUpstream.answering(Self.ok)
        return try TestProxy(
            workers: workers, listener: Self.listener(jwks), rest: Self.clusters(upstream.port, port),
            companions: [upstream])
    }

    private static func listener(_ jwks: String, realm: String = "a") -> String {
        """
            filters:
              - jwt:
                  issuer: id
                  audiences: any
                  realm: \(realm)
                  jwks: { url: "https://id.example.com/keys?v=1", cluster: idp, \(jwks) }
              - router
            routes: [{ match: {}, cluster: up }]
        """
    }

    private static func clusters(_ up: UInt16, _ idp: UInt16) -> String {
        TestProxy.cluster(up) + "\n  - { name: idp, endpoints: [\"127.0.0.1:\(idp)\"], connect_timeout: 1s }"
    }

    private static func headers(_ forge: TokenForge) throws -> String {
        let expires = Int(Date().timeIntervalSince1970) + 600
        return "Authorization: Bearer \(try forge.token("ES256", "{\"iss\":\"id\",\"exp\":\(expires)}"))\r\n"
    }

    @Test("fetched once for all workers, asked for by an unknown key, kept while the server fails")
    func rotation() throws {
        let (one, two) = (try Self.one.get(), try Self.two.get())
        let server = try KeyServer(KeyServer.keys([one]))
        let test = try proxy(server.port, "unknown_key_interval: 100ms, wait: 5s", workers: 3)
        let (first, second) = (try Self.headers(one), try Self.headers(two))
        for _ in 0..<12 { #expect(try test.get("/", headers: first).hasPrefix("HTTP/1.1 200 ")) }
        #expect(server.asked == 1)
        // The issuer takes another key: the first token made with it fetches the set, and passes.
        server.answers(KeyServer.keys([two]))
        #expect(try eventually { try test.get("/", headers: second).hasPrefix("HTTP/1.1 200 ") })
        #expect(try eventually { try test.get("/", headers: first).contains("jwt-key-unknown") })
        // The server fails: what there is stays.
        server.answers(KeyServer.failing)
        let asked = server.asked
        #expect(
            try eventually { try test.get("/", headers: first).contains("jwt-key-unknown") && server.asked > asked })
        #expect(try test.get("/", headers: second).hasPrefix("HTTP/1.1 200 "))
        #expect(eventually { test.logged.contains("the old ones stay in use") })
        // And something that is no key set is no better.
        server.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        #expect(eventually { test.logged.contains("has no list called") })
        #expect(try test.get("/", headers: second).hasPrefix("HTTP/1.1 200 "))
        let failures = try test.metric("martlet_jwt_keys_fetch_failed_total{provider=\"\"}").flatMap { Int($0) }
        #expect((failures ?? 0) >= 2)
        // It comes back, and the next try, after the back-off, takes what it has.
        server.answers(KeyServer.keys([one]))
        #expect(try eventually { try test.get("/", headers: first).hasPrefix("HTTP/1.1 200 ") })
    }

    @Test("requests wait for the first keys")
    func waiting() throws {
        let one = try Self.one.get()
        let server = try KeyServer(KeyServer.failing)
        let test = try proxy(server.port, "wait: 60s")
        let client = try test.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(try Self.headers(one))\r\n")
        #expect(eventually { server.asked >= 2 })
        server.answers(KeyServer.keys([one]))
        client.receiveToEnd()
        #expect(client.text.hasPrefix("HTTP/1.1 200 "), "\(client.text)")
    }

    @Test("but not for ever, and not too many of them")
    func notForEver() throws {
        let server = try KeyServer(KeyServer.failing)
        let headers = try Self.headers(try Self.one.get())
        for settings in ["wait: 50ms", "wait: 0s", "max_waiting: 0"] {
            let test = try proxy(server.port, settings)
            let answer = try test.get("/", headers: headers)
            #expect(
                answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("x-martlet-error: jwt-keys-unavailable"),
                "\(settings)")
            #expect(
                try test.metric("martlet_jwt_refused_total{listener=\"public\",reason=\"jwt-keys-unavailable\"}") == "1"
            )
            #expect(try test.get("/").contains("x-martlet-error: jwt-missing"))
        }
    }

    @Test("unknown keys by the dozen ask the server no more than the interval allows")
    func flood() throws {
        let one = try Self.one.get()
        let server = try KeyServer(KeyServer.keys([one]))
        let test = try proxy(server.port, "unknown_key_interval: 1h")
        #expect(try test.get("/", headers: Self.headers(one)).hasPrefix("HTTP/1.1 200 "))
        let unknown = try Self.headers(try Self.two.get())
        for _ in 0..<20 { #expect(try test.get("/", headers: unknown).contains("jwt-key-unknown")) }
        #expect(server.asked == 1)
    }

    @Test("a server that hangs is given up, and asked again")
    func hanging() throws {
        let one = try Self.one.get()
        let connections = Locked(0)
        let keys = KeyServer.keys([one])
        let server = try ScriptedUpstream { _, connection in
            let number = connections.withLock {
                $0 += 1
                return $0
            }
            guard connection.nextRequest() != nil else { return }
            // The first one hears nothing, until it goes.
            if number > 1 { try? connection.send(keys) }
            connection.receiveToEnd()
        }
        let test = try proxy(server.port, "timeout: 100ms, wait: 60s")
        #expect(try test.get("/", headers: Self.headers(one)).hasPrefix("HTTP/1.1 200 "))
        #expect(test.logged.contains("timeout"))
    }

    @Test("a reload keeps the keys")
    func reload() throws {
        let one = try Self.one.get()
        let server = try KeyServer(KeyServer.keys([one]))
        let upstream = try ScriptedUpstream.answering(Self.ok)
        let rest = Self.clusters(upstream.port, server.port)
        let test = try TestProxy(listener: Self.listener("wait: 5s"), rest: rest, companions: [upstream])
        let headers = try Self.headers(one)
        #expect(try test.get("/", headers: headers).hasPrefix("HTTP/1.1 200 "))
        server.answers(KeyServer.failing)
        try test.configure(listener: Self.listener("wait: 5s", realm: "b"), rest: rest)
        #expect(try eventually { try test.get("/").contains("realm=\"b\"") })
        #expect(try test.get("/", headers: headers).hasPrefix("HTTP/1.1 200 "))
        #expect(server.asked == 1)
        // What was verified before is still known: the provider did not change.
        #expect(try test.metric("martlet_jwt_cache_misses_total{provider=\"\"}") == "1")
    }
}
