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
    private var waiters: [(revision: Revision, continuation: CheckedContinuation<Void, Never>)] = []

    private static let pauses: [Duration] = [.milliseconds(100), .milliseconds(300), .seconds(1), .seconds(3)]

    init(store: any ConfigStore, publisher: Publisher, log: @escaping @Sendable (String) -> Void) {
        (self.store, self.publisher, self.log) = (store, publisher, log)
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
        let reached = waiters.filter { $0.revision <= mesh.revision }
        waiters.removeAll { $0.revision <= mesh.revision }
        for waiter in reached { waiter.continuation.resume() }
    }

    private func end() {
        isOver = true
        for waiter in waiters { waiter.continuation.resume() }
        waiters = []
    }

    /// Returns once proxies are being told of a revision, or nobody tells them any more.
    func reached(_ revision: Revision) async {
        if isOver || mesh.revision >= revision { return }
        await withCheckedContinuation { waiters.append((revision, $0)) }
    }
}
