/// What can only be judged with the whole configuration in sight: unique names, and references that lead somewhere.
struct ProxyConfigCheck {
    let config: ProxyConfig
    let section: ConfigSection
    private var diagnostics: ConfigDiagnostics { section.diagnostics }

    init(_ config: ProxyConfig, _ section: ConfigSection) {
        self.config = config
        self.section = section
    }

    func run() {
        unique("listeners", "listener")
        unique("clusters", "cluster")
        unique("policies", "policy")
        unique("modules", "module")
        addresses()
        hashing()
        let clusters = Set(config.clusters.map(\.name))
        let policies = Set(config.policies.map(\.name))
        controlPlane()
        for listener in config.listeners {
            for reference in listener.clusters where !clusters.contains(reference.name) {
                diagnostics.error(
                    at: reference.place, "no cluster \"\(reference.name.prefix(60))\"",
                    hint: NearestName.hint(reference.name, in: clusters, what: "clusters") ?? "add it to clusters")
            }
            for filter in listener.filters {
                guard let policy = filter.policy, !policies.contains(policy), let node = filter.node["policy"] else {
                    continue
                }
                diagnostics.error(
                    at: node.place, "no policy \"\(policy.prefix(60))\"",
                    hint: NearestName.hint(policy, in: policies, what: "policies") ?? "add it to policies")
            }
        }
    }

    private func controlPlane() {
        guard let reference = config.controlPlane?.cluster else { return }
        guard let cluster = config.clusters.first(where: { $0.name == reference.name }) else {
            diagnostics.error(
                at: reference.place, "no cluster \"\(reference.name.prefix(60))\"",
                hint: "add it to clusters" + (config.controlPlane?.method == .rest ? "" : ", with protocol: http2"))
            return
        }
        guard config.controlPlane?.method != .rest, cluster.protocol != .http2 else { return }
        diagnostics.error(
            at: reference.place,
            "control planes speak gRPC, and cluster \"\(reference.name.prefix(60))\" does not speak HTTP/2",
            hint: "add protocol: http2 to the cluster, or method: rest to control_plane")
    }

    /// A key that nobody chooses by, and a choice by a key that nobody makes: allowed, and most likely a mistake.
    private func hashing() {
        let byHash = Set(config.clusters.filter { $0.loadBalancing.isByHash }.map(\.name))
        for listener in config.listeners {
            for route in listener.routes {
                let asked = route.targets.map(\.name)
                if !route.hash.isEmpty, !asked.contains(where: byHash.contains) {
                    diagnostics.warning(
                        at: route.place.key("hash"), "has no effect: no cluster of the route balances by hash",
                        hint: "write load_balancing: ring_hash or maglev in the cluster")
                }
                if route.hash.isEmpty, let name = asked.first(where: byHash.contains) {
                    diagnostics.warning(
                        at: route.place,
                        "requests go to cluster \"\(name.prefix(60))\" at random: the route has no hash",
                        hint: "add hash: [{ header: x-user }], or client_ip")
                }
            }
        }
    }

    private func unique(_ key: String, _ what: String) {
        var first: [String: Int] = [:]
        for item in section.node[key]?.items ?? [] {
            guard let node = item["name"], let name = node.text, !name.isEmpty else { continue }
            guard let line = first[name] else {
                first[name] = node.mark.line
                continue
            }
            diagnostics.error(
                at: node.place, "duplicate \(what) \"\(name.prefix(60))\"", hint: "first on line \(line)")
        }
    }

    /// No address twice, the admin's included; a wildcard takes the port of every address of its family.
    private func addresses() {
        var taken: [(address: ConfigAddress, owner: String)] = []
        if let admin = config.admin { taken.append((admin.address, "the admin API")) }
        for (item, listener) in zip(section.node["listeners"]?.items ?? [], config.listeners) {
            // An address that could not be read is no address.
            guard let node = item["address"], listener.address.port != 0 else { continue }
            let address = listener.address
            defer { taken.append((address, "listener \"\(listener.name.prefix(60))\"")) }
            guard let owner = taken.first(where: { $0.address.collides(with: address) })?.owner else { continue }
            diagnostics.error(at: node.place, "\(address) is taken by \(owner)", hint: "choose another port")
        }
    }
}

extension ConfigAddress {
    /// They cannot both be listened at.
    package func collides(with other: ConfigAddress) -> Bool { includes(other) || other.includes(self) }

    /// It is `other`, or stands for it too.
    package func includes(_ other: ConfigAddress) -> Bool {
        // Port 0 is a different port each time.
        if port == 0 || other.port == 0 { return false }
        if self == other { return true }
        switch (self, other) {
        case (.ipv4(_, let left), .ipv4(_, let right)), (.ipv6(_, _, let left), .ipv6(_, _, let right)):
            return left == right && isWildcard
        default: return false
        }
    }
}

extension ListenerConfig {
    /// Every cluster its clients may reach, in the order in which they are named.
    package var clusters: [ClusterReference] {
        (tcp?.clusters ?? []) + (other?.target.clusters ?? []) + routes.flatMap(\.clusters)
    }
}

extension RouteConfig {
    /// Every cluster the route may ask.
    package var clusters: [ClusterReference] { targets + mirrors.map(\.cluster) }

    /// Those one of which answers.
    var targets: [ClusterReference] {
        switch action {
        case .cluster(let cluster): [cluster]
        case .split(let parts): parts.map(\.cluster)
        case .redirect, .respond: []
        }
    }
}
