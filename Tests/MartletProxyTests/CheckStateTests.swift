import MartletConfig
import MartletCore
import Testing

@testable import MartletProxy

@Suite("What checks come to")
struct CheckStateTests {
    /// Results in order (`+` and `-`) and the standing after each: `?`, `h` or `u`.
    @Test(
        arguments: [
            (CheckState.Standing.unchecked, "+++", "hhh"), (.unchecked, "--+", "uuu"), (.unchecked, "-++", "uuh"),
            (.healthy, "--+--", "hhhhh"), (.healthy, "---", "hhu"), (.healthy, "-----++", "hhuuuuh"),
            (.unhealthy, "+-++", "uuuh"), (.unhealthy, "++", "uh"),
        ])
    func thresholds(from: CheckState.Standing, results: String, standings: String) throws {
        let config = try #require(try clusterConfig("health_check: { tcp: {} }").healthCheck)
        var state = CheckState(from)
        for (result, expected) in zip(results, standings) {
            let before = state.standing
            #expect(state.record(isSuccess: result == "+", config) == (state.standing != before))
            let letter: Character =
                switch state.standing {
                case .unchecked: "?"
                case .healthy: "h"
                case .unhealthy: "u"
                }
            #expect(letter == expected)
        }
    }

    @Test("The time to the next check, jitter included")
    func waits() throws {
        let text =
            "health_check: { tcp: {}, interval: 10s, unhealthy_interval: 1s, no_traffic_interval: 60s, jitter: 20% }"
        let config = try #require(try clusterConfig(text).healthCheck)
        var random = WorkerRandom(seed: 5)
        func wait(_ state: CheckState, hasTraffic: Bool) -> Double {
            state.wait(config, hasTraffic: hasTraffic, &random).milliseconds / 1000
        }
        for (standing, hasTraffic, seconds) in [
            (CheckState.Standing.healthy, true, 10.0), (.healthy, false, 60), (.unhealthy, true, 1),
            (.unhealthy, false, 1),
        ] {
            let waits = (0..<100).map { _ in wait(CheckState(standing), hasTraffic: hasTraffic) }
            #expect(waits.allSatisfy { $0 >= seconds && $0 <= seconds * 1.2 })
            // Not all at the same time.
            #expect(Set(waits).count > 90)
        }
        // Something is amiss: no traffic is no reason to wait.
        var failing = CheckState(.healthy)
        _ = failing.record(isSuccess: false, config)
        #expect(wait(failing, hasTraffic: false) <= 12)
    }
}
