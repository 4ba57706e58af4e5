package import MartletConfig

/// One endpoint of a cluster whose document does not have them.
package struct DiscoveredEndpoint: Sendable, Hashable {
    package let address: ConfigAddress
    package let weight: Int
    package let zone: String

    package init(address: ConfigAddress, weight: Int, zone: String) {
        (self.address, self.weight, self.zone) = (address, weight, zone)
    }
}

extension DiscoveredEndpoint {
    /// Of the instances that get requests. An address that two of them have is there once: proxies refuse one twice.
    static func all(of instances: [Instance]) -> [DiscoveredEndpoint] {
        var seen: Set<ConfigAddress> = []
        return instances.filter { $0.health == .healthy && seen.insert($0.address).inserted }
            .map { DiscoveredEndpoint(address: $0.address, weight: $0.weight, zone: $0.zone) }
    }
}

/// A cluster that gets its endpoints from somewhere else than its document.
struct DiscoveredCluster: Hashable {
    let name: String
    let source: EndpointSource

    init?(_ document: MeshDocument) {
        guard let source = document.source else { return nil }
        (name, self.source) = (document.name, source)
    }
}
