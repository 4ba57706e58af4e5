internal import MartletCore
internal import MartletXDS

/// Works out what each proxy is to have, and tells its stream when that changes. Proxies that are told the same share all of it.
package actor Publisher {
    /// What decides on what a proxy is told.
    struct Group: Hashable {
        let namespace: String
        let audience: ProxyIdentity.Audience
        /// A rollout has come to it.
        let isAhead: Bool
        let listeners: [DocumentKey]
    }

    struct Member {
        let proxy: ProxyIdentity
        var group: Group
        let tell: @Sendable (Publication?) -> Void
    }

    private(set) var mesh = Mesh()
    /// The store has been read. Before that, what is known is nothing, and to tell a proxy so would take everything from it.
    private(set) var isKnown = false
    var snapshots: [Group: Snapshot] = [:]
    /// The clusters in each snapshot whose endpoints are known here and not from its documents.
    var discovered: [Group: [DiscoveredCluster]] = [:]
    var board = EndpointBoard()
    private(set) var members: [UInt64: Member] = [:]
    private var nextMember: UInt64 = 0
    var time: Int64 = 0
    private let renderer = DocumentRenderer()
    let files: EndpointFiles
    let now: @Sendable () -> Int64

    package init(
        files: EndpointFiles = EndpointFiles(folder: nil, log: { _ in }), now: @escaping @Sendable () -> Int64
    ) {
        (self.files, self.now) = (files, now)
    }

    // MARK: Proxies

    /// `tell` is called with what the proxy is to have, once that is known and each time that changes, in the midst of telling a
    /// thousand others: it must not wait, and of what comes while its proxy is busy it keeps the newest. Nil: the proxy has left.
    package func join(_ proxy: ProxyIdentity, tell: @escaping @Sendable (Publication?) -> Void) -> UInt64 {
        nextMember += 1
        let group = group(of: proxy)
        members[nextMember] = Member(proxy: proxy, group: group, tell: tell)
        if isKnown { tell(publication(for: group)) }
        return nextMember
    }

    package func leave(_ id: UInt64) {
        guard let member = members.removeValue(forKey: id) else { return }
        member.tell(nil)
        forgetUnused()
    }

    package var proxies: [ProxyIdentity] { members.values.map(\.proxy) }

    // MARK: Changes

    package var revision: Revision { mesh.revision }

    package func publish(_ mesh: Mesh) {
        self.mesh = mesh
        isKnown = true
        _ = board.set(files.look(at: endpointFiles))
        time = now()
        let previous = snapshots
        (snapshots, discovered) = ([:], [:])
        for (id, member) in members {
            let group = group(of: member.proxy)
            // One that is new to its group moves on from what it had.
            if snapshots[group] == nil {
                snapshots[group] = snapshot(group, after: previous[group] ?? previous[member.group] ?? Snapshot())
            }
            members[id]?.group = group
            member.tell(publication(for: group))
        }
        keepUsed()
    }

    private func group(of proxy: ProxyIdentity) -> Group {
        Self.group(of: proxy, in: mesh)
    }

    private static func group(of proxy: ProxyIdentity, in mesh: Mesh) -> Group {
        Group(
            namespace: proxy.namespace, audience: proxy.audience,
            isAhead: mesh.variants[proxy.namespace]?.covers(proxy) ?? false,
            listeners: mesh.seen(by: proxy).entries(for: proxy).map(\.key))
    }

    func publication(for group: Group) -> Publication {
        let snapshot = snapshots[group] ?? snapshot(group, after: Snapshot())
        snapshots[group] = snapshot
        return Publication(snapshot: snapshot, revision: mesh.revision, time: time)
    }

    /// What a proxy would have under another mesh.
    package func snapshot(for proxy: ProxyIdentity, under mesh: Mesh) -> Snapshot {
        snapshot(mesh.seen(by: proxy).selection(for: proxy), proxy.audience, after: Snapshot())
    }

    /// Those that would be told something else.
    package func concerned(
        by change: (before: Mesh, after: Mesh), among proxies: [ProxyIdentity]
    ) -> [ProxyIdentity] {
        var known: [[Group]: Bool] = [:]
        return proxies.filter { proxy in
            let groups = [change.before, change.after].map { Self.group(of: proxy, in: $0) }
            if let known = known[groups] { return known }
            let (before, after) = (
                snapshot(for: proxy, under: change.before), snapshot(for: proxy, under: change.after)
            )
            let differs = ResourceType.allCases.contains { !after.table($0).changes(since: before.table($0)).isEmpty }
            known[groups] = differs
            return differs
        }
    }

    private func snapshot(_ group: Group, after previous: Snapshot) -> Snapshot {
        let mesh = group.isAhead ? mesh.variants[group.namespace]?.mesh ?? mesh : mesh
        let listeners = group.listeners.compactMap { mesh.documents[$0] }
        let selection = mesh.selection(in: group.namespace, listeners: listeners)
        discovered[group] = selection.clusters.compactMap { DiscoveredCluster($0) }
        return snapshot(selection, group.audience, after: previous)
    }

    private func snapshot(
        _ selection: MeshSelection, _ audience: ProxyIdentity.Audience, after previous: Snapshot
    ) -> Snapshot {
        var resources: [Resource] = []
        var seen: Set<Reference> = []
        for document in selection.documents {
            for resource in board.complete(renderer.resources(of: document, for: audience), of: document)
            where seen.insert(Reference(resource.type, resource.name)).inserted { resources.append(resource) }
        }
        // Names are made unique just now, and that is all that can be wrong.
        return (try? Snapshot(resources, after: previous)) ?? previous
    }

    // MARK: Memory

    private func forgetUnused() {
        let used = Set(members.values.map(\.group))
        snapshots = snapshots.filter { used.contains($0.key) }
        discovered = discovered.filter { used.contains($0.key) }
    }

    /// What proxies see: the mesh, and what rollouts make of it for some.
    var meshes: [Mesh] { [mesh] + mesh.variants.values.map(\.mesh) }

    private func keepUsed() {
        renderer.keep(
            Set(
                meshes.flatMap { mesh in
                    mesh.documents.values.map { DocumentRenderer.Version(key: $0.key, revision: $0.revision) }
                }))
        board.keep(Set(meshes.flatMap { mesh in mesh.documents.values.compactMap { DiscoveredCluster($0) } }))
    }
}
