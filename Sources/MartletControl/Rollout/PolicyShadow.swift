internal import MartletConfig

/// Changed policies as they run in a shadow stage: beside what is in force, and applying nothing.
struct PolicyShadow {
    private let namespace: String
    private let changed: [DocumentKey: MeshDocument]
    private let revision: Revision

    /// Policies of these names are shadows of others.
    static let suffix = "@next"

    init(_ namespace: String, _ changed: [DocumentKey: MeshDocument], revision: Revision) {
        (self.namespace, self.changed, self.revision) = (namespace, changed, revision)
    }

    /// A policy that is new runs in shadow mode under its name. One that is there stays, and its next version runs before it in
    /// every chain, so that it sees the same requests.
    func documents(over mesh: Mesh) -> [DocumentKey: MeshDocument?] {
        var documents: [DocumentKey: MeshDocument?] = [:]
        var doubled: Set<String> = []
        for (key, document) in changed {
            guard document.kind == .policies else {
                documents.updateValue(document, forKey: key)
                continue
            }
            let isThere = mesh.documents[key] != nil
            let name = isThere ? document.name + Self.suffix : document.name
            guard let place = try? DocumentKey(namespace, MeshKind.policies.rawValue, name) else { continue }
            if isThere { doubled.insert(document.name) }
            documents.updateValue(
                copy(document, as: place, Self.shadow(document.config, name), revision: revision), forKey: place)
        }
        for listener in mesh.documents(in: namespace, .listeners) {
            let present = (documents[listener.key] ?? nil) ?? listener
            guard !doubled.isDisjoint(with: present.texts) else { continue }
            let config = Self.doubling(doubled, in: present.config)
            // One that the rollout does not change itself may change meanwhile: no version says what comes of the two.
            let isOwn = changed[listener.key] != nil
            documents.updateValue(
                copy(present, as: present.key, config, revision: isOwn ? revision : 0), forKey: present.key)
        }
        return documents
    }

    private func copy(
        _ document: MeshDocument, as key: DocumentKey, _ config: ConfigNode, revision: Revision
    ) -> MeshDocument {
        MeshDocument(
            key, document.kind, config, proxies: document.proxies, sharedWith: document.sharedWith,
            files: document.files, revision: revision, created: document.created)
    }

    private static func shadow(_ policy: ConfigNode, _ name: String) -> ConfigNode {
        let kept = (policy.entries ?? []).filter { $0.key != "name" && $0.key != "mode" }.map { ($0.key, $0.value) }
        return .made([("name", .text(name)), ("mode", .text(PolicyConfig.Mode.shadow.rawValue))] + kept)
    }

    // MARK: Chains

    private static func doubling(_ policies: Set<String>, in listener: ConfigNode) -> ConfigNode {
        listener.replacing("filters") { chain in
            chain.mapItems { filter in
                guard let name = filter[FilterSection.lua]?["policy"]?.text, policies.contains(name) else {
                    return [filter]
                }
                let shadow = filter.replacing(FilterSection.lua) {
                    $0.replacing("policy") { _ in .text(name + suffix) }
                }
                return [shadow, filter]
            }
        }.replacing("routes") { routes in
            routes.mapItems { route in
                [
                    route.replacing("filters") { overrides in
                        overrides.replacing(FilterSection.lua) { lua in
                            let own = (lua.entries ?? []).map { ($0.key, $0.value) }
                            let added = own.filter { policies.contains($0.0) }.map { ($0.0 + suffix, $0.1) }
                            return added.isEmpty ? lua : .made(own + added)
                        }
                    }
                ]
            }
        }
    }

    /// Why a change cannot run as a shadow; nil: it can. What is no policy would be in force at once.
    static func obstacle(to changes: [DocumentKey: MeshDocument], over mesh: Mesh) -> String? {
        for (key, document) in changes.sorted(by: { $0.key < $1.key }) {
            let what = "\(document.kind.singular) \"\(document.name)\""
            switch document.kind {
            case .policies:
                guard let shadow = try? DocumentKey(key.namespace, key.kind, key.name + suffix) else {
                    return "the name of \(what) is too long"
                }
                if mesh.documents[shadow] != nil {
                    return "there is a policy \"\(shadow.name)\", as its shadow would be called"
                }
            case .listeners:
                // That a chain names new policies is what a shadow is for.
                guard let present = mesh.documents[key], present.proxies == document.proxies,
                    text(present.config, less: "filters") == text(document.config, less: "filters"),
                    gainsPolicies(present.config, document.config, changes, mesh)
                else { return "\(what) changes by more than new policies in its chain, and would be in force at once" }
            case .clusters, .services: return "\(what) changes, and would be in force at once"
            }
        }
        return nil
    }

    private static func text(_ listener: ConfigNode, less key: String) -> String {
        YAMLWriter.text(.made((listener.entries ?? []).filter { $0.key != key }.map { ($0.key, $0.value) }))
    }

    /// The chain is as it was, but for policies that nobody has yet.
    private static func gainsPolicies(
        _ before: ConfigNode, _ after: ConfigNode, _ changes: [DocumentKey: MeshDocument], _ mesh: Mesh
    ) -> Bool {
        var old = (before["filters"]?.items ?? []).map { YAMLWriter.text($0) }[...]
        for item in after["filters"]?.items ?? [] {
            if YAMLWriter.text(item) == old.first {
                old.removeFirst()
                continue
            }
            let name = item[FilterSection.lua]?["policy"]?.text
            let added = changes.values.first { $0.kind == .policies && $0.name == name }
            guard let added, mesh.visible(.policies, in: added.key.namespace)[added.name] == nil else { return false }
        }
        return old.isEmpty
    }
}

extension ConfigNode {
    /// With another value for a key, where the key is there.
    fileprivate func replacing(_ key: String, _ change: (ConfigNode) -> ConfigNode) -> ConfigNode {
        guard case .mapping(let entries) = content else { return self }
        var node = self
        node.content = .mapping(
            entries.map { entry in
                guard entry.key == key else { return entry }
                return Entry(key: entry.key, keyMark: entry.keyMark, value: change(entry.value))
            })
        return node
    }

    fileprivate func mapItems(_ change: (ConfigNode) -> [ConfigNode]) -> ConfigNode {
        guard case .list(let items) = content else { return self }
        var node = self
        node.content = .list(items.flatMap(change))
        return node
    }
}
