/// Changes of endpoints alone: no document is looked at, nothing is checked or made but the endpoints that have changed.
extension Publisher {
    package func update(_ instances: [ServiceName: [Instance]]) {
        var endpoints: [EndpointSource: [DiscoveredEndpoint]] = [:]
        for (service, instances) in instances { endpoints[.service(service)] = DiscoveredEndpoint.all(of: instances) }
        update(endpoints)
    }

    /// What files say by now.
    func lookAtFiles() { update(files.look(at: endpointFiles)) }

    var endpointFiles: Set<EndpointFileName> { meshes.reduce(into: []) { $0.formUnion($1.endpointFiles) } }

    func update(_ endpoints: [EndpointSource: [DiscoveredEndpoint]]) {
        let changed = board.set(endpoints)
        guard isKnown, !changed.isEmpty else { return }
        time = now()
        var touched: Set<Group> = []
        for (group, clusters) in discovered {
            let resources = clusters.compactMap { changed.contains($0.source) ? board.resource(of: $0) : nil }
            guard !resources.isEmpty, let snapshot = snapshots[group] else { continue }
            snapshots[group] = snapshot.replacing(endpoints: resources)
            touched.insert(group)
        }
        for member in members.values where touched.contains(member.group) {
            member.tell(publication(for: member.group))
        }
    }
}
