internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletNet
internal import MartletXDS

/// Tells the control plane what is in force and how traffic does, beside the stream of discovery and never at its cost.
/// On the supervisor's thread.
///
///     away ──discovery is heard──▶ reporting ──ended──▶ away, tried again after a pause
///                                      └──UNIMPLEMENTED──▶ nothing more until discovery is connected anew
///
/// There is at most one report under way: the next is gathered when the last has been answered, and has all that it has.
final class ReportStream {
    private unowned let plane: ControlPlane
    private unowned let supervisor: Supervisor
    private let cluster: String
    private let node: DiscoveryNode
    private let instance: UInt64
    private var isConnected = false
    /// Nil: there is none.
    private var stream: Int?
    private var hasSaidWho = false
    private var isUnanswered = false
    private var isGathering = false
    private var isDue = false
    private var interval = Nanoseconds(ReportOrder.standard.interval)
    private var last: Instant?
    private var timer: TimerID?
    private var failures = 0
    private var lastEnd: String?

    /// Changes of what is in force are told at once, but not more often than this.
    private static let shortest = Nanoseconds(ReportOrder.bounds.lowerBound)
    private static let patience = Nanoseconds.seconds(1)
    private static let maxOrder = ByteCount.kibibytes(4)

    init(_ plane: ControlPlane, _ supervisor: Supervisor, _ config: ControlPlaneConfig, _ node: DiscoveryNode) {
        (self.plane, self.supervisor, self.node) = (plane, supervisor, node)
        cluster = config.cluster.name
        instance = .random(in: 1...UInt64.max)
    }

    /// The control plane takes reports, as far as is known.
    var isReporting: Bool { stream != nil }

    // MARK: The stream

    /// The stream of discovery has begun. It brings nothing when the proxy has all that it is to have, as after a restart of the
    /// control plane; so it is not waited for longer than this.
    func begin() {
        wait(Self.patience) { [weak self] in self?.connected() }
    }

    /// The stream of discovery has brought something.
    func connected() {
        guard !isConnected else { return }
        (isConnected, failures) = (true, 0)
        cancelTimer()
        open()
    }

    /// The stream of discovery is over.
    func lost() {
        (isConnected, lastEnd) = (false, nil)
        if let stream { supervisor.carry(.close(stream: stream)) }
        close()
    }

    private func open() {
        guard isConnected, stream == nil, !supervisor.isDraining else { return }
        let stream = plane.newStream()
        self.stream = stream
        (hasSaidWho, isUnanswered, isDue, last) = (false, false, true, nil)
        supervisor.carry(
            .open(DiscoveryCall(stream: stream, cluster: cluster, path: ProxyReport.method, maxMessage: Self.maxOrder)))
        report()
    }

    private func close() {
        stream = nil
        cancelTimer()
    }

    func heard(_ news: DiscoveryNews) {
        switch news {
        case .message(let stream, let bytes):
            guard stream == self.stream else { return }
            guard let order = ReportOrder(message: bytes) else {
                supervisor.carry(.close(stream: stream))
                return ended("sent what is no order")
            }
            (failures, lastEnd) = (0, nil)
            interval = Nanoseconds(order.interval)
            isUnanswered = false
            plane.connected()
            report()
        case .ended(let stream, let status, let reason):
            guard stream == self.stream else { return }
            guard status == .unimplemented else { return ended(reason, status) }
            close()
            supervisor.options.log(.info, "control plane: takes no reports")
        case .answered, .read: break
        }
    }

    private func ended(_ reason: String, _ status: GRPCStatus? = nil) {
        close()
        failures += 1
        // The first report may overtake the stream of discovery, on which the control plane learns who is there.
        let isEarly = failures == 1 && status == .failedPrecondition
        // Said once, not at each try.
        if lastEnd != reason, !isEarly {
            supervisor.options.log(.info, "control plane: reports: \(reason)")
            lastEnd = reason
        }
        let next = DiscoveryPause.backoff.wait(before: failures, random: .random(in: 0..<1))
        wait(next) { [weak self] in self?.open() }
    }

    // MARK: Reports

    /// What is in force has changed.
    func changed() {
        guard stream != nil else { return }
        isDue = true
        report()
    }

    private func report() {
        guard let stream, !isGathering, !isUnanswered else { return }
        let now = supervisor.loop.now
        let earliest = last.map { $0 + (isDue ? Self.shortest : interval) } ?? now
        guard now >= earliest else { return wait(earliest - now) { [weak self] in self?.report() } }
        cancelTimer()
        (isDue, isGathering, last) = (false, true, now)
        supervisor.gather(.traffic) { [weak self] reports in
            guard let self else { return }
            self.isGathering = false
            if self.stream == stream { self.send(reports, stream) } else { self.report() }
        }
    }

    private func send(_ reports: [WorkerReport], _ stream: Int) {
        var total = MetricsCopy()
        for report in reports { total.add(report.metrics) }
        let report = ProxyReport(
            instance: instance, states: plane.inForce, metrics: total, policyVersions: plane.policyVersions)
        guard let message = report.message(from: hasSaidWho ? nil : node) else { return }
        (hasSaidWho, isUnanswered) = (true, true)
        supervisor.carry(.send(stream: stream, message))
    }

    /// One thing is waited for at a time.
    private func wait(_ time: Nanoseconds, _ action: @escaping () -> Void) {
        cancelTimer()
        timer = supervisor.after(time) { [weak self] in
            self?.timer = nil
            action()
        }
    }

    private func cancelTimer() {
        if let timer { supervisor.loop.cancel(timer) }
        timer = nil
    }
}
