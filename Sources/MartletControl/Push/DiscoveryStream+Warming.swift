internal import MartletXDS

/// What clients have and do not use yet: clusters until they were sent their endpoints, listeners until they have their routes.
/// Until then what they used before must stay, with all that it refers to, and no route may go to a cluster that is new.
extension DiscoveryStream {
    /// Notes what the client needs before it uses what is being sent. Clusters need a response with their endpoints that comes
    /// after them, even if the client has the same endpoints; listeners, routes that the client has not got when it accepts.
    mutating func warm(_ type: ResourceType, _ items: [String: Resource?], sequence: UInt64) {
        guard let needed = type.warmedBy else { return }
        for (name, resource) in items {
            guard let difference = feeds[type.ordinal].differences[name], !difference.held.isSame(as: resource) else {
                continue
            }
            guard let needs = resource?.references.filter({ $0.type == needed }), !needs.isEmpty else { continue }
            let before = feeds[type.ordinal].warming[name]
            feeds[type.ordinal].warming[name] = Warming(
                sequence: sequence, needs: Set(needs.map(\.name)),
                served: (before?.served.prefix(Self.servedLimit) ?? []) + [difference.held],
                isUsable: difference.held.isPresent
                    && before?.isUsable ?? difference.held.resource.map(hasEndpoints) ?? false)
        }
    }

    /// A client that came back asked for a type for the first time on this stream.
    mutating func resume(_ type: ResourceType) {
        let (listeners, routes) = (feeds[ResourceType.listener.ordinal], feeds[ResourceType.routes.ordinal])
        guard isResuming, type == .listener || type == .routes, listeners.isRequested, routes.isRequested else {
            return
        }
        // A listener that it has may have been waiting for its routes, with one in use that nobody here knows.
        var held = listeners.differences.values.compactMap(\.held.resource)
        held += listeners.table.resources.filter { listeners.differences[$0.name] == nil }
        for resource in held where listeners.subscription.covers(resource.name) {
            let needs = resource.references.filter { $0.type == .routes && !routes.holds($0.name) }
            guard !needs.isEmpty, listeners.warming[resource.name] == nil else { continue }
            feeds[ResourceType.listener.ordinal].warming[resource.name] = Warming(
                sequence: 0, needs: Set(needs.map(\.name)), served: [.unknown(version: nil)], isUsable: false)
        }
    }

    /// Endpoints are owed to a cluster from when it was sent until they were accepted in a response after that, and so once
    /// more when that response was refused. Routes are owed to a listener that has been accepted.
    mutating func oweWarming(_ type: ResourceType) {
        for waiting in [ResourceType.cluster, .listener] where waiting.warmedBy == type {
            let underWay = waiting == .listener ? feeds[waiting.ordinal].outstanding?.sequence : nil
            let outstanding = feeds[type.ordinal].outstanding
            for warming in feeds[waiting.ordinal].warming.values where warming.sequence != underWay {
                for need in warming.needs {
                    if let outstanding, outstanding.sequence > warming.sequence, outstanding.items[need] != nil {
                        continue
                    }
                    feeds[type.ordinal].owe(need)
                }
            }
        }
    }

    /// Versions before the one that is warming, of which one may be in use: most likely the oldest.
    private static var servedLimit: Int { 8 }

    mutating func accepted(_ type: ResourceType, _ answered: Outstanding) {
        for name in answered.items.keys {
            guard let warming = feeds[type.ordinal].warming[name] else { continue }
            if warming.sequence < answered.sequence {
                // It waited for an earlier version; this one needs nothing, or is its end.
                need(type, name, [])
            } else if type == .listener {
                need(type, name, warming.needs.filter { !feeds[ResourceType.routes.ordinal].holds($0) })
            }
        }
        for waiting in [ResourceType.cluster, .listener] where waiting.warmedBy == type {
            let underWay = waiting == .listener ? feeds[waiting.ordinal].outstanding?.sequence : nil
            for (name, warming) in feeds[waiting.ordinal].warming {
                // A listener takes routes that were sent before it. Which of them there are is seen when it is accepted.
                guard waiting == .listener ? warming.sequence != underWay : warming.sequence < answered.sequence else {
                    continue
                }
                need(waiting, name, warming.needs.filter { (answered.items[$0] ?? nil) == nil })
            }
        }
    }

    private mutating func need(_ type: ResourceType, _ name: String, _ needs: Set<String>) {
        if needs.isEmpty {
            feeds[type.ordinal].warming[name] = nil
            if feeds[type.ordinal].warming.isEmpty { feeds[type.ordinal].warming = [:] }
        } else {
            feeds[type.ordinal].warming[name]?.needs = needs
        }
    }

    /// The client goes on with what it had, which may still have been warming: what it needs may have come while the refused
    /// version was taken for the one that needs it, and is sent again.
    mutating func refused(_ type: ResourceType, _ answered: Outstanding) {
        guard let needed = type.warmedBy else { return }
        for name in answered.items.keys where feeds[type.ordinal].warming[name]?.sequence == answered.sequence {
            let warming = feeds[type.ordinal].warming.removeValue(forKey: name)
            guard let warming, warming.served.count > 1,
                let held = feeds[type.ordinal].differences[name]?.held.resource
            else { continue }
            let needs = held.references.filter { $0.type == needed }.map(\.name)
            guard !needs.isEmpty else { continue }
            feeds[type.ordinal].warming[name] = Warming(
                sequence: answered.sequence, needs: Set(needs), served: warming.served, isUsable: warming.isUsable)
        }
    }
}
