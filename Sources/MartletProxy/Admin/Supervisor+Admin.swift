internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import Synchronization

extension Supervisor: AdminBackend {
    func readiness() -> (isReady: Bool, reason: String) {
        if isDraining { return (false, "draining") }
        return isReady ? (true, "ready") : (false, "starting: the first configuration is not in force yet")
    }

    func configJSON() -> String {
        guard let snapshot else { return "{}" }
        return JSONText.object([
            ("version", "\(snapshot.version)"), ("loaded_at", JSONText.string(Self.text(snapshot.loadedAt))),
            ("file", JSONText.string(snapshot.config.file)), ("config", snapshot.config.json),
        ]) + "\n"
    }

    private static func text(_ time: WallClock) -> String {
        var line = LineBuffer()
        var writer = LogTime()
        writer.append(time, to: &line)
        return String(decoding: line.bytes, as: UTF8.self)
    }

    func policiesJSON() -> String { options.policies() + "\n" }

    func controlPlaneJSON() -> String { (controlPlane?.status.json ?? "null") + "\n" }

    func startDraining() { drain() }

    // MARK: Workers' counts

    /// Asks every worker for a copy of its counts; they answer between two turns of their loops.
    func gather(_ scope: WorkerReport.Scope = .everything, _ done: @escaping ([WorkerReport]) -> Void) {
        let gathering = Gathering(count: workers.count)
        let mailbox = self.mailbox
        pendingGathers.append((gathering, done))
        for worker in workers {
            worker.post(
                .report(scope) { report in
                    if gathering.add(report) { mailbox.post(.gathered(gathering)) }
                })
        }
    }

    func gathered(_ gathering: Gathering) {
        guard let index = pendingGathers.firstIndex(where: { $0.0 === gathering }) else { return }
        let done = pendingGathers.remove(at: index).1
        done(gathering.reports)
    }

    func metricsText(wantsOpenMetrics: Bool, _ done: @escaping (String, StaticString) -> Void) {
        let hasExemplars = snapshot?.config.metrics.exemplars == true
        let format = wantsOpenMetrics && hasExemplars ? MetricsText.Format.openMetrics : .prometheus
        gather { [weak self] reports in
            guard let self else { return }
            var total = MetricsCopy()
            for report in reports { total.add(report.metrics) }
            self.addProcess(to: &total)
            done(MetricsText.render(total, as: format), format.type)
        }
    }

    private func addProcess(to copy: inout MetricsCopy) {
        func gauge(_ name: String, _ labels: [(String, String)] = [], _ value: Int) {
            copy.gauges[Metrics.Series(name, labels)] = Int64(value)
        }
        gauge("process_resident_memory_bytes", [], Machine.residentBytes)
        let actions = overload.state.actions
        for entry in OverloadActions.all {
            gauge("martlet_overload_active", [("action", entry.name)], actions.contains(entry.action) ? 1 : 0)
        }
        gauge("martlet_overload_pressure_percent", [("resource", "memory")], overload.pressure)
        gauge("martlet_overload_memory_used_bytes", [], overload.used)
        gauge("martlet_overload_memory_limit_bytes", [], overload.limit)
        let connections = overload.state.connections
        gauge(
            "martlet_overload_pressure_percent", [("resource", "connections")],
            connections.open * 100 / max(connections.max, 1))
        gauge("martlet_overload_connections_limit", [], connections.max)
        gauge("martlet_build_info", [("version", options.version)], 1)
        gauge("martlet_workers", [], workers.count)
        gauge("martlet_config_version", [], snapshot?.version ?? 0)
        gauge("martlet_config_loaded_timestamp_seconds", [], Int((snapshot?.loadedAt.nanoseconds ?? 0) / 1_000_000_000))
        copy.counters[Metrics.Series("martlet_reloads_total", [("result", "accepted")])] = UInt64(reloads.succeeded)
        copy.counters[Metrics.Series("martlet_reloads_total", [("result", "refused")])] = UInt64(reloads.failed)
        controlPlane?.status.add(to: &copy)
        for module in options.registry.modules?.versions ?? [] {
            gauge("martlet_module_versions_loaded", [("module", module.module)], module.count)
        }
        for entry in sinks.dropped {
            copy.counters[Metrics.Series("martlet_access_log_dropped_total", [("path", entry.path)])] = entry.lines
        }
        for cluster in snapshot?.clusters ?? [] {
            ClusterStatus(cluster, monitor, now: loop.now).add(to: &copy)
            for endpoint in cluster.currentEndpoints {
                gauge(
                    "martlet_endpoint_requests_active", [("cluster", cluster.name), ("endpoint", endpoint.name)],
                    endpoint.activeRequests)
            }
            gauge("martlet_cluster_requests_active", [("cluster", cluster.name)], cluster.limits.requests.inUse)
            gauge("martlet_cluster_connections_active", [("cluster", cluster.name)], cluster.limits.connections.inUse)
        }
    }

    func clustersJSON(_ done: @escaping (String) -> Void) {
        gather { [weak self] reports in
            guard let self else { return }
            var totals: [String: (open: Int, idle: Int)] = [:]
            for entry in reports.flatMap(\.clusters) {
                totals[entry.name, default: (0, 0)].open += entry.open
                totals[entry.name, default: (0, 0)].idle += entry.idle
            }
            let clusters = (self.snapshot?.clusters ?? []).map { cluster in
                let status = ClusterStatus(cluster, self.monitor, now: self.loop.now)
                let total = totals[cluster.name] ?? (0, 0)
                return JSONText.object(
                    [
                        ("name", JSONText.string(cluster.name)),
                        ("load_balancing", JSONText.string(cluster.config.loadBalancing.rawValue)),
                        ("connections_open", "\(total.open)"),
                        ("connections_idle", "\(total.idle)"),
                        ("requests_active", "\(cluster.limits.requests.inUse)"),
                        ("requests_pending", "\(cluster.limits.pending.inUse)"),
                    ] + status.members)
            }
            done(JSONText.object([("clusters", JSONText.array(clusters))]) + "\n")
        }
    }

    // MARK: Reload

    func reload(_ done: @escaping (AdminReply) -> Void) {
        reload { (result: Result<Snapshot, ConfigLoadFailure>) in
            switch result {
            case .success(let snapshot):
                done(AdminReply(status: 200, body: JSONText.object([("version", "\(snapshot.version)")]) + "\n"))
            case .failure(let failure):
                let errors = failure.errors.map { error in
                    JSONText.object([
                        ("file", JSONText.string(error.mark.file)), ("line", "\(error.mark.line)"),
                        ("column", "\(error.mark.column)"), ("path", JSONText.string(error.path)),
                        ("message", JSONText.string(error.message)),
                        ("hint", error.hint.map(JSONText.string) ?? "null"),
                        ("text", JSONText.string(error.description)),
                    ])
                }
                done(AdminReply(status: 422, body: JSONText.object([("errors", JSONText.array(errors))]) + "\n"))
            }
        }
    }
}

/// Collects one report from each worker.
final class Gathering: Sendable {
    // Written by each worker once, read by the supervisor after the last.
    private let state: Locked<[WorkerReport]>
    private let count: Int

    init(count: Int) {
        self.count = count
        state = Locked([])
    }

    /// True for the last one.
    func add(_ report: WorkerReport) -> Bool {
        state.withLock {
            $0.append(report)
            return $0.count == count
        }
    }

    var reports: [WorkerReport] { state.withLock { $0 } }
}
