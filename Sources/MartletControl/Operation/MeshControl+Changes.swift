internal import MartletConfig
internal import MartletCore
internal import MartletXDS

/// Changes: worked out, checked against the mesh as it is, and written only if that is still so.
extension MeshControl {
    /// A change that has been checked.
    private struct Checked {
        /// The mesh that it was checked against, and the one that it would make.
        let before: Mesh
        let after: Mesh
        let changes: [DocumentChange]
        let store: [StoreTransaction.Change]
        /// Of which the check holds.
        let namespaces: Set<String>
        let warnings: [ConfigError]
    }

    /// Changes that another's came before are checked again, this many times.
    private static let tries = 5

    package func apply(_ submission: Submission, by author: String) async throws(OperationError) -> Applied {
        try await commit(author, submission.message) { mesh throws(OperationError) in
            try self.check(submission, await self.publisher.proxies, against: mesh)
        }
    }

    package func plan(_ submission: Submission) async throws(OperationError) -> ChangePlan {
        let proxies = await publisher.proxies
        return await plan(try check(submission, proxies, against: try await present()))
    }

    package func delete(
        _ keys: [DocumentKey], by author: String, message: String
    ) async throws(OperationError) -> Applied {
        try await commit(author, message) { mesh throws(OperationError) in
            try self.checkDeletion(keys, await self.publisher.proxies, against: mesh)
        }
    }

    package func planDeletion(_ keys: [DocumentKey]) async throws(OperationError) -> ChangePlan {
        let proxies = await publisher.proxies
        return await plan(try checkDeletion(keys, proxies, against: try await present()))
    }

    package func rollback(
        namespace: String, keys: [DocumentKey]?, to revision: Revision, by author: String, message: String
    ) async throws(OperationError) -> Applied {
        let past = try await asking { () throws(StoreError) in
            try await self.store.list(DocumentPrefix(namespace: namespace), at: revision)
        }
        var documents: [DocumentKey: MeshDocument] = [:]
        for document in past.documents where MeshKind(rawValue: document.key.kind) != nil {
            documents[document.key] = try read(document)
        }
        let message = message.isEmpty ? "back to revision \(revision)" : message
        return try await commit(author, message) { mesh throws(OperationError) in
            let present = MeshKind.allCases.flatMap { mesh.documents(in: namespace, $0).map(\.key) }
            var changes: [DocumentKey: MeshDocument?] = [:]
            for key in keys ?? Array(Set(present + documents.keys)) {
                guard keys == nil || documents[key] != nil || mesh.documents[key] != nil else {
                    throw .notFound("\(key)")
                }
                changes.updateValue(documents[key], forKey: key)
            }
            return try self.check(changes, drafts: [:], [:], await self.publisher.proxies, against: mesh)
        }
    }

    // MARK: Checking

    private func check(
        _ submission: Submission, _ proxies: [ProxyIdentity], against mesh: Mesh
    ) throws(OperationError) -> Checked {
        if let expected = submission.expected {
            let written = mesh.documents.values.filter { $0.key.namespace == submission.namespace }.map(\.revision)
                .max()
            if let written, written > expected {
                throw .conflict("the namespace has changed since revision \(expected): it is at \(written)")
            }
        }
        let diagnostics = ConfigDiagnostics()
        let drafts = MeshDraft.read(submission, diagnostics: diagnostics)
        guard !diagnostics.hasErrors else { throw .invalid(diagnostics.errors) }
        guard !drafts.isEmpty else {
            throw .badRequest("there is nothing in it: no listeners, clusters, policies or services")
        }
        var changes: [DocumentKey: MeshDocument?] = [:]
        for draft in drafts { changes.updateValue(draft.document, forKey: draft.document.key) }
        return try check(
            changes, drafts: Dictionary(uniqueKeysWithValues: drafts.map { ($0.document.key, $0) }),
            submission.attachments, proxies, against: mesh)
    }

    private func checkDeletion(
        _ keys: [DocumentKey], _ proxies: [ProxyIdentity], against mesh: Mesh
    ) throws(OperationError) -> Checked {
        var changes: [DocumentKey: MeshDocument?] = [:]
        for key in keys {
            guard mesh.documents[key] != nil else { throw .notFound("\(key)") }
            changes.updateValue(nil, forKey: key)
        }
        guard !changes.isEmpty else { throw .badRequest("there is nothing to delete") }
        return try check(changes, drafts: [:], [:], proxies, against: mesh)
    }

    private func check(
        _ changes: [DocumentKey: MeshDocument?], drafts: [DocumentKey: MeshDraft], _ attachments: [String: [UInt8]],
        _ proxies: [ProxyIdentity], against mesh: Mesh
    ) throws(OperationError) -> Checked {
        let after = mesh.changing(changes, revision: mesh.revision)
        var namespaces: Set<String> = []
        for namespace in Set(changes.keys.map(\.namespace)) {
            namespaces.formUnion(mesh.audience(of: namespace).union(after.audience(of: namespace)))
        }
        let diagnostics = ConfigDiagnostics()
        MeshCheck(mesh: after, checker: checker, drafts: drafts, attachments: attachments)
            .run(namespaces: namespaces, proxies: proxies, into: diagnostics)
        if !diagnostics.hasErrors {
            let renderer = DocumentRenderer()
            for document in changes.values.compactMap(\.self) {
                document.checkKept(diagnostics)
                renderer.check(document, diagnostics: diagnostics)
            }
        }
        guard !diagnostics.hasErrors else { throw .invalid(diagnostics.errors) }
        var told: [DocumentChange] = []
        var written: [StoreTransaction.Change] = []
        for (key, document) in changes.sorted(by: { $0.key < $1.key }) {
            let present = mesh.documents[key]
            let body = document?.body
            let action: DocumentChange.Action =
                body == nil
                ? (present == nil ? .unchanged : .delete)
                : present == nil ? .create : present?.body == body ? .unchanged : .update
            told.append(DocumentChange(key: key, action: action, before: present?.text, after: document?.text))
            guard action != .unchanged else { continue }
            let expected = present.map { StoreTransaction.Expectation.revision($0.revision) } ?? .absent
            written.append(body.map { .put(key, $0, if: expected) } ?? .delete(key, if: expected))
        }
        return Checked(
            before: mesh, after: after, changes: told, store: written, namespaces: namespaces,
            warnings: diagnostics.warnings)
    }

    private func present() async throws(OperationError) -> Mesh {
        guard await follower.isReady else { throw .unavailable("the store has not been read yet") }
        let revision = try await asking { () throws(StoreError) in try await self.store.revision() }
        await follower.reached(revision)
        return await follower.mesh
    }

    // MARK: Writing

    private func commit(
        _ author: String, _ message: String, _ check: (Mesh) async throws(OperationError) -> Checked
    ) async throws(OperationError) -> Applied {
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
                await follower.reached(revision)
                return Applied(revision: revision, changes: checked.changes, warnings: checked.warnings)
            } catch .conflict(let key, let actual) {
                conflict = StoreError.conflict(key, actual: actual).description
            } catch {
                throw Self.operation(error)
            }
        }
        throw .conflict(conflict)
    }

    /// Nothing else of the namespaces may change between the check and the write: each has a document that every change
    /// of it writes.
    private func guards(for checked: Checked) async throws(StoreError) -> [StoreTransaction.Change] {
        var guards: [StoreTransaction.Change] = []
        for namespace in checked.namespaces.sorted() {
            let key = try DocumentKey(namespace, "generation", "generation")
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

    // MARK: What it would do

    private func plan(_ checked: Checked) async -> ChangePlan {
        var proxies: [ChangePlan.Proxy] = []
        for proxy in await publisher.proxies.sorted(by: { ($0.namespace, $0.id) < ($1.namespace, $1.id) }) {
            let before = await publisher.snapshot(for: proxy, under: checked.before)
            let after = await publisher.snapshot(for: proxy, under: checked.after)
            let resources = ChangePlan.resources(from: before, to: after)
            guard !resources.isEmpty else { continue }
            proxies.append(
                ChangePlan.Proxy(
                    id: proxy.id, namespace: proxy.namespace, resources: resources,
                    drains: drains(proxy, checked.before, checked.after)))
        }
        return ChangePlan(changes: checked.changes, proxies: proxies, warnings: checked.warnings)
    }

    private func drains(_ proxy: ProxyIdentity, _ before: Mesh, _ after: Mesh) -> [String] {
        let addresses = Dictionary(
            after.selection(for: proxy).listeners.map { ($0.name, $0.config["address"]?.text) }
        ) { first, _ in first }
        return before.selection(for: proxy).listeners.compactMap { listener in
            guard let address = addresses[listener.name], address == listener.config["address"]?.text else {
                return listener.name
            }
            return nil
        }
    }
}

extension ChangePlan {
    fileprivate static func resources(from before: Snapshot, to after: Snapshot) -> [Resource] {
        ResourceType.allCases.flatMap { type in
            let (old, new) = (before.table(type), after.table(type))
            return new.changes(since: old).sorted().map { name in
                let action: DocumentChange.Action =
                    old[name] == nil ? .create : new[name] == nil ? .delete : .update
                return Resource(
                    type: String(type.rawValue.split(separator: ".").last ?? ""), name: name, action: action)
            }
        }
    }
}
