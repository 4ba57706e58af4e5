internal import MartletConfig
internal import MartletXDSMessages
package import SwiftProtobuf

/// The resources that one resource needs beside itself before it can be used, by the names it mentions.
package struct ResourceMentions: Sendable, Equatable {
    package private(set) var names: [ResourceType: Set<String>] = [:]
    /// Clusters that requests are sent to. They may be missing: requests to them fail, as with Envoy.
    package private(set) var clusters: Set<String> = []

    package init() {}

    /// What cannot be read mentions nothing; it is refused elsewhere.
    package init(of resource: Google_Protobuf_Any, _ type: ResourceType) {
        switch type {
        case .listener: if let listener = try? ListenerMessage(unpackingAny: resource) { add(listener) }
        case .cluster: if let cluster = try? ClusterMessage(unpackingAny: resource) { add(cluster) }
        case .routes:
            guard let table = try? RouteTableMessage(unpackingAny: resource) else { return }
            for host in table.virtualHosts { host.routes.forEach { add($0) } }
            // Files that filters are given on single routes.
            let reading = ResourceReading("RouteConfiguration", table.name, diagnostics: ConfigDiagnostics())
            _ = table.routes(reading)
            add(secretsOf: reading)
        case .endpoints, .secret, .extension: break
        }
    }

    private mutating func add(_ listener: ListenerMessage) {
        let reading = ResourceReading("Listener", listener.name, diagnostics: ConfigDiagnostics())
        _ = listener.document(reading)
        add(secretsOf: reading)
        for filter in listener.filterChains.flatMap(\.filters) {
            if let manager = try? ConnectionManager(unpackingAny: filter.typedConfig) {
                if case .rds(let rds) = manager.routeSpecifier {
                    names[.routes, default: []].insert(rds.routeConfigName)
                }
                if case .routeConfig(let table) = manager.routeSpecifier {
                    for host in table.virtualHosts { host.routes.forEach { add($0) } }
                }
                for filter in manager.httpFilters {
                    guard let own = try? FilterMessage(unpackingAny: filter.typedConfig), !own.policy.isEmpty else {
                        continue
                    }
                    names[.extension, default: []].insert(own.policy)
                }
            } else if let proxy = try? Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy(
                unpackingAny: filter.typedConfig)
            {
                if !proxy.cluster.isEmpty { clusters.insert(proxy.cluster) }
                clusters.formUnion(proxy.weightedClusters.clusters.map { $0.name })
            }
        }
    }

    private mutating func add(_ cluster: ClusterMessage) {
        let reading = ResourceReading("Cluster", cluster.name, diagnostics: ConfigDiagnostics())
        _ = cluster.document(reading)
        add(secretsOf: reading)
        guard cluster.type == .eds else { return }
        let service = cluster.edsClusterConfig.serviceName
        names[.endpoints] = [service.isEmpty ? cluster.name : service]
    }

    private mutating func add(_ route: Envoy_Config_Route_V3_Route) {
        let action = route.route
        if !action.cluster.isEmpty { clusters.insert(action.cluster) }
        clusters.formUnion(action.weightedClusters.clusters.map(\.name))
        clusters.formUnion(action.requestMirrorPolicies.map(\.cluster).filter { !$0.isEmpty })
    }

    private mutating func add(secretsOf reading: ResourceReading) {
        let secrets = reading.findings.secrets.keys
        if !secrets.isEmpty { names[.secret, default: []].formUnion(secrets) }
    }
}
