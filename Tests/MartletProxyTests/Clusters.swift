import MartletConfig
import MartletCore
import MartletNet
import Testing

@testable import MartletProxy

/// A cluster of the given settings, as a configuration file would have it.
func clusterConfig(_ settings: String = "") throws -> ClusterConfig {
    let text = """
        listeners:
          - { name: l, address: "127.0.0.1:1", filters: [router], routes: [{ match: {}, respond: { status: 204 } }] }
        clusters:
          - name: up
            endpoints: ["127.0.0.1:1"]
        \(settings.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
        """
    let diagnostics = ConfigDiagnostics()
    let config = ProxyConfig.parse(text: text, file: "test.yaml", filters: ["router"], diagnostics: diagnostics)
    return try #require(config?.clusters.first, "\(diagnostics.errors.map(\.description))")
}

/// `count` endpoints of 10.0.0.0/16, numbered from 0.
func endpoints(
    _ count: Int, _ config: ClusterConfig, weight: (Int) -> UInt32 = { _ in 1 }, zone: (Int) -> String? = { _ in nil }
) throws -> [Endpoint] {
    try (0..<count).map { index in
        let address = try #require(SocketAddress(ip: "10.0.\(index / 250).\(index % 250)", port: 80))
        return Endpoint(address: address, weight: weight(index), zone: zone(index), config)
    }
}

/// A clock that stands until it is moved.
struct ManualClock {
    private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
    mutating func advance(_ duration: Duration) { now = now + Nanoseconds(duration) }
}

/// A balancer over a set, with numbers that are the same each time.
final class Picker {
    var balancer: Balancer
    var random = WorkerRandom(seed: 7)
    let endpoints: [Endpoint]

    init(_ endpoints: [Endpoint], _ config: ClusterConfig, localZone: String? = nil, at now: Instant) {
        self.endpoints = endpoints
        balancer = Balancer(config)
        balancer.use(EndpointSet(endpoints, config, localZone: localZone), now: now, &random)
    }

    func pick(_ hash: UInt64? = nil, attempt: Int = 0, at now: Instant) -> Int? {
        balancer.pick(hash: hash, attempt: attempt, now: now, &random)
    }

    /// Picks per endpoint, of so many.
    func counts(_ picks: Int, at now: Instant) -> [Int] {
        var counts = [Int](repeating: 0, count: endpoints.count)
        for _ in 0..<picks { if let index = pick(at: now) { counts[index] += 1 } }
        return counts
    }
}
