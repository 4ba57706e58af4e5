import MartletControl
internal import MartletXDS

/// A correct xDS client: it asks for what it needs, answers each response, and uses resources as Envoy does, that is, clusters
/// once they have endpoints and listeners once they have routes. It complains when it would have had to fail a request.
struct SimulatedClient {
    enum Style: CaseIterable {
        /// All clusters and all listeners, then by name what they refer to: Envoy.
        case everything
        /// One listener by name, its route, the clusters of the route, their endpoints: gRPC.
        case byName
    }

    /// Of one type.
    struct Cache {
        /// What the client has accepted, by name.
        var held: [String: Resource] = [:]
        var version = ""
        var nonce = ""
        var names: Set<String> = []
        var isRequested = false
    }

    let variant: DiscoveryStream.Variant
    let style: Style
    /// A refused response is dropped whole; otherwise its good resources are kept.
    let isStrict: Bool
    var caches = Dictionary(uniqueKeysWithValues: Self.types.map { ($0, Cache()) })
    /// What requests go by: clusters with endpoints, listeners with routes.
    var active: [ResourceType: [String: Resource]] = [.cluster: [:], .listener: [:]]
    /// By cluster: endpoints that must still come.
    private var cold: [String: Set<String>] = [:]
    /// Sent and not yet received by the other side.
    var requests: [Request] = []
    /// Requests that would have failed, and other breaches.
    var complaints: [String] = []
    /// The server knows what the client had when it came back, or it never came back: so nothing may break.
    var isContinuous = true

    enum Request {
        case full(DiscoveryRequest)
        case delta(DeltaRequest)
    }

    static let types: [ResourceType] = [.cluster, .endpoints, .listener, .routes]
    static let roots = ["l0", "l1"]

    init(_ variant: DiscoveryStream.Variant, _ style: Style, isStrict: Bool) {
        self.variant = variant
        self.style = style
        self.isStrict = isStrict
    }

    private func cache(_ type: ResourceType) -> Cache { caches[type] ?? Cache() }

    // MARK: Connections

    /// The first requests on a new stream, all types that were asked for before, in their order.
    mutating func connect() {
        requests = []
        var isFirst = true
        for type in Self.types {
            let wasRequested = cache(type).isRequested
            caches[type]?.isRequested = false
            caches[type]?.nonce = ""
            // No names in a first request would mean all of them.
            if style == .byName, wanted(type)?.isEmpty ?? true { continue }
            if wasRequested || type == (style == .everything ? .cluster : .listener) {
                request(type, node: isFirst ? ProxyNode(id: "p") : nil)
                isFirst = false
            }
        }
    }

    /// What this client wants of a type, or nil for all.
    func wanted(_ type: ResourceType) -> Set<String>? {
        func references(_ types: [ResourceType]) -> Set<String> {
            var resources = types.flatMap { cache($0).held.values }
            // A listener that is still in use keeps its route.
            if types.contains(.listener) { resources += (active[.listener] ?? [:]).values.map { $0 } }
            return Set(resources.flatMap(\.references).filter { $0.type == type }.map(\.name))
        }
        switch (type, style) {
        case (.endpoints, _): return references([.cluster])
        case (.routes, _): return references([.listener])
        case (.cluster, .byName): return references([.listener, .routes])
        case (.listener, .byName): return Set(Self.roots)
        default: return nil
        }
    }

    private mutating func request(_ type: ResourceType, node: ProxyNode? = nil) {
        let isFirst = !cache(type).isRequested
        let before = cache(type).names
        let names = wanted(type) ?? []
        caches[type]?.isRequested = true
        caches[type]?.names = names
        switch variant {
        case .stateOfTheWorld:
            requests.append(
                .full(
                    DiscoveryRequest(
                        node: node, typeURL: type.typeURL, names: names.sorted(), version: cache(type).version,
                        nonce: cache(type).nonce)))
        case .delta:
            // What a cluster still waits for is not told as known, or it would not come.
            let waited = type == .endpoints ? cold.values.reduce(into: Set()) { $0.formUnion($1) } : []
            let known = isFirst ? cache(type).held.filter { !waited.contains($0.key) }.mapValues(\.version) : [:]
            requests.append(
                .delta(
                    DeltaRequest(
                        node: node, typeURL: type.typeURL,
                        subscribe: (isFirst ? names : names.subtracting(before)).sorted(),
                        unsubscribe: isFirst ? [] : before.subtracting(names).sorted(), initialVersions: known)))
        }
    }

    /// Asks for what it has come to need, and drops what it needs no more.
    private mutating func requestChanges() {
        for type in [ResourceType.listener, .routes, .cluster, .endpoints] {
            guard let names = wanted(type) else {
                // Envoy asks for listeners once its first clusters are there.
                if !cache(type).isRequested, !cache(.cluster).version.isEmpty { request(type) }
                continue
            }
            let kept = cache(type).held.filter { names.contains($0.key) }
            caches[type]?.held = kept
            active[type] = active[type]?.filter { names.contains($0.key) }
            guard cache(type).isRequested ? names != cache(type).names : !names.isEmpty else { continue }
            request(type)
        }
    }

    // MARK: Responses

    mutating func receive(_ response: PushResponse) {
        let type = response.type
        if Set(response.resources.map(\.name)).count != response.resources.count { complaints.append("a name twice") }
        caches[type]?.nonce = response.nonce
        let bad = response.resources.filter { $0.body == Array("bad".utf8) }
        if bad.isEmpty || !isStrict { apply(response, without: Set(bad.map(\.name))) }
        // Having kept a part of a refused response, it no longer has what the version before says.
        if bad.isEmpty { caches[type]?.version = response.version } else if !isStrict { caches[type]?.version = "" }
        let names = bad.count % 2 == 0 ? "" : bad.map(\.name).joined(separator: ", ")
        let error = bad.isEmpty ? nil : ErrorDetail(message: "not good: \(names)")
        switch variant {
        case .stateOfTheWorld:
            requests.append(
                .full(
                    DiscoveryRequest(
                        typeURL: type.typeURL, names: cache(type).names.sorted(), version: cache(type).version,
                        nonce: response.nonce, error: error)))
        case .delta:
            requests.append(.delta(DeltaRequest(typeURL: type.typeURL, nonce: response.nonce, error: error)))
        }
        requestChanges()
        check()
    }

    private mutating func apply(_ response: PushResponse, without bad: Set<String>) {
        let type = response.type
        let isFull = variant == .stateOfTheWorld && (type == .cluster || type == .listener)
        if isFull {
            let sent = Set(response.resources.map(\.name))
            for name in cache(type).held.keys where !sent.contains(name) { drop(type, name) }
        }
        for name in response.removed { drop(type, name) }
        for resource in response.resources where !bad.contains(resource.name) {
            if !cache(type).names.isEmpty, !cache(type).names.contains(resource.name) { continue }
            let isNew = cache(type).held[resource.name]?.version != resource.version
            caches[type]?.held[resource.name] = resource
            if type == .cluster, isNew { cold[resource.name] = Set(resource.references.map(\.name)) }
            if isNew, type == .routes || type == .listener { checkClusters(of: resource) }
        }
        if type == .endpoints {
            for resource in response.resources where !bad.contains(resource.name) {
                for name in cold.keys { cold[name]?.remove(resource.name) }
            }
        }
        warm()
    }

    private mutating func drop(_ type: ResourceType, _ name: String) {
        caches[type]?.held[name] = nil
        active[type]?[name] = nil
        cold[name] = type == .cluster ? nil : cold[name]
    }

    private mutating func warm() {
        for (name, cluster) in cache(.cluster).held where cold[name]?.isEmpty ?? true {
            active[.cluster]?[name] = cluster
        }
        for (name, listener) in cache(.listener).held {
            let routes = listener.references.filter { $0.type == .routes }
            if routes.allSatisfy({ cache(.routes).held[$0.name] != nil }) { active[.listener]?[name] = listener }
        }
    }

    // MARK: Complaints

    private mutating func checkClusters(of resource: Resource) {
        // Only what the server can know of: not what was kept of a refused response on a stream before.
        guard style == .everything, isContinuous || isStrict else { return }
        for reference in resource.references
        where reference.type == .cluster && cache(.cluster).held[reference.name] == nil {
            complaints.append("\(resource.name):\(resource.version) came before its cluster \(reference.name)")
        }
    }

    /// All that a request may be sent to is there.
    private mutating func check() {
        guard isContinuous, style == .everything else { return }
        for listener in (active[.listener] ?? [:]).values {
            var users = [listener]
            for reference in listener.references where reference.type == .routes {
                if let route = cache(.routes).held[reference.name] {
                    users.append(route)
                } else {
                    complaints.append("\(listener.name):\(listener.version) has lost its route \(reference.name)")
                }
            }
            for user in users {
                for reference in user.references
                where reference.type == .cluster && active[.cluster]?[reference.name] == nil {
                    complaints.append("\(user.name):\(user.version) goes to \(reference.name), which is not there")
                }
            }
        }
    }
}
