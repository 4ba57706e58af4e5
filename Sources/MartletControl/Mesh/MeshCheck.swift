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
        checkShares(result)
        for namespace in namespaces.sorted() {
            for selection in selections(namespace, proxies) { check(selection, result) }
        }
        for draft in drafts.values.sorted(by: { $0.document.key < $1.document.key }) {
            if let tests = draft.tests { checker.test(tests, files: attachments, diagnostics: result) }
        }
    }

    /// Each set of listeners that a connected proxy runs, or that one runs that a single selector means; and what no listener needs.
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

    /// Whoever shares something under a name that another shares already has to choose a new one.
    private func checkShares(_ result: ConfigDiagnostics) {
        for draft in drafts.values.sorted(by: { $0.document.key < $1.document.key }) {
            guard mesh.rival(of: draft.document) != nil else { continue }
            result.error(
                at: draft.node.place,
                "another namespace shares a \(draft.document.kind.singular) \"\(draft.document.name)\", and some would see both",
                hint: "give it another name, or share it with fewer")
        }
    }
}
