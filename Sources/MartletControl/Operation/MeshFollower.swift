internal import MartletConfig
internal import MartletCore

/// Keeps the mesh at what the store has, and has the publisher tell of each change.
actor MeshFollower {
    private let store: any ConfigStore
    private let publisher: Publisher
    private let log: @Sendable (String) -> Void
    private(set) var mesh = Mesh()
    private(set) var isReady = false
    private var isOver = false
    private struct Waiter {
        let revision: Revision
        let continuation: CheckedContinuation<Bool, Never>
    }

    private var waiters: [UInt64: Waiter] = [:]
    private var lastWaiter: UInt64 = 0
    /// How long is waited for what the store is known to have.
    private let patience: Duration

    private static let pauses: [Duration] = [.milliseconds(100), .milliseconds(300), .seconds(1), .seconds(3)]

    init(
        store: any ConfigStore, publisher: Publisher, patience: Duration, log: @escaping @Sendable (String) -> Void
    ) {
        (self.store, self.publisher, self.patience, self.log) = (store, publisher, patience, log)
    }

    /// Until the task is cancelled or the store closed. While the store is away, what was known stays.
    func run() async {
        defer { end() }
        var failures = 0
        while !Task.isCancelled {
            do {
                try await follow { failures = 0 }
                return
            } catch .closed {
                return
            } catch {
                if Task.isCancelled { return }
                log("the store: \(error)")
                let pause = Self.pauses[min(failures, Self.pauses.count - 1)]
                failures += 1
                try? await Task.sleep(for: pause)
            }
        }
    }

    private func follow(_ succeeded: () -> Void) async throws(StoreError) {
        let listing = try await store.list(.all)
        var documents: [DocumentKey: MeshDocument] = [:]
        var rollouts: [String: Rollout] = [:]
        for document in listing.documents {
            documents[document.key] = read(document)
            rollouts[document.key.namespace] = rollout(document) ?? rollouts[document.key.namespace]
        }
        await adopt(Mesh(revision: listing.revision, documents: documents, rollouts: rollouts))
        succeeded()
        for try await event in store.watch(.all, after: listing.revision) {
            var changes: [DocumentKey: MeshDocument?] = [:]
            var rollouts: [String: Rollout] = [:]
            for change in event.changes {
                if let document = change.document, let rollout = rollout(document) {
                    rollouts[change.key.namespace] = rollout
                }
                guard MeshKind(rawValue: change.key.kind) != nil else { continue }
                changes.updateValue(change.document.flatMap { read($0) }, forKey: change.key)
            }
            await adopt(mesh.changing(changes, rollouts: rollouts, revision: event.revision))
        }
    }

    /// What cannot be read was written by somebody else, and is said to be missing rather than to end all that follows.
    private func read(_ document: Document) -> MeshDocument? {
        guard MeshKind(rawValue: document.key.kind) != nil else { return nil }
        let diagnostics = ConfigDiagnostics()
        let read = MeshDocument(document, diagnostics: diagnostics)
        for error in diagnostics.errors { log("\(error)") }
        return diagnostics.hasErrors ? nil : read
    }

    private func rollout(_ document: Document) -> Rollout? {
        guard document.key.kind == Rollout.kind else { return nil }
        let rollout = Rollout(document)
        if rollout == nil { log("\(document.key) is damaged: it is passed over") }
        return rollout
    }

    private func adopt(_ mesh: Mesh) async {
        await publisher.publish(mesh)
        self.mesh = mesh
        isReady = true
        for (id, waiter) in waiters where waiter.revision <= mesh.revision { resume(id, true) }
    }

    private func end() {
        isOver = true
        for id in waiters.keys { resume(id, true) }
    }

    private func resume(_ id: UInt64, _ isReached: Bool) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: isReached)
    }

    /// Returns once proxies are being told of a revision, or nobody tells them any more. False: not in time, for the store has gone
    /// away since it told of the revision; whoever waited for it to come back might wait for days.
    func reached(_ revision: Revision) async -> Bool {
        if isOver || mesh.revision >= revision { return true }
        lastWaiter += 1
        let id = lastWaiter
        let limit = Task {
            try await Task.sleep(for: patience)
            resume(id, false)
        }
        defer { limit.cancel() }
        return await withCheckedContinuation { waiters[id] = Waiter(revision: revision, continuation: $0) }
    }
}
