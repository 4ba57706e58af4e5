import MartletConfig
import MartletCore
import Testing

@testable import MartletProxy

@Suite("The circuit breaker by error rate, by a clock of its own")
struct ErrorRateBreakerTests {
    private final class Scene {
        let breaker: ErrorRateBreaker
        var clock = ManualClock()

        init(_ settings: String = "{}") throws {
            let config = try clusterConfig("circuit_breaker: { error_rate: \(settings) }")
            breaker = ErrorRateBreaker(try #require(config.circuitBreaker.errorRate))
        }

        func record(_ failures: Int, of total: Int) {
            for number in 0..<total { record(isFailure: number >= total - failures) }
        }

        @discardableResult
        func record(isFailure: Bool, took: Duration = .zero) -> Bool {
            let latency = Nanoseconds(took)
            let started = Instant(nanoseconds: clock.now.nanoseconds - latency.rawValue)
            return breaker.record(isFailure: isFailure, started: started, at: clock.now)
        }
    }

    /// Settings, failures of requests, the state then.
    @Test(
        "What opens it",
        arguments: [
            ("{}", 10, 20, ErrorRateBreaker.State.open), ("{}", 9, 20, .closed), ("{}", 19, 19, .closed),
            ("{ minimum_requests: 5 }", 5, 5, .open), ("{ threshold: 10% }", 2, 20, .open),
            ("{ threshold: 100% }", 19, 20, .closed), ("{ threshold: 100% }", 20, 20, .open),
        ])
    func opening(settings: String, failures: Int, total: Int, state: ErrorRateBreaker.State) throws {
        let scene = try Scene(settings)
        scene.record(failures, of: total)
        #expect(scene.breaker.state == state)
        #expect(scene.breaker.admit(at: scene.clock.now).isAdmitted == (state == .closed))
    }

    @Test("Open for its time, half-open for a few requests, closed when all of them succeed")
    func life() throws {
        let scene = try Scene("{ open_for: 5s, half_open_requests: 3 }")
        scene.record(20, of: 20)
        scene.clock.advance(.milliseconds(4_999))
        #expect(!scene.breaker.admit(at: scene.clock.now).isAdmitted)
        scene.clock.advance(.milliseconds(1))
        let first = scene.breaker.admit(at: scene.clock.now)
        #expect(first.isAdmitted && first.changed && scene.breaker.state == .halfOpen)
        #expect((0..<10).count { _ in scene.breaker.admit(at: scene.clock.now).isAdmitted } == 2)
        #expect(!scene.record(isFailure: false))
        #expect(!scene.record(isFailure: false))
        #expect(scene.record(isFailure: false))
        #expect(scene.breaker.state == .closed)
        // What failed before is forgotten.
        scene.record(1, of: 1)
        #expect(scene.breaker.state == .closed && scene.breaker.admit(at: scene.clock.now).isAdmitted)
        #expect(scene.breaker.openCount == 1)
    }

    @Test("One failure while half-open opens it again, for the whole time")
    func failingAgain() throws {
        let scene = try Scene("{ open_for: 5s }")
        scene.record(20, of: 20)
        scene.clock.advance(.seconds(5))
        #expect(scene.breaker.admit(at: scene.clock.now).isAdmitted)
        scene.clock.advance(.seconds(1))
        #expect(scene.record(isFailure: true, took: .milliseconds(10)))
        #expect(scene.breaker.state == .open && scene.breaker.openCount == 2)
        scene.clock.advance(.milliseconds(4_999))
        #expect(!scene.breaker.admit(at: scene.clock.now).isAdmitted)
        scene.clock.advance(.milliseconds(1))
        #expect(scene.breaker.admit(at: scene.clock.now).isAdmitted)
    }

    @Test("Answers to what was sent before it was half-open say nothing")
    func lateAnswers() throws {
        let scene = try Scene("{ open_for: 5s, half_open_requests: 1 }")
        scene.record(20, of: 20)
        #expect(!scene.record(isFailure: true))
        scene.clock.advance(.seconds(5))
        #expect(scene.breaker.admit(at: scene.clock.now).isAdmitted)
        #expect(!scene.record(isFailure: true, took: .seconds(6)))
        #expect(!scene.record(isFailure: false, took: .seconds(6)))
        #expect(scene.breaker.state == .halfOpen)
    }

    @Test("Probes whose answers nobody waited for do not leave it half-open for ever")
    func lostProbes() throws {
        let scene = try Scene("{ open_for: 5s, half_open_requests: 2 }")
        scene.record(20, of: 20)
        scene.clock.advance(.seconds(5))
        #expect((0..<5).count { _ in scene.breaker.admit(at: scene.clock.now).isAdmitted } == 2)
        scene.clock.advance(.seconds(5))
        #expect((0..<5).count { _ in scene.breaker.admit(at: scene.clock.now).isAdmitted } == 2)
        scene.record(0, of: 2)
        #expect(scene.breaker.state == .closed)
    }

    @Test("Failures older than the window count no more")
    func window() throws {
        let scene = try Scene("{ window: 10s, minimum_requests: 10 }")
        scene.record(9, of: 9)
        scene.clock.advance(.seconds(11))
        scene.record(1, of: 10)
        #expect(scene.breaker.state == .closed)
        // A failure now and then, spread over the window, adds up.
        for _ in 0..<8 {
            scene.clock.advance(.milliseconds(900))
            scene.record(2, of: 2)
        }
        #expect(scene.breaker.state == .open)
    }
}
