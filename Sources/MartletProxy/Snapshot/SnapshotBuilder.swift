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
            clusters: clusters)
        return (snapshot, load.files)
    }

    private func cluster(for config: ClusterConfig, previous: Snapshot?) -> ClusterRuntime {
        let description = ClusterRuntime.fingerprint(config)
        if let same = previous?.clusters.first(where: { $0.name == config.name && $0.fingerprint == description }) {
            return same
        }
        var endpoints: [Endpoint] = []
        if case .endpoints(let list) = config.source {
            endpoints = list.compactMap { entry in
                SocketAddress(entry.address).map {
                    Endpoint(address: $0, weight: UInt32(entry.weight), zone: entry.zone)
                }
            }
        }
        return ClusterRuntime(config: config, endpoints: endpoints)
    }

    private func listener(
        _ config: ListenerConfig, _ proxy: ProxyConfig, _ clusters: [String: Int], _ load: LoadContext,
        _ sinks: LogSinks, _ diagnostics: ConfigDiagnostics
    ) -> CompiledListener? {
        guard
            let (filters, routes) = registry.compileChain(
                of: config, clusterIndex: { clusters[$0] }, load: load, diagnostics: diagnostics)
        else { return nil }
        let accessLog = config.accessLog ?? proxy.accessLog
        return CompiledListener(
            config: config, filters: filters, routes: routes, forwarding: Forwarding(config), accessLog: accessLog,
            accessSink: sinks.sink(for: accessLog, diagnostics))
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
