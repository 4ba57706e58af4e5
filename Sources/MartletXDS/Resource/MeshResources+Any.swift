package import MartletConfig
internal import MartletXDSMessages
package import SwiftProtobuf

/// Resources as they travel.
extension MeshResources {
    /// A resource with its name, by which it is asked for.
    package struct Named: Sendable, Equatable {
        package var name: String
        package var resource: Google_Protobuf_Any
    }

    /// All of one type. The same resources are the same bytes, so that versions can be compared.
    package func packed(_ type: ResourceType) throws -> [Named] {
        switch type {
        case .listener: try listeners.map { try Named($0.name, $0, type) }
        case .routes: try routes.map { try Named($0.name, $0, type) }
        case .cluster: try clusters.map { try Named($0.name, $0, type) }
        case .endpoints: try endpoints.map { try Named($0.clusterName, $0, type) }
        case .secret: try secrets.map { try Named($0.name, $0, type) }
        case .extension: try extensions.map { try Named($0.name, $0, type) }
        }
    }

    /// The same without Martlet's own words: for clients who are no Martlet. They would not read them, and Envoy cannot show a
    /// configuration (`/config_dump`) with messages in it that it does not know. Filters stay: who does not know one must
    /// refuse the listener rather than leave a guard out.
    package var forOthers: MeshResources {
        var resources = self
        resources.listeners = listeners.map(\.withoutOwn)
        resources.clusters = clusters.map(\.withoutOwn)
        for table in routes.indices {
            for host in routes[table].virtualHosts.indices {
                resources.routes[table].virtualHosts[host].routes = routes[table].virtualHosts[host].routes.map(
                    \.withoutOwn)
            }
        }
        for cluster in endpoints.indices {
            for zone in endpoints[cluster].endpoints.indices {
                resources.endpoints[cluster].endpoints[zone].lbEndpoints =
                    endpoints[cluster].endpoints[zone].lbEndpoints.map(\.withoutOwn)
            }
        }
        return resources
    }

    /// For gRPC's own clients (gRFC A27): what a listener serves, they do themselves, and so it has no socket.
    package var forGRPC: MeshResources {
        var resources = forOthers
        resources.listeners = resources.listeners.map { listener in
            let chain = listener.filterChains.first ?? listener.defaultFilterChain
            guard let manager = chain.filters.first?.typedConfig else { return listener }
            return .with {
                $0.name = listener.name
                $0.apiListener.apiListener = manager
            }
        }
        // They refuse a cluster that is balanced in another way.
        for index in resources.clusters.indices
        where ![.roundRobin, .ringHash].contains(resources.clusters[index].lbPolicy) {
            resources.clusters[index].lbPolicy = .roundRobin
            resources.clusters[index].lbConfig = nil
        }
        return resources
    }

    /// Takes one in. A resource that is of no type of ours, or cannot be read, is reported.
    package mutating func add(_ resource: Google_Protobuf_Any, diagnostics: ConfigDiagnostics) {
        let reading = ResourceReading("resource", resource.shortName, diagnostics: diagnostics)
        func message<M: Message>() throws -> M {
            let message = try M(unpackingAny: resource)
            reading.checkEntries(of: message, resource)
            return message
        }
        do {
            switch ResourceType(typeURL: resource.typeURL) {
            case .listener: listeners.append(try message())
            case .routes: routes.append(try message())
            case .cluster: clusters.append(try message())
            case .endpoints: endpoints.append(try message())
            case .secret: secrets.append(try message())
            case .extension: extensions.append(try message())
            case nil: reading.error("resources of this type are not supported")
            }
        } catch {
            reading.error("it cannot be read")
        }
    }
}

extension MeshResources.Named {
    fileprivate init(_ name: String, _ message: some Message, _ type: ResourceType) throws {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        self.name = name
        resource = .with { $0.typeURL = type.typeURL }
        resource.value = try message.serializedBytes(options: options)
    }
}

/// What has metadata, and so may have Martlet's own.
private protocol Describable {
    var metadata: Envoy_Config_Core_V3_Metadata { get set }
    var hasMetadata: Bool { get }
    mutating func clearMetadata()
}

extension Describable {
    fileprivate var withoutOwn: Self {
        guard hasMetadata else { return self }
        var stripped = self
        stripped.metadata.removeOwn()
        if stripped.metadata == .init() { stripped.clearMetadata() }
        return stripped
    }
}

extension Envoy_Config_Listener_V3_Listener: Describable {}
extension Envoy_Config_Cluster_V3_Cluster: Describable {}
extension Envoy_Config_Route_V3_Route: Describable {}
extension Envoy_Config_Endpoint_V3_LbEndpoint: Describable {}
