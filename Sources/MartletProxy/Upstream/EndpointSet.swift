package import MartletConfig
internal import MartletCore

/// A cluster's endpoints as they stand: which of them may be picked, and the tables to pick by. Immutable, made off the workers
/// when endpoints or their health change, and shared by all workers.
package final class EndpointSet: Sendable {
    /// All, healthy or not.
    package let endpoints: [Endpoint]
    let table: HashTable
    /// None when nothing may be picked. With two, the first is the proxy's own zone.
    let pools: [EndpointPool]
    /// Of requests, for the first pool.
    package let localShare: Double
    /// Too few are healthy: all are used.
    package let isPanicking: Bool
    package let healthyCount: Int
    /// When nothing healthy is left, what is there is used.
    let usesUnhealthy: Bool

    /// Who a key belongs to, over all endpoints. An unhealthy one's keys are moved when they come, so health changes nothing here.
    enum HashTable: Sendable {
        case none
        case ring(HashRing)
        case maglev(MaglevTable)
    }

    /// - Parameter present: the set before, whose table is kept while the endpoints are the same.
    package init(
        _ endpoints: [Endpoint], _ config: ClusterConfig, localZone: String?, present: EndpointSet? = nil
    ) {
        self.endpoints = endpoints
        if let present, present.endpoints.elementsEqual(endpoints, by: { $0 === $1 }) {
            table = present.table
        } else {
            table =
                switch config.loadBalancing {
                case .ringHash: .ring(HashRing(endpoints, size: config.balancing.ringSize))
                case .maglev: .maglev(MaglevTable(endpoints, size: config.balancing.maglevTableSize))
                default: .none
                }
        }
        let threshold = config.balancing.panicThreshold
        let healthy = endpoints.indices.filter { endpoints[$0].isHealthy }
        healthyCount = healthy.count
        usesUnhealthy = threshold > 0
        isPanicking = !endpoints.isEmpty && Double(healthy.count) < threshold * Double(endpoints.count)
        let usable = isPanicking ? Array(endpoints.indices) : healthy
        let share =
            isPanicking
            ? 0 : Self.localShare(of: usable, endpoints, config.balancing.zonePreference, localZone)
        let local = share > 0 ? usable.filter { endpoints[$0].zone == localZone } : []
        let others = share > 0 ? usable.filter { endpoints[$0].zone != localZone } : usable
        if local.isEmpty || others.isEmpty || share >= 1 {
            let only = local.isEmpty ? others : local
            pools = only.isEmpty ? [] : [EndpointPool(only, endpoints)]
            localShare = local.isEmpty ? 0 : 1
        } else {
            pools = [EndpointPool(local, endpoints), EndpointPool(others, endpoints)]
            localShare = share
        }
    }

    /// The share of requests that the own zone takes: all, until too little of it is healthy.
    private static func localShare(
        of healthy: [Int], _ endpoints: [Endpoint], _ config: ZonePreferenceConfig?, _ zone: String?
    ) -> Double {
        guard let config, let zone else { return 0 }
        let local = healthy.filter { endpoints[$0].zone == zone }
        guard local.count >= config.minEndpoints else { return 0 }
        let able = local.reduce(0.0) { $0 + Double(endpoints[$1].weight) }
        let whole = endpoints.reduce(0.0) { $0 + ($1.zone == zone ? Double($1.weight) : 0) }
        return min(1, able / whole * config.overprovisioning)
    }
}

/// Endpoints to pick from, by place in their set; never empty.
struct EndpointPool: Sendable {
    let members: [Int32]
    /// Sum of weights up to and including each member, for weighted random choice. Empty when all weights are equal.
    let cumulative: [UInt64]

    init(_ indices: [Int], _ endpoints: [Endpoint]) {
        members = indices.map { Int32($0) }
        guard let first = indices.first, indices.contains(where: { endpoints[$0].weight != endpoints[first].weight })
        else {
            cumulative = []
            return
        }
        var sum: UInt64 = 0
        cumulative = indices.map { index in
            sum += UInt64(endpoints[index].weight)
            return sum
        }
    }

    /// The place in the pool that `point`, any number, falls on, by weight.
    func place(_ point: UInt64) -> Int {
        guard let total = cumulative.last else { return Int(point % UInt64(members.count)) }
        let point = point % total
        var low = 0
        var high = cumulative.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > point { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
