import MartletConfig
import MartletCore
import Synchronization
import Testing

@testable import MartletProxy

@Suite("Outlier detection, by a clock of its own")
struct OutlierDetectorTests {
    /// A cluster's endpoints with their detector, and the time.
    private final class Scene {
        let endpoints: [Endpoint]
        let detector: OutlierDetector
        var clock = ManualClock()
        var random = WorkerRandom(seed: 3)

        init(_ count: Int, _ settings: String = "{}") throws {
            let config = try clusterConfig("outlier_detection: \(settings)")
            endpoints = try MartletProxyTests.endpoints(count, config)
            detector = OutlierDetector(try #require(config.outlierDetection))
            detector.use(endpoints)
        }

        @discardableResult
        func report(_ outcomes: [AttemptOutcome], _ index: Int = 0) -> Bool {
            var changed = false
            for outcome in outcomes {
                changed = detector.record(outcome, of: endpoints[index], at: clock.now, &random) || changed
            }
            return changed
        }

        func sweep() -> Bool { detector.sweep(endpoints, at: clock.now, &random) }
        var ejected: [Int] { endpoints.indices.filter { endpoints[$0].isEjected } }
    }

    @Test("An endpoint that fails for ever, and is not to be ejected for it, is counted on beyond what fits")
    func endless() throws {
        let scene = try Scene(2, "{ consecutive_5xx: 0 }")
        let endpoint = scene.endpoints[0]
        endpoint.outliers.consecutive5xx.store(.max, ordering: .relaxed)
        endpoint.outliers.consecutiveGateway.store(.max, ordering: .relaxed)
        endpoint.outliers.total.store(.max, ordering: .relaxed)
        scene.report([.status(503), .status(503)])
        #expect(scene.ejected.isEmpty)
    }

    private static let bad = AttemptOutcome.status(500)
    private static let good = AttemptOutcome.status(200)

    /// Settings, outcomes in order, whether they eject.
    private static let rows: [(String, [AttemptOutcome], Bool)] = [
        ("{}", Array(repeating: bad, count: 4), false),
        ("{}", Array(repeating: bad, count: 5), true),
        ("{}", [bad, bad, bad, bad, good, bad, bad, bad, bad], false),
        ("{}", [bad, .timeout, .connectFailure, .reset, .status(503)], true),
        ("{}", Array(repeating: .status(404), count: 50), false),
        ("{ consecutive_5xx: 0 }", Array(repeating: bad, count: 50), false),
        ("{ enforcing_consecutive_5xx: 0% }", Array(repeating: bad, count: 50), false),
        ("{ consecutive_5xx: 0, consecutive_gateway_failure: 3 }", Array(repeating: .status(503), count: 9), false),
        (
            "{ consecutive_5xx: 0, consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100% }",
            Array(repeating: .status(503), count: 3), true
        ),
        (
            "{ consecutive_5xx: 0, consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100% }",
            [.status(503), .status(502), bad, .status(504), .reset], false
        ),
        (
            "{ split_external_local_origin_errors: true, consecutive_local_origin_failure: 2 }",
            [.timeout, .connectFailure], true
        ),
        (
            "{ split_external_local_origin_errors: true, consecutive_local_origin_failure: 2 }",
            [.timeout, bad, .reset, bad, .timeout], false
        ),
        ("{ split_external_local_origin_errors: true }", [bad, bad, bad, bad, .reset, bad], true),
    ]

    @Test("What ejects, and what does not", arguments: rows)
    func consecutive(settings: String, outcomes: [AttemptOutcome], ejects: Bool) throws {
        let scene = try Scene(10, settings)
        #expect(scene.report(outcomes) == ejects)
        #expect(scene.ejected == (ejects ? [0] : []))
        #expect(scene.detector.ejectedCount == (ejects ? 1 : 0))
    }

    @Test("Ejected, back on probation, and well again: at their times")
    func life() throws {
        let scene = try Scene(10, "{ base_ejection_time: 30s, half_open_requests: 2 }")
        let endpoint = scene.endpoints[0]
        scene.report(Array(repeating: Self.bad, count: 5))
        #expect(endpoint.isEjected && endpoint.ejectionCause == "consecutive_5xx" && endpoint.ejections == 1)
        #expect(endpoint.ejectedUntil - scene.clock.now == .seconds(30))
        // An answer that was under way changes nothing.
        scene.report([Self.good, Self.bad])
        scene.clock.advance(.milliseconds(29_999))
        #expect(!scene.detector.releaseDue(scene.endpoints, at: scene.clock.now))
        scene.clock.advance(.milliseconds(1))
        #expect(scene.detector.releaseDue(scene.endpoints, at: scene.clock.now))
        #expect(!endpoint.isEjected && endpoint.isOnProbation && endpoint.isHealthy)
        #expect(scene.detector.ejectedCount == 0)
        #expect(!scene.report([Self.good]))
        #expect(endpoint.isOnProbation)
        #expect(scene.report([Self.good]))
        #expect(!endpoint.isOnProbation && endpoint.isAvailable)
    }

    @Test("A failure on probation ejects at once, for twice as long each time, up to the longest")
    func probation() throws {
        let scene = try Scene(10, "{ base_ejection_time: 30s, max_ejection_time: 100s }")
        scene.report(Array(repeating: Self.bad, count: 5))
        for expected in [60, 100, 100, 100] {
            scene.clock.advance(.seconds(101))
            #expect(scene.detector.releaseDue(scene.endpoints, at: scene.clock.now))
            #expect(scene.report([Self.good, Self.bad]))
            #expect(scene.endpoints[0].ejectionCause == "half_open_failure")
            #expect(scene.endpoints[0].ejectedUntil - scene.clock.now == .seconds(UInt64(expected)))
        }
        #expect(scene.endpoints[0].ejections == 5)
        // Well for as many intervals as it took, it begins anew.
        scene.clock.advance(.seconds(101))
        _ = scene.detector.releaseDue(scene.endpoints, at: scene.clock.now)
        scene.report([Self.good, Self.good, Self.good])
        for _ in 0..<10 { _ = scene.sweep() }
        scene.report(Array(repeating: Self.bad, count: 5))
        #expect(scene.endpoints[0].ejectedUntil - scene.clock.now == .seconds(30))
    }

    @Test("The time grows by the number of ejections, and by a random part of the jitter")
    func growing() throws {
        let scene = try Scene(10, "{ base_ejection_time: 10s, half_open_requests: 1, max_ejection_time_jitter: 5s }")
        for expected in [10, 20, 30] {
            scene.report(Array(repeating: Self.bad, count: 5))
            let time = scene.endpoints[0].ejectedUntil - scene.clock.now
            #expect(time >= .seconds(UInt64(expected)) && time <= .seconds(UInt64(expected + 5)))
            scene.clock.advance(.seconds(60))
            #expect(scene.detector.releaseDue(scene.endpoints, at: scene.clock.now))
            scene.report([Self.good])
        }
    }

    /// Endpoints, settings, how many of them may be ejected when all fail.
    @Test(
        "No more are ejected at once than allowed, but one",
        arguments: [
            (1, "{}", 0), (2, "{}", 1), (10, "{}", 1), (20, "{}", 2), (29, "{}", 2), (30, "{}", 3),
            (4, "{ max_ejection_percent: 50% }", 2), (4, "{ max_ejection_percent: 100% }", 4),
            (9, "{ always_eject_one_host: false }", 0), (10, "{ always_eject_one_host: false }", 1),
            (10, "{ max_ejection_percent: 0% }", 1),
        ])
    func bound(count: Int, settings: String, most: Int) throws {
        let scene = try Scene(count, settings)
        for index in 0..<count { scene.report(Array(repeating: Self.bad, count: 25), index) }
        #expect(scene.ejected.count == most)
    }

    @Test("One of those that may not be ejected yet is, as soon as there is room")
    func laterRoom() throws {
        let scene = try Scene(10)
        scene.report(Array(repeating: Self.bad, count: 5), 0)
        scene.report(Array(repeating: Self.bad, count: 5), 1)
        #expect(scene.ejected == [0])
        scene.clock.advance(.seconds(31))
        _ = scene.detector.releaseDue(scene.endpoints, at: scene.clock.now)
        scene.report(Array(repeating: Self.bad, count: 5), 1)
        #expect(scene.ejected == [1])
    }

    @Test("Success rate: ejected is who is far below the others, given enough of both")
    func successRate() throws {
        func run(hosts: Int, volume: Int, failing: Int, _ settings: String = "{ consecutive_5xx: 0 }") throws -> [Int] {
            let scene = try Scene(hosts, settings)
            for index in 0..<hosts {
                for number in 0..<volume {
                    let isBad = number % 100 < (index == 2 ? failing : 1)
                    scene.report([isBad ? Self.bad : Self.good], index)
                }
            }
            #expect(scene.sweep() == !scene.ejected.isEmpty)
            // Counted anew: nothing is held against anybody twice.
            _ = scene.detector.release(scene.endpoints[2], at: scene.clock.now)
            #expect(!scene.sweep())
            return scene.endpoints.indices.filter { scene.endpoints[$0].ejections > 0 }
        }
        #expect(try run(hosts: 10, volume: 100, failing: 30) == [2])
        #expect(try run(hosts: 10, volume: 99, failing: 30) == [])
        #expect(try run(hosts: 4, volume: 100, failing: 30) == [])
        #expect(try run(hosts: 10, volume: 100, failing: 1) == [])
        #expect(
            try run(hosts: 10, volume: 100, failing: 30, "{ consecutive_5xx: 0, enforcing_success_rate: 0% }") == [])
        let byPercentage = "{ consecutive_5xx: 0, enforcing_success_rate: 0%, enforcing_failure_percentage: 100% }"
        #expect(try run(hosts: 5, volume: 50, failing: 100, byPercentage) == [2])
        #expect(try run(hosts: 5, volume: 100, failing: 84, byPercentage) == [])
        #expect(try run(hosts: 5, volume: 100, failing: 85, byPercentage) == [2])
    }

    @Test("A check that succeeds ends an ejection only where that is asked for")
    func checks() throws {
        let scene = try Scene(10)
        scene.report(Array(repeating: Self.bad, count: 5))
        #expect(!scene.detector.checkSucceeded(scene.endpoints[0], at: scene.clock.now))
        let asked = try Scene(10, "{ successful_active_health_check_uneject_host: true }")
        asked.report(Array(repeating: Self.bad, count: 5))
        #expect(asked.detector.checkSucceeded(asked.endpoints[0], at: asked.clock.now))
        #expect(asked.endpoints[0].isOnProbation)
    }

    @Test("What is known of an endpoint survives a change of the configuration that still asks for it")
    func inheritance() throws {
        let with = try clusterConfig("outlier_detection: {}\nhealth_check: { tcp: {} }")
        let without = try clusterConfig()
        let scene = try Scene(3)
        scene.report(Array(repeating: Self.bad, count: 5))
        let kept = Endpoint(of: scene.endpoints[0], weight: 2, zone: "b", with)
        #expect(kept.isEjected && kept.ejections == 1 && kept.weight == 2 && !kept.isUnchecked)
        let freed = Endpoint(of: scene.endpoints[0], weight: 1, zone: nil, without)
        #expect(freed.isHealthy)
        let failed = scene.endpoints[1]
        failed.checked(isHealthy: false, at: scene.clock.now)
        #expect(Endpoint(of: failed, weight: 1, zone: nil, with).hasFailedCheck)
        #expect(Endpoint(of: failed, weight: 1, zone: nil, without).isHealthy)
        let detector = OutlierDetector(try #require(with.outlierDetection))
        detector.use([kept, freed])
        #expect(detector.ejectedCount == 1)
    }
}
