internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// One cluster under the `HealthMonitor`: its endpoints' checks, the times of its outlier detection, and what the operator was
/// told of it last.
final class MonitoredCluster: TimerTarget {
    let runtime: ClusterRuntime
    private unowned let monitor: HealthMonitor
    private var checked: [ObjectIdentifier: CheckedEndpoint] = [:]
    private(set) var checks: (succeeded: UInt64, failed: UInt64) = (0, 0)
    private var hasChanged = false
    private var isStopped = false

    private var sweepTimer: TimerID?
    private var releaseTimer: TimerID?
    private enum Tag {
        static let sweep: UInt8 = 0
        static let release: UInt8 = 1
    }

    /// As the operator knows them.
    private var told: [ObjectIdentifier: EndpointStanding] = [:]
    private var toldBreaker = ErrorRateBreaker.State.closed
    private var toldPanic = false

    private var loop: EventLoop { monitor.loop }

    init(_ runtime: ClusterRuntime, _ monitor: HealthMonitor) {
        self.runtime = runtime
        self.monitor = monitor
    }

    func start() {
        for endpoint in runtime.currentEndpoints { told[ObjectIdentifier(endpoint)] = EndpointStanding(endpoint) }
        if let outliers = runtime.outliers {
            sweepTimer = loop.arm(at: loop.now + outliers.interval, self, tag: Tag.sweep)
            armRelease(outliers)
        }
        reconcile()
    }

    func stop() {
        isStopped = true
        for timer in [sweepTimer, releaseTimer] { if let timer { loop.cancel(timer) } }
        for endpoint in checked.values { endpoint.stop() }
        checked = [:]
    }

    // MARK: Checks

    var hasUnchecked: Bool { checked.values.contains { $0.state.standing == .unchecked } }

    func failure(of endpoint: Endpoint) -> String? { checked[ObjectIdentifier(endpoint)]?.failure }

    func endpointsChanged() {
        reconcile()
        let present = Set(runtime.currentEndpoints.map { ObjectIdentifier($0) })
        told = told.filter { present.contains($0.key) }
    }

    private func reconcile() {
        guard let config = runtime.config.healthCheck else { return }
        var present: [ObjectIdentifier: CheckedEndpoint] = [:]
        var new: [CheckedEndpoint] = []
        for endpoint in runtime.currentEndpoints {
            let key = ObjectIdentifier(endpoint)
            let entry = checked.removeValue(forKey: key) ?? CheckedEndpoint(endpoint, config, self, monitor)
            if !entry.isStarted { new.append(entry) }
            present[key] = entry
        }
        for gone in checked.values { gone.stop() }
        checked = present
        for entry in new { entry.start() }
    }

    func checkEnded(_ endpoint: CheckedEndpoint, isSuccess: Bool, changed: Bool) {
        if isSuccess { checks.succeeded &+= 1 } else { checks.failed &+= 1 }
        if isSuccess, let outliers = runtime.outliers, outliers.checkSucceeded(endpoint.endpoint, at: loop.now) {
            standingChanged()
        }
        guard changed else { return }
        endpoint.endpoint.checked(isHealthy: endpoint.state.standing == .healthy, at: loop.now)
        publish()
    }

    // MARK: Outliers

    func standingChanged() {
        if let outliers = runtime.outliers { armRelease(outliers) }
        publish()
    }

    private func armRelease(_ outliers: OutlierDetector) {
        if let releaseTimer { loop.cancel(releaseTimer) }
        releaseTimer = outliers.nextRelease(runtime.currentEndpoints).map {
            loop.arm(at: max($0, loop.now), self, tag: Tag.release)
        }
    }

    func timerFired(_ tag: UInt8) {
        guard !isStopped, let outliers = runtime.outliers else { return }
        let endpoints = runtime.currentEndpoints
        switch tag {
        case Tag.sweep:
            sweepTimer = loop.arm(at: loop.now + outliers.interval, self, tag: Tag.sweep)
            if outliers.sweep(endpoints, at: loop.now, &monitor.random) { standingChanged() }
        default:
            releaseTimer = nil
            // A timer never fires early, but an ejection may have been made longer.
            if outliers.releaseDue(endpoints, at: loop.now) { publish() }
            armRelease(outliers)
        }
    }

    // MARK: Telling

    private func publish() {
        hasChanged = true
        monitor.needsPublishing()
    }

    func takeChange() -> Bool {
        defer { hasChanged = false }
        return hasChanged
    }

    func tellOperator() {
        let set = runtime.currentSet
        for endpoint in set.endpoints {
            let key = ObjectIdentifier(endpoint)
            let standing = EndpointStanding(endpoint)
            guard let before = told.updateValue(standing, forKey: key), before != standing else { continue }
            tell(endpoint, standing, before)
        }
        if let breaker = runtime.breaker, breaker.state != toldBreaker {
            toldBreaker = breaker.state
            switch toldBreaker {
            case .open: say(.warning, "circuit breaker open: too many requests failed")
            case .halfOpen: say(.info, "circuit breaker half-open: a few requests are let through")
            case .closed: say(.info, "circuit breaker closed again")
            }
        }
        // Before the first checks have ended nothing is known, good or bad.
        guard set.isPanicking != toldPanic, !hasUnchecked else { return }
        toldPanic = set.isPanicking
        let count = "\(set.healthyCount) of \(set.endpoints.count) endpoints are healthy"
        say(toldPanic ? .error : .info, toldPanic ? "panic: \(count), all are used" : "panic is over: \(count)")
    }

    private func tell(_ endpoint: Endpoint, _ standing: EndpointStanding, _ before: EndpointStanding) {
        switch standing {
        case .unchecked: break
        case .unhealthy:
            say(.warning, "endpoint \(endpoint.name) is unhealthy: \(failure(of: endpoint) ?? "its check failed")")
        case .ejected:
            let seconds = (endpoint.ejectedUntil - loop.now).milliseconds / 1000
            say(
                .warning,
                "endpoint \(endpoint.name) is ejected for \(seconds.rounded(.up).text)s: \(endpoint.ejectionCause)")
        case .probation: say(.info, "endpoint \(endpoint.name) is back on probation")
        case .healthy:
            say(before == .unchecked ? .debug : .info, "endpoint \(endpoint.name) is healthy")
        }
    }

    private func say(_ level: LogLevel, _ text: String) { monitor.log(level, "cluster \(runtime.name): \(text)") }
}

/// An endpoint whose checks are due one after the other.
final class CheckedEndpoint: TimerTarget {
    let endpoint: Endpoint
    private let config: HealthCheckConfig
    private unowned let cluster: MonitoredCluster
    private unowned let monitor: HealthMonitor
    private(set) var state: CheckState
    private(set) var failure: String?
    private(set) var isStarted = false
    private var isStopped = false
    private var timer: TimerID?
    private var probe: HealthProbe?

    /// What was known before a reload goes on to be true until the checks say otherwise.
    init(_ endpoint: Endpoint, _ config: HealthCheckConfig, _ cluster: MonitoredCluster, _ monitor: HealthMonitor) {
        self.endpoint = endpoint
        self.config = config
        self.cluster = cluster
        self.monitor = monitor
        state = CheckState(endpoint.isUnchecked ? .unchecked : endpoint.hasFailedCheck ? .unhealthy : .healthy)
    }

    /// The first check begins at once.
    func start() {
        isStarted = true
        check()
    }

    func stop() {
        isStopped = true
        if let timer { monitor.loop.cancel(timer) }
        timer = nil
        guard let probe else { return }
        self.probe = nil
        probe.cancel()
        monitor.probeEnded()
    }

    func timerFired(_ tag: UInt8) {
        timer = nil
        check()
    }

    private func check() {
        let monitor = self.monitor
        monitor.probe { [weak self] in
            guard let self, !self.isStopped else { return monitor.probeEnded() }
            let runtime = self.cluster.runtime
            let isHTTP = if case .tcp = self.config.kind { false } else { true }
            self.probe = HealthProbe(
                self.endpoint, self.config,
                speaksHTTP2: self.config.kind.isGRPC || runtime.config.protocol == .http2,
                tls: runtime.tls?.target(for: self.endpoint, isHTTP: isHTTP),
                header: runtime.config.proxyHeader(for: nil),
                loop: monitor.loop
            ) { [weak self] failure in
                monitor.probeEnded()
                self?.ended(failure)
            }
        }
    }

    private func ended(_ failure: String?) {
        probe = nil
        guard !isStopped else { return }
        self.failure = failure
        let changed = state.record(isSuccess: failure == nil, config)
        cluster.checkEnded(self, isSuccess: failure == nil, changed: changed)
        let wait = state.wait(config, hasTraffic: cluster.runtime.hasTraffic, &monitor.random)
        timer = monitor.loop.arm(at: monitor.loop.now + wait, self, tag: 0)
    }
}

/// What an endpoint is to the balancer, in one word.
enum EndpointStanding: String {
    case healthy, unchecked, unhealthy, ejected, probation

    init(_ endpoint: Endpoint) {
        if endpoint.isEjected {
            self = .ejected
        } else if endpoint.hasFailedCheck {
            self = .unhealthy
        } else if endpoint.isUnchecked {
            self = .unchecked
        } else {
            self = endpoint.isOnProbation ? .probation : .healthy
        }
    }
}

extension Double {
    fileprivate var text: String { String(Int(self)) }
}
