/// Where a proxy gets its listeners, clusters and policies from, beside those of its own file.
package struct ControlPlaneConfig: Sendable, Equatable {
    /// How the control plane is asked (xDS).
    package enum Method: String, Sendable, CaseIterable {
        /// What has changed.
        case delta
        /// All there is, at each change.
        case stateOfTheWorld = "sotw"
        /// By polling, over REST.
        case rest
    }

    /// One of the file's own clusters; it speaks HTTP/2 unless the method is `rest`.
    package var cluster: ClusterReference
    package var node: ProxyNodeConfig
    /// Default: delta.
    package var method = Method.delta
    /// A file that keeps what was last in force, for a start while the control plane is away. Nil: none is kept.
    package var state: String?
    /// How long is waited for what a new listener or cluster needs, and at the start for a first configuration. Default 15s,
    /// 100ms to 10m (Envoy's initial_fetch_timeout).
    package var initialFetchTimeout = Duration.seconds(15)
    /// Of `rest`: how long after an answer is asked again, at the latest. Default 5s, 100ms to 1h.
    package var refresh = Duration.seconds(5)
    /// Of `rest`: how long an answer is waited for. Default 5s, 100ms to 10m.
    package var requestTimeout = Duration.seconds(5)

    package static func == (one: Self, other: Self) -> Bool {
        one.cluster.name == other.cluster.name && one.node == other.node && one.method == other.method
            && one.state == other.state && one.initialFetchTimeout == other.initialFetchTimeout
            && one.refresh == other.refresh && one.requestTimeout == other.requestTimeout
    }
}

/// Who a proxy is to its control plane.
package struct ProxyNodeConfig: Sendable, Equatable {
    /// Unique among its proxies, 1 to 256 bytes.
    package var id: String
    /// Of proxies that are configured alike. Default: `default`.
    package var cluster = "default"
    package var region = ""
    package var zone = ""
    /// By which changes are rolled out to some of the proxies first.
    package var labels: [String: String] = [:]
}

extension ControlPlaneConfig {
    init?(_ section: ConfigSection) {
        let cluster = ClusterReference(required: "cluster", section)
        let node = section.section("node").flatMap { ProxyNodeConfig($0) }
        if !section.has("node") { section.missing("node", hint: "node: { id: edge-1 }") }
        method = section.choice("method", default: Method.delta)
        state = section.value("state", .name).map { ConfigFile.resolve($0, from: section.place.mark.file) }
        initialFetchTimeout = section.duration(
            "initial_fetch_timeout", default: .seconds(15), in: .milliseconds(100) ... .seconds(600))
        refresh = section.duration("refresh", default: .seconds(5), in: .milliseconds(100) ... .seconds(3600))
        requestTimeout = section.duration(
            "request_timeout", default: .seconds(5), in: .milliseconds(100) ... .seconds(600))
        for key in ["refresh", "request_timeout"] where method != .rest && section.has(key) {
            section.error(at: key, "is for method: rest", hint: "the other methods are told of changes; leave it out")
        }
        guard let cluster, let node else { return nil }
        self.cluster = cluster
        self.node = node
    }

    var json: ConfigJSON {
        .object([
            ("cluster", .string(cluster.name)), ("node", node.json), ("method", .string(method.rawValue)),
            ("state", state.map { .string($0) }),
            ("initial_fetch_timeout", .string(ConfigText.duration(initialFetchTimeout))),
            ("refresh", method == .rest ? .string(ConfigText.duration(refresh)) : nil),
            ("request_timeout", method == .rest ? .string(ConfigText.duration(requestTimeout)) : nil),
        ])
    }
}

extension ProxyNodeConfig {
    fileprivate init?(_ section: ConfigSection) {
        let id = section.value(required: "id", .label)
        cluster = section.value("cluster", .label) ?? cluster
        region = section.value("region", .label) ?? ""
        zone = section.value("zone", .label) ?? ""
        if let labels = section.section("labels") {
            for entry in labels.allEntries() {
                guard let value = labels.read(entry.value, .label) else { continue }
                self.labels[entry.key] = value
            }
        }
        guard let id else { return nil }
        self.id = id
    }

    fileprivate var json: ConfigJSON {
        .object([
            ("id", .string(id)), ("cluster", .string(cluster)), ("region", region.isEmpty ? nil : .string(region)),
            ("zone", zone.isEmpty ? nil : .string(zone)),
            (
                "labels",
                labels.isEmpty
                    ? nil : .object(labels.sorted { $0.key < $1.key }.map { ($0.key, ConfigJSON.string($0.value)) })
            ),
        ])
    }
}
