internal import MartletCore

/// The configuration of a proxy that is told everything by a control plane, from what the command line says.
struct Bootstrap {
    let controlPlane: String
    let method: String?
    let node: String
    let cluster: String?
    let state: String?
    let adminAddress: String?

    /// In the configuration language. Values are quoted, so that what is wrong with one is told as such.
    var text: String {
        let isAddress = controlPlane.first == "[" || controlPlane.utf8.allSatisfy { "0123456789.:".utf8.contains($0) }
        let target =
            isAddress || controlPlane.hasPrefix("unix:")
            ? "endpoints: [\(quoted(controlPlane))]" : "discovery: { dns: \(quoted(controlPlane)) }"
        let settings = [
            "cluster: control-plane", "node: { id: \(quoted(node)), cluster: \(quoted(cluster ?? "default")) }",
            method.map { "method: \(quoted($0))" }, state.map { "state: \(quoted($0))" },
        ]
        // REST is spoken over what the cluster has by default.
        let version = method == "rest" ? "" : "protocol: http2, "
        return """
            admin: { address: \(quoted(adminAddress ?? "127.0.0.1:9901")) }
            control_plane: { \(settings.compactMap { $0 }.joined(separator: ", ")) }
            clusters: [{ name: control-plane, \(version)\(target) }]

            """
    }

    /// As JSON, which is YAML.
    private func quoted(_ text: String) -> String { JSONValue.string(text).text }
}
