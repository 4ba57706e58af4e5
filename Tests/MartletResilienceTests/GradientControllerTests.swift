import Testing

@testable import MartletResilience

private let millisecond: UInt64 = 1_000_000

/// A server that answers `capacity` requests at once in `service` each; more make all of them wait. Its clients want as
/// much as they can get.
private struct SimulatedServer {
    var capacity: Int
    var service: UInt64
    var controller: GradientController
    var now: UInt64 = 1_000_000_000_000
    var underWay: [(started: UInt64, ends: UInt64)] = []
    var finished = 0
    var blocked = 0

    init(capacity: Int, service: UInt64, _ settings: GradientController.Settings = .init()) {
        self.capacity = capacity
        self.service = service
        controller = GradientController(settings, at: now, seed: 7)
    }

    /// Lets `duration` go by in steps of half a millisecond; at most `clients` ask at a time.
    mutating func run(for duration: UInt64, clients: Int = 10_000, each step: (SimulatedServer) -> Void = { _ in }) {
        let end = now + duration
        while now < end {
            now += millisecond / 2
            for request in underWay where request.ends <= now {
                finished += 1
                controller.record(request.ends - request.started, started: request.started, at: now)
            }
            underWay.removeAll { $0.ends <= now }
            while underWay.count < clients {
                guard underWay.count < controller.limit else {
                    blocked += 1
                    break
                }
                let queue = max(1, Double(underWay.count + 1) / Double(capacity))
                underWay.append((now, now + UInt64(Double(service) * queue)))
            }
            step(self)
        }
    }
}

@Suite("The gradient controller")
struct GradientControllerTests {
    @Test("Finds what the server can do, whatever that is", arguments: [5, 20, 100])
    func convergence(capacity: Int) {
        var server = SimulatedServer(capacity: capacity, service: 10 * millisecond)
        server.run(for: 10_000 * millisecond)
        // A quarter above, and the square root of that: what the formula's fixed point is.
        let wanted = 1.25 * Double(capacity)
        let expected = wanted + wanted.squareRoot()
        #expect(Double(server.controller.limit) > expected * 0.75, "\(server.controller.limit)")
        #expect(Double(server.controller.limit) < expected * 1.25, "\(server.controller.limit)")
        #expect(server.controller.leastTime >= 10 * millisecond)
        #expect(server.controller.leastTime < 12 * millisecond)
    }

    @Test("Follows a server that becomes slower, and one that becomes faster")
    func follows() {
        var server = SimulatedServer(capacity: 40, service: 10 * millisecond)
        server.run(for: 5000 * millisecond)
        let before = server.controller.limit
        server.capacity = 10
        server.run(for: 2000 * millisecond)
        let slow = server.controller.limit
        #expect(slow < before / 2, "\(before) \(slow)")
        #expect(slow >= 10)
        server.capacity = 200
        server.run(for: 5000 * millisecond)
        #expect(server.controller.limit > 150, "\(server.controller.limit)")
    }

    @Test("Stays within its bounds")
    func bounds() {
        var settings = GradientController.Settings()
        settings.maxLimit = 30
        var wide = SimulatedServer(capacity: 1000, service: 10 * millisecond, settings)
        wide.run(for: 5000 * millisecond) { #expect($0.controller.limit <= 30) }
        #expect(wide.controller.limit == 30)
        settings.minLimit = 8
        var narrow = SimulatedServer(capacity: 1, service: 10 * millisecond, settings)
        narrow.run(for: 5000 * millisecond) { #expect($0.controller.limit >= 8 || $0.controller.isMeasuring) }
    }

    @Test("Measures first, with few under way; then again after the interval and its jitter")
    func measuring() {
        var settings = GradientController.Settings()
        settings.measureInterval = 2_000 * millisecond
        settings.jitter = 0.5
        var server = SimulatedServer(capacity: 20, service: 10 * millisecond, settings)
        #expect(server.controller.isMeasuring)
        #expect(server.controller.limit == 3)
        server.run(for: 100 * millisecond) { if $0.controller.isMeasuring { #expect($0.underWay.count <= 3) } }
        #expect(server.controller.isMeasuring)
        server.run(for: 150 * millisecond)
        #expect(!server.controller.isMeasuring)
        var measurements: [UInt64] = []
        var isMeasuring = false
        server.run(for: 20_000 * millisecond) {
            if $0.controller.isMeasuring, !isMeasuring { measurements.append($0.now) }
            isMeasuring = $0.controller.isMeasuring
        }
        #expect(measurements.count > 5)
        for (first, second) in zip(measurements, measurements.dropFirst()) {
            #expect(second - first >= 2_000 * millisecond)
            #expect(second - first <= 3_500 * millisecond)
        }
    }

    @Test("A measurement takes what began in it, and ends though samples are few")
    func samples() {
        let start: UInt64 = 1_000_000_000_000
        var controller = GradientController(.init(), at: start, seed: 1)
        // Began before: stood in a queue.
        controller.record(900 * millisecond, started: start - 1, at: start + 10 * millisecond)
        controller.record(10 * millisecond, started: start, at: start + 10 * millisecond)
        #expect(controller.isMeasuring)
        controller.advance(to: start + 4_999 * millisecond)
        #expect(controller.isMeasuring)
        controller.advance(to: start + 5_000 * millisecond)
        #expect(!controller.isMeasuring)
        #expect(controller.leastTime == 10 * millisecond)
    }

    @Test("At the least limit for long, it doubts its least time")
    func doubts() {
        var settings = GradientController.Settings()
        settings.measureInterval = 3_600_000 * millisecond
        var server = SimulatedServer(capacity: 100, service: 5 * millisecond, settings)
        server.run(for: 1000 * millisecond)
        #expect(server.controller.leastTime < 6 * millisecond)
        // A new version of it takes ten times as long, busy or not.
        server.service = 50 * millisecond
        server.run(for: 10_000 * millisecond)
        #expect(server.controller.leastTime >= 50 * millisecond)
        #expect(server.controller.limit > 60, "\(server.controller.limit)")
    }

    @Test("The percentile is the one asked for", arguments: [(0.5, 50), (0.9, 90), (1.0, 100), (0.01, 1)])
    func percentiles(percentile: Double, expected: UInt64) {
        var settings = GradientController.Settings()
        settings.percentile = percentile
        settings.measureSamples = 100
        var controller = GradientController(settings, at: 0, seed: 1)
        for time in (1...100 as ClosedRange<UInt64>).reversed() { controller.record(time, started: 0, at: 1) }
        #expect(controller.leastTime == expected)
    }

    @Test("Times of nothing and of everything do no harm")
    func extremes() {
        var controller = GradientController(.init(), at: 0, seed: 0)
        for step in 0..<10_000 as Range<UInt64> {
            controller.record(step % 2 == 0 ? 0 : .max, started: step, at: step &* 50 * millisecond)
            #expect(controller.limit >= 3)
            #expect(controller.limit <= 1000)
        }
    }
}
