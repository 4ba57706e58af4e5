internal import MartletConfig
internal import MartletCore

/// Chooses an endpoint. One per worker and cluster, so choosing takes no lock; loads are compared across workers.
struct Balancer {
    private let policy: ClusterConfig.LoadBalancing
    private(set) var endpoints: [WorkerEndpoint] = []
    /// Sum of weights up to and including each endpoint, for weighted random choice. Empty when all weights are equal.
    private var cumulative: [UInt64] = []
    /// Smooth weighted round robin: each endpoint's credit.
    private var credit: [Int64] = []
    private var next = 0

    init(policy: ClusterConfig.LoadBalancing, endpoints: [WorkerEndpoint], random: inout WorkerRandom) {
        self.policy = policy
        update(endpoints, random: &random)
    }

    mutating func update(_ endpoints: [WorkerEndpoint], random: inout WorkerRandom) {
        self.endpoints = endpoints
        let isWeighted = endpoints.contains { $0.shared.weight != endpoints[0].shared.weight }
        cumulative = []
        credit = []
        if isWeighted {
            var sum: UInt64 = 0
            cumulative = endpoints.map { endpoint in
                sum += UInt64(endpoint.shared.weight)
                return sum
            }
            credit = [Int64](repeating: 0, count: endpoints.count)
        }
        // Workers start at different places, or all would send their first request to the first endpoint.
        next = endpoints.isEmpty ? 0 : Int(random.next() % UInt64(endpoints.count))
    }

    /// Nil when there is no endpoint.
    mutating func pick(_ random: inout WorkerRandom) -> WorkerEndpoint? {
        guard endpoints.count > 1 else { return endpoints.first }
        switch policy {
        case .roundRobin: return roundRobin()
        case .random: return anyEndpoint(&random)
        case .leastRequest: return leastRequest(&random)
        }
    }

    private mutating func roundRobin() -> WorkerEndpoint {
        guard !credit.isEmpty else {
            next = next + 1 < endpoints.count ? next + 1 : 0
            return endpoints[next]
        }
        var best = 0
        var total: Int64 = 0
        for index in endpoints.indices {
            let weight = Int64(endpoints[index].shared.weight)
            credit[index] += weight
            total += weight
            if credit[index] > credit[best] { best = index }
        }
        credit[best] -= total
        return endpoints[best]
    }

    private func anyEndpoint(_ random: inout WorkerRandom) -> WorkerEndpoint {
        guard let total = cumulative.last else {
            return endpoints[Int(random.next() % UInt64(endpoints.count))]
        }
        let point = random.next() % total
        var low = 0
        var high = cumulative.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > point { high = middle } else { low = middle + 1 }
        }
        return endpoints[low]
    }

    /// Power of two choices: of two endpoints drawn at random, the one with fewer requests under way for its weight.
    private func leastRequest(_ random: inout WorkerRandom) -> WorkerEndpoint {
        let first = anyEndpoint(&random)
        var second = anyEndpoint(&random)
        if second === first {
            // Drawn twice: take its neighbour, so that two different ones are compared.
            if let index = endpoints.firstIndex(where: { $0 === first }) {
                second = endpoints[index + 1 < endpoints.count ? index + 1 : 0]
            }
        }
        // a/wa <= b/wb without division. Equally idle: the first, which was drawn by weight.
        let left = first.shared.activeRequests * Int(second.shared.weight)
        let right = second.shared.activeRequests * Int(first.shared.weight)
        return left <= right ? first : second
    }
}
