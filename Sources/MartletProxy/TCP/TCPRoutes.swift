internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// Where a listener's connections go that carry no requests, compiled: clusters are numbers into the snapshot's list.
struct TCPRoutes: Sendable {
    /// One cluster, or several by weight.
    struct Target: Sendable {
        private let clusters: [CompiledCluster]
        private let totalWeight: UInt64

        init(_ target: TCPTarget, _ clusterIndex: (String) -> Int?) {
            switch target {
            case .cluster(let cluster):
                clusters = clusterIndex(cluster.name).map { [CompiledCluster(cluster: $0, weight: 1)] } ?? []
            case .split(let parts):
                clusters = parts.compactMap { part in
                    clusterIndex(part.cluster.name).map {
                        CompiledCluster(cluster: $0, weight: UInt32(clamping: part.weight))
                    }
                }
            }
            totalWeight = clusters.reduce(0) { $0 + UInt64($1.weight) }
        }

        /// - Parameter random: evenly from all numbers.
        func cluster(_ random: UInt64) -> Int? {
            guard totalWeight > 0 else { return nil }
            var left = random % totalWeight
            for part in clusters {
                if left < UInt64(part.weight) { return part.cluster }
                left -= UInt64(part.weight)
            }
            return nil
        }
    }

    private var exact: [String: Target] = [:]
    /// `.example.com` stands for every name that ends so.
    private var suffixes: [String: Target] = [:]
    private var rest: Target?
    /// Endpoints dialled for one connection at most.
    let maxConnectAttempts: Int
    /// The name that a client asks for in TLS decides.
    let needsServerName: Bool

    init(_ config: TCPConfig, clusterIndex: (String) -> Int?) {
        maxConnectAttempts = config.maxConnectAttempts
        needsServerName = !config.sni.isEmpty
        rest = config.target.map { Target($0, clusterIndex) }
        for route in config.sni {
            let target = Target(route.target, clusterIndex)
            for host in route.hosts {
                switch host {
                case .exact(let name): exact[name] = target
                case .suffix(let name): suffixes[name] = target
                case .any: rest = target
                case .prefix: continue
                }
            }
        }
    }

    init(_ config: OtherProtocolConfig, clusterIndex: (String) -> Int?) {
        maxConnectAttempts = config.maxConnectAttempts
        needsServerName = false
        rest = Target(config.target, clusterIndex)
    }

    /// The most specific: the name itself, then the longest ending, then what takes the rest.
    /// - Parameter name: lower case; nil when the client named none.
    func target(for name: String?) -> Target? {
        guard needsServerName, let name else { return rest }
        if let target = exact[name] { return target }
        guard !suffixes.isEmpty else { return rest }
        var from = name.startIndex
        while let dot = name[from...].firstIndex(of: ".") {
            if dot > name.startIndex, let target = suffixes[String(name[dot...])] { return target }
            from = name.index(after: dot)
        }
        return rest
    }
}
