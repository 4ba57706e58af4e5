internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias EndpointsMessage = Envoy_Config_Endpoint_V3_ClusterLoadAssignment

// A cluster's `endpoints` to the resource of EDS and back. Endpoints stand by zone there; where that is not the order in
// which they were written, each says its place.

extension EndpointsMessage {
    /// What a configuration's weights go up to.
    private static let maxWeight: UInt32 = 128

    /// - Parameter items: what stands under `endpoints`.
    init(_ cluster: String, _ items: [Document]) {
        self.init()
        clusterName = cluster
        var zones: [String] = []
        var members: [String: [(position: Int, message: Envoy_Config_Endpoint_V3_LbEndpoint)]] = [:]
        for (position, item) in items.enumerated() {
            let settings = item.section ?? DocumentSection([("address", item)])
            let zone = settings.text("zone") ?? ""
            if members[zone] == nil { zones.append(zone) }
            var message = Envoy_Config_Endpoint_V3_LbEndpoint()
            message.endpoint.address = .init(settings.text("address") ?? "")
            if let weight = Google_Protobuf_UInt32Value(settings.int("weight")) { message.loadBalancingWeight = weight }
            members[zone, default: []].append((position, message))
        }
        let isInOrder = zones.flatMap { members[$0] ?? [] }.map(\.position) == Array(items.indices)
        endpoints = zones.map { zone in
            .with { locality in
                // gRPC passes over what has no locality, be it empty, and no weight.
                locality.locality = .with { $0.zone = zone }
                locality.lbEndpoints = (members[zone] ?? []).map { position, message in
                    if isInOrder { return message }
                    var message = message
                    message.metadata = .init(own: Martlet_Config_V1_Endpoint.with { $0.position = UInt32(position) })
                    return message
                }
                let weights = locality.lbEndpoints.map { $0.hasLoadBalancingWeight ? $0.loadBalancingWeight.value : 1 }
                locality.loadBalancingWeight = .init(weights.reduce(0, +))
            }
        }
    }

    /// One endpoint, known by name and port: what DNS is asked for.
    init(_ cluster: String, host: String) {
        self.init(cluster, [.text(host)])
        // Its zone is nobody's business.
        endpoints = endpoints.map { locality in
            var locality = locality
            locality.clearLocality()
            locality.clearLoadBalancingWeight()
            return locality
        }
    }

    /// What to write under `endpoints`. Those that are known to be unwell are left out.
    func endpoints(_ reading: ResourceReading) -> [Document] {
        var found: [(position: UInt32, document: Document)] = []
        let largest = endpoints.flatMap(\.lbEndpoints).map(\.loadBalancingWeight.value).max() ?? 0
        if largest > Self.maxWeight {
            reading.warning("load_balancing_weight: above \(Self.maxWeight), all are scaled down")
        }
        for locality in endpoints {
            if locality.priority > 0 { reading.unsupported("priority", "\(locality.priority)") }
            if !locality.locality.region.isEmpty || !locality.locality.subZone.isEmpty {
                reading.warning("locality: only the zone counts, region and sub_zone are ignored")
            }
            for endpoint in locality.lbEndpoints {
                var position = UInt32(found.count)
                if endpoint.hasMetadata, let own = endpoint.metadata.own(Martlet_Config_V1_Endpoint.self, reading) {
                    position = own.position
                }
                switch endpoint.healthStatus {
                case .unhealthy, .draining, .timeout: continue
                case .unknown, .healthy, .degraded, .UNRECOGNIZED: break
                }
                guard let address = endpoint.endpoint.address.text(reading, in: "endpoint.address") else { continue }
                var endpoint = endpoint
                if largest > Self.maxWeight, endpoint.hasLoadBalancingWeight {
                    let share = Double(endpoint.loadBalancingWeight.value) / Double(largest)
                    endpoint.loadBalancingWeight = .init(max(1, UInt32((share * Double(Self.maxWeight)).rounded())))
                }
                found.append((position, endpoint.document(address: address, zone: locality.locality.zone)))
            }
        }
        if hasPolicy, policy.hasOverprovisioningFactor {
            reading.warning("policy.overprovisioning_factor is the cluster's zone_preference here, and ignored")
        }
        // Sorting keeps the order of those that say no place.
        return found.sorted { $0.position < $1.position }.map(\.document)
    }

    /// The one name and port of a cluster that asks DNS; nil after reporting that there is none, or more.
    func host(_ reading: ResourceReading) -> String? {
        let all = endpoints.flatMap(\.lbEndpoints)
        guard all.count == 1, let only = all.first else {
            reading.unsupported("load_assignment", "\(all.count) endpoints by DNS")
            return nil
        }
        return only.endpoint.address.text(reading, in: "load_assignment")
    }
}

extension Envoy_Config_Endpoint_V3_LbEndpoint {
    fileprivate func document(address: String, zone: String) -> Document {
        guard hasLoadBalancingWeight || !zone.isEmpty else { return .text(address) }
        return .object(
            ("address", .text(address)), ("weight", hasLoadBalancingWeight ? .int(loadBalancingWeight.value) : nil),
            ("zone", zone.isEmpty ? nil : .text(zone)))
    }
}
