internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

private typealias BootstrapMessage = Envoy_Config_Bootstrap_V3_Bootstrap

/// Envoy's own file as a document of ours. What stands in it is translated as resources of a control plane are; what Martlet
/// cannot do is told with its line.
struct EnvoyBootstrap {
    private let root: ConfigNode
    private let message: BootstrapMessage
    private let diagnostics: ConfigDiagnostics

    init(_ root: ConfigNode, _ diagnostics: ConfigDiagnostics) {
        (self.root, self.diagnostics) = (root, diagnostics)
        message = MessageReader(.told, diagnostics: diagnostics).read(root, as: BootstrapMessage.self)
    }

    func document() -> ConfigNode {
        let files = ResourceFiles(diagnostics, staticResources())
        files.addMentioned()
        let document = files.resources.document(process: process(), diagnostics: diagnostics)
        diagnostics.isDiscovered = true
        return document
    }

    // MARK: Resources

    private func staticResources() -> MeshResources {
        var resources = MeshResources()
        let own = message.staticResources
        (resources.listeners, resources.clusters, resources.secrets) = (own.listeners, own.clusters, own.secrets)
        // Envoy gives names of its own to listeners without one.
        for index in resources.listeners.indices where resources.listeners[index].name.isEmpty {
            resources.listeners[index].name = "listener-\(index)"
        }
        note(resources.listeners.map { "Listener \($0.name)" }, "listeners", &resources.origin)
        note(resources.clusters.map { "Cluster \($0.name)" }, "clusters", &resources.origin)
        note(resources.secrets.map { "Secret \($0.name)" }, "secrets", &resources.origin)
        return resources
    }

    private func note(_ names: [String], _ key: String, _ origin: inout ResourceOrigin) {
        let items = node("static_resources", "staticResources")?[key]?.items ?? []
        for (name, item) in zip(names, items) { origin.places[name] = item.place }
    }

    private func node(_ names: String..., in parent: ConfigNode? = nil) -> ConfigNode? {
        names.lazy.compactMap { (parent ?? root)[$0] }.first
    }

    // MARK: The process

    /// All but the resources.
    private func process() -> ConfigNode {
        var entries: [ConfigNode.Entry] = []
        func add(_ key: String, _ document: Document, at node: ConfigNode?) {
            let place = (node ?? root).place
            let value = document.node(mark: place.mark, path: place.path)
            entries.append(ConfigNode.Entry(key: key, keyMark: place.mark, value: value))
        }
        if message.hasAdmin, message.admin.hasAddress {
            let reading = ResourceReading("admin", node("admin"), diagnostics)
            if let address = message.admin.address.text(reading, in: "address") {
                add("admin", .object(("address", .text(address))), at: node("admin"))
            }
        }
        if message.hasDynamicResources {
            let place = node("dynamic_resources", "dynamicResources")
            let reading = ResourceReading("dynamic_resources", place, diagnostics)
            let sources = DynamicSources(message.dynamicResources, message.node, reading)
            if let section = sources.controlPlane() { add("control_plane", .section(section), at: place) }
            if let section = sources.files() { add("xds_files", .section(section), at: place) }
        }
        // Of one that has none Envoy makes nothing either, but it runs.
        if message.staticResources.listeners.isEmpty, !message.hasDynamicResources {
            diagnostics.error(at: root.place, "there are no listeners in static_resources, and no dynamic_resources")
            add("listeners", .list([]), at: nil)
        }
        return ConfigNode(.mapping(entries), mark: root.mark, path: .root)
    }
}

extension ResourceReading {
    /// Of a part of a bootstrap file, which is no resource.
    fileprivate init(_ kind: String, _ node: ConfigNode?, _ diagnostics: ConfigDiagnostics) {
        var origin = ResourceOrigin.local
        if let node { origin.places["\(kind) "] = node.place }
        self.init(kind, "", diagnostics: diagnostics, origin: origin)
    }
}
