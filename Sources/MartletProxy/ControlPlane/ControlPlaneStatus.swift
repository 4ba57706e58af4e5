/// How a proxy stands with its control plane.
struct ControlPlaneStatus {
    var isConnected = false
    var offers = 0
    var refusals = 0
    /// Versions that are in force, by type.
    var accepted: [String: String] = [:]
    var lastRefusal: String?
    /// Why the last stream ended.
    var lastEnd: String?
}
