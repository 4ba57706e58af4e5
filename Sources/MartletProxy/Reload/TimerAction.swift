internal import MartletNet

/// A timer with a closure for a target.
final class TimerAction: TimerTarget {
    private let action: () -> Void
    init(_ action: @escaping () -> Void) { self.action = action }
    func timerFired(_ tag: UInt8) { action() }
}
