internal import Foundation
package import MartletConfig

/// One listener, cluster or policy of a namespace, with what it takes along: the files that it names, who gets it.
package struct MeshDocument: Sendable {
    package let key: DocumentKey
    package let kind: MeshKind
    /// The transaction that wrote it last, and the one that created it; 0 before it is in the store.
    package let revision: Revision
    package let created: Revision
    /// As the configuration language has it.
    package let config: ConfigNode
    /// Proxies that run it; nil: all of the namespace. Of listeners.
    package let proxies: ProxySelector?
    /// Namespaces that may use it; `*` is all. Of clusters and policies.
    package let sharedWith: Set<String>
    /// What it names, by path as it stands in `config`.
    package let files: [String: [UInt8]]
    /// Every text in `config`, and so every name that it may mean.
    let texts: Set<String>
    /// A policy that may ask any cluster, for its script makes calls.
    let callsAnyCluster: Bool
    /// Of a cluster: where its endpoints are known from; nil: they are in it, or proxies ask DNS.
    let source: EndpointSource?

    init(
        _ key: DocumentKey, _ kind: MeshKind, _ config: ConfigNode, proxies: ProxySelector?, sharedWith: Set<String>,
        files: [String: [UInt8]], revision: Revision = 0, created: Revision = 0
    ) {
        (self.key, self.kind, self.config, self.proxies) = (key, kind, config, proxies)
        (self.sharedWith, self.files, self.revision, self.created) = (sharedWith, files, revision, created)
        source = kind == .clusters ? EndpointSource(of: config, in: key.namespace) : nil
        var texts: Set<String> = []
        // What is discovered under a name is no document of that name.
        (source == nil ? config : config.withoutDiscovery).forEachText { texts.insert($0) }
        self.texts = texts
        callsAnyCluster =
            kind == .policies
            && ([config["inline"]?.text ?? ""] + files.values.map { String(decoding: $0, as: UTF8.self) })
                .contains { $0.contains("httpCall") }
    }

    package var name: String { key.name }

    func shares(with namespace: String) -> Bool { sharedWith.contains("*") || sharedWith.contains(namespace) }

    // MARK: As it is used

    /// Where what it names is found: under a name that no other document has and no disk.
    private var folder: String { "/martlet/\(key)/" }

    /// Absolute paths of a submission that begin like this would be another's.
    static let reservedFolder = "/martlet/"

    /// `config`, with the names under which `supply` puts its files.
    var node: ConfigNode {
        let config = source == nil ? config : config.withoutDiscovery
        return files.isEmpty ? config : config.mapTexts { files[$0] == nil ? $0 : folder + $0 }
    }

    func supply(to sources: ConfigSources) {
        for (path, bytes) in files { sources.supply(bytes, as: folder + path) }
    }
}

extension ConfigNode {
    func forEachText(_ body: (String) -> Void) {
        switch content {
        case .null: break
        case .scalar(let text, _): body(text)
        case .list(let items): for item in items { item.forEachText(body) }
        case .mapping(let entries):
            for entry in entries {
                body(entry.key)
                entry.value.forEachText(body)
            }
        }
    }

    func mapTexts(_ change: (String) -> String) -> ConfigNode {
        var node = self
        switch content {
        case .null: break
        case .scalar(let text, let plain):
            let changed = change(text)
            if changed != text { node.content = .scalar(changed, plain: plain) }
        case .list(let items): node.content = .list(items.map { $0.mapTexts(change) })
        case .mapping(let entries):
            node.content = .mapping(
                entries.map { Entry(key: $0.key, keyMark: $0.keyMark, value: $0.value.mapTexts(change)) })
        }
        return node
    }
}
