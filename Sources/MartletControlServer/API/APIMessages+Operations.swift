internal import MartletConfig
internal import MartletControl
internal import MartletXDS

extension DocumentMessage {
    init(_ view: DocumentView) {
        (namespace, kind, name) = (view.key.namespace, view.key.kind, view.key.name)
        (revision, created, text) = (view.revision, view.created, view.text)
    }
}

extension ChangeMessage {
    init(_ change: DocumentChange, texts: Bool) {
        (namespace, kind, name) = (change.key.namespace, change.key.kind, change.key.name)
        action = change.action.rawValue
        before = texts ? change.before : nil
        after = texts ? change.after : nil
    }
}

extension MistakeMessage {
    init(_ error: ConfigError) {
        severity = error.severity.rawValue
        (file, line, column) = (error.mark.file, error.mark.line, error.mark.column)
        (path, message, hint, text) = (error.path, error.message, error.hint, error.description)
    }
}

extension AppliedMessage {
    init(_ applied: Applied) {
        revision = applied.revision
        changes = applied.changes.map { ChangeMessage($0, texts: false) }
        warnings = applied.warnings.map { MistakeMessage($0) }
    }
}

extension PlanMessage {
    /// - Parameter caller: who is told of no proxy that is none of theirs.
    init(_ plan: ChangePlan, for caller: Caller) {
        changes = plan.changes.map { ChangeMessage($0, texts: true) }
        proxies = plan.proxies.filter { caller.sees($0.namespace) }.map { proxy in
            Proxy(
                id: proxy.id, namespace: proxy.namespace,
                resources: proxy.resources.map {
                    Resource(type: $0.type, name: $0.name, action: $0.action.rawValue)
                }, drains: proxy.drains)
        }
        warnings = plan.warnings.map { MistakeMessage($0) }
    }
}

extension VersionMessage {
    init(_ version: DocumentVersion) {
        revision = version.revision
        (author, message) = (version.attribution.author, version.attribution.message)
        time = APICoding.time(version.attribution.time)
        deleted = version.body == nil
    }
}

extension TransactionMessage {
    init(_ event: StoreEvent) {
        revision = event.revision
        (author, message) = (event.attribution.author, event.attribution.message)
        time = APICoding.time(event.attribution.time)
        changes = event.changes.map { change in
            Change(
                namespace: change.key.namespace, kind: change.key.kind, name: change.key.name,
                deleted: change.document == nil)
        }
    }
}

extension ProxyMessage {
    /// - Parameter isWhole: with its policies, of which there may be a thousand.
    init(_ proxy: ProxyStatus, isWhole: Bool) {
        (id, cluster, namespace, zone) = (proxy.id, proxy.cluster, proxy.namespace, proxy.zone)
        (labels, agent, method, address) = (proxy.labels, proxy.agent, proxy.method, proxy.address)
        connectedAt = APICoding.time(proxy.connectedAt)
        state = proxy.state.rawValue
        (sentRevision, acknowledgedRevision) = (proxy.sentRevision, proxy.acknowledgedRevision)
        (appliedRevision, lagMilliseconds) = (proxy.appliedRevision, proxy.lag)
        appliedBy = proxy.appliedRevision.map { _ in proxy.report == nil ? "acknowledged" : "reported" }
        feeds = proxy.feeds.map { feed in
            let state = proxy.report?.newest.states[feed.type]
            return Feed(
                type: String(feed.type.rawValue.split(separator: ".").last ?? ""), sentVersion: feed.sentVersion,
                acknowledgedVersion: feed.acknowledgedVersion,
                appliedVersion: state.flatMap { $0.version.isEmpty ? nil : $0.version },
                waiting: state.flatMap { $0.waiting.isEmpty ? nil : $0.waiting }, refusal: feed.refusal?.message,
                withheld: feed.withheld)
        }
        report = proxy.report.map { Report($0, isWhole: isWhole) }
        replica = proxy.replica
    }
}

extension ProxyMessage.Report {
    init(_ report: ProxyStatus.Report, isWhole: Bool) {
        ageMilliseconds = Int64(report.age / .milliseconds(1))
        waiting = report.newest.states.values.reduce(0) { $0 + $1.waitingCount }
        if let recent = report.recent {
            (requestsPerSecond, errorShare) = (Self.rounded(recent.requestsPerSecond), Self.rounded(recent.errorShare))
            (medianMilliseconds, p99Milliseconds) = (recent.duration(at: 0.5), recent.duration(at: 0.99))
        }
        guard isWhole else { return }
        policies = report.newest.policies.map { policy in
            Policy(
                name: policy.name, version: policy.version.isEmpty ? nil : policy.version, runs: policy.counts.runs,
                errors: policy.counts.errors, budgetBreaches: policy.counts.budgetBreaches,
                shadowDecisions: policy.counts.shadowDecisions)
        }
    }

    /// To four places, for people.
    private static func rounded(_ number: Double) -> Double { (number * 10_000).rounded() / 10_000 }
}

extension FailureMessage {
    init(_ failure: APIFailure) {
        error = Failure(
            code: failure.code, message: failure.message, errors: failure.errors.map { MistakeMessage($0) })
    }
}
