internal import MartletConfig

/// Where the endpoints of a cluster are known from that says `discovery: { service: ... }` or `{ file: ... }`.
package enum EndpointSource: Sendable, Hashable {
    /// Instances that are registered under it.
    case service(ServiceName)
    /// A file of the control plane's own machine.
    case file(EndpointFileName)

    private static let keys = ["service", "file"]

    /// Nil: its endpoints are known otherwise. One that `check` complains of may be either.
    init?(of cluster: ConfigNode, in namespace: String) {
        guard let discovery = cluster["discovery"] else { return nil }
        if let name = discovery["service"]?.text {
            self = .service(ServiceName(namespace, name))
        } else if let path = discovery["file"]?.text {
            self = .file(EndpointFileName(namespace: namespace, path: path))
        } else {
            return nil
        }
    }

    /// The control plane reads the cluster's `discovery`, and proxies do not.
    static func isMeant(by cluster: ConfigNode) -> Bool {
        cluster["discovery"].map { discovery in keys.contains { discovery[$0] != nil } } ?? false
    }

    /// Reports what is wrong with what the control plane alone understands of a cluster. The rest is the proxies' to read.
    static func check(_ cluster: ConfigNode, _ diagnostics: ConfigDiagnostics) {
        guard let discovery = cluster["discovery"] else { return }
        guard isMeant(by: cluster) else { return checkSpelling(discovery, diagnostics) }
        ConfigSection(cluster, diagnostics: diagnostics).oneOf(["endpoints", "discovery"])
        let section = ConfigSection(discovery, diagnostics: diagnostics)
        section.oneOf(keys + ["dns"])
        if let name = section.value("service", .label) {
            do { _ = try DocumentKey("default", name, "id") } catch { section.error(at: "service", error.description) }
        }
        if let path = section.value("file", .name), let problem = EndpointFileName.problem(path) {
            section.error(at: "file", problem, hint: "write a path below the folder, such as api.yaml")
        }
        section.finish()
    }

    private static func checkSpelling(_ discovery: ConfigNode, _ diagnostics: ConfigDiagnostics) {
        guard discovery["dns"] == nil else { return }
        for entry in discovery.entries ?? [] {
            guard let meant = NearestName.of(entry.key, in: keys) else { continue }
            diagnostics.error(
                at: ConfigPlace(mark: entry.keyMark, path: discovery.path.key(entry.key)),
                "unknown key \"\(entry.key.prefix(60))\"", hint: "did you mean \"\(meant)\"?")
        }
    }
}

extension ConfigNode {
    /// The cluster as proxies have it, whose endpoints come by themselves.
    var withoutDiscovery: ConfigNode {
        var cluster = self
        let hasEndpoints = self["endpoints"] != nil
        cluster.content = .mapping(
            (entries ?? []).compactMap { entry in
                guard entry.key == "discovery" else { return entry }
                let none = ConfigNode(.list([]), mark: entry.value.mark, path: entry.value.path)
                return hasEndpoints ? nil : Entry(key: "endpoints", keyMark: entry.keyMark, value: none)
            })
        return cluster
    }
}
