import MartletCore
import MartletNet
import Testing

@Suite("The timer wheel")
struct TimerWheelTests {
    private final class Target: TimerTarget {
        func timerFired(_ tag: UInt8) {}
    }

    private static func fire(_ wheel: inout TimerWheel, at milliseconds: UInt64) -> [UInt8] {
        var tags: [UInt8] = []
        while let due = wheel.takeDue(now: Instant(nanoseconds: milliseconds * 1_000_000)) { tags.append(due.tag) }
        return tags
    }

    @Test(
        "A timer fires at its time and never before",
        arguments: [1, 2, 63, 64, 65, 4095, 4096, 4097, 262_144, 3_600_000, 90_000_000])
    func fires(delay: UInt64) {
        var wheel = TimerWheel(now: Instant(nanoseconds: 0))
        let target = Target()
        _ = wheel.arm(at: Instant(nanoseconds: delay * 1_000_000), target, tag: 7)
        #expect(Self.fire(&wheel, at: delay - 1) == [])
        #expect(Self.fire(&wheel, at: delay) == [7])
        #expect(Self.fire(&wheel, at: delay + 1_000_000) == [])
        #expect(wheel.count == 0)
    }

    @Test("A cancelled timer does not fire, and cancelling twice or late does nothing")
    func cancels() {
        var wheel = TimerWheel(now: Instant(nanoseconds: 0))
        let target = Target()
        let first = wheel.arm(at: Instant(nanoseconds: 5_000_000), target, tag: 1)
        _ = wheel.arm(at: Instant(nanoseconds: 5_000_000), target, tag: 2)
        wheel.cancel(first)
        wheel.cancel(first)
        let third = wheel.arm(at: Instant(nanoseconds: 5_000_000), target, tag: 3)
        wheel.cancel(first)
        #expect(Set(Self.fire(&wheel, at: 5)) == [2, 3])
        wheel.cancel(third)
        #expect(wheel.count == 0)
    }

    @Test("Against a sorted list: thousands of random timers, armed, cancelled and fired in random steps")
    func random() {
        var state: UInt64 = 7
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var wheel = TimerWheel(now: Instant(nanoseconds: 0))
        let target = Target()
        var now: UInt64 = 0
        var model: [UInt64: (TimerID, UInt64)] = [:]
        for number in 0..<5000 {
            let deadline = now + 1 + next([50, 5000, 500_000][Int(next(3))])
            let id = wheel.arm(at: Instant(nanoseconds: deadline * 1_000_000), target, tag: 0)
            model[UInt64(number)] = (id, deadline)
            if next(4) == 0, let victim = model.keys.randomElement(), let entry = model.removeValue(forKey: victim) {
                wheel.cancel(entry.0)
            }
            if next(3) == 0 {
                now += next(2000)
                let due = model.filter { $0.value.1 <= now }
                #expect(Self.fire(&wheel, at: now).count == due.count)
                for key in due.keys { model[key] = nil }
            }
            #expect(wheel.count == model.count)
        }
        #expect(Self.fire(&wheel, at: now + 1_000_000).count == model.count)
    }

    @Test("The poll is to end when the next timer is due, and not before it can be")
    func nextDeadline() {
        let start = Instant(nanoseconds: 5_000_000)
        var wheel = TimerWheel(now: start)
        #expect(wheel.nextDeadline == .never)
        let later = wheel.arm(at: start + .milliseconds(40), Target(), tag: 0)
        #expect(wheel.nextDeadline == start + .milliseconds(40))
        let sooner = wheel.arm(at: start + .milliseconds(20), Target(), tag: 0)
        #expect(wheel.nextDeadline == start + .milliseconds(20))
        wheel.cancel(sooner)
        #expect(wheel.nextDeadline == start + .milliseconds(40))
        wheel.cancel(later)
        // Far away: a slot of many ticks, looked at when it begins.
        _ = wheel.arm(at: start + .seconds(100), Target(), tag: 0)
        #expect(wheel.nextDeadline > start + .seconds(30) && wheel.nextDeadline <= start + .seconds(100))
    }
}
