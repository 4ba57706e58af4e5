package import MartletConfig
internal import MartletCore
package import MartletFilter
internal import MartletNet

/// Compiles a checked configuration. Runs off the workers; nothing it does is seen by them until it has succeeded whole.
package struct SnapshotBuilder {
    private let registry: FilterRegistry
    private let workers: Int

    package init(registry: FilterRegistry, workers: Int) {
        self.registry = registry
        self.workers = workers
    }

    /// No snapshot when something was reported to `diagnostics`; `files` are those that filters read. What did not change since `previous` is taken over from it, so
    /// that its connections and counts live on.
    package func build(
        _ config: ProxyConfig, previous: Snapshot?, sinks: LogSinks, diagnostics: ConfigDiagnostics
    ) -> (snapshot: Snapshot?, files: [String]) {
        let clusters = config.clusters.map { cluster(for: $0, previous: previous) }
        var numbers: [String: Int] = [:]
        for (number, cluster) in config.clusters.enumerated() { numbers[cluster.name] = number }
        let load = LoadContext(config: config, workers: workers)
        let listeners = config.listeners.compactMap {
            listener($0, config, numbers, load, sinks, diagnostics)
        }
        guard !diagnostics.hasErrors, listeners.count == config.listeners.count else { return (nil, load.files) }
        let snapshot = Snapshot(
            version: (previous?.version ?? 0) + 1, loadedAt: .now(), config: config, listeners: listeners,
            addresses: ListenerAddresses(config.listeners, previous: previous?.addresses), clusters: clusters)
        return (snapshot, load.files)
    }

    private func cluster(for config: ClusterConfig, previous: Snapshot?) -> ClusterRuntime {
        let description = ClusterRuntime.fingerprint(config)
        if let same = previous?.clusters.first(where: { $0.name == config.name && $0.fingerprint == description }) {
            return same
        }
        return ClusterRuntime(config: config, endpoints: endpoints(of: config, previous: previous))
    }

    private func endpoints(of config: ClusterConfig, previous: Snapshot?) -> [Endpoint] {
        switch config.source {
        case .endpoints(let list):
            return list.compactMap { entry in
                SocketAddress(entry.address).map {
                    Endpoint(address: $0, weight: UInt32(entry.weight), zone: entry.zone)
                }
            }
        case .dns(let name):
            // What a name stood for a moment ago it most likely still does: requests need not wait for the next look-up.
            let known = previous?.clusters.first { cluster in
                guard cluster.name == config.name, case .dns(let present) = cluster.config.source else { return false }
                return present.isSameName(name)
            }
            return known?.currentEndpoints ?? []
        }
    }

    private func listener(
        _ config: ListenerConfig, _ proxy: ProxyConfig, _ clusters: [String: Int], _ load: LoadContext,
        _ sinks: LogSinks, _ diagnostics: ConfigDiagnostics
    ) -> CompiledListener? {
        guard
            let (filters, routes) = registry.compileChain(
                of: config, clusterIndex: { clusters[$0] }, load: load, diagnostics: diagnostics)
        else { return nil }
        checkPaths(config, diagnostics)
        let logs = (config.accessLogs ?? proxy.accessLogs).compactMap {
            CompiledAccessLog($0, sinks: sinks, diagnostics: diagnostics)
        }
        let replies = LocalReplies(config.localReplies ?? proxy.localReplies, diagnostics: diagnostics)
        return CompiledListener(
            config: config, filters: filters, routes: routes, forwarding: Forwarding(config), accessLogs: logs,
            localReplies: replies, hasExemplars: proxy.metrics.exemplars)
    }
}

extension SnapshotBuilder {
    /// A guard on a path that no request has when it is matched guards nothing.
    private func checkPaths(_ config: ListenerConfig, _ diagnostics: ConfigDiagnostics) {
        for route in config.routes {
            let (path, isWhole): (String, Bool)
            switch route.match.path {
            case .exact(let text), .segments(let text): (path, isWhole) = (text, true)
            case .prefix(let text): (path, isWhole) = (text, false)
            case .regex, nil: continue
            }
            let seen = PathNormalizer.seen(path, isWhole: isWhole, config.path)
            guard path.hasPrefix("/"), seen != path else { continue }
            diagnostics.error(
                at: route.place.key("match").key("path"),
                "no request has the path \"\(path.prefix(60))\" when routes are matched",
                hint: seen.map { "paths are made normal before: write \"\($0.prefix(60))\"" }
                    ?? "such paths are refused before")
        }
    }
}

extension SocketAddress {
    /// Nil only for a unix path longer than the system takes, which the configuration refuses.
    init?(_ address: ConfigAddress) {
        let text = address.description
        switch address {
        case .unix(let path): self.init(unixPath: path)
        case .ipv4(_, let port):
            self.init(ip: String(text.prefix { $0 != ":" }), port: port)
        case .ipv6(_, _, let port):
            self.init(ip: String(text.dropFirst().prefix { $0 != "]" }), port: port)
        }
    }
}
