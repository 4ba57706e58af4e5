internal import MartletConfig
internal import MartletCore
internal import MartletXDS
internal import SwiftProtobuf

/// The endpoints of discovered clusters, and the resource of each, made once for all proxies.
struct EndpointBoard {
    /// Of sources that have any.
    private var endpoints: [EndpointSource: [DiscoveredEndpoint]] = [:]
    private var made: [DiscoveredCluster: Resource] = [:]

    /// - Returns: the sources that have other endpoints now.
    mutating func set(_ changes: [EndpointSource: [DiscoveredEndpoint]]) -> Set<EndpointSource> {
        var changed: Set<EndpointSource> = []
        for (source, found) in changes {
            // Whoever knows them, and in whatever order: the same endpoints are the same resource on every replica.
            let sorted = found.sorted { ($0.zone, $0.address.description) < ($1.zone, $1.address.description) }
            guard endpoints[source] ?? [] != sorted else { continue }
            endpoints[source] = sorted.isEmpty ? nil : sorted
            changed.insert(source)
        }
        if !changed.isEmpty { made = made.filter { !changed.contains($0.key.source) } }
        return changed
    }

    mutating func resource(of cluster: DiscoveredCluster) -> Resource? {
        if let known = made[cluster] { return known }
        let resource = Self.make(cluster.name, endpoints[cluster.source] ?? [])
        made[cluster] = resource
        return resource
    }

    /// The resources of a document, with the endpoints that are known in place of none.
    mutating func complete(_ resources: [Resource], of document: MeshDocument) -> [Resource] {
        guard let cluster = DiscoveredCluster(document), let found = resource(of: cluster) else { return resources }
        return resources.map { $0.type == .endpoints ? found : $0 }
    }

    /// Forgets what no cluster needs any more. Registered instances may be needed again, and nobody would tell of them twice.
    mutating func keep(_ clusters: Set<DiscoveredCluster>) {
        made = made.filter { clusters.contains($0.key) }
        let sources = Set(clusters.map(\.source))
        endpoints = endpoints.filter { source, _ in
            if case .file = source { return sources.contains(source) }
            return true
        }
    }

    private static func make(_ cluster: String, _ endpoints: [DiscoveredEndpoint]) -> Resource? {
        let items = endpoints.map { endpoint in
            ConfigNode.made(
                [("address", .text(endpoint.address.description)), ("weight", .text("\(endpoint.weight)"))]
                    + (endpoint.zone.isEmpty ? [] : [("zone", .text(endpoint.zone))]))
        }
        let root = ConfigNode.made([
            ("clusters", .made([.made([("name", .text(cluster)), ("endpoints", .made(items))])]))
        ])
        let made = try? MeshResources(root, diagnostics: ConfigDiagnostics()).packed(.endpoints).first
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        guard let made, let body: [UInt8] = try? made.resource.serializedBytes(options: options) else { return nil }
        return Resource(
            .endpoints, cluster, version: ResourceTable.version(StableHash.of(body.span)), body: body)
    }
}
