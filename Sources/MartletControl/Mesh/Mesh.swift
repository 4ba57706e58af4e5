/// All documents as they were at one revision. Immutable; a change makes another one, which shares what is the same.
package struct Mesh: Sendable {
    package let revision: Revision
    package let documents: [DocumentKey: MeshDocument]
    /// Those that other namespaces may use.
    private let shared: [MeshDocument]
    /// By namespace and kind, by key.
    private let listed: [String: [MeshKind: [MeshDocument]]]
    /// The last of each namespace that had one.
    package let rollouts: [String: Rollout]
    /// Of those that run.
    private(set) var variants: [String: RolloutVariant] = [:]

    package init() { self.init(revision: 0, documents: [:]) }

    package init(revision: Revision, documents: [DocumentKey: MeshDocument], rollouts: [String: Rollout] = [:]) {
        self.revision = revision
        self.documents = documents
        self.rollouts = rollouts
        var listed: [String: [MeshKind: [MeshDocument]]] = [:]
        for (_, document) in documents.sorted(by: { $0.key < $1.key }) {
            listed[document.key.namespace, default: [:]][document.kind, default: []].append(document)
        }
        self.listed = listed
        shared = documents.values.filter { !$0.sharedWith.isEmpty }.sorted { $0.key < $1.key }
        for (namespace, rollout) in rollouts where rollout.isRunning {
            variants[namespace] = RolloutVariant(rollout, of: self)
        }
    }

    /// - Parameter changes: nil deletes.
    /// - Parameter rollouts: in place of those of their namespaces.
    package func changing(
        _ changes: [DocumentKey: MeshDocument?], rollouts changed: [String: Rollout] = [:], revision: Revision
    ) -> Mesh {
        var documents = documents
        for (key, document) in changes { documents[key] = document }
        return Mesh(
            revision: revision, documents: documents, rollouts: rollouts.merging(changed) { _, new in new })
    }

    /// As a proxy is told of it.
    package func seen(by proxy: ProxyIdentity) -> Mesh {
        guard let variant = variants[proxy.namespace], variant.covers(proxy) else { return self }
        return variant.mesh
    }

    /// Files with endpoints that clusters name.
    var endpointFiles: Set<EndpointFileName> {
        Set(
            documents.values.compactMap { document in
                if case .file(let name)? = document.source { name } else { nil }
            })
    }

    package var namespaces: Set<String> { Set(listed.keys) }

    /// Namespaces that see something of this one, and itself.
    package func audience(of namespace: String) -> Set<String> {
        var namespaces: Set<String> = [namespace]
        for document in shared where document.key.namespace == namespace {
            namespaces.formUnion(document.sharedWith.contains("*") ? self.namespaces : document.sharedWith)
        }
        return namespaces
    }

    /// It shares something with others, or sees something of theirs.
    func sharesAnything(_ namespace: String) -> Bool {
        shared.contains { $0.key.namespace == namespace || $0.shares(with: namespace) }
    }

    /// Another's of the same kind and name, which some namespace would see beside this one.
    func rival(of document: MeshDocument) -> MeshDocument? {
        guard !document.sharedWith.isEmpty else { return nil }
        return shared.first { other in
            other.kind == document.kind && other.name == document.name && other.key.namespace != document.key.namespace
                && (other.sharedWith.contains("*") || document.sharedWith.contains("*")
                    || !other.sharedWith.isDisjoint(with: document.sharedWith))
        }
    }

    package func documents(in namespace: String, _ kind: MeshKind) -> [MeshDocument] {
        listed[namespace]?[kind] ?? []
    }

    /// What a namespace sees of a kind: its own, and what others share with it. Its own come first where names are alike.
    func visible(_ kind: MeshKind, in namespace: String) -> [String: MeshDocument] {
        var visible: [String: MeshDocument] = [:]
        for document in shared.reversed()
        where document.kind == kind && document.key.namespace != namespace && document.shares(with: namespace) {
            visible[document.name] = document
        }
        for document in documents(in: namespace, kind) {
            visible[document.name] = document
        }
        return visible
    }

    /// Listeners of a proxy; of a gRPC client, services.
    package func entries(for proxy: ProxyIdentity) -> [MeshDocument] {
        documents(in: proxy.namespace, proxy.audience == .grpc ? .services : .listeners)
            .filter { $0.proxies?.covers(proxy) ?? true }
    }

    /// What a proxy gets.
    package func selection(for proxy: ProxyIdentity) -> MeshSelection {
        selection(in: proxy.namespace, listeners: entries(for: proxy))
    }

    /// These listeners, the policies that they name, and the clusters that they or their policies can reach.
    package func selection(in namespace: String, listeners: [MeshDocument]) -> MeshSelection {
        let clusters = visible(.clusters, in: namespace)
        let policies = visible(.policies, in: namespace)
        var chosen: [DocumentKey: MeshDocument] = [:]
        var open = listeners
        var wantsAll = false
        while let document = open.popLast() {
            if document.callsAnyCluster { wantsAll = true }
            for text in document.texts {
                for found in [clusters[text], document.kind == .clusters ? nil : policies[text]] {
                    guard let found, chosen[found.key] == nil else { continue }
                    chosen[found.key] = found
                    open.append(found)
                }
            }
        }
        if wantsAll { for cluster in clusters.values { chosen[cluster.key] = cluster } }
        let sorted = chosen.values.sorted { $0.key < $1.key }
        return MeshSelection(
            listeners: listeners, clusters: sorted.filter { $0.kind == .clusters },
            policies: sorted.filter { $0.kind == .policies })
    }
}

/// Documents that one proxy gets, each kind by key.
package struct MeshSelection: Sendable {
    /// Or services.
    package var listeners: [MeshDocument]
    package var clusters: [MeshDocument]
    package var policies: [MeshDocument]

    package var documents: [MeshDocument] { clusters + policies + listeners }
}
