import MartletNet
import Testing

@testable import MartletProxy

@Suite("Health monitor")
struct HealthMonitorTests {
    @Test("Checks wait their turn, and thousands whose endpoint is gone are passed over")
    func queue() throws {
        let monitor = HealthMonitor(loop: try EventLoop(), log: { _, _ in }, publish: { _ in })
        var running = 0
        for _ in 0..<300 { monitor.probe { running += 1 } }
        #expect(running == 256)
        for _ in 0..<300_000 { monitor.probe { monitor.probeEnded() } }
        for _ in 0..<50 { monitor.probe { running += 1 } }
        for _ in 0..<44 { monitor.probeEnded() }
        #expect(running == 300)
        monitor.probeEnded()
        #expect(running == 301)
        for _ in 0..<49 { monitor.probeEnded() }
        #expect(running == 350)
    }
}
