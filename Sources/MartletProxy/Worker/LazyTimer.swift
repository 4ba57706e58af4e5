internal import MartletCore
internal import MartletNet

/// One timer for a thing whose deadlines move with every request. Moving a deadline later touches nothing: the timer
/// fires at the old time, finds nothing due, and is armed anew. So a busy connection costs no timer work a request.
struct LazyTimer {
    private var armed: TimerID?
    private var armedFor = Instant.never

    /// Makes sure that `target` is asked at `deadline` or before.
    mutating func require(_ deadline: Instant, _ loop: EventLoop, _ target: any TimerTarget, tag: UInt8 = 0) {
        if armed != nil {
            if armedFor <= deadline { return }
            cancel(loop)
        }
        guard deadline != .never else { return }
        armed = loop.arm(at: deadline, target, tag: tag)
        armedFor = deadline
    }

    /// To be called first when the timer fires.
    mutating func fired() {
        armed = nil
        armedFor = .never
    }

    mutating func cancel(_ loop: EventLoop) {
        if let armed { loop.cancel(armed) }
        fired()
    }
}
