internal import MartletXDS

/// Make before break. What is referred to is pushed before what refers to it and removed after it: a route waits until the
/// client has accepted its clusters and been sent their endpoints; a cluster stays until the client has accepted the routes
/// that no longer name it.
extension DiscoveryStream {
    /// What can be sent of a type now: by name; nil is a removal.
    func sendable(_ type: ResourceType) -> [String: Resource?] {
        let feed = feeds[type.ordinal]
        var items: [String: Resource?] = [:]
        var isAsked = false
        var pins: Pins?
        for (name, difference) in feed.differences {
            let target = feed.table[name]
            if !difference.isAsked {
                if !difference.isOwed, difference.held.isSame(as: target) { continue }
                if feed.isRefused(name, target) { continue }
            }
            if let target {
                guard isReady(target) else { continue }
            } else if !difference.held.isAbsent {
                if pins == nil { pins = self.pins(on: type) }
                if pins?.holds(name) == true { continue }
            }
            items.updateValue(target, forKey: name)
            isAsked = isAsked || difference.isAsked
        }
        return !isAsked && feed.wasRefused(items) ? [:] : items
    }

    func withheld(_ type: ResourceType) -> [String] {
        let feed = feeds[type.ordinal]
        return feed.differences.keys.filter { name in feed.table[name].map { !isReady($0) } ?? false }.sorted()
    }

    // MARK: Before it is pushed

    /// The client can use what the resource refers to. Only a client that wants all clusters is waited for: one that names
    /// them, as gRPC does, learns the names from the routes.
    private func isReady(_ resource: Resource) -> Bool {
        guard ResourceType.cluster.referrers.contains(resource.type) else { return true }
        let clusters = feeds[ResourceType.cluster.ordinal]
        guard clusters.isRequested, clusters.subscription.isWildcard else { return true }
        return resource.references.allSatisfy { reference in
            guard reference.type == .cluster, reference.name != Reference.anyName else { return true }
            guard clusters.holds(reference.name) else { return false }
            // Endpoints that are not there yet are not waited for: they may never be.
            let endpoints = feeds[ResourceType.endpoints.ordinal]
            if let warming = clusters.warming[reference.name] {
                return warming.isUsable || warming.needs.allSatisfy { endpoints.table[$0] == nil }
            }
            return clusters.table[reference.name].map(hasEndpoints) ?? true
        }
    }

    /// A client that came back may have a cluster and not its endpoints.
    func hasEndpoints(_ cluster: Resource) -> Bool {
        let endpoints = feeds[ResourceType.endpoints.ordinal]
        return cluster.references.allSatisfy {
            $0.type != .endpoints || endpoints.table[$0.name] == nil || endpoints.holds($0.name)
        }
    }

    // MARK: Before it is removed

    private struct Pins {
        var names: Set<String> = []
        var all = false

        func holds(_ name: String) -> Bool { all || names.contains(name) }

        mutating func add(_ held: Held, on type: ResourceType) {
            switch held {
            case .absent: break
            case .unknown: all = true
            case .resource(let resource): add(resource, on: type)
            case .uncertain(let resources): for resource in resources.compactMap(\.self) { add(resource, on: type) }
            }
        }

        mutating func add(_ resource: Resource, on type: ResourceType) {
            for reference in resource.references where reference.type == type {
                if reference.name == Reference.anyName { all = true } else { names.insert(reference.name) }
            }
        }
    }

    /// What the client may still refer to, other than by what it is to have: by what it has until it is told better, by what
    /// is on its way, and by what it uses until a new version is warm.
    private func pins(on type: ResourceType) -> Pins {
        var pins = Pins()
        for referrer in type.referrers {
            let feed = feeds[referrer.ordinal]
            // Virtual hosts and extensions are asked for late, if at all.
            let isAwaited = referrer == .cluster || referrer == .listener || referrer == .routes
            if !feed.isRequested, isResuming, isAwaited { pins.all = true }
            for difference in feed.differences.values { pins.add(difference.held, on: type) }
            for case .some(let resource) in feed.outstanding?.items.values ?? [:].values {
                pins.add(resource, on: type)
            }
            for warming in feed.warming.values {
                for held in warming.served { pins.add(held, on: type) }
            }
        }
        return pins
    }

    /// A state-of-the-world client is not told that a route or endpoints are gone: it drops them with what referred to them,
    /// and only then do they stop to refer to anything.
    mutating func dropImplied() {
        guard variant == .stateOfTheWorld else { return }
        for type in [ResourceType.extension, .routes, .secret, .endpoints] {
            let feed = feeds[type.ordinal]
            var pins: Pins?
            for (name, difference) in feed.differences where feed.table[name] == nil {
                // On its way to the client, which will have it.
                if feed.outstanding?.items[name] != nil { continue }
                if !difference.held.isAbsent {
                    if pins == nil { pins = self.pins(on: type) }
                    if pins?.holds(name) == true { continue }
                }
                feeds[type.ordinal].forget(name)
            }
        }
    }
}
