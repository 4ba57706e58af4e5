package import MartletConfig
internal import MartletXDSMessages

/// The language that a process's own file is written in.
package enum ProcessLanguage: Sendable {
    case martlet
    /// Envoy's bootstrap.
    case envoy
}

/// Puts together what a load decodes: the process's own file, the files of resources that it names, and what a control plane said.
package struct ProcessDocument: Sendable {
    package let language: ProcessLanguage

    package init(_ language: ProcessLanguage = .martlet) { self.language = language }

    /// - Parameter root: of the process's own file.
    /// - Parameter resources: what a control plane said; nil: nothing.
    /// - Parameter diagnostics: of the load, which then watches every file that was read for it.
    package func whole(_ root: ConfigNode, _ resources: MeshResources?, diagnostics: ConfigDiagnostics) -> ConfigNode {
        var document = root
        if language == .envoy { document = EnvoyBootstrap(root, diagnostics).document() }
        if let files = document["xds_files"] {
            let reader = ResourceFiles(diagnostics)
            for (key, type) in [("listeners", ResourceType.listener), ("clusters", .cluster)] {
                guard let path = files[key]?.text, let place = files[key]?.place else { continue }
                reader.read(ConfigFile.resolve(path, from: root.mark.file), type, namedAt: place)
            }
            document = reader.resources.document(process: document, diagnostics: diagnostics)
        }
        return resources?.document(process: document, diagnostics: diagnostics) ?? document
    }
}
