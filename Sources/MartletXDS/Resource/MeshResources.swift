package import MartletConfig
package import MartletXDSMessages
internal import SwiftProtobuf

// MartletXDS owns the form in which configurations travel: the messages of xDS, and the translation both ways. It opens no
// connection. What a configuration means is MartletConfig's; who is sent what is the control plane's.

/// What a configuration is in resources: everything but what concerns one process alone (`admin`, `workers`, `drain` and so
/// on), which stays where the process is.
package struct MeshResources: Sendable, Equatable {
    package var listeners: [Envoy_Config_Listener_V3_Listener] = []
    /// One a listener of HTTP, of its name.
    package var routes: [Envoy_Config_Route_V3_RouteConfiguration] = []
    package var clusters: [Envoy_Config_Cluster_V3_Cluster] = []
    /// One a cluster that does not ask DNS, of its name.
    package var endpoints: [Envoy_Config_Endpoint_V3_ClusterLoadAssignment] = []
    package var secrets: [Envoy_Extensions_TransportSockets_Tls_V3_Secret] = []
    /// Policies, of their names.
    package var extensions: [Envoy_Config_Core_V3_TypedExtensionConfig] = []

    /// Clusters that routes lead to, whether they are there or not. Of one that is not, requests are answered 503, and the rest
    /// is none the worse.
    package var mentionedClusters: Set<String> = []

    package var origin = ResourceOrigin()

    package init() {}

    /// Without what clients come in by, and what only that needs.
    package var withoutListeners: MeshResources {
        var rest = self
        (rest.listeners, rest.routes, rest.mentionedClusters) = ([], [], [])
        return rest
    }

    /// Of a document that has been decoded without errors.
    ///
    /// - Parameter diagnostics: of the load, whose files are read again here: what they hold is part of the resources. What
    ///   cannot be read is reported.
    package init(_ root: ConfigNode, diagnostics: ConfigDiagnostics) {
        let document = Document(root).section ?? DocumentSection()
        var secrets = SecretWriter(diagnostics, place: root.place)
        for cluster in document.list("clusters")?.compactMap(\.section) ?? [] {
            let message = ClusterMessage(cluster, &secrets)
            clusters.append(message)
            guard message.type == .eds else { continue }
            endpoints.append(EndpointsMessage(message.name, cluster.list("endpoints") ?? []))
        }
        for listener in document.list("listeners")?.compactMap(\.section) ?? [] {
            let message = ListenerMessage(listener, &secrets)
            listeners.append(message)
            guard listener.text("protocol") != "tcp" else { continue }
            let chain = ChainNames(listener.list("filters") ?? [])
            routes.append(RouteTableMessage(message.name, listener.list("routes") ?? [], chain, &secrets))
        }
        for policy in document.list("policies")?.compactMap(\.section) ?? [] {
            extensions.append(ExtensionMessage(policy: policy, diagnostics, place: root.place))
        }
        self.secrets = secrets.secrets
    }

    /// The document that these are, for `ProxyConfig.decode(root:)` with the same diagnostics: it has the files that came with
    /// the resources.
    ///
    /// - Parameter process: what the process itself is configured with; its own listeners, clusters and policies come first.
    /// - Parameter diagnostics: what Martlet cannot do of what others have written is an error there, named with its resource.
    package func document(process: ConfigNode? = nil, diagnostics: ConfigDiagnostics) -> ConfigNode {
        diagnostics.isDiscovered = true
        let findings = ReadingFindings()
        func reading(_ kind: String, _ name: String, _ message: some Message) -> ResourceReading {
            let reading = ResourceReading(
                kind, name, diagnostics: diagnostics, findings: findings, origin: origin)
            reading.checkFields(message)
            return reading
        }
        let assignments = Dictionary(endpoints.map { ($0.clusterName, $0) }) { first, _ in first }
        let tables = Dictionary(routes.map { ($0.name, $0) }) { first, _ in first }
        var nodes: [String: [ConfigNode]] = [:]
        func add(_ key: String, _ section: DocumentSection, _ reading: ResourceReading) {
            let path = origin.isLocal ? reading.place.path : .root.key(key).index(nodes[key]?.count ?? 0)
            nodes[key, default: []].append(Document.section(section).node(mark: reading.place.mark, path: path))
        }
        for listener in listeners {
            var reading = reading("Listener", listener.name, listener)
            var section = listener.document(reading)
            let manager = listener.manager
            manager?.describeChain(to: &reading)
            switch manager?.routeSpecifier {
            case .routeConfig(let table): section["routes"] = .list(table.routes(reading))
            case .rds(let rds):
                if let table = tables[rds.routeConfigName] {
                    var reading = self.reading("RouteConfiguration", table, diagnostics, findings)
                    manager?.describeChain(to: &reading)
                    section["routes"] = .list(table.routes(reading))
                } else {
                    reading.error("there is no RouteConfiguration \"\(rds.routeConfigName)\"")
                }
            case nil: break
            }
            section.addRetryFilter()
            add("listeners", section, reading)
        }
        for cluster in clusters {
            let reading = reading("Cluster", cluster.name, cluster)
            var section = cluster.document(reading)
            if cluster.type == .eds {
                let service = cluster.edsClusterConfig.serviceName
                let name = service.isEmpty ? cluster.name : service
                if let assignment = assignments[name] {
                    let reading = ResourceReading(
                        "ClusterLoadAssignment", name, diagnostics: diagnostics, origin: origin)
                    reading.checkFields(assignment)
                    section["endpoints"] = .list(assignment.endpoints(reading))
                } else {
                    reading.error("there is no ClusterLoadAssignment \"\(name)\"")
                    section["endpoints"] = .list([])
                }
            }
            add("clusters", section, reading)
        }
        let own = (process?["clusters"]?.items ?? []).compactMap { $0["name"]?.text }
        for name in mentionedClusters.subtracting(own).subtracting(clusters.map(\.name)).sorted() {
            let missing = DocumentSection([("name", .text(name)), ("endpoints", .list([]))])
            add("clusters", missing, ResourceReading("Cluster", name, diagnostics: diagnostics))
        }
        for policy in extensions {
            let reading = reading("TypedExtensionConfig", policy.name, policy)
            if let section = policy.document(reading) { add("policies", section, reading) }
        }
        for (section, reading) in findings.policies { add("policies", section, reading) }
        let secrets = secretsWithFiles(findings, diagnostics)
        let reader = SecretReader(secrets, findings, diagnostics: diagnostics) { reading("Secret", $0.name, $0) }
        reader.supply()
        reader.check()
        return Self.root(process, nodes)
    }

    /// And those of the files that were named while the others were read.
    private func secretsWithFiles(_ findings: ReadingFindings, _ diagnostics: ConfigDiagnostics) -> [SecretMessage] {
        guard !findings.secretFiles.isEmpty else { return secrets }
        let files = ResourceFiles(diagnostics)
        for (path, reading) in findings.secretFiles.sorted(by: { $0.key < $1.key }) {
            files.read(path, .secret, namedAt: reading.place)
        }
        return secrets + files.resources.secrets
    }

    private func reading(
        _ kind: String, _ table: Envoy_Config_Route_V3_RouteConfiguration, _ diagnostics: ConfigDiagnostics,
        _ findings: ReadingFindings
    ) -> ResourceReading {
        let reading = ResourceReading(
            kind, table.name, diagnostics: diagnostics, findings: findings, origin: origin)
        reading.checkFields(table)
        return reading
    }

    /// What the process itself has of them comes first.
    private static func root(_ process: ConfigNode?, _ nodes: [String: [ConfigNode]]) -> ConfigNode {
        let mark = process?.mark ?? ResourceReading.mark("resources", "")
        var entries = (process?.entries ?? []).filter { !ofMesh.contains($0.key) }
        for key in ofMesh {
            let own = process?[key]
            let items = (own?.items ?? []) + (nodes[key] ?? [])
            // What is no list is told as such.
            guard own?.items != nil || own == nil else {
                entries += (process?.entries ?? []).filter { $0.key == key }
                continue
            }
            guard own != nil || !items.isEmpty else { continue }
            let list = ConfigNode(.list(items), mark: own?.mark ?? mark, path: .root.key(key))
            entries.append(ConfigNode.Entry(key: key, keyMark: mark, value: list))
        }
        return ConfigNode(.mapping(entries), mark: mark, path: .root)
    }

    private static let ofMesh = ["listeners", "clusters", "policies"]
}
