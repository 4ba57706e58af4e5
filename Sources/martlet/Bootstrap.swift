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
        let addresses = Self.addresses(controlPlane)
        let target =
            addresses.allSatisfy(Self.isAddress)
            ? "endpoints: [\(addresses.map(quoted).joined(separator: ", "))]"
            : "discovery: { dns: \(quoted(controlPlane)) }"
        let settings = [
            "cluster: control-plane", "node: { id: \(quoted(node)), cluster: \(quoted(cluster ?? "default")) }",
            method.map { "method: \(quoted($0))" }, state.map { "state: \(quoted($0))" },
        ]
        // REST is spoken over what the cluster has by default. A stream may be silent for long: whether anybody is at its other end
        // is asked no more often than servers of gRPC put up with.
        let version = method == "rest" ? "" : "protocol: http2, http2: { ping_interval: 5m }, "
        return """
            admin: { address: \(quoted(adminAddress ?? "127.0.0.1:9901")) }
            control_plane: { \(settings.compactMap { $0 }.joined(separator: ", ")) }
            clusters: [{ name: control-plane, \(version)\(target) }]

            """
    }

    /// Of replicas, which are tried in turn.
    static func addresses(_ controlPlane: String) -> [String] {
        controlPlane.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// And not a name, of which there can be one only: it may have several addresses.
    static func isAddress(_ text: String) -> Bool {
        text.first == "[" || text.hasPrefix("unix:") || text.utf8.allSatisfy { "0123456789.:".utf8.contains($0) }
    }

    /// As JSON, which is YAML.
    private func quoted(_ text: String) -> String { JSONValue.string(text).text }
}
