internal import MartletConfig

/// Changes: checked against the mesh as it is, and written only if that is still so.
extension MeshControl {
    /// Changes that another process's came before are checked again, this many times.
    private static let tries = 5

    package func apply(_ submission: Submission, by author: String) async throws(OperationError) -> Applied {
        let others = await others()
        return try await commit(author, submission.message) { mesh throws(OperationError) in
            try await self.check(submission, await self.publisher.proxies + others.identities, against: mesh)
                .adding(others.warnings)
        }
    }

    package func plan(_ submission: Submission) async throws(OperationError) -> ChangePlan {
        let others = await others()
        let proxies = await publisher.proxies + others.identities
        let checked = try await check(submission, proxies, against: try await present())
        return await plan(checked.adding(others.warnings), proxies)
    }

    package func delete(
        _ keys: [DocumentKey], within: Set<String>?, by author: String, message: String
    ) async throws(OperationError) -> Applied {
        let others = await others()
        return try await commit(author, message) { mesh throws(OperationError) in
            try self.checkDeletion(keys, within, await self.publisher.proxies + others.identities, against: mesh)
                .adding(others.warnings)
        }
    }

    package func planDeletion(_ keys: [DocumentKey], within: Set<String>?) async throws(OperationError) -> ChangePlan {
        let others = await others()
        let proxies = await publisher.proxies + others.identities
        let checked = try checkDeletion(keys, within, proxies, against: try await present())
        return await plan(checked.adding(others.warnings), proxies)
    }

    package func rollback(
        namespace: String, keys: [DocumentKey]?, to revision: Revision, within: Set<String>?, by author: String,
        message: String
    ) async throws(OperationError) -> Applied {
        let past = try await asking { () throws(StoreError) in
            try await self.store.list(DocumentPrefix(namespace: namespace), at: revision)
        }
        var documents: [DocumentKey: MeshDocument] = [:]
        for document in past.documents where MeshKind(rawValue: document.key.kind) != nil {
            documents[document.key] = try read(document)
        }
        let message = message.isEmpty ? "back to revision \(revision)" : message
        let others = await others()
        return try await commit(author, message) { mesh throws(OperationError) in
            let present = MeshKind.allCases.flatMap { mesh.documents(in: namespace, $0).map(\.key) }
            var changes: [DocumentKey: MeshDocument?] = [:]
            for key in keys ?? Array(Set(present + documents.keys)) {
                guard keys == nil || documents[key] != nil || mesh.documents[key] != nil else {
                    throw .notFound("\(key)")
                }
                changes.updateValue(documents[key], forKey: key)
            }
            return try self.check(
                changes, within: within, await self.publisher.proxies + others.identities, against: mesh
            ).adding(others.warnings)
        }
    }

    func present() async throws(OperationError) -> Mesh {
        guard await isReady else { throw .unavailable("the store has not been read yet") }
        let revision = try await asking { () throws(StoreError) in try await self.store.revision() }
        guard await follower.reached(revision) else {
            throw .unavailable("the store has revision \(revision), and what it holds cannot be read")
        }
        return await follower.mesh
    }

    // MARK: Writing

    func commit(
        _ author: String, _ message: String, _ check: (Mesh) async throws(OperationError) -> CheckedChange
    ) async throws(OperationError) -> Applied {
        // Those of one process need not come before each other.
        await turns.enter()
        defer { turns.leave() }
        var conflict = ""
        for _ in 0..<Self.tries {
            let checked = try await check(try await present())
            guard !checked.store.isEmpty else {
                return Applied(
                    revision: checked.before.revision, changes: checked.changes, warnings: checked.warnings)
            }
            do {
                let guards = try await guards(for: checked)
                let transaction = StoreTransaction(checked.store + guards, author: author, message: message)
                let revision = try await store.commit(transaction)
                // What is written is written, also if proxies cannot be told yet.
                _ = await follower.reached(revision)
                return Applied(revision: revision, changes: checked.changes, warnings: checked.warnings)
            } catch .conflict(let key, let actual) {
                conflict = StoreError.conflict(key, actual: actual).description
            } catch {
                throw Self.operation(error)
            }
        }
        throw .conflict(conflict)
    }

    /// Nothing that a check has seen may change before it is written: each namespace has a document that every change of it
    /// writes, and all that share something with others, or may use what is shared, have one together.
    private func guards(for checked: CheckedChange) async throws(StoreError) -> [StoreTransaction.Change] {
        var keys: [DocumentKey] = []
        for namespace in Set(checked.store.map(\.key.namespace)).sorted() {
            keys.append(try Self.generation(namespace))
        }
        if checked.sharesAnything { keys.append(try Self.sharedGeneration()) }
        var guards: [StoreTransaction.Change] = []
        for key in keys {
            let written = try await store.document(key)
            // A change since the check shows by its revision.
            if let written, written.revision > checked.before.revision {
                throw .conflict(key, actual: written.revision)
            }
            guards.append(
                .put(
                    key, Array("\(checked.before.revision)".utf8),
                    if: written.map { .revision($0.revision) } ?? .absent))
        }
        return guards
    }

    static func generation(_ namespace: String) throws(StoreError) -> DocumentKey {
        try DocumentKey(namespace, "generation", "generation")
    }

    private static func sharedGeneration() throws(StoreError) -> DocumentKey {
        try DocumentKey("*", "generation", "shared")
    }
}
