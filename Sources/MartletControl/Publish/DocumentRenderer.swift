internal import MartletConfig
internal import MartletCore
internal import MartletXDS
internal import SwiftProtobuf
internal import Synchronization

/// Makes the resources of xDS that a document is. Each version of a document is made once for all proxies.
final class DocumentRenderer: Sendable {
    private struct Place: Hashable {
        let key: DocumentKey
        let revision: Revision
        let audience: ProxyIdentity.Audience
    }

    private let made = Locked<[Place: [Resource]]>([:])

    /// What is wrong with one that was handed in; it is not kept.
    func check(_ document: MeshDocument, diagnostics: ConfigDiagnostics) {
        _ = Self.render(document, .martlet, diagnostics)
    }

    func resources(of document: MeshDocument, for audience: ProxyIdentity.Audience) -> [Resource] {
        let place = Place(key: document.key, revision: document.revision, audience: audience)
        if document.revision > 0, let known = made.withLock({ $0[place] }) { return known }
        // It has been checked before it was kept: what cannot be made of it any more is left out.
        let resources = Self.render(document, audience, ConfigDiagnostics())
        if document.revision > 0 { made.withLock { $0[place] = resources } }
        return resources
    }

    /// Forgets versions that nobody gets any more.
    func keep(_ versions: Set<Version>) {
        made.withLock { made in
            made = made.filter { versions.contains(Version(key: $0.key.key, revision: $0.key.revision)) }
        }
    }

    struct Version: Hashable {
        let key: DocumentKey
        let revision: Revision
    }

    private static func render(
        _ document: MeshDocument, _ audience: ProxyIdentity.Audience, _ diagnostics: ConfigDiagnostics
    ) -> [Resource] {
        diagnostics.files.isClosed = true
        document.supply(to: diagnostics.files)
        let isService = document.kind == .services
        let kind: MeshKind = isService ? .listeners : document.kind
        let node = isService ? document.node.serviceListener : document.node
        let resources = MeshResources(.made([(kind.rawValue, .made([node]))]), diagnostics: diagnostics)
        let told =
            switch audience {
            case .martlet: resources
            case .other: resources.forOthers
            case .grpc: resources.forGRPC
            }
        var rendered: [Resource] = []
        for type in ResourceType.allCases {
            do {
                for named in try told.packed(type) {
                    rendered.append(try resource(type, named, document))
                }
            } catch {
                diagnostics.error(at: document.config.place, "cannot be written as \(type.typeURL): \(error)")
            }
        }
        return rendered
    }

    private static func resource(
        _ type: ResourceType, _ named: MeshResources.Named, _ document: MeshDocument
    ) throws -> Resource {
        let mentions = ResourceMentions(of: named.resource, type)
        var references = mentions.names.flatMap { type, names in names.map { Reference(type, $0) } }
        references += mentions.clusters.map { Reference(.cluster, $0) }
        if document.callsAnyCluster { references.append(.any(.cluster)) }
        references.sort { ($0.type.ordinal, $0.name) < ($1.type.ordinal, $1.name) }
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        let body: [UInt8] = try named.resource.serializedBytes(options: options)
        return Resource(
            type, named.name, version: ResourceTable.version(StableHash.of(body.span)), body: body,
            references: references)
    }
}
