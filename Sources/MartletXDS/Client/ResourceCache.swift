internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// What a control plane has sent and was not refused, and what of it can be put in force.
///
/// A listener or cluster is used once all that it mentions is there (warming); until then the one that was used before goes
/// on. What nobody mentions any more is forgotten, as its server will not say that it is gone.
package struct ResourceCache: Sendable {
    private struct Entry: Sendable {
        let held: HeldResource
        let mentions: ResourceMentions
    }

    private var entries: [ResourceType: [String: Entry]] = [:]
    /// Of those that wait for others: what is in force, while a newer one warms.
    private var active: [ResourceType: [String: Entry]] = [:]
    /// Those of them that wait no more: clusters are used without endpoints, listeners without routes, until they come.
    private var givenUp: Set<HeldResource> = []
    /// Endpoints that are asked for and that the server does not have: clusters that name them are used without.
    private var absent: Set<String> = []

    package init() {}

    package func held(_ type: ResourceType) -> [String: HeldResource] { entries[type]?.mapValues(\.held) ?? [:] }
    package var held: [ResourceType: [String: HeldResource]] {
        entries.filter { !$0.value.isEmpty }.mapValues { $0.mapValues(\.held) }
    }

    package var isEmpty: Bool { entries.values.allSatisfy(\.isEmpty) }

    // MARK: Offers

    /// Takes an offer in, as a whole.
    package mutating func apply(_ offer: DiscoveryOffer) {
        var present = entries[offer.type] ?? [:]
        if offer.isWhole { present = present.filter { offer.changed[$0.key] != nil } }
        for name in offer.removed { remove(name, offer.type, from: &present) }
        for (name, held) in offer.changed {
            // The same bytes mention the same: with a state of the world most of it is what it was.
            let mentions =
                present[name].flatMap { $0.held.resource == held.resource ? $0.mentions : nil }
                ?? ResourceMentions(of: held.resource, offer.type)
            present[name] = Entry(held: held, mentions: mentions)
        }
        entries[offer.type] = present
        if offer.type == .endpoints { absent.subtract(offer.changed.keys) }
    }

    /// What is asked for by name is gone when nobody names it any more, and not before: a server that takes it away from those that
    /// use it would take their requests as well. Envoy passes over such a removal, too.
    private mutating func remove(_ name: String, _ type: ResourceType, from present: inout [String: Entry]) {
        if type.isWildcard {
            present[name] = nil
        } else if type == .endpoints, present[name] == nil {
            absent.insert(name)
        }
    }

    /// A resource of an offer is as it was before it, for it was refused.
    package mutating func revert(_ type: ResourceType, _ name: String, to before: ResourceCache) {
        entries[type]?[name] = before.entries[type]?[name]
        if type == .endpoints, before.absent.contains(name) { absent.insert(name) }
    }

    // MARK: Names

    /// Types whose resources mention others, and wait for them. What is mentioned comes first.
    private static let warmed: [ResourceType] = [.cluster, .routes, .listener]

    /// The names to ask for of a type that is not asked for as a whole.
    package func mentioned(_ type: ResourceType) -> Set<String> {
        var names: Set<String> = []
        for kind in Self.warmed {
            for entry in (entries[kind] ?? [:]).values { names.formUnion(entry.mentions.names[type] ?? []) }
            for entry in (active[kind] ?? [:]).values { names.formUnion(entry.mentions.names[type] ?? []) }
        }
        return names
    }

    /// Forgets what is mentioned no more.
    package mutating func forgetUnmentioned() {
        // Routes first: they mention secrets themselves.
        for type in [ResourceType.routes, .endpoints, .secret, .extension] {
            let names = mentioned(type)
            entries[type] = entries[type]?.filter { names.contains($0.key) }
            active[type] = active[type]?.filter { names.contains($0.key) }
            if type == .endpoints { absent.formIntersection(names) }
        }
    }

    // MARK: What can be in force

    /// - Parameter isLate: without endpoints and routes it is done. Without secrets and policies nothing is.
    private func isWarm(_ entry: Entry, isLate: Bool) -> Bool {
        entry.mentions.names.allSatisfy { type, names in
            if isLate, type == .endpoints || type == .routes { return true }
            return names.allSatisfy { isThere(type, $0) }
        }
    }

    private func isWarm(_ entry: Entry) -> Bool { isWarm(entry, isLate: givenUp.contains(entry.held)) }

    private func isThere(_ type: ResourceType, _ name: String) -> Bool {
        guard let entry = entries[type]?[name] else { return type == .endpoints && absent.contains(name) }
        return type != .routes || isWarm(entry) || active[type]?[name] != nil
    }

    private var warmable: [Entry] { Self.warmed.flatMap { (entries[$0] ?? [:]).values } }

    /// What waits for something.
    package var waiting: Set<HeldResource> { Set(warmable.filter { !isWarm($0) }.map(\.held)) }
    /// By type, sorted.
    package var waitingNames: [ResourceType: [String]] {
        var names: [ResourceType: [String]] = [:]
        for type in Self.warmed {
            let waiting = (entries[type] ?? [:]).filter { !isWarm($0.value) }
            if !waiting.isEmpty { names[type] = waiting.keys.sorted() }
        }
        return names
    }
    package var isWarming: Bool { warmable.contains { !isWarm($0) } }

    /// Of these, what can do without what it still waits for does so from now on. False: there is none.
    package mutating func giveUp(_ resources: Set<HeldResource>) -> Bool {
        let late = warmable.filter { resources.contains($0.held) && !isWarm($0) && isWarm($0, isLate: true) }
        // What is not held any more need not be remembered.
        givenUp.formIntersection(warmable.map(\.held))
        givenUp.formUnion(late.map(\.held))
        return !late.isEmpty
    }

    /// What would be in force if nothing were waited for, to find out what is wrong with what waits; nil when nothing does.
    package func warming() -> MeshResources? {
        var all = self
        return all.giveUp(waiting) ? all.resources() : nil
    }

    /// The resources to put in force.
    package mutating func resources() -> MeshResources {
        var resources = MeshResources()
        let diagnostics = ConfigDiagnostics()
        var mentioned = ResourceMentions.Names()
        for type in Self.warmed {
            var next: [String: Entry] = [:]
            for (name, entry) in entries[type] ?? [:] {
                if isWarm(entry) {
                    next[name] = entry
                } else if let before = active[type]?[name], isWarm(before) {
                    next[name] = before
                }
            }
            active[type] = next
            // Those are wanted only that listeners mention.
            if type == .routes { continue }
            for (_, entry) in next.sorted(by: { $0.key < $1.key }) {
                resources.add(entry.held.resource, diagnostics: diagnostics)
                mentioned.add(entry.mentions)
            }
        }
        // Routes first: they mention secrets themselves.
        for type in [ResourceType.routes, .endpoints, .secret, .extension] {
            for name in (mentioned.names[type] ?? []).sorted() {
                guard let entry = type == .routes ? active[type]?[name] : entries[type]?[name] else {
                    resources.addEmpty(type, name)
                    continue
                }
                resources.add(entry.held.resource, diagnostics: diagnostics)
                mentioned.add(entry.mentions)
            }
        }
        resources.mentionedClusters = mentioned.clusters
        return resources
    }
}

extension ResourceMentions {
    /// Of several resources together.
    struct Names {
        var names: [ResourceType: Set<String>] = [:]
        var clusters: Set<String> = []

        mutating func add(_ mentions: ResourceMentions) {
            names.merge(mentions.names) { $0.union($1) }
            clusters.formUnion(mentions.clusters)
        }
    }
}

extension MeshResources {
    /// Stands for what was asked for and does not come.
    fileprivate mutating func addEmpty(_ type: ResourceType, _ name: String) {
        switch type {
        case .endpoints: endpoints.append(.with { $0.clusterName = name })
        case .routes: routes.append(.with { $0.name = name })
        case .listener, .cluster, .secret, .extension: break
        }
    }
}
