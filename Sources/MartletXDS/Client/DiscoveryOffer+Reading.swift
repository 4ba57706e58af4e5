internal import MartletXDSMessages
package import SwiftProtobuf

extension DiscoveryOffer {
    /// Nil: of a type that Martlet does not know.
    init?(_ response: Envoy_Service_Discovery_V3_DiscoveryResponse) {
        guard let type = ResourceType(typeURL: response.typeURL) else { return nil }
        self.init(
            type, response.versionInfo, response.nonce,
            response.resources.map { resource in
                // Servers may wrap a resource to name it, or to give it a time to live.
                if resource.isA(Envoy_Service_Discovery_V3_Resource.self),
                    let wrapped = try? Envoy_Service_Discovery_V3_Resource(unpackingAny: resource)
                {
                    return (wrapped.name, HeldResource(version: response.versionInfo, resource: wrapped.resource))
                }
                return ("", HeldResource(version: response.versionInfo, resource: resource))
            }, removed: [], isWhole: type.isWildcard)
    }

    init?(_ response: Envoy_Service_Discovery_V3_DeltaDiscoveryResponse) {
        guard let type = ResourceType(typeURL: response.typeURL) else { return nil }
        self.init(
            type, response.systemVersionInfo, response.nonce,
            response.resources.map {
                ($0.name, HeldResource(version: $0.version, resource: $0.resource))
            }, removed: Set(response.removedResources), isWhole: false)
    }

    private init(
        _ type: ResourceType, _ version: String, _ nonce: String, _ resources: [(name: String, held: HeldResource)],
        removed: Set<String>, isWhole: Bool
    ) {
        var changed: [String: HeldResource] = [:]
        var faults: [String] = []
        for (given, held) in resources {
            guard ResourceType(typeURL: held.resource.typeURL) == type else {
                faults.append("a resource of type \"\(held.resource.typeURL)\" among those of \(type.rawValue)")
                continue
            }
            guard let name = type.name(of: held.resource) else {
                faults.append("\(type.rawValue) \"\(given)\" cannot be read")
                continue
            }
            guard !name.isEmpty else {
                faults.append("a \(type.rawValue) without a name")
                continue
            }
            if changed.updateValue(held, forKey: name) != nil {
                faults.append("\(type.rawValue) \"\(name)\" twice in one response")
            }
        }
        self.init(
            type: type, version: version, nonce: nonce, changed: changed, removed: removed, isWhole: isWhole,
            fault: faults.isEmpty ? nil : faults.joined(separator: "; "))
    }
}

extension ResourceType {
    /// The name that a resource bears; nil when it cannot be read.
    package func name(of resource: Google_Protobuf_Any) -> String? {
        switch self {
        case .listener: try? Envoy_Config_Listener_V3_Listener(unpackingAny: resource).name
        case .routes: try? Envoy_Config_Route_V3_RouteConfiguration(unpackingAny: resource).name
        case .cluster: try? Envoy_Config_Cluster_V3_Cluster(unpackingAny: resource).name
        case .endpoints: try? Envoy_Config_Endpoint_V3_ClusterLoadAssignment(unpackingAny: resource).clusterName
        case .secret: try? Envoy_Extensions_TransportSockets_Tls_V3_Secret(unpackingAny: resource).name
        case .extension: try? Envoy_Config_Core_V3_TypedExtensionConfig(unpackingAny: resource).name
        }
    }
}
