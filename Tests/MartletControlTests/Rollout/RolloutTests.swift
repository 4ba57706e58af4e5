import Foundation
import MartletControl
import MartletXDS
import Testing

private let shop = """
    listeners:
      - name: public
        address: 127.0.0.1:18080
        filters: [{ lua: { policy: team } }, router]
        routes:
          - { match: { path: { prefix: /a } }, cluster: api, filters: { lua: { team: { config: { team: b } } } } }
          - { match: {}, cluster: api }
      - { name: other, proxies: { zones: [far] }, address: 127.0.0.1:18081, filters: [router], routes: [{ match: {}, cluster: api }] }
    clusters: [{ name: api, endpoints: ["127.0.0.1:9001"] }]
    policies: [{ name: team, inline: "function on_request(h) h:headers():add('x-team', 'old') end" }]
    """

private let change =
    "policies: [{ name: team, inline: \"function on_request(h) h:headers():add('x-team', 'new') end\" }]"

extension Desk {
    fileprivate func start(
        _ text: String = change, _ stages: [RolloutStage] = [RolloutStage(.canary, .count(1))],
        within: Set<String>? = nil
    ) async throws -> Applied {
        var submission = Self.submission(text)
        submission.within = within
        return try await control.startRollout(submission, RolloutPlan(stages: stages), by: "tester")
    }

    /// Why a rollout does not start.
    fileprivate func refusal(
        _ text: String = change, _ stages: [RolloutStage] = [RolloutStage(.canary, .count(1))]
    ) async -> String {
        do {
            _ = try await start(text, stages)
            return ""
        } catch {
            return "\(error)"
        }
    }

    fileprivate func join(_ proxies: [ProxyIdentity]) async {
        for proxy in proxies { _ = await control.publisher.join(proxy) }
    }

    /// Those that would be told something else than proxies that no rollout has come to.
    fileprivate func ahead(_ proxies: [ProxyIdentity]) async -> [String] {
        let mesh = await control.mesh
        let plain = Mesh(revision: mesh.revision, documents: mesh.documents)
        var ahead: [String] = []
        for proxy in proxies {
            let told = await control.publisher.snapshot(for: proxy, under: mesh)
            let others = await control.publisher.snapshot(for: proxy, under: plain)
            let differs = ResourceType.allCases.contains { !told.table($0).changes(since: others.table($0)).isEmpty }
            if differs { ahead.append(proxy.id) }
        }
        return ahead
    }
}

@Suite("Rollouts")
struct RolloutTests {
    private static let proxies = ["a", "b", "c", "d"].map { ProxyIdentity(id: $0) }

    @Test("A change is first its share's alone, and then everybody's")
    func promoted() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies + [ProxyIdentity(id: "envoy", audience: .other)])
            let stages = [RolloutStage(.canary, .count(1)), RolloutStage(.canary, .percent(50))]
            let started = try await desk.start(change, stages)
            #expect(started.changes.map(\.action) == [.update])
            let view = try await desk.control.rollout("default")
            #expect(view.rollout.isRunning && view.rollout.members.count == 1 && view.rollout.author == "tester")
            let first = await desk.ahead(Self.proxies)
            #expect(first == view.rollout.members)
            // What is kept is as it was.
            let key = try DocumentKey("default", "policies", "team")
            #expect(try await desk.control.document(key, at: nil).text.contains("old"))

            _ = try await desk.control.promoteRollout("default", from: nil, toAll: false, within: nil, by: "tester")
            let second = await desk.ahead(Self.proxies)
            #expect(second.count == 2 && second.contains(first[0]))
            let promoted = try await desk.control.promoteRollout(
                "default", from: nil, toAll: false, within: nil, by: "tester")
            #expect(promoted.changes.map(\.action) == [.update])
            #expect(try await desk.control.document(key, at: nil).text.contains("new"))
            #expect(await desk.ahead(Self.proxies) == [])
            let over = try await desk.control.rollout("default").rollout
            #expect(over.state == .promoted && over.changes.allSatisfy { $0.body == nil } && over.endedAt != nil)
            // The next one can begin.
            #expect(try await desk.start(shop).changes.contains { $0.action == .update })
        }
    }

    @Test("Aborted, everything is as it was")
    func aborted() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies)
            _ = try await desk.start()
            #expect(await desk.ahead(Self.proxies).count == 1)
            _ = try await desk.control.abortRollout("default", by: "tester", message: "not today")
            #expect(await desk.ahead(Self.proxies) == [])
            let over = try await desk.control.rollout("default").rollout
            #expect(over.state == .aborted && over.reason == "not today")
            await #expect(throws: OperationError.self) {
                try await desk.control.abortRollout("default", by: "tester", message: "")
            }
            await #expect(throws: OperationError.self) {
                try await desk.control.promoteRollout("default", from: nil, toAll: true, within: nil, by: "tester")
            }
        }
    }

    @Test("While it runs its documents change by it alone; others may, if they go with either version")
    func meanwhile() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies)
            let more = """
                clusters: [{ name: next, endpoints: ["127.0.0.1:9002"] }]
                listeners:
                  - { name: public, address: 127.0.0.1:18080, filters: [{ lua: { policy: team } }, router], routes: [{ match: {}, cluster: next }] }
                """
            try await desk.apply("clusters: [{ name: spare, endpoints: [\"127.0.0.1:9003\"] }]")
            _ = try await desk.start(more)
            #expect(await desk.refusal().contains("a rollout is under way in namespace default"))
            await #expect(throws: OperationError.self) { try await desk.apply(more) }
            let deleted = try DocumentKey("default", "listeners", "public")
            await #expect(throws: OperationError.self) {
                try await desk.control.delete([deleted], within: nil, by: "tester", message: "")
            }
            // A proxy that is ahead has it in its chain, and nobody else.
            let team = try DocumentKey("default", "policies", "team")
            await #expect(throws: OperationError.self) {
                try await desk.control.delete([team], within: nil, by: "tester", message: "")
            }
            try await desk.apply("clusters: [{ name: api, endpoints: [\"127.0.0.1:9009\"] }]")
            #expect(await desk.ahead(Self.proxies).count == 1)
            _ = try await desk.control.promoteRollout("default", from: nil, toAll: true, within: nil, by: "tester")
            let listener = try await desk.control.document(deleted, at: nil)
            #expect(listener.text.contains("cluster: next"))
        }
    }

    @Test("A shadow runs beside the policy in force, in its chain and on its routes")
    func shadow() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies)
            let stages = [RolloutStage(.shadow, .count(1)), RolloutStage(.canary, .count(1))]
            _ = try await desk.start(change, stages)
            let ahead = await desk.ahead(Self.proxies)
            #expect(ahead.count == 1)
            let proxy = try #require(Self.proxies.first { $0.id == ahead.first })
            let policies = try await desk.told(proxy, .extension)
            #expect(policies.filter { $0.contains("team") }.count == 2, "\(policies)")
            let names = policies.filter { $0.contains("@next") }
            #expect(names.count == 1)
            _ = try await desk.control.promoteRollout("default", from: nil, toAll: false, within: nil, by: "tester")
            #expect(try await desk.told(proxy, .extension).filter { $0.contains("@next") } == [])
        }
    }

    @Test("What becomes of a listener during a shadow stage reaches the shadow's proxies, too")
    func listenerMeanwhile() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies)
            _ = try await desk.start(change, [RolloutStage(.shadow, .percent(100)), RolloutStage(.canary, .count(1))])
            func version() async throws -> String {
                let table = await desk.control.publisher.snapshot(for: Self.proxies[0], under: desk.control.mesh)
                return table.table(.routes).resources.map(\.version).joined()
                    + table.table(.listener).resources.map(\.version).joined()
            }
            let before = try await version()
            try await desk.apply(
                shop.replacing("prefix: /a ", with: "prefix: /b ").components(separatedBy: "policies:")[0])
            #expect(try await version() != before)
        }
    }

    @Test("A shadow stage is for policies; what else would be in force at once is refused")
    func noShadow() async throws {
        let shadow = [RolloutStage(.shadow, .count(1)), RolloutStage(.canary, .count(1))]
        try await Desk().use { desk in
            try await desk.apply(shop)
            await desk.join(Self.proxies)
            let cluster = "clusters: [{ name: api, endpoints: [\"127.0.0.1:9009\"] }]"
            #expect(await desk.refusal(cluster, shadow).contains("changes, and would be in force at once"))
            let route = shop.replacing("prefix: /a ", with: "prefix: /b ")
            #expect(await desk.refusal(route, shadow).contains("changes by more than new policies in its chain"))
            // A policy that is there would be in force where it was not.
            let present = shop.replacing(
                "address: 127.0.0.1:18081, filters: [router]",
                with: "address: 127.0.0.1:18081, filters: [{ lua: { policy: team } }, router]")
            #expect(await desk.refusal(present, shadow).contains("changes by more than new policies in its chain"))
            let less = shop.replacing("[{ lua: { policy: team } }, router]", with: "[router]").replacing(
                ", filters: { lua: { team: { config: { team: b } } } }", with: "")
            #expect(await desk.refusal(less, shadow).contains("changes by more than new policies in its chain"))
            #expect(await desk.refusal(change, shadow.reversed()).contains("shadow stages come before the others"))
            // That a chain gets a new policy is what a shadow is for.
            let added =
                shop.replacing(
                    "[{ lua: { policy: team } }, router]",
                    with: "[{ lua: { policy: team } }, { lua: { policy: more } }, router]")
                + ", { name: more, inline: \"function on_request(h) h:respond({[':status'] = '403'}, '') end\" }]\n"
            let text = added.replacing("end\" }], {", with: "end\" }, {")
            #expect(await desk.refusal(text, shadow) == "")
        }
    }

    @Test("What cannot begin says why")
    func refused() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            #expect(await desk.refusal().contains("there is nobody to try it on"))
            await desk.join([ProxyIdentity(id: "envoy", audience: .other)])
            #expect(await desk.refusal().contains("there is nobody to try it on"))
            await desk.join(Self.proxies)
            #expect(await desk.refusal(change, []).contains("1 to 20 stages"))
            #expect(
                await desk.refusal(change, [RolloutStage(.canary, .count(1), seconds: 0)]).contains("a stage lasts"))
            var far = ProxySelector()
            far.zones = ["nowhere"]
            #expect(await desk.refusal(change, [RolloutStage(.canary, .selected(far))]).contains("is zone=nowhere"))
            #expect(await desk.refusal("policies: [{ name: team, inline: \"function (\" }]").contains("invalid"))
            await #expect(throws: OperationError.self) { try await desk.start(within: ["elsewhere"]) }
            await #expect(throws: OperationError.self) { try await desk.control.rollout("default") }
            #expect(await desk.control.mesh.rollouts.isEmpty)
            // Nothing that changes is nothing to try.
            #expect(try await desk.start(shop).changes.allSatisfy { $0.action == .unchanged })
        }
    }

    @Test("Proxies of other namespaces, and those that the change does not concern, are no share of it")
    func concerned() async throws {
        try await Desk().use { desk in
            try await desk.apply(
                shop.replacing("zones: [far]", with: "ids: [d]"))
            let strangers = ["x", "y"].map { ProxyIdentity(id: $0, labels: ["namespace": "away"]) }
            await desk.join(Self.proxies + strangers)
            _ = try await desk.start(
                """
                listeners:
                  - { name: other, proxies: { ids: [d] }, address: 127.0.0.1:18082, filters: [router], routes: [{ match: {}, cluster: api }] }
                """, [RolloutStage(.canary, .percent(100))])
            #expect(try await desk.control.rollout("default").rollout.members == ["d"])
            #expect(await desk.ahead(Self.proxies + strangers) == ["d"])
        }
    }

    @Test("A share by zone or label has the proxies that are so, whoever comes")
    func selected() async throws {
        try await Desk().use { desk in
            try await desk.apply(shop)
            let far = ["x", "y"].map { ProxyIdentity(id: $0, zone: "far") }
            let front = ProxyIdentity(id: "z", labels: ["tier": "front"])
            await desk.join(Self.proxies + far + [front])
            _ = try await desk.start(change, [RolloutStage(.canary, try RolloutShare("zone=far"))])
            let late = ProxyIdentity(id: "late", zone: "far")
            await desk.join([late])
            let all = Self.proxies + far + [front, late]
            #expect(await desk.ahead(all) == ["x", "y", "late"])
            _ = try await desk.control.abortRollout("default", by: "tester", message: "")
            _ = try await desk.start(
                change,
                [RolloutStage(.canary, try RolloutShare("label.tier=front")), RolloutStage(.canary, .percent(50))])
            #expect(await desk.ahead(all) == ["z"])
            // Whoever had it keeps it.
            _ = try await desk.control.promoteRollout("default", from: 0, toAll: false, within: nil, by: "tester")
            let half = await desk.ahead(all)
            #expect(half.count == 4 && half.contains("z"))
            await #expect(throws: OperationError.self) {
                try await desk.control.promoteRollout("default", from: 0, toAll: false, within: nil, by: "tester")
            }
        }
    }
}
