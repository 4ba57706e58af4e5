internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// Resources from files, each a DiscoveryResponse in YAML or JSON (Envoy's `path_config_source`), and from those that these name.
/// The load has read them, and so they are watched as its own file is.
final class ResourceFiles {
    private(set) var resources: MeshResources
    private let diagnostics: ConfigDiagnostics
    private let reader: MessageReader
    private var seen: Set<String> = []

    init(_ diagnostics: ConfigDiagnostics, _ resources: MeshResources = MeshResources()) {
        self.diagnostics = diagnostics
        self.resources = resources
        reader = MessageReader(.told, diagnostics: diagnostics)
        self.resources.origin.isLocal = true
    }

    /// - Parameter place: where the file is named.
    func read(_ path: String, _ type: ResourceType, namedAt place: ConfigPlace) {
        // Several may name the same.
        guard seen.insert(path).inserted else { return }
        let bytes: [UInt8]
        do throws(ConfigFile.Failure) {
            bytes = try diagnostics.files.read(path, atMost: ConfigFile.maxConfiguration)
        } catch {
            return diagnostics.error(at: place, "cannot read \"\(path)\": \(error.reason)")
        }
        guard let root = YAMLDocument.read(bytes, file: path, diagnostics: diagnostics), !root.isNull else { return }
        for entry in root.entries ?? [] where !Self.known.contains(entry.key) {
            diagnostics.error(
                at: ConfigPlace(mark: entry.keyMark, path: entry.value.path), "unknown key \"\(entry.key.prefix(60))\"",
                hint: NearestName.hint(entry.key, in: Self.known, what: "valid keys"))
        }
        guard let items = root["resources"]?.items else {
            return diagnostics.error(
                at: root.place, "there is no list of \"resources\"", hint: "it has a DiscoveryResponse: resources: []")
        }
        let (listeners, clusters) = (resources.listeners.count, resources.clusters.count)
        for item in items { add(item, type) }
        addMentioned(listeners: listeners, clusters: clusters)
    }

    private static let known = [
        "version_info", "versionInfo", "resources", "canary", "type_url", "typeUrl", "nonce", "control_plane",
        "controlPlane", "resource_errors", "resourceErrors",
    ]

    private func add(_ node: ConfigNode, _ type: ResourceType) {
        guard let resource = reader.any(node) else { return }
        guard ResourceType(typeURL: resource.typeURL) == type, let name = type.name(of: resource) else {
            return diagnostics.error(
                at: node.place, "a resource of type \"\(resource.typeURL)\" among those of \(type.rawValue)")
        }
        guard !name.isEmpty else { return diagnostics.error(at: node.place, "a \(type.rawValue) without a name") }
        let key = "\(type.kind) \(name)"
        if let other = resources.origin.places[key] {
            return diagnostics.error(
                at: node.place, "\(type.rawValue) \"\(name)\" twice", hint: "the other is at \(other.mark)")
        }
        resources.origin.places[key] = node.place
        resources.add(resource, diagnostics: diagnostics)
        // Routes by discovery may lead to clusters that are not there.
        if type == .routes { resources.mentionedClusters.formUnion(ResourceMentions(of: resource, type).clusters) }
    }

    /// Reads the files that resources name for their routes and endpoints: those from these positions on. Secrets are found when
    /// resources are translated.
    func addMentioned(listeners: Int = 0, clusters: Int = 0) {
        for listener in resources.listeners.dropFirst(listeners) {
            guard case .rds(let rds) = listener.routeSource else { continue }
            let reading = ResourceReading("Listener", listener.name, diagnostics: diagnostics, origin: resources.origin)
            guard let path = reading.file(of: rds.configSource) else { continue }
            read(path, .routes, namedAt: reading.place)
        }
        for cluster in resources.clusters.dropFirst(clusters) where cluster.type == .eds {
            let reading = ResourceReading("Cluster", cluster.name, diagnostics: diagnostics, origin: resources.origin)
            guard let path = reading.file(of: cluster.edsClusterConfig.edsConfig) else { continue }
            read(path, .endpoints, namedAt: reading.place)
        }
    }
}
