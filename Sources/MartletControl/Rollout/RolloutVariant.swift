internal import MartletConfig

/// What proxies that a rollout has come to get in place of the mesh.
struct RolloutVariant: Sendable {
    let rollout: Rollout
    let mesh: Mesh
    private let members: RolloutMembers

    init(_ rollout: Rollout, of mesh: Mesh) {
        self.rollout = rollout
        members = RolloutMembers(rollout)
        let changed = rollout.documents
        let changes =
            rollout.presentStage.kind == .canary
            ? changed.mapValues { Optional($0) }
            : PolicyShadow(rollout.namespace, changed, revision: rollout.revision).documents(over: mesh)
        var documents = mesh.documents
        for (key, document) in changes { documents[key] = document }
        self.mesh = Mesh(revision: mesh.revision, documents: documents)
    }

    func covers(_ proxy: ProxyIdentity) -> Bool { members.covers(proxy) }
}

/// Proxies that the present stage of a rollout is for.
struct RolloutMembers: Sendable {
    private let rollout: Rollout
    private let chosen: Set<String>

    init(_ rollout: Rollout) { (self.rollout, chosen) = (rollout, Set(rollout.members)) }

    func covers(_ proxy: ProxyIdentity) -> Bool {
        guard rollout.isOpen(to: proxy) else { return false }
        if case .selected(let selector) = rollout.presentStage.share { return selector.covers(proxy) }
        return chosen.contains(proxy.id)
    }
}

extension Rollout {
    /// It can be one of the first. Others than Martlet tell nothing that a change could be judged by, and proxies of other
    /// namespaces, which may use what is shared, are not the namespace's to try something on.
    func isOpen(to proxy: ProxyIdentity) -> Bool { proxy.namespace == namespace && proxy.audience == .martlet }

    /// What it changes. Each has the rollout's revision, with which no other version of it was ever written.
    var documents: [DocumentKey: MeshDocument] {
        var documents: [DocumentKey: MeshDocument] = [:]
        for change in changes {
            guard let body = change.body, let key = try? DocumentKey(namespace, change.kind, change.name) else {
                continue
            }
            // It was checked, and read back, before it was kept.
            let document = Document(key: key, body: Array(body.utf8), revision: revision, created: revision)
            documents[key] = MeshDocument(document, diagnostics: ConfigDiagnostics())
        }
        return documents
    }

    /// Policies that it changes: as its proxies call them in the present stage, and as the others do.
    package var judgedPolicies: [(name: String, before: String)] {
        changes.filter { $0.kind == MeshKind.policies.rawValue }.flatMap { change in
            // A policy that is new has its own name as a shadow, too.
            presentStage.kind == .shadow
                ? [(change.name + PolicyShadow.suffix, change.name), (change.name, change.name)]
                : [(change.name, change.name)]
        }
    }
}
