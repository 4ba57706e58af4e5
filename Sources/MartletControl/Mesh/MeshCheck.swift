internal import MartletConfig

/// Checks a mesh as its proxies will see it: once for each set of listeners that some of them run.
struct MeshCheck {
    let mesh: Mesh
    let checker: any MeshChecker
    /// Documents that were handed in: their mistakes are told at the places where they were written.
    let drafts: [DocumentKey: MeshDraft]
    let attachments: [String: [UInt8]]

    /// - Parameter proxies: connected ones, whose sets of listeners no selector says.
    func run(namespaces: Set<String>, proxies: [ProxyIdentity], into result: ConfigDiagnostics) {
        for namespace in namespaces.sorted() {
            ambiguous(namespace, result)
            for selection in selections(namespace, proxies) { check(selection, result) }
        }
        for draft in drafts.values.sorted(by: { $0.document.key < $1.document.key }) {
            if let tests = draft.tests { checker.test(tests, files: attachments, diagnostics: result) }
        }
    }

    /// Each set of listeners that a proxy may run, and what no listener needs.
    private func selections(_ namespace: String, _ proxies: [ProxyIdentity]) -> [MeshSelection] {
        let listeners = mesh.documents(in: namespace, .listeners)
        var sets = Set<[DocumentKey]>()
        for selector in Set(listeners.map(\.proxies)) {
            // A proxy that no other selector means runs these and those that are everybody's.
            sets.insert(listeners.filter { $0.proxies == nil || $0.proxies == selector }.map(\.key))
        }
        for proxy in proxies where proxy.namespace == namespace { sets.insert(mesh.entries(for: proxy).map(\.key)) }
        sets.insert(mesh.documents(in: namespace, .services).map(\.key))
        sets.remove([])
        var selections = sets.sorted { $0.lexicographicallyPrecedes($1) }.map { keys in
            mesh.selection(in: namespace, listeners: keys.compactMap { mesh.documents[$0] })
        }
        let reached = Set(selections.flatMap { $0.documents.map(\.key) })
        let rest = MeshSelection(
            listeners: [], clusters: mesh.documents(in: namespace, .clusters).filter { !reached.contains($0.key) },
            policies: mesh.documents(in: namespace, .policies).filter { !reached.contains($0.key) })
        if !rest.documents.isEmpty { selections.append(rest) }
        return selections
    }

    private func check(_ selection: MeshSelection, _ result: ConfigDiagnostics) {
        let diagnostics = ConfigDiagnostics()
        diagnostics.isDiscovered = true
        diagnostics.files.isClosed = true
        for (path, bytes) in attachments { diagnostics.files.supply(bytes, as: path) }
        func list(_ documents: [MeshDocument]) -> ConfigNode {
            .made(
                documents.map { document in
                    let node = drafts[document.key]?.node ?? document.node
                    if drafts[document.key] == nil { document.supply(to: diagnostics.files) }
                    return document.kind == .services ? node.serviceListener : node
                })
        }
        let root = ConfigNode.made([
            ("listeners", list(selection.listeners)), ("clusters", list(selection.clusters)),
            ("policies", list(selection.policies)),
        ])
        checker.check(root, diagnostics: diagnostics)
        for error in diagnostics.errors + diagnostics.warnings { result.add(error) }
    }

    /// Two namespaces share different things of one name with a third that has none of that name.
    private func ambiguous(_ namespace: String, _ result: ConfigDiagnostics) {
        for kind in MeshKind.allCases {
            var owners: [String: DocumentKey] = [:]
            for document in mesh.documents.values.sorted(by: { $0.key < $1.key })
            where document.kind == kind && document.key.namespace != namespace && document.shares(with: namespace) {
                guard let other = owners.updateValue(document.key, forKey: document.name) else { continue }
                let place = drafts[document.key]?.node.place ?? document.config.place
                result.error(
                    at: place, "namespace \(namespace) would have two shared \(kind.rawValue) \"\(document.name)\"",
                    hint: "\(other) is the other; share one of them")
            }
        }
    }
}
