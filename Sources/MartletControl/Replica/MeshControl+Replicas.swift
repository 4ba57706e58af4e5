internal import MartletCore
internal import Synchronization

/// What all replicas know together.
extension MeshControl {
    /// What the others cannot know by themselves.
    package func view() async -> ReplicaView {
        var view = ReplicaView()
        let starts = await follower.stageStarts
        view.proxies = await ownProxies().map { status in
            // What came after may be the change's.
            let past = starts[status.namespace].flatMap { start in
                fleet.traffic(of: status.proxy.name, since: start - Self.past, until: start)
            }
            return ReplicaView.Proxy(status, past: past)
        }
        if replicas.isLeader { view.sights = sights.withLock { $0 } }
        return view
    }

    /// What proxies did so long before a stage, a rollout is compared with where there are no others.
    private static let past = Duration.seconds(60)

    /// All proxies, whichever replica they are connected to, and who did not tell.
    func whole() async -> (proxies: [ReplicaView.Proxy], silent: [Replica]) {
        async let own = view()
        let answers = await replicas.others()
        return (
            await own.proxies + answers.flatMap { $0.view?.proxies ?? [] },
            answers.filter { $0.view == nil }.map(\.replica)
        )
    }

    package func connected() async -> ConnectedProxies {
        async let own = view()
        let answers = await replicas.others()
        let proxies = await own.proxies + answers.flatMap { $0.view?.proxies ?? [] }
        var connected = ConnectedProxies(
            proxies: proxies.map(\.status).sorted { ($0.namespace, $0.id) < ($1.namespace, $1.id) })
        guard replicas.isShared else { return connected }
        let leader = replicas.leader
        func status(_ replica: Replica, _ view: ReplicaView?) -> ReplicaStatus {
            ReplicaStatus(
                id: replica.id, url: replica.url, isLeader: replica.id == leader, answers: view != nil,
                proxies: view?.proxies.count)
        }
        connected.replicas =
            [status(replicas.own, await own)] + answers.map { status($0.replica, $0.view) }
        return connected
    }

    /// All that are connected to any replica that answers.
    func identities() async -> [ProxyIdentity] {
        let own = await publisher.proxies
        return own + (await replicas.others()).flatMap { $0.view?.proxies.map(\.status.proxy) ?? [] }
    }
}

/// Every proxy, and the replicas that they are connected to.
package struct ConnectedProxies: Sendable {
    /// By namespace and id.
    package var proxies: [ProxyStatus]
    /// The one that was asked first. Empty: there is one only.
    package var replicas: [ReplicaStatus] = []
}
