import Foundation
import MartletConfig
import MartletControl
import MartletControlCheck
import MartletTesting
import MartletXDS
import Testing

private let shop = """
    listeners:
      - name: public
        address: 127.0.0.1:18080
        filters: [{ lua: { policy: team } }, router]
        routes: [{ match: { path: { prefix: /api } }, cluster: api }, { match: {}, cluster: web }]
    clusters:
      - { name: api, endpoints: ["127.0.0.1:9001"] }
      - { name: web, endpoints: ["127.0.0.1:9002"] }
      - { name: unused, endpoints: ["127.0.0.1:9003"] }
    policies:
      - { name: team, inline: "function on_request(h) h:headers():add('x-team', 'a') end" }
    """

@Suite("The control plane behind its doors")
struct MeshControlTests {
    @Test("What is applied is kept, document by document, and can be seen, changed, taken back and deleted")
    func life() async throws {
        try await Desk().use { desk in
            let first = try await desk.apply(shop)
            #expect(first.changes.map(\.action) == Array(repeating: .create, count: 5))
            #expect(
                try await desk.control.documents(namespace: nil, kind: nil).map(\.key.description) == [
                    "default/clusters/api", "default/clusters/unused", "default/clusters/web",
                    "default/listeners/public", "default/policies/team",
                ])
            let again = try await desk.apply(shop)
            #expect(again.revision == first.revision && again.changes.allSatisfy { $0.action == .unchanged })

            let key = try DocumentKey("default", "clusters", "api")
            let second = try await desk.apply("clusters: [{ name: api, endpoints: [\"127.0.0.1:9009\"] }]")
            #expect(second.revision == first.revision + 1 && second.changes.map(\.action) == [.update])
            let view = try await desk.control.document(key, at: nil)
            #expect(
                view.text == """
                    namespace: "default"
                    clusters:
                      - name: api
                        endpoints:
                          - "127.0.0.1:9009"

                    """ && view.revision == second.revision && view.created == first.revision)
            // What is shown is what can be applied.
            #expect(try await desk.apply(view.text).changes.map(\.action) == [.unchanged])
            #expect(try await desk.control.history(key, limit: 9).map(\.revision) == [second.revision, first.revision])

            let back = try await desk.control.rollback(
                namespace: "default", keys: [key], to: first.revision, within: nil, by: "tester", message: "")
            #expect(back.changes.map(\.action) == [.update])
            #expect(try await desk.control.document(key, at: nil).text.contains("9001"))
            let log = try await desk.control.log(namespace: "default", limit: 9)
            #expect(log.map(\.attribution.message) == ["back to revision \(first.revision)", "", ""])
            #expect(log.first?.changes.map(\.key) == [key] && log.first?.attribution.author == "tester")

            let unused = try DocumentKey("default", "clusters", "unused")
            _ = try await desk.control.delete([unused], within: nil, by: "tester", message: "gone")
            await #expect(throws: OperationError.self) { try await desk.control.document(unused, at: nil) }
            _ = try await desk.control.rollback(
                namespace: "default", keys: nil, to: first.revision, within: nil, by: "tester", message: "")
            #expect(try await desk.control.document(unused, at: nil).text.contains("9003"))
        }
    }

    @Test("What cannot work is refused with its place and a hint, and nothing is kept")
    func refused() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            let revision = await desk.control.revision()
            let misspelt = await desk.errors(
                "clusters: [{ name: api, endpoints: [\"127.0.0.1:9001\"], conect_timeout: 1s }]")
            #expect(misspelt.count == 1 && misspelt.first?.hasPrefix("mesh.yaml:1:") == true, "\(misspelt)")
            #expect(misspelt.first?.contains("did you mean \"connect_timeout\"?") == true)
            #expect(
                await desk.errors(
                    "listeners: [{ name: other, address: 127.0.0.1:18080, filters: [router], routes: [{ match: {}, cluster: wep }] }]"
                ).joined(separator: "\n").contains("no cluster \"wep\" (did you mean \"web\"?)"))
            // The address is another's.
            #expect(
                await desk.errors(
                    "listeners: [{ name: other, address: 127.0.0.1:18080, filters: [router], routes: [{ match: {}, cluster: web }] }]"
                ).joined(separator: "\n").contains("127.0.0.1:18080 is taken by listener"))
            #expect(
                await desk.errors("admin: { address: 127.0.0.1:1 }\nclusters: []").first?.contains(
                    "concerns one process") == true)
            #expect(
                await desk.errors("clusters: [{ name: a }, { name: a, endpoints: [] }]").first?.contains(
                    "is there twice") == true)
            // What others need is not deleted.
            do {
                _ = try await desk.control.delete(
                    [try DocumentKey("default", "clusters", "web")], within: nil, by: "t", message: "")
                Issue.record("deleted")
            } catch OperationError.invalid(let errors) {
                #expect(
                    errors.map(\.description).joined().contains("default/listeners/public")
                        && errors.map(\.description).joined().contains("no cluster \"web\""))
            }
            // A script that does not compile, and one whose tests fail.
            let broken = "policies: [{ name: team, file: team/policy.lua }]"
            let unfinished = await desk.errors(broken, files: ["team/policy.lua": "function on_request(h"])
            #expect(unfinished.first?.contains("does not load: policy.lua:1: ") == true, "\(unfinished)")
            let tests =
                "tests: [{ name: adds, request: { path: / }, expect: { upstream: { headers: { x-team: b } } } }]"
            let failed = await desk.errors(
                broken,
                files: [
                    "team/policy.lua": "function on_request(h) h:headers():add('x-team', 'a') end",
                    "team/tests.yaml": tests,
                ])
            #expect(failed.count == 1 && failed.first?.hasPrefix("team/tests.yaml:1:") == true, "\(failed)")
            #expect(await desk.errors(broken).first?.contains("it was not handed in with the configuration") == true)
            #expect(
                await desk.errors("policies: [{ name: p, file: /etc/passwd }]").first?.contains("not handed in") == true
            )
            #expect(await desk.control.revision() == revision)
        }
    }

    @Test("A script that passes its tests is kept, and the file is part of it")
    func tested() async throws {
        try await Desk().use { desk in
            let script = "function on_request(h)\n  h:headers():add('x-team', 'a')\nend\n"
            let tests =
                "tests: [{ name: adds, request: { path: / }, expect: { upstream: { headers: { x-team: a } } } }]"
            try await desk.apply(
                "policies: [{ name: team, file: team/policy.lua }]",
                files: ["team/policy.lua": script, "team/tests.yaml": tests])
            let view = try await desk.control.document(try DocumentKey("default", "policies", "team"), at: nil)
            #expect(view.text.contains("inline: |\n      function on_request(h)\n"))
        }
    }

    @Test("Proxies get what their listeners can reach, and no more")
    func scope() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            try await desk.apply(
                """
                proxies: { clusters: [edge], labels: { tier: front } }
                listeners: [{ name: edge, address: 127.0.0.1:18081, filters: [router], routes: [{ match: {}, cluster: edge }] }]
                clusters: [{ name: edge, endpoints: ["127.0.0.1:9004"] }]
                """)
            try await desk.apply(
                """
                listeners:
                  - { name: admin, address: 127.0.0.1:18082, proxies: { ids: [a] }, filters: [{ lua: { policy: asks } }, router], routes: [{ match: {}, cluster: web }] }
                policies: [{ name: asks, inline: "function on_request(h) h:httpCall('any' .. 'thing', {}, nil, 1) end" }]
                """)
            let plain = ProxyIdentity(id: "b", cluster: "default")
            #expect(try await desk.told(plain, .listener) == ["public"])
            #expect(try await desk.told(plain, .cluster) == ["api", "web"])
            #expect(try await desk.told(plain, .extension) == ["team"])
            let front = ProxyIdentity(id: "c", cluster: "edge", labels: ["tier": "front", "other": "x"])
            #expect(try await desk.told(front, .listener) == ["edge", "public"])
            #expect(try await desk.told(front, .cluster) == ["api", "edge", "web"])
            #expect(try await desk.told(ProxyIdentity(id: "c", cluster: "edge"), .listener) == ["public"])
            // A script that makes calls may make any.
            let caller = ProxyIdentity(id: "a", cluster: "default")
            #expect(try await desk.told(caller, .listener) == ["admin", "public"])
            #expect(try await desk.told(caller, .cluster) == ["api", "edge", "unused", "web"])
            #expect(try await desk.told(caller, .extension) == ["asks", "team"])
        }
    }

    @Test("Namespaces neither see each other nor route to each other, unless something is shared")
    func namespaces() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop, namespace: "one")
            let route =
                "listeners: [{ name: l, address: 127.0.0.1:18090, filters: [router], routes: [{ match: {}, cluster: api }] }]"
            #expect(await desk.errors(route, namespace: "two").first?.contains("no cluster \"api\"") == true)
            try await desk.apply(
                "clusters: [{ name: api, shared_with: [two], endpoints: [\"127.0.0.1:9001\"] }]", namespace: "one")
            try await desk.apply(route, namespace: "two")
            let proxy = ProxyIdentity(id: "p", labels: ["namespace": "two"])
            #expect(try await desk.told(proxy, .listener) == ["l"])
            #expect(try await desk.told(proxy, .cluster) == ["api"])
            #expect(try await desk.told(ProxyIdentity(id: "p"), .listener) == [])
            // It is shared no more: whoever needs it is named.
            let refused = await desk.errors(
                "clusters: [{ name: api, endpoints: [\"127.0.0.1:9001\"] }]", namespace: "one")
            #expect(refused.first?.hasPrefix("two/listeners/l:") == true, "\(refused)")
        }
    }

    @Test("Of changes at once none is lost, and none is written on what another has changed meanwhile")
    func concurrent() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<4 {
                    group.addTask {
                        (try? await desk.apply("clusters: [{ name: c\(number), endpoints: [\"127.0.0.1:9001\"] }]"))
                            != nil
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            let kept = try await desk.control.documents(namespace: nil, kind: .clusters).map(\.key.name)
            #expect(outcomes == 4 && kept.filter { $0.hasPrefix("c") }.count == 4)
            var late = Desk.submission("clusters: [{ name: late, endpoints: [\"127.0.0.1:9001\"] }]")
            late.expected = 1
            await #expect(throws: OperationError.self) { try await desk.control.apply(late, by: "t") }
        }
    }

    @Test("Keys and certificates travel with what names them, and are not shown")
    func secrets() async throws {
        try await Desk().use { desk in
            let pair = try CertificateForge.shared.server("a.example.com")
            func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
            try await desk.apply(
                """
                listeners:
                  - { name: secure, address: 127.0.0.1:18443, tls: { certificate: certs/a.pem, private_key: /etc/a.key }, filters: [router], routes: [{ match: {}, respond: { status: 200 } }] }
                """, files: ["certs/a.pem": try text(pair.certificateFile), "/etc/a.key": try text(pair.keyFile)])
            let view = try await desk.control.document(try DocumentKey("default", "listeners", "secure"), at: nil)
            #expect(view.text.contains("private_key: /etc/a.key") && !view.text.contains("PRIVATE"))
            let versions = try await desk.control.history(view.key, limit: 1)
            #expect(versions.allSatisfy { !String(decoding: $0.body ?? [], as: UTF8.self).contains("PRIVATE") })
            #expect(try await desk.told(ProxyIdentity(id: "p"), .secret).count == 1)
            // What says the same travels as the same; nothing need be handed in again for a rollback.
            let back = try await desk.control.rollback(
                namespace: "default", keys: nil, to: view.revision, within: nil, by: "t", message: "")
            #expect(back.changes.map(\.action) == [.unchanged])
        }
    }

    /// What a sender is told who may change the namespace `shop` alone.
    private func shopkeeper(_ desk: Desk, _ text: String, files: [String: String] = [:]) async -> String {
        var submission = Desk.submission(text, namespace: "shop", files: files)
        submission.within = ["shop"]
        do {
            return "\(try await desk.control.apply(submission, by: "shopkeeper").revision)"
        } catch OperationError.invalid(let errors) {
            return errors.map(\.description).joined(separator: "; ")
        } catch {
            return "\(error)"
        }
    }

    @Test("Who may change one namespace is told nothing of another, and shares nothing with one")
    func tenants() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            let spying =
                "namespace: default\nlisteners: [{ name: l, address: 127.0.0.1:18080, filters: [router], routes: [{ match: {}, cluster: ap }] }]"
            let refused = await shopkeeper(desk, spying)
            #expect(refused.hasPrefix("forbidden(") && !refused.contains("api"), "\(refused)")
            let own = "clusters: [{ name: own, SHARED endpoints: [\"127.0.0.1:1\"] }]"
            for names in ["[\"*\"]", "[default]", "[shop, default]"] {
                let answer = await shopkeeper(desk, own.replacing("SHARED", with: "shared_with: \(names),"))
                #expect(answer.hasPrefix("forbidden("), "\(answer)")
            }
            #expect(Int(await shopkeeper(desk, own.replacing("SHARED", with: "shared_with: [shop],"))) != nil)
            // Somebody who may has shared it: to go on so is no new sharing, to break who uses it is told without them.
            try await desk.apply(own.replacing("SHARED", with: "shared_with: [default],"), namespace: "shop")
            try await desk.apply(
                "listeners: [{ name: user, address: 127.0.0.1:18099, filters: [router], routes: [{ match: {}, cluster: own }] }]"
            )
            #expect(Int(await shopkeeper(desk, own.replacing("SHARED", with: "shared_with: [default],"))) != nil)
            let told = await shopkeeper(desk, own.replacing("SHARED", with: ""))
            #expect(
                told == "default:1:1: error: something of this namespace could not work with the change", "\(told)")
        }
    }

    @Test("Of two who share under one name the second is refused, before anybody sees both")
    func rivals() async throws {
        try await Desk().use { desk in
            let web = "clusters: [{ name: web, shared_with: [\"*\"], endpoints: [\"127.0.0.1:1\"] }]"
            try await desk.apply(web, namespace: "a")
            #expect(await desk.errors(web, namespace: "b").first?.contains("another namespace shares") == true)
            try await desk.apply(
                "listeners: [{ name: l, address: 127.0.0.1:18091, filters: [router], routes: [{ match: {}, cluster: web }] }]",
                namespace: "c")
            // One's own comes first.
            try await desk.apply("clusters: [{ name: web, endpoints: [\"127.0.0.1:2\"] }]", namespace: "c")
        }
    }

    @Test("Whoever shares with everybody can go on changing, however many they are")
    func manyNamespaces() async throws {
        try await Desk().use { desk in
            let text = { (port: Int) in
                "clusters: [{ name: web, shared_with: [\"*\"], endpoints: [\"127.0.0.1:\(port)\"] }]"
            }
            try await desk.apply(text(1), namespace: "infra")
            for number in 0..<110 {
                try await desk.apply("clusters: [{ name: c, endpoints: [\"127.0.0.1:1\"] }]", namespace: "n\(number)")
            }
            try await desk.apply(text(2), namespace: "infra")
            // And of its own history each has no other's.
            #expect(try await desk.control.log(namespace: "n7", limit: 10).count == 1)
        }
    }

    @Test(
        "A change made since what its sender has seen is one even if it was a deletion, wherever files say they belong")
    func expected() async throws {
        try await Desk().use { desk in
            let seen = try await desk.apply(
                "clusters: [{ name: a, endpoints: [] }, { name: b, endpoints: [] }]", namespace: "n")
            _ = try await desk.control.delete(
                [try DocumentKey("n", "clusters", "a")], within: nil, by: "t", message: "")
            var late = Desk.submission("namespace: n\nclusters: [{ name: a, endpoints: [] }]")
            late.expected = seen.revision
            await #expect(throws: OperationError.self) { try await desk.control.apply(late, by: "t") }
            late.expected = seen.revision + 1
            _ = try await desk.control.apply(late, by: "t")
        }
    }

    @Test("What stands for others' files, or is more than can be kept, is refused where it stands")
    func reserved() async throws {
        try await Desk().use { desk in
            let file =
                "clusters: [{ name: a, tls: { ca: /martlet/default/clusters/b/ca.pem }, endpoints: [\"127.0.0.1:1\"] }]"
            #expect(await desk.errors(file).first?.contains("which is the control plane's") == true)
            #expect(
                await desk.errors(
                    "clusters: [{ name: ca, tls: { ca: ca }, endpoints: [\"127.0.0.1:1\"] }]", files: ["ca": "x"]
                ).first?.contains("also the path of a file") == true)
            let long = String(repeating: "x", count: 2000)
            let aliases = (0..<1000).map { "    x\($0): *long" }.joined(separator: "\n")
            let bomb = "clusters:\n  - name: a\n    endpoints: []\n    y: &long \(long)\n\(aliases)\n"
            #expect(await desk.errors(bomb).first?.contains("is longer than") == true)
        }
    }
}
