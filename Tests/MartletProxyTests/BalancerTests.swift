import MartletConfig
import MartletCore
import MartletNet
import Testing

@testable import MartletProxy

@Suite("Choosing endpoints")
struct BalancerTests {
    @Test(
        "An endpoint goes by its address, with the port or without",
        arguments: [
            ("10.0.0.1", ["10.0.0.1:80", "10.0.0.1"], ["10.0.0.1:8", "10.0.0", "10", ""]),
            ("::1", ["[::1]:80", "[::1]", "::1"], ["[:", "[", ":", ""]),
        ])
    func names(ip: String, known: [String], unknown: [String]) throws {
        let address = try #require(SocketAddress(ip: ip, port: 80))
        let endpoint = Endpoint(address: address, weight: 1, zone: nil, try clusterConfig())
        for text in known { #expect(endpoint.isAt(text), "\(text)") }
        for text in unknown { #expect(!endpoint.isAt(text), "\(text)") }
        let socket = try #require(SocketAddress(unixPath: "/run/a:1"))
        let other = Endpoint(address: socket, weight: 1, zone: nil, try clusterConfig())
        #expect(other.isAt(other.name) && other.isAt("/run/a:1"))
        #expect(!other.isAt("unix") && !other.isAt("/run/a"))
    }

    private let clock = ManualClock()

    @Test("Round robin gives each its turn, and by weight in any row of turns as long as the sum of weights")
    func roundRobin() throws {
        let config = try clusterConfig()
        let equal = Picker(try endpoints(7, config), config, at: clock.now)
        #expect(equal.counts(70, at: clock.now) == [Int](repeating: 10, count: 7))
        let weighted = Picker(
            try endpoints(4, config, weight: { [1, 2, 5, 8][$0] }), config, at: clock.now)
        for _ in 0..<20 { #expect(weighted.counts(16, at: clock.now) == [1, 2, 5, 8]) }
        // Spread out, not in bursts: the others together have as many turns as the heaviest, and three of theirs may come between two of it.
        var last = 0
        for turn in 1...160 where weighted.pick(at: clock.now) == 3 {
            #expect(turn - last <= 4)
            last = turn
        }
    }

    @Test(
        "random, least_request and peak_ewma share idle endpoints out by weight",
        arguments: ["random", "least_request"])
    func byWeight(policy: String) throws {
        let config = try clusterConfig("load_balancing: \(policy)")
        let picker = Picker(try endpoints(3, config, weight: { [1, 3, 6][$0] }), config, at: clock.now)
        let counts = picker.counts(20_000, at: clock.now)
        for (index, share) in [0.1, 0.3, 0.6].enumerated() {
            #expect(abs(Double(counts[index]) / 20_000 - share) < 0.02, "\(counts)")
        }
    }

    @Test("least_request prefers the less busy for its weight")
    func leastRequest() throws {
        let config = try clusterConfig("load_balancing: least_request")
        let picker = Picker(try endpoints(2, config, weight: { [1, 4][$0] }), config, at: clock.now)
        for _ in 0..<3 { _ = picker.endpoints[1].requestStarted() }
        _ = picker.endpoints[0].requestStarted()
        #expect(picker.counts(100, at: clock.now) == [0, 100])
        for _ in 0..<2 { _ = picker.endpoints[1].requestStarted() }
        #expect(picker.counts(100, at: clock.now) == [100, 0])
    }

    // MARK: A slow endpoint

    /// `clients` send one request after the other; endpoint 0 takes ten times as long as the others. Returns its requests and all.
    private func simulate(_ policy: String, endpoints count: Int, clients: Int, requests: Int) throws -> (Int, Int) {
        let config = try clusterConfig("load_balancing: \(policy)")
        var clock = ManualClock()
        let picker = Picker(try endpoints(count, config), config, at: clock.now)
        let decay = Double(Nanoseconds(config.balancing.latencyDecay).rawValue)
        var underWay: [(ends: Instant, started: Instant, endpoint: Int)] = []
        var slow = 0
        for number in 0..<requests {
            if underWay.count == clients {
                let next = try #require(underWay.indices.min { underWay[$0].ends < underWay[$1].ends })
                let done = underWay.remove(at: next)
                clock.advance(.nanoseconds(Int64((done.ends - clock.now).rawValue)))
                let endpoint = picker.endpoints[done.endpoint]
                endpoint.requestEnded(wasProbe: false)
                endpoint.latency.record(done.ends - done.started, isFailure: false, at: clock.now, decay: decay)
            }
            let picked = picker.pick(at: clock.now)
            let index = try #require(picked)
            _ = picker.endpoints[index].requestStarted()
            if index == 0 { slow += 1 }
            // 10ms, give or take, or 100ms.
            let latency = (index == 0 ? 100_000 : 10_000) + number % 97 * 10
            underWay.append((clock.now + Nanoseconds(.microseconds(latency)), clock.now, index))
        }
        return (slow, requests)
    }

    @Test(
        "A ten times slower endpoint gets at most a third of its share",
        arguments: [("least_request", 2, 8), ("least_request", 10, 64), ("peak_ewma", 2, 8), ("peak_ewma", 10, 64)])
    func slowEndpoint(policy: String, count: Int, clients: Int) throws {
        let (slow, all) = try simulate(policy, endpoints: count, clients: clients, requests: 20_000)
        #expect(Double(slow) / Double(all) <= 1.0 / 3 / Double(count), "\(slow) of \(all)")
        // It is not forgotten either: it may be faster again.
        #expect(slow > 0)
    }

    @Test("Round robin, by comparison, gives it its whole share")
    func slowEndpointInTurn() throws {
        let (slow, all) = try simulate("round_robin", endpoints: 10, clients: 64, requests: 20_000)
        #expect(slow == all / 10)
    }

    @Test("peak_ewma: even without load the slow one is avoided, a new one is tried, and time makes good")
    func peakEWMA() throws {
        let config = try clusterConfig("load_balancing: peak_ewma\npeak_ewma: { decay: 1s }")
        var clock = ManualClock()
        let picker = Picker(try endpoints(3, config), config, at: clock.now)
        func measure(_ index: Int, _ latency: Duration, isFailure: Bool = false) {
            picker.endpoints[index].latency.record(
                Nanoseconds(latency), isFailure: isFailure, at: clock.now, decay: 1e9)
        }
        measure(0, .milliseconds(10))
        measure(1, .milliseconds(100))
        let counts = picker.counts(300, at: clock.now)
        // The slow one only when it is compared with itself, which cannot be; the unknown one always.
        #expect(counts[1] == 0 && counts[2] > counts[0])
        // The unknown one has not answered yet.
        _ = picker.endpoints[2].requestStarted()
        #expect(picker.counts(300, at: clock.now)[2] < 150)
        // A failure that comes at once is not fast.
        measure(2, .microseconds(50), isFailure: true)
        #expect((picker.endpoints[2].latency.measured ?? 0) >= 1e7)
        measure(2, .microseconds(50), isFailure: true)
        #expect((picker.endpoints[2].latency.measured ?? 0) >= 2e7)
        // A peak counts at once, and is forgotten by and by.
        measure(0, .milliseconds(500))
        #expect(picker.endpoints[0].latency.measured == 5e8)
        clock.advance(.seconds(10))
        measure(0, .milliseconds(10))
        #expect((picker.endpoints[0].latency.measured ?? 0) < 1.01e7)
    }

    // MARK: Health

    @Test(
        "Unhealthy endpoints are not picked, from the moment they are found so",
        arguments: ["round_robin", "least_request", "random", "peak_ewma", "ring_hash", "maglev"])
    func unhealthy(policy: String) throws {
        let config = try clusterConfig("load_balancing: \(policy)")
        let picker = Picker(try endpoints(10, config), config, at: clock.now)
        // The set was made while all were healthy.
        for index in [2, 5] { picker.endpoints[index].checked(isHealthy: false, at: clock.now) }
        var seen: Set<Int> = []
        for key in 0..<2000 {
            let picked = picker.pick(StableHash.mix(UInt64(key)), at: clock.now)
            seen.insert(try #require(picked))
        }
        #expect(seen == [0, 1, 3, 4, 6, 7, 8, 9])
    }

    @Test("Below the panic threshold all are used; at 0% none")
    func panic() throws {
        let config = try clusterConfig()
        let all = try endpoints(10, config)
        for endpoint in all[..<5] { endpoint.checked(isHealthy: false, at: clock.now) }
        #expect(!EndpointSet(all, config, localZone: nil).isPanicking)
        all[5].checked(isHealthy: false, at: clock.now)
        #expect(EndpointSet(all, config, localZone: nil).isPanicking)
        let panicking = Picker(all, config, at: clock.now)
        let everywhere = panicking.counts(100, at: clock.now)
        #expect(everywhere == [Int](repeating: 10, count: 10))
        let strict = try clusterConfig("panic_threshold: 0%")
        let strictly = Picker(all, strict, at: clock.now)
        #expect(strictly.counts(100, at: clock.now) == [0, 0, 0, 0, 0, 0, 25, 25, 25, 25])
        for endpoint in all { endpoint.checked(isHealthy: false, at: clock.now) }
        #expect(strictly.pick(at: clock.now) == nil)
        let none = Picker(all, strict, at: clock.now)
        #expect(none.pick(at: clock.now) == nil)
        #expect(none.pick(17, at: clock.now) == nil)
    }

    @Test("An endpoint on probation gets a few requests at once and no more")
    func probation() throws {
        let config = try clusterConfig("outlier_detection: { half_open_requests: 2 }")
        let picker = Picker(try endpoints(3, config), config, at: clock.now)
        // A request from before does not count as one of them.
        #expect(!picker.endpoints[1].requestStarted())
        #expect(picker.endpoints[1].eject())
        #expect(picker.endpoints[1].release(at: clock.now))
        func probe() -> Int {
            (0..<50).count { _ in picker.pick(at: clock.now) == 1 && picker.endpoints[1].requestStarted() }
        }
        #expect(probe() == 2)
        picker.endpoints[1].requestEnded(wasProbe: true)
        #expect(probe() == 1)
        picker.endpoints[1].requestEnded(wasProbe: false)
        #expect(probe() == 0)
    }

    // MARK: Slow start

    @Test("slow_start: the share of one that joins grows with time", arguments: ["round_robin", "least_request"])
    func slowStart(policy: String) throws {
        let config = try clusterConfig("load_balancing: \(policy)\nslow_start: 30s")
        var clock = ManualClock()
        let old = try endpoints(3, config)
        let new = Endpoint(
            address: try #require(.init(ip: "10.1.0.1", port: 80)), weight: 1, zone: nil, config, joining: clock.now)
        let picker = Picker(old + [new], config, at: clock.now)
        var shares: [Double] = []
        for _ in 0..<5 {
            shares.append(Double(picker.counts(30_000, at: clock.now)[3]) / 30_000)
            clock.advance(.milliseconds(7_500))
        }
        // Of a whole share of 1/4: at least a tenth of the weight, then a quarter, a half, three quarters, all.
        for (share, weight) in zip(shares, [0.1, 0.25, 0.5, 0.75, 1]) {
            #expect(abs(share - weight / (3 + weight)) < 0.03, "\(shares)")
        }
    }

    @Test("slow_start: aggression bends the curve, min_weight bounds it")
    func slowStartCurve() throws {
        let config = try clusterConfig("slow_start: { window: 10s, aggression: 2, min_weight: 20% }")
        let start = SlowStart(try #require(config.balancing.slowStart))
        #expect(start.part(after: .zero) == 0.2)
        #expect(abs(start.part(after: .seconds(1)) - 0.3162) < 0.001)
        #expect(start.part(after: .seconds(10)) == 1)
    }

    // MARK: Zones

    @Test("zone_preference: the own zone while it is well, the others for what it lacks")
    func zones() throws {
        let config = try clusterConfig("load_balancing: random\nzone_preference: {}")
        let all = try endpoints(20, config, zone: { $0 < 10 ? "a" : "b" })
        func local(_ zone: String?) -> Double {
            let picker = Picker(all, config, localZone: zone, at: clock.now)
            return Double(picker.counts(10_000, at: clock.now)[..<10].reduce(0, +)) / 10_000
        }
        #expect(local("a") == 1)
        #expect(local("b") == 0)
        #expect(abs(local(nil) - 0.5) < 0.03)
        #expect(abs(local("elsewhere") - 0.5) < 0.03)
        for endpoint in all[..<2] { endpoint.checked(isHealthy: false, at: clock.now) }
        #expect(local("a") == 1)
        // Half of it healthy, at 140%: 70%.
        for endpoint in all[2..<5] { endpoint.checked(isHealthy: false, at: clock.now) }
        #expect(abs(local("a") - 0.7) < 0.03)
        for endpoint in all[5..<10] { endpoint.checked(isHealthy: false, at: clock.now) }
        #expect(local("a") == 0)
    }
}
