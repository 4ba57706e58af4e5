internal import MartletConfig
internal import MartletXDS

/// A change that has been checked.
struct CheckedChange {
    /// The mesh that it was checked against, and the one that it would make.
    let before: Mesh
    let after: Mesh
    let changes: [DocumentChange]
    let store: [StoreTransaction.Change]
    /// Those whose proxies it may concern.
    let namespaces: Set<String>
    private(set) var warnings: [ConfigError]

    func adding(_ warnings: [ConfigError]) -> CheckedChange {
        var change = self
        change.warnings += warnings
        return change
    }

    /// What it was checked with is partly another namespace's, or is used by one.
    var sharesAnything: Bool {
        let written = Set(store.map(\.key.namespace))
        return [before, after].contains { mesh in written.contains { mesh.sharesAnything($0) } }
    }
}

/// What would come of a change, and whether it may be made.
extension MeshControl {
    func check(
        _ submission: Submission, _ proxies: [ProxyIdentity], against mesh: Mesh
    ) async throws(OperationError) -> CheckedChange {
        let diagnostics = ConfigDiagnostics()
        let drafts = MeshDraft.read(submission, diagnostics: diagnostics)
        // Before anything is said of what is there.
        for draft in drafts { try permit(draft.document, submission.within, mesh) }
        for draft in drafts where !files.hasFolder {
            guard case .file = draft.document.source else { continue }
            diagnostics.error(
                at: draft.node.place, "names a file of endpoints, and this control plane has no folder with any",
                hint: "endpoints_folder in its configuration")
        }
        guard !diagnostics.hasErrors else { throw .invalid(diagnostics.errors) }
        guard !drafts.isEmpty else {
            throw .badRequest("there is nothing in it: no listeners, clusters, policies or services")
        }
        if let expected = submission.expected {
            for namespace in Set(drafts.map(\.document.key.namespace)).sorted() {
                let written = try await asking { () throws(StoreError) in
                    try await self.store.document(try Self.generation(namespace))?.revision
                }
                guard let written, written > expected else { continue }
                throw .conflict("namespace \(namespace) has changed since revision \(expected): it is at \(written)")
            }
        }
        var changes: [DocumentKey: MeshDocument?] = [:]
        for draft in drafts { changes.updateValue(draft.document, forKey: draft.document.key) }
        return try check(
            changes, drafts: Dictionary(uniqueKeysWithValues: drafts.map { ($0.document.key, $0) }),
            attachments: submission.attachments, within: submission.within, proxies, against: mesh)
    }

    func checkDeletion(
        _ keys: [DocumentKey], _ within: Set<String>?, _ proxies: [ProxyIdentity], against mesh: Mesh
    ) throws(OperationError) -> CheckedChange {
        var changes: [DocumentKey: MeshDocument?] = [:]
        for key in keys {
            guard mesh.documents[key] != nil else { throw .notFound("\(key)") }
            changes.updateValue(nil, forKey: key)
        }
        guard !changes.isEmpty else { throw .badRequest("there is nothing to delete") }
        return try check(changes, within: within, proxies, against: mesh)
    }

    func check(
        _ changes: [DocumentKey: MeshDocument?], drafts: [DocumentKey: MeshDraft] = [:],
        attachments: [String: [UInt8]] = [:], within: Set<String>?, _ proxies: [ProxyIdentity], against mesh: Mesh
    ) throws(OperationError) -> CheckedChange {
        for document in changes.values.compactMap(\.self) { try permit(document, within, mesh) }
        try checkRollouts(changes, mesh)
        let after = mesh.changing(changes, revision: mesh.revision)
        var namespaces: Set<String> = []
        for namespace in Set(changes.keys.map(\.namespace)) {
            namespaces.formUnion(mesh.audience(of: namespace).union(after.audience(of: namespace)))
        }
        let diagnostics = ConfigDiagnostics()
        MeshCheck(mesh: after, checker: checker, drafts: drafts, attachments: attachments)
            .run(namespaces: namespaces, proxies: proxies, into: diagnostics)
        for namespace in namespaces.sorted() {
            // It must also go with what some of the proxies have already.
            guard let variant = after.variants[namespace] else { continue }
            MeshCheck(mesh: variant.mesh, checker: checker, drafts: drafts, attachments: attachments)
                .run(namespaces: [namespace], proxies: proxies.filter { variant.covers($0) }, into: diagnostics)
        }
        if !diagnostics.hasErrors {
            let renderer = DocumentRenderer()
            for document in changes.values.compactMap(\.self) {
                document.checkKept(diagnostics)
                renderer.check(document, diagnostics: diagnostics)
            }
        }
        guard !diagnostics.hasErrors else { throw .invalid(told(diagnostics.errors, within, after)) }
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
        return CheckedChange(
            before: mesh, after: after, changes: told, store: written, namespaces: namespaces,
            warnings: self.told(diagnostics.warnings, within, after))
    }

    /// What some proxies have another version of already is not changed below them.
    private func checkRollouts(_ changes: [DocumentKey: MeshDocument?], _ mesh: Mesh) throws(OperationError) {
        for (key, document) in changes.sorted(by: { $0.key < $1.key }) {
            if document?.body == mesh.documents[key]?.body { continue }
            guard let rollout = mesh.variants[key.namespace]?.rollout,
                rollout.changes.contains(where: { $0.kind == key.kind && $0.name == key.name })
            else { continue }
            throw .conflict(
                "\(key) is part of a rollout that is under way: promote or abort it first (martlet rollout status)")
        }
    }

    // MARK: Whose it is

    /// Whoever may change some namespaces only neither writes to others nor shares with them what was not shared before.
    private func permit(_ document: MeshDocument, _ within: Set<String>?, _ mesh: Mesh) throws(OperationError) {
        guard let within else { return }
        let key = document.key
        let what = "\(document.kind.singular) \"\(key.name)\""
        guard within.contains(key.namespace) else {
            throw .forbidden("namespace \"\(key.namespace)\", which \(what) is of")
        }
        let before = mesh.documents[key]?.sharedWith ?? []
        let others = document.sharedWith.subtracting(before).subtracting(within).sorted()
        guard others.isEmpty else {
            throw .forbidden("namespace \"\(others.joined(separator: ", "))\", which \(what) would be shared with")
        }
    }

    /// Of documents of other namespaces only that they are concerned.
    private func told(_ errors: [ConfigError], _ within: Set<String>?, _ mesh: Mesh) -> [ConfigError] {
        guard let within else { return errors }
        var told: [ConfigError] = []
        for error in errors {
            let parts = error.mark.file.split(separator: "/").map(String.init)
            guard parts.count == 3, let key = try? DocumentKey(parts[0], parts[1], parts[2]),
                !within.contains(key.namespace), mesh.documents[key] != nil
            else {
                told.append(error)
                continue
            }
            let other = ConfigError(
                severity: error.severity, mark: ConfigMark(file: key.namespace, line: 1, column: 1), path: "",
                message: "something of this namespace could not work with the change")
            if error.severity == .error, !told.contains(other) { told.append(other) }
        }
        return told
    }

    // MARK: What it would do

    /// - Parameter everyone: all that are connected.
    func plan(_ checked: CheckedChange, _ everyone: [ProxyIdentity]) async -> ChangePlan {
        var proxies: [ChangePlan.Proxy] = []
        // One that has just gone from one replica to another may be known to both.
        let concerned = Set(everyone).filter { checked.namespaces.contains($0.namespace) }
        for proxy in concerned.sorted(by: { ($0.namespace, $0.id) < ($1.namespace, $1.id) }) {
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
            after.seen(by: proxy).selection(for: proxy).listeners.map { ($0.name, $0.config["address"]?.text) }
        ) { first, _ in first }
        return before.seen(by: proxy).selection(for: proxy).listeners.compactMap { listener in
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
