internal import MartletControl
internal import MartletCore
internal import Synchronization

/// What the API counts, and shows as Prometheus reads it.
final class APICounters: Sendable {
    private struct Series: Hashable {
        let action: String
        let status: Int
    }

    private struct State {
        var requests: [Series: Int] = [:]
        var failedAuthentications = 0
    }

    private let state = Locked(State())

    /// - Parameter action: of the route; nil: the path leads nowhere.
    func count(_ action: String?, _ status: Int) {
        state.withLock { $0.requests[Series(action: action ?? "none", status: status), default: 0] += 1 }
    }

    func countFailedAuthentication() { state.withLock { $0.failedAuthentications += 1 } }

    func text(revision: Revision, proxies: [ProxyStatus]) -> String {
        let (requests, failed) = state.withLock { ($0.requests, $0.failedAuthentications) }
        var lines = [
            "# HELP martlet_control_revision The newest revision that proxies are told of.",
            "# TYPE martlet_control_revision gauge",
            "martlet_control_revision \(revision)",
            "# HELP martlet_control_proxies Proxies that are connected, by where they stand.",
            "# TYPE martlet_control_proxies gauge",
        ]
        for name in ["synced", "pending", "refused"] {
            let count = proxies.count { $0.state.rawValue == name }
            lines.append("martlet_control_proxies{state=\"\(name)\"} \(count)")
        }
        lines += [
            "# HELP martlet_control_api_requests_total Requests that were answered, by route and status.",
            "# TYPE martlet_control_api_requests_total counter",
        ]
        for (series, count) in requests.sorted(by: { ($0.key.action, $0.key.status) < ($1.key.action, $1.key.status) })
        {
            lines.append(
                "martlet_control_api_requests_total{route=\"\(series.action)\",status=\"\(series.status)\"} \(count)")
        }
        lines += [
            "# HELP martlet_control_api_failed_authentications_total Requests without a token that is known.",
            "# TYPE martlet_control_api_failed_authentications_total counter",
            "martlet_control_api_failed_authentications_total \(failed)",
        ]
        return lines.joined(separator: "\n") + "\n"
    }
}
