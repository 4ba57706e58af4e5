internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// Looks after the health of every cluster of the snapshot in force, once a process, on the supervisor's loop: runs the active
/// checks, ends ejections, judges rates, and tells the workers and the operator what changed. Tables are never built here;
/// what a change costs is a walk over the cluster's endpoints.
final class HealthMonitor: TimerTarget {
    let loop: EventLoop
    let log: (LogLevel, String) -> Void
    private let publish: (ClusterRuntime) -> Void
    var random = WorkerRandom()
    private var clusters: [MonitoredCluster] = []
    /// The same.
    private var byRuntime: [ObjectIdentifier: MonitoredCluster] = [:]

    // MARK: Checks at once

    /// More wait their turn: a start with many endpoints opens no more sockets than this.
    private static let maxProbes = 256
    private var probes = 0
    private var queue: [() -> Void] = []
    /// Of `queue`, started already.
    private var started = 0
    private var isStarting = false

    /// - Parameter publish: gives the workers a cluster's new set.
    init(
        loop: EventLoop, log: @escaping (LogLevel, String) -> Void, publish: @escaping (ClusterRuntime) -> Void
    ) {
        self.loop = loop
        self.log = log
        self.publish = publish
    }

    // MARK: Clusters

    /// Begins with clusters that are about to be in force beside the present ones.
    func prepare(_ next: [ClusterRuntime]) {
        for runtime in next where cluster(runtime) == nil {
            let cluster = MonitoredCluster(runtime, self)
            clusters.append(cluster)
            byRuntime[ObjectIdentifier(runtime)] = cluster
            cluster.start()
        }
    }

    /// These are in force; others are looked after no longer.
    func use(_ next: [ClusterRuntime]) {
        prepare(next)
        let kept = Set(next.map { ObjectIdentifier($0) })
        for cluster in clusters where !kept.contains(ObjectIdentifier(cluster.runtime)) { cluster.stop() }
        clusters.removeAll { !kept.contains(ObjectIdentifier($0.runtime)) }
        byRuntime = byRuntime.filter { kept.contains($0.key) }
    }

    func stop() {
        for cluster in clusters { cluster.stop() }
        clusters = []
        byRuntime = [:]
        queue = []
        started = 0
    }

    private func cluster(_ runtime: ClusterRuntime) -> MonitoredCluster? { byRuntime[ObjectIdentifier(runtime)] }

    /// A look-up changed a cluster's endpoints.
    func endpointsChanged(_ runtime: ClusterRuntime) { cluster(runtime)?.endpointsChanged() }

    /// A worker ejected an endpoint, ended a probation, or moved a circuit breaker.
    func standingChanged(_ runtime: ClusterRuntime) { cluster(runtime)?.standingChanged() }

    /// Why an endpoint's last check failed; nil when it did not.
    func failure(of endpoint: Endpoint, in runtime: ClusterRuntime) -> String? {
        cluster(runtime)?.failure(of: endpoint)
    }

    /// Checks of a cluster so far, by result.
    func checks(_ runtime: ClusterRuntime) -> (succeeded: UInt64, failed: UInt64)? { cluster(runtime)?.checks }

    // MARK: First results

    private var waiting: [() -> Void] = []

    /// How long a start, or a reload that brings new clusters, waits for the first checks before it goes on without.
    private static let firstResults = Nanoseconds.seconds(5)

    /// Calls `body` when every endpoint has been checked once, or the wait has been long enough.
    func whenChecked(_ body: @escaping () -> Void) {
        if !hasUnchecked { return body() }
        // Whoever is first calls it; the other finds it called.
        var pending: (() -> Void)? = body
        let once = {
            let body = pending
            pending = nil
            body?()
        }
        waiting.append(once)
        _ = loop.arm(at: loop.now + Self.firstResults, TimerAction(once), tag: 0)
    }

    private var hasUnchecked: Bool { clusters.contains { $0.hasUnchecked } }

    private func tellWaiting() {
        guard !waiting.isEmpty, !hasUnchecked else { return }
        let told = waiting
        waiting = []
        for body in told { body() }
    }

    // MARK: Changes

    /// Many endpoints may change in a row, as at the start: they are published together.
    private static let gathering = Nanoseconds.milliseconds(2)
    /// The longest that a change waits for others.
    private static let longestGathering = Nanoseconds.milliseconds(100)
    /// Ten times what publishing took the last time: each goes through all endpoints of a cluster, here and on every worker, and
    /// ten thousand that are checked for the first time change in hundreds of steps.
    private var rest = Nanoseconds.zero
    private var isArmed = false

    func needsPublishing() {
        guard !isArmed else { return }
        isArmed = true
        let wait = min(max(Self.gathering, rest), Self.longestGathering)
        _ = loop.arm(at: loop.now + wait, self, tag: 0)
    }

    func timerFired(_ tag: UInt8) {
        isArmed = false
        let began = Instant.now()
        for cluster in clusters where cluster.takeChange() {
            cluster.runtime.refresh()
            publish(cluster.runtime)
            cluster.tellOperator()
        }
        rest = Nanoseconds(rawValue: (Instant.now() - began).rawValue * 10)
        tellWaiting()
    }

    // MARK: Probes

    /// Starts one now or when there is room.
    func probe(_ start: @escaping () -> Void) {
        guard probes < Self.maxProbes else { return queue.append(start) }
        probes += 1
        start()
    }

    /// A probe that `probe` started has ended.
    func probeEnded() {
        probes -= 1
        // Whose endpoint is gone ends as it starts, and comes back here. Of thousands in a row each would stand on the stack of
        // the one before.
        guard !isStarting else { return }
        isStarting = true
        while probes < Self.maxProbes, started < queue.count {
            let next = queue[started]
            started += 1
            probes += 1
            next()
        }
        isStarting = false
        guard started == queue.count || started >= Self.maxProbes else { return }
        queue.removeFirst(started)
        started = 0
    }
}
