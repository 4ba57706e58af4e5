internal import CLua
internal import MartletCore
internal import MartletFilter

/// The time of a test: it stands still while something can move, and then jumps to the next timer. Scripts read the wall
/// clock from here too, until `stop`.
final class TestClock {
    private struct Timer {
        let deadline: Instant
        let number: UInt64
        let action: () -> Void
    }

    private(set) var now = Instant(nanoseconds: 3_600_000_000_000)
    private let begun: Instant
    private let wall: WallClock
    private var timers: [Timer] = []
    private var lastNumber: UInt64 = 0

    init(_ wall: WallClock) {
        begun = now
        self.wall = wall
        tell()
    }

    /// Nothing fires any more, and scripts of this thread read the system's clock again.
    func stop() {
        // What a timer holds may cancel timers of its own as it goes.
        let last = timers
        timers = []
        _ = consume last
        mrt_tell_wall_clock_ms(0)
    }

    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle {
        lastNumber += 1
        let number = lastNumber
        timers.append(Timer(deadline: now + delay, number: number, action: action))
        return TimerHandle { [weak self] in self?.timers.removeAll { $0.number == number } }
    }

    /// Jumps to the next timer and fires it. False when none is due by `limit`. Of two at the same time the one that was
    /// armed first goes first.
    func fireNext(by limit: Instant) -> Bool {
        let next = timers.indices.min {
            (timers[$0].deadline, timers[$0].number) < (timers[$1].deadline, timers[$1].number)
        }
        guard let next, timers[next].deadline <= limit else { return false }
        let timer = timers.remove(at: next)
        move(to: max(now, timer.deadline))
        timer.action()
        return true
    }

    /// Lets time pass, with whatever is due in it.
    func advance(by span: Nanoseconds) {
        let target = now + span
        while fireNext(by: target) {}
        move(to: target)
    }

    private func move(to instant: Instant) {
        now = instant
        tell()
    }

    private func tell() {
        mrt_tell_wall_clock_ms((wall.nanoseconds + (now - begun).rawValue) / 1_000_000)
    }
}
