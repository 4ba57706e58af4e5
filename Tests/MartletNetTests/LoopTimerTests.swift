import MartletCore
import Testing

@testable import MartletNet

@Suite("Timers of a loop")
struct LoopTimerTests {
    private final class Target: TimerTarget {
        var fired: [UInt8] = []
        func timerFired(_ tag: UInt8) { fired.append(tag) }
    }

    @Test("End the poll, whether the one before brought something or not", arguments: [false, true])
    func endThePoll(afterEvents: Bool) throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let source = try loop.attach(mailbox) { _ = mailbox.drain() }
        defer { source.close() }
        let target = Target()
        for round in UInt8(0)..<3 {
            if afterEvents {
                mailbox.post(1)
                loop.turn()
            }
            // The later first, so that what ends the poll has to become sooner.
            let due = Instant.now() + .milliseconds(15)
            _ = loop.arm(at: due + .milliseconds(20), target, tag: 2 * round + 1)
            if afterEvents {
                mailbox.post(1)
                loop.turn()
            }
            _ = loop.arm(at: due, target, tag: 2 * round)
            while target.fired.count < 2 * Int(round) + 2 { loop.turn() }
            #expect(Instant.now() >= due + .milliseconds(20))
        }
        #expect(target.fired == [0, 1, 2, 3, 4, 5])
        #expect(loop.armedTimers == 0)
    }
}
