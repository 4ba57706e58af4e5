import MartletConfig
import MartletCore
import Testing

@testable import MartletProxy

@Suite("Choosing by a key")
struct HashTests {
    private let clock = ManualClock()
    private static let keys = (0..<50_000).map { StableHash.of("user-\($0)") }

    private func owners(_ endpoints: [Endpoint], _ config: ClusterConfig) throws -> [String] {
        let picker = Picker(endpoints, config, at: clock.now)
        return try Self.keys.map { key in
            let picked = picker.pick(key, at: clock.now)
            return endpoints[try #require(picked)].name
        }
    }

    private func moved(_ before: [String], _ after: [String]) -> Double {
        Double(zip(before, after).count { $0 != $1 }) / Double(before.count)
    }

    @Test(
        "When one of n endpoints leaves, 1/n of the keys move and noise; with ring_hash only its own",
        arguments: [3, 10, 50])
    func leaving(count: Int) throws {
        for (policy, most) in [("ring_hash", 1.25), ("maglev", 1.6)] {
            let config = try clusterConfig("load_balancing: \(policy)")
            let all = try endpoints(count, config)
            let before = try owners(all, config)
            let gone = all[count / 2]
            let after = try owners(all.filter { $0 !== gone }, config)
            let share = moved(before, after)
            #expect(share <= most / Double(count), "\(policy) \(count): \(share)")
            if policy == "ring_hash" {
                #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == gone.name })
            }
        }
    }

    @Test("When one is unhealthy only its own keys move, and come back with it", arguments: ["ring_hash", "maglev"])
    func failing(policy: String) throws {
        let config = try clusterConfig("load_balancing: \(policy)")
        let all = try endpoints(10, config)
        let before = try owners(all, config)
        all[4].checked(isHealthy: false, at: clock.now)
        let during = try owners(all, config)
        #expect(zip(before, during).allSatisfy { $0 == $1 || $0 == all[4].name })
        #expect(!during.contains(all[4].name))
        // What moved is shared out, not heaped on a neighbour.
        let heirs = Set(zip(before, during).filter { $0 != $1 }.map(\.1))
        #expect(heirs.count == 9)
        all[4].checked(isHealthy: true, at: clock.now)
        #expect(try owners(all, config) == before)
    }

    @Test("Shares are even, and follow weights", arguments: [("ring_hash", 0.25), ("maglev", 0.02)])
    func shares(policy: String, error: Double) throws {
        let config = try clusterConfig("load_balancing: \(policy)")
        let all = try endpoints(5, config, weight: { [1, 1, 2, 4, 2][$0] })
        let owners = try owners(all, config)
        for (endpoint, share) in zip(all, [0.1, 0.1, 0.2, 0.4, 0.2]) {
            let found = Double(owners.count { $0 == endpoint.name }) / Double(owners.count)
            #expect(abs(found - share) <= share * error + 0.005, "\(endpoint.name) \(found)")
        }
    }

    @Test("The order in which endpoints are written says nothing", arguments: ["ring_hash", "maglev"])
    func order(policy: String) throws {
        let config = try clusterConfig("load_balancing: \(policy)")
        let all = try endpoints(12, config)
        #expect(try owners(all, config) == owners(Array(all.reversed()), config))
    }

    @Test("Another attempt with the same key goes elsewhere, mostly at once; without a key it is by chance")
    func attempts() throws {
        let config = try clusterConfig("load_balancing: ring_hash")
        let picker = Picker(try endpoints(10, config), config, at: clock.now)
        var same = 0
        for key in Self.keys.prefix(1000)
        where picker.pick(key, at: clock.now) == picker.pick(key, attempt: 1, at: clock.now) {
            same += 1
        }
        #expect(same < 200)
        #expect(Set((0..<200).compactMap { _ in picker.pick(at: clock.now) }).count == 10)
    }

    @Test("The ring's size: so many points for a unit of weight, fewer where there are too many")
    func ringSize() throws {
        let config = try clusterConfig("load_balancing: ring_hash")
        func size(_ count: Int, _ size: ClosedRange<Int>, weight: UInt32 = 1) throws -> Int {
            HashRing(try endpoints(count, config, weight: { _ in weight }), size: size).count
        }
        #expect(try size(2, 1024...8_388_608) == 1024)
        #expect(try size(3, 1024...8_388_608) == 3 * 512)
        #expect(try size(3, 1024...8_388_608, weight: 4) == 12 * 512)
        #expect(try size(2000, 1024...100_000) == 2000 * 32)
        #expect(try size(2000, 1...100) == 2000)
        #expect(try size(0, 1024...8_388_608) == 0)
    }

    @Test("The hash is what it was: other proxies, and older ones, must find the same endpoint")
    func stable() {
        #expect(StableHash.of("") == 0xF52A_15E9_A9B5_E89B)
        #expect(StableHash.of("user-1") == StableHash.of(Array("user-1".utf8).span))
        #expect(StableHash.of("user-1") != StableHash.of("user-2"))
    }
}
