package import MartletCore

/// What a worker does for the filters that live on it.
package protocol WorkerServices: AnyObject {
    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle
    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream
    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle
    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?)
    /// The loop's clock: the time this turn began.
    var now: Instant { get }
    var metrics: Metrics { get }
    /// From 0.
    var workerIndex: Int { get }
    /// The object that filters of this worker share under `key`, for as long as one of them holds it.
    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject
    /// For choices and names, not for secrets.
    func randomBits() -> UInt64
    /// A worker that drains waits, until the drain deadline, for `target` to settle. Held weakly.
    func holdDrain(for target: any DrainTarget)
    /// Calls `handler` on this worker with what `post`, which any thread may call, is given, until `forget`. False from `post` once
    /// the worker has ended.
    func receive(
        _ handler: @escaping (any Sendable) -> Void
    ) -> (post: @Sendable (any Sendable) -> Bool, forget: () -> Void)
    /// Does `work` on a thread that is no worker's, then `done` here with what it came to. False, and neither is called, when `limit`
    /// pieces of work wait for such a thread already.
    func offload(
        limit: Int, _ work: @escaping @Sendable () -> any Sendable, _ done: @escaping (any Sendable) -> Void
    ) -> Bool
}

/// For workers of tests, which neither drain nor count on speed.
extension WorkerServices {
    package func randomBits() -> UInt64 { UInt64.random(in: .min ... .max) }
    package func holdDrain(for target: any DrainTarget) {}
}

/// What holds something that has to leave before its worker ends, such as spans on their way to a collector.
package protocol DrainTarget: AnyObject {
    /// The worker has nothing else left to do. True when nothing is held; otherwise `done` runs once, when that is so.
    func settle(_ done: @escaping () -> Void) -> Bool
}

/// For workers that are alone in their process, as those of tests are.
extension WorkerServices {
    /// There are no other threads that could send.
    package func receive(
        _ handler: @escaping (any Sendable) -> Void
    ) -> (post: @Sendable (any Sendable) -> Bool, forget: () -> Void) { ({ _ in false }, {}) }

    /// Done at once, and heard of later.
    package func offload(
        limit: Int, _ work: @escaping @Sendable () -> any Sendable, _ done: @escaping (any Sendable) -> Void
    ) -> Bool {
        let outcome = work()
        _ = schedule(after: .zero) { done(outcome) }
        return true
    }
}

/// Severity of a log line.
public enum LogLevel: UInt8, Sendable, Comparable {
    case trace, debug, info, warning, error, critical
    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// A timer that a filter armed. Cancelling one that has fired does nothing.
public final class TimerHandle {
    private var cancelAction: (() -> Void)?
    package init(cancel: @escaping () -> Void) { cancelAction = cancel }
    public func cancel() {
        let action = cancelAction
        cancelAction = nil
        action?()
    }
}
