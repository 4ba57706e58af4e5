internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// What all replicas know together.
extension MeshControl {
    /// What a change is compared with where there are no others is what proxies did so long before it.
    private static let past = Duration.seconds(60)

    /// What the others cannot know by themselves.
    package func view() async -> ReplicaView {
        var view = ReplicaView()
        view.replica = replicas.own.id
        let since = ContinuousClock.now - Self.past
        view.proxies = await ownProxies().map { status in
            ReplicaView.Proxy(status, past: fleet.traffic(of: status.proxy.name, since: since))
        }
        if replicas.isLeader { view.sights = sights.withLock { $0 } }
        return view
    }

    func others() async -> OtherReplicas {
        let answers = await replicas.others()
        return OtherReplicas(
            proxies: answers.flatMap { $0.view?.proxies ?? [] },
            silent: answers.filter { $0.view == nil }.map(\.replica))
    }

    package func connected() async -> ConnectedProxies {
        async let own = ownProxies()
        let (answers, revision) = (await replicas.others(), await publisher.revision)
        let theirs = answers.filter(\.isNew).flatMap { $0.view?.proxies ?? [] }.map { proxy in
            var status = proxy.status
            // Its replica has not read yet what this one has.
            if status.state == .synced, status.sentRevision < revision { status.state = .pending }
            return status
        }
        let mine = await own
        var connected = ConnectedProxies(
            proxies: (mine + theirs).sorted { ($0.namespace, $0.id) < ($1.namespace, $1.id) })
        guard replicas.isShared else { return connected }
        let leader = replicas.leader
        func status(_ replica: Replica, _ count: Int?) -> ReplicaStatus {
            ReplicaStatus(
                id: replica.id, url: replica.url, isLeader: replica.id == leader, answers: count != nil, proxies: count)
        }
        connected.replicas =
            [status(replicas.own, mine.count)]
            + answers.map { status($0.replica, $0.isNew ? $0.view?.proxies.count : nil) }
        return connected
    }

    /// How long ago the present stage began, by the clocks of two replicas perhaps.
    func age(of rollout: Rollout) -> Duration { .milliseconds(max(0, now() - (rollout.stageStartedAt ?? now()))) }
}

/// What other replicas know.
struct OtherReplicas: Sendable {
    var proxies: [ReplicaView.Proxy]
    /// Those whose proxies nobody knows.
    var silent: [Replica]

    var identities: [ProxyIdentity] { proxies.map(\.status.proxy) }

    /// That a change was not checked for all proxies.
    var warnings: [ConfigError] {
        silent.map { _ in
            ConfigError(
                severity: .warning, mark: ConfigMark(file: "the control plane", line: 1, column: 1), path: "",
                message: "a replica does not answer: whether its proxies can do with the change is not known",
                hint: "martlet status names it")
        }
    }
}

/// Every proxy, and the replicas that they are connected to.
package struct ConnectedProxies: Sendable {
    /// By namespace and id.
    package var proxies: [ProxyStatus]
    /// The one that was asked first. Empty: there is one only.
    package var replicas: [ReplicaStatus] = []
}
