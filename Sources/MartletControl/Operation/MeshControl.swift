internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// The control plane behind its doors: checks what is handed in, keeps it in the store, tells proxies of what the store has.
package final class MeshControl: ControlPlane {
    let store: any ConfigStore
    let checker: any MeshChecker
    package let publisher: Publisher
    package let instances: any InstanceRegistry
    let files: EndpointFiles
    let replicas: any ReplicaGroup
    package let fleet = Fleet()
    let follower: MeshFollower
    let turns = Turnstile()
    /// What is seen of rollouts that run, by namespace.
    let sights = Locked<[String: ReplicaView.Sight]>([:])
    private let log: @Sendable (String) -> Void
    let now: @Sendable () -> Int64

    /// - Parameter patience: how long an answer waits for the store's latest to be read; then it is given without, or refused.
    /// - Parameter now: milliseconds since 1970.
    /// - Parameter instances: runs with it.
    /// - Parameter files: endpoints that clusters may name.
    /// - Parameter replicas: runs with it.
    /// - Parameter log: what an operator should know.
    package init(
        store: any ConfigStore, checker: any MeshChecker, instances: any InstanceRegistry = LocalRegistry(),
        files: EndpointFiles = EndpointFiles(folder: nil, log: { _ in }), replicas: any ReplicaGroup = SoleReplica(),
        patience: Duration = .seconds(5),
        now: @escaping @Sendable () -> Int64,
        log: @escaping @Sendable (String) -> Void
    ) {
        (self.store, self.checker, self.now, self.log) = (store, checker, now, log)
        (self.instances, self.files, self.replicas) = (instances, files, replicas)
        publisher = Publisher(files: files, now: now)
        follower = MeshFollower(store: store, publisher: publisher, patience: patience, log: log)
    }

    /// Follows the store and the registry, and watches rollouts, until the task is cancelled or the store closed.
    package func run() async {
        let (registry, publisher) = (instances, publisher)
        let known = Bell()
        await withDiscardingTaskGroup { group in
            group.addTask {
                await registry.run { changes in
                    await publisher.update(changes)
                    known.ring()
                }
            }
            if files.hasFolder {
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: EndpointFiles.interval)
                        await publisher.lookAtFiles()
                    }
                }
            }
            group.addTask { await self.replicas.run() }
            group.addTask { await RolloutRunner(self, log: self.log).run() }
            // A proxy that is told of a cluster before its instances are known would be told that there are none.
            for await _ in known.heard { break }
            if !Task.isCancelled { await follower.run() }
            group.cancelAll()
        }
    }

    func note(_ sight: RolloutSight, of rollout: Rollout) {
        sights.withLock { $0[rollout.namespace] = ReplicaView.Sight(sight, revision: rollout.revision) }
    }

    package func rollout(_ namespace: String) async throws(OperationError) -> RolloutView {
        guard let rollout = try await known().rollouts[namespace] else {
            throw .notFound("there was no rollout in namespace \(namespace)")
        }
        return RolloutView(rollout: rollout, sight: rollout.isRunning ? await sight(of: rollout) : nil)
    }

    /// It is watched by one replica.
    private func sight(of rollout: Rollout) async -> RolloutSight? {
        func fits(_ seen: ReplicaView.Sight?) -> RolloutSight? {
            seen?.revision == rollout.revision ? seen?.sight : nil
        }
        let seen = replicas.isLeader ? sights.withLock { $0[rollout.namespace] } : nil
        if let own = fits(seen) { return own }
        return await replicas.others().lazy.compactMap { fits($0.view?.sights[rollout.namespace]) }.first
    }

    package var mesh: Mesh { get async { await follower.mesh } }

    /// Proxies can be told what the store has.
    package var isReady: Bool { get async { await follower.isReady && replicas.isKnown } }

    package func revision() async -> Revision { await publisher.revision }

    package func ownProxies() async -> [ProxyStatus] {
        let (time, revision) = (now(), await publisher.revision)
        let replica = replicas.isShared ? replicas.own.name : nil
        return fleet.proxies.map { status in
            var status = status
            status.replica = replica
            // It has not been told yet.
            if status.state == .synced, status.sentRevision < revision { status.state = .pending }
            if let since = status.lag { status.lag = max(0, time - since) }
            return status
        }
    }

    // MARK: Reading

    package func documents(namespace: String?, kind: MeshKind?) async throws(OperationError) -> [DocumentView] {
        try await known().documents.values
            .filter { (namespace == nil || $0.key.namespace == namespace) && (kind == nil || $0.kind == kind) }
            .sorted { $0.key < $1.key }.map(\.view)
    }

    package func document(_ key: DocumentKey, at revision: Revision?) async throws(OperationError) -> DocumentView {
        let found = try await asking { () throws(StoreError) in try await self.store.document(key, at: revision) }
        guard let found else { throw .notFound(revision.map { "\(key) was not there at revision \($0)" } ?? "\(key)") }
        return try read(found).view
    }

    package func history(_ key: DocumentKey, limit: Int) async throws(OperationError) -> [DocumentVersion] {
        let versions = try await asking { () throws(StoreError) in try await self.store.history(key, limit: limit) }
        guard !versions.isEmpty else { throw .notFound("\(key)") }
        // Files that documents take along may be keys, and are nobody's to read.
        return versions.map { version in
            let text = version.body.flatMap { body in
                try? read(Document(key: key, body: body, revision: version.revision, created: 0)).text
            }
            return DocumentVersion(
                revision: version.revision, body: text.map { Array($0.utf8) }, attribution: version.attribution)
        }
    }

    package func log(namespace: String?, limit: Int) async throws(OperationError) -> [StoreEvent] {
        let latest = try await known().revision
        let prefix = namespace.map { DocumentPrefix(namespace: $0) } ?? .all
        // Others' transactions may stand between.
        var after = max(0, latest - Self.logLimit)
        var events: [StoreEvent] = []
        while after < latest {
            let from = after
            do {
                let found = try await store.events(prefix, after: from, limit: 64)
                events += found.events
                guard found.through > after else { break }
                after = found.through
            } catch .compacted(let oldest) where oldest - 1 > after {
                after = oldest - 1
            } catch {
                throw Self.operation(error)
            }
        }
        return events.reversed().prefix(max(0, limit)).map { event in
            StoreEvent(
                revision: event.revision, attribution: event.attribution,
                changes: event.changes.filter { MeshKind(rawValue: $0.key.kind) != nil })
        }
    }

    /// Transactions that are looked at.
    private static let logLimit: Revision = 1000

    /// Before the store has been read, that there is nothing is not known.
    private func known() async throws(OperationError) -> Mesh {
        guard await isReady else { throw .unavailable("the store has not been read yet") }
        return await follower.mesh
    }

    func read(_ document: Document) throws(OperationError) -> MeshDocument {
        let diagnostics = ConfigDiagnostics()
        guard let read = MeshDocument(document, diagnostics: diagnostics), !diagnostics.hasErrors else {
            throw .unavailable("\(document.key) is damaged: \(diagnostics.errors.first.map { "\($0)" } ?? "")")
        }
        return read
    }

    // MARK: The store

    func asking<Value: Sendable>(
        _ body: () async throws(StoreError) -> Value
    ) async throws(OperationError) -> Value {
        do { return try await body() } catch { throw Self.operation(error) }
    }

    static func operation(_ error: StoreError) -> OperationError {
        switch error {
        case .conflict: .conflict(error.description)
        case .compacted, .future: .notFound(error.description)
        case .invalidKey, .invalidTransaction: .badRequest(error.description)
        case .inUse, .closed, .unavailable: .unavailable(error.description)
        }
    }
}

extension MeshDocument {
    var view: DocumentView {
        DocumentView(key: key, revision: revision, created: created, text: text)
    }
}

extension MeshControl {
    /// A proxy's stream has ended.
    package func leave(_ stream: UInt64) {
        fleet.remove(stream)
        Task { await publisher.leave(stream) }
    }
}
