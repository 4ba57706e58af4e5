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
        let zone = config.zone ?? ProxyZone.ofEnvironment
        var present: [String: ClusterRuntime] = [:]
        for cluster in previous?.clusters ?? [] { present[cluster.name] = cluster }
        let clusters = config.clusters.map { cluster(for: $0, zone, present: present[$0.name], diagnostics) }
        if zone == nil, let asking = config.clusters.first(where: { $0.balancing.zonePreference != nil }) {
            diagnostics.warning(
                at: asking.place.key("zone_preference"), "has no effect: the proxy does not know its zone",
                hint: "write zone: a at the top level, or set \(ProxyZone.variable)")
        }
        var numbers: [String: Int] = [:]
        for (number, cluster) in config.clusters.enumerated() { numbers[cluster.name] = number }
        let load = LoadContext(config: config, workers: workers, pathProblem: Self.pathProblem)
        var secured: [String: ListenerTLS] = [:]
        for listener in previous?.listeners ?? [] { secured[listener.config.name] = listener.tls }
        let listeners = config.listeners.compactMap {
            listener($0, config, numbers, load, sinks, secured[$0.name], diagnostics)
        }
        guard !diagnostics.hasErrors, listeners.count == config.listeners.count else { return (nil, load.files) }
        let snapshot = Snapshot(
            version: (previous?.version ?? 0) + 1, loadedAt: .now(), config: config, listeners: listeners,
            addresses: ListenerAddresses(config.listeners, previous: previous?.addresses), clusters: clusters)
        return (snapshot, load.files)
    }

    private func cluster(
        for config: ClusterConfig, _ zone: String?, present: ClusterRuntime?, _ diagnostics: ConfigDiagnostics
    ) -> ClusterRuntime {
        let tls = config.tls.flatMap {
            ClusterTLS.make($0, config.protocol, at: config.place.key("tls"), diagnostics)
        }
        let files = diagnostics.files.digest(of: config.tls?.files.map(\.path) ?? [])
        let description = ClusterRuntime.fingerprint(config, localZone: zone, files: files)
        if let present, present.fingerprint == description { return present }
        return ClusterRuntime(
            config: config, endpoints: endpoints(of: config, present: present), localZone: zone, tls: tls, files: files,
            present: present)
    }

    private func endpoints(of config: ClusterConfig, present: ClusterRuntime?) -> [Endpoint] {
        var known: [String: Endpoint] = [:]
        for endpoint in present?.currentEndpoints ?? [] { known[endpoint.name] = endpoint }
        let joining = present.map { _ in Instant.now() }
        switch config.source {
        case .endpoints(let list):
            return list.compactMap { entry in
                guard let address = SocketAddress(entry.address) else { return nil }
                let weight = UInt32(entry.weight)
                if let known = known[address.description] {
                    return Endpoint(of: known, weight: weight, zone: entry.zone, config)
                }
                return Endpoint(address: address, weight: weight, zone: entry.zone, config, joining: joining)
            }
        case .dns(let name):
            // What a name stood for a moment ago it most likely still does: requests need not wait for the next look-up.
            guard let present, case .dns(let before) = present.config.source, before.isSameName(name) else { return [] }
            return present.currentEndpoints.map { Endpoint(of: $0, weight: $0.weight, zone: $0.zone, config) }
        }
    }

    private func listener(
        _ config: ListenerConfig, _ proxy: ProxyConfig, _ clusters: [String: Int], _ load: LoadContext,
        _ sinks: LogSinks, _ present: ListenerTLS?, _ diagnostics: ConfigDiagnostics
    ) -> CompiledListener? {
        let tls = config.tls.map { ListenerTLS.make($0, listener: config.name, present: present, diagnostics) }
        guard
            let (filters, routes) = registry.compileChain(
                of: config, clusterIndex: { clusters[$0] }, load: load, diagnostics: diagnostics)
        else { return nil }
        checkPaths(config, diagnostics)
        let logs = (config.accessLogs ?? proxy.accessLogs).compactMap {
            CompiledAccessLog($0, sinks: sinks, diagnostics: diagnostics)
        }
        let replies = LocalReplies(config.localReplies ?? proxy.localReplies, diagnostics: diagnostics)
        if case .some(nil) = tls { return nil }
        return CompiledListener(
            config: config, filters: filters, routes: routes, forwarding: Forwarding(config), accessLogs: logs,
            localReplies: replies, hasExemplars: proxy.metrics.exemplars,
            tcp: config.tcp.map { TCPRoutes($0) { clusters[$0] } }
                ?? config.other.map { TCPRoutes($0) { clusters[$0] } }, tls: tls ?? nil)
    }
}

extension SnapshotBuilder {
    /// A guard on a path that no request has when it is matched guards nothing.
    private func checkPaths(_ config: ListenerConfig, _ diagnostics: ConfigDiagnostics) {
        for route in config.routes {
            guard let problem = Self.pathProblem(route.match.path, config) else { continue }
            diagnostics.error(
                at: route.place.key("match").key("path"), problem.message, hint: problem.hint)
        }
    }

    private static func pathProblem(
        _ match: PathMatch?, _ config: ListenerConfig
    ) -> (message: String, hint: String)? {
        let (path, isWhole): (String, Bool)
        switch match {
        case .exact(let text), .segments(let text): (path, isWhole) = (text, true)
        case .prefix(let text): (path, isWhole) = (text, false)
        case .regex, nil: return nil
        }
        let seen = PathNormalizer.seen(path, isWhole: isWhole, config.path)
        guard path.hasPrefix("/"), seen != path else { return nil }
        return (
            "no request has the path \"\(path.prefix(60))\" when routes are matched",
            seen.map { "paths are made normal before: write \"\($0.prefix(60))\"" } ?? "such paths are refused before"
        )
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
