internal import MartletFilter

/// How a proxy stands with its control plane, for `GET /control_plane` and the metrics.
struct ControlPlaneStatus {
    var isConnected = false
    /// Responses whose resources are in force, or wait for others.
    var accepted: UInt64 = 0
    /// Responses of which something was refused.
    var refused: UInt64 = 0
    /// Of the last accepted response, by type.
    var versions: [String: String] = [:]
    /// Of the last response of a type whose resources are all in force, none still waiting.
    var inForce: [String: String] = [:]
    /// Listeners and clusters that wait for what they mention.
    var waiting = 0
    var lastRefusal: String?
    /// Why the last stream ended.
    var lastEnd: String?

    var json: String {
        JSONText.object([
            ("connected", isConnected ? "true" : "false"), ("responses_accepted", "\(accepted)"),
            ("responses_refused", "\(refused)"),
            ("versions", Self.json(versions)), ("versions_in_force", Self.json(inForce)),
            ("waiting", "\(waiting)"), ("last_refusal", lastRefusal.map(JSONText.string) ?? "null"),
            ("last_end", lastEnd.map(JSONText.string) ?? "null"),
        ])
    }

    private static func json(_ versions: [String: String]) -> String {
        JSONText.object(versions.sorted { $0.key < $1.key }.map { ($0.key, JSONText.string($0.value)) })
    }

    func add(to copy: inout MetricsCopy) {
        copy.gauges[Metrics.Series("martlet_control_plane_connected", [])] = isConnected ? 1 : 0
        copy.gauges[Metrics.Series("martlet_control_plane_resources_waiting", [])] = Int64(waiting)
        for (result, count) in [("accepted", accepted), ("refused", refused)] {
            copy.counters[Metrics.Series("martlet_control_plane_responses_total", [("result", result)])] = count
        }
    }
}
