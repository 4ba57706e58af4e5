import Foundation
import MartletConfig
import MartletControl
import MartletCore
import MartletXDS
import Synchronization
import Testing

/// Others whose answers a test gives. This process leads.
private final class ScriptedReplicas: ReplicaGroup {
    let own = Replica(id: "own", url: "http://10.0.0.1:18001", token: "")
    let other = Replica(id: "other", url: "http://10.0.0.2:18001", token: "")
    private let view = Locked<ReplicaView?>(nil)
    private let isNew = Locked(true)

    var isShared: Bool { true }
    var isLeader: Bool { true }
    var leader: String? { own.id }
    var isKnown: Bool { true }

    func run() async {}

    func tell(_ proxies: [ReplicaView.Proxy]?, isNew: Bool = true) {
        self.isNew.withLock { $0 = isNew }
        view.withLock { known in
            known = proxies.map { proxies in
                var view = ReplicaView()
                view.proxies = proxies
                return view
            }
        }
    }

    func others() async -> [ReplicaAnswer] {
        [ReplicaAnswer(other, view.withLock { $0 }, isNew: isNew.withLock { $0 })]
    }
}

@Suite("What one replica makes of what the others know")
struct MeshOfReplicasTests {
    private func proxy(_ id: String, sent: Revision, requests: UInt64? = nil) -> ReplicaView.Proxy {
        var status = ProxyStatus(ProxyIdentity(id: id), method: "delta", address: "", connectedAt: 0)
        (status.state, status.sentRevision, status.acknowledgedRevision) = (.synced, sent, sent)
        return ReplicaView.Proxy(status, past: requests.map { .of($0) })
    }

    @Test("Proxies of others are shown; one whose replica has not read the latest is pending; old news is no news")
    func shown() async throws {
        let replicas = ScriptedReplicas()
        try await Desk(replicas: replicas).use { desk in
            let revision = try await desk.apply(TeamPolicy.shop).revision
            replicas.tell([proxy("b", sent: revision), proxy("a", sent: revision - 1)])
            var connected = await desk.control.connected()
            #expect(connected.proxies.map { "\($0.id) \($0.state)" } == ["a pending", "b synced"])
            #expect(connected.replicas.map(\.answers) == [true, true] && connected.replicas.map(\.proxies) == [0, 2])
            #expect(connected.replicas.map(\.isLeader) == [true, false])
            for (proxies, isNew) in [([proxy("b", sent: revision)], false), (nil, false)] {
                replicas.tell(proxies, isNew: isNew)
                connected = await desk.control.connected()
                #expect(connected.proxies.isEmpty && connected.replicas.map(\.answers) == [true, false])
            }
        }
    }

    @Test("A plan names each proxy once; where somebody does not answer, changes warn and rollouts do not begin")
    func changes() async throws {
        let replicas = ScriptedReplicas()
        try await Desk(replicas: replicas).use { desk in
            replicas.tell([])
            try await desk.apply(TeamPolicy.shop)
            let moved = await desk.control.publisher.join(ProxyIdentity(id: "a"))
            replicas.tell([proxy("a", sent: 1), proxy("b", sent: 1)], isNew: false)
            let plan = try await desk.control.plan(Desk.submission(TeamPolicy.change))
            #expect(plan.proxies.map(\.id) == ["a", "b"] && plan.warnings.isEmpty)
            await desk.control.publisher.leave(moved.id)

            replicas.tell(nil)
            let stages = [RolloutStage(.canary, .percent(100))]
            await #expect(throws: OperationError.self) {
                try await desk.control.startRollout(
                    Desk.submission(TeamPolicy.change), RolloutPlan(stages: stages), by: "me")
            }
            let applied = try await desk.apply(TeamPolicy.change)
            #expect(applied.warnings.map(\.description).first?.contains("a replica does not answer") == true)
        }
    }

    @Test("A rollout is for the proxies of all, and what those did before counts")
    func rollout() async throws {
        let replicas = ScriptedReplicas()
        try await Desk(replicas: replicas).use { desk in
            replicas.tell([])
            try await desk.apply(TeamPolicy.shop)
            replicas.tell([proxy("a", sent: 1, requests: 300), proxy("b", sent: 1, requests: 200), proxy("c", sent: 1)])
            let stages = [RolloutStage(.canary, .percent(100))]
            _ = try await desk.control.startRollout(
                Desk.submission(TeamPolicy.change), RolloutPlan(stages: stages), by: "me")
            let rollout = try await desk.control.rollout("default").rollout
            #expect(rollout.members == ["a", "b", "c"] && rollout.before?.requests == 500)
        }
    }
}
