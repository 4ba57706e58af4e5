internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// Keeps the endpoints of DNS clusters fresh: one look-up a cluster at a time, each on a thread of its own that ends
/// with it, so that a slow name server holds up nobody.
final class EndpointResolver {
    private unowned let supervisor: Supervisor
    private var clusters: [ClusterRuntime] = []
    private var underWay: Set<ObjectIdentifier> = []
    private var answeredOnce: Set<ObjectIdentifier> = []
    private var failing: Set<ObjectIdentifier> = []
    private var whenAllAnswered: (() -> Void)?

    /// How long a start waits for the first answers before it goes on without them.
    private static let startTimeout = Nanoseconds.seconds(5)

    init(_ supervisor: Supervisor) { self.supervisor = supervisor }

    /// The clusters of the snapshot in force; others are no longer looked up.
    func use(_ snapshot: Snapshot) {
        let next = snapshot.clusters.filter { if case .dns = $0.config.source { true } else { false } }
        let present = Set(clusters.map { ObjectIdentifier($0) })
        let fresh = next.filter { !present.contains(ObjectIdentifier($0)) }
        clusters = next
        for runtime in fresh { lookUp(runtime) }
    }

    /// Calls `body` when every cluster has been looked up once, or the wait has been long enough.
    func whenResolved(_ body: @escaping () -> Void) {
        whenAllAnswered = body
        checkAllAnswered()
        supervisor.after(Self.startTimeout) { [weak self] in self?.finishWaiting() }
    }

    private func checkAllAnswered() {
        if clusters.allSatisfy({ answeredOnce.contains(ObjectIdentifier($0)) }) { finishWaiting() }
    }

    private func finishWaiting() {
        let body = whenAllAnswered
        whenAllAnswered = nil
        body?()
    }

    private func lookUp(_ runtime: ClusterRuntime) {
        guard case .dns(let dns) = runtime.config.source, underWay.insert(ObjectIdentifier(runtime)).inserted else {
            return
        }
        let mailbox = supervisor.mailbox
        do throws(SystemError) {
            try LoopThread.start("resolve") {
                let result = NameResolver.addresses(of: dns.host, port: dns.port)
                // Here, as it may build a large table.
                var changed = false
                if case .success(let addresses) = result { changed = runtime.update(resolved: addresses) }
                mailbox.post(.resolved(runtime, result, changed: changed))
            }
        } catch {
            underWay.remove(ObjectIdentifier(runtime))
            supervisor.after(Nanoseconds(dns.refresh)) { [weak self] in self?.lookUp(runtime) }
        }
    }

    /// - Parameter changed: the answer is not what the cluster's endpoints were.
    func answered(
        _ runtime: ClusterRuntime, _ result: Result<[SocketAddress], ResolveError>, changed: Bool
    ) {
        let key = ObjectIdentifier(runtime)
        underWay.remove(key)
        answeredOnce.insert(key)
        guard clusters.contains(where: { $0 === runtime }), case .dns(let dns) = runtime.config.source else { return }
        switch result {
        case .success:
            if failing.remove(key) != nil {
                supervisor.options.log(.info, "cluster \(runtime.name): \(dns.host) resolves again")
            }
            if changed {
                supervisor.endpointsChanged(runtime)
                supervisor.monitor?.endpointsChanged(runtime)
            }
        case .failure(let error):
            // The last known addresses stay in use: an outage of DNS is not one of the service.
            if failing.insert(key).inserted {
                supervisor.options.log(.warning, "cluster \(runtime.name): \(error)")
            }
        }
        supervisor.after(Nanoseconds(dns.refresh)) { [weak self] in self?.lookUp(runtime) }
        if whenAllAnswered != nil { checkAllAnswered() }
    }
}

extension Supervisor {
    /// A cluster's endpoints, or what is known of them, are not what the workers go by.
    func endpointsChanged(_ runtime: ClusterRuntime) {
        for worker in workers { worker.post(.endpointsChanged(runtime)) }
    }
}
