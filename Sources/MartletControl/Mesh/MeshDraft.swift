internal import Foundation
internal import MartletConfig

/// What a submission says, document by document.
struct MeshDraft {
    /// As it will be kept.
    let document: MeshDocument
    /// As it was handed in, with the places that errors are told by; what it names is among the attachments.
    let node: ConfigNode
    /// Of a policy: the `tests.yaml` beside its script, if it was handed in.
    let tests: String?

    /// Every document of every file. What is wrong is reported.
    static func read(_ submission: Submission, diagnostics: ConfigDiagnostics) -> [MeshDraft] {
        for (path, bytes) in submission.attachments {
            guard !path.hasPrefix(MeshDocument.reservedFolder) else {
                let mark = ConfigMark(file: path, line: 1, column: 1)
                diagnostics.add(
                    ConfigError(
                        mark: mark, path: "",
                        message: "paths below \(MeshDocument.reservedFolder) are the control plane's",
                        hint: "name the file by another path"))
                continue
            }
            diagnostics.files.supply(bytes, as: path)
        }
        var drafts: [MeshDraft] = []
        var places: [DocumentKey: ConfigMark] = [:]
        for file in submission.files {
            var reader = FileReader(submission, diagnostics)
            for draft in reader.read(file) {
                if let first = places.updateValue(draft.node.mark, forKey: draft.document.key) {
                    let key = draft.document.key
                    diagnostics.error(
                        at: draft.node.place, "\(draft.document.kind.singular) \"\(key.name)\" is there twice",
                        hint: "first at \(first)")
                    continue
                }
                drafts.append(draft)
            }
        }
        return drafts
    }

    private struct FileReader {
        let submission: Submission
        let diagnostics: ConfigDiagnostics
        var namespace: String
        var proxies: ProxySelector?

        init(_ submission: Submission, _ diagnostics: ConfigDiagnostics) {
            (self.submission, self.diagnostics) = (submission, diagnostics)
            namespace = submission.namespace
        }

        mutating func read(_ file: Submission.File) -> [MeshDraft] {
            guard let root = YAMLDocument.read(file.bytes, file: file.name, diagnostics: diagnostics) else { return [] }
            if root.isNull {
                diagnostics.error(
                    at: root.place, "the file is empty", hint: "it has listeners, clusters, policies or services")
                return []
            }
            let section = ConfigSection(root, diagnostics: diagnostics)
            if let own = section.value("namespace", .label) { namespace = own }
            proxies = section.section("proxies").map { ProxySelector($0) }
            var drafts: [MeshDraft] = []
            for kind in MeshKind.allCases {
                for item in section.list(kind.rawValue) {
                    if let draft = draft(kind, item) { drafts.append(draft) }
                }
            }
            for key in Self.ofProcess where section.has(key) {
                _ = section.raw(key)
                section.error(
                    at: key, "concerns one process, not the mesh",
                    hint: "it stands in the file that the proxy itself is started with")
            }
            section.finish()
            return drafts
        }

        private static let ofProcess = [
            "admin", "workers", "zone", "access_log", "local_replies", "metrics", "drain", "overload", "modules",
            "control_plane",
        ]

        private func draft(_ kind: MeshKind, _ item: ConfigNode) -> MeshDraft? {
            guard let entries = item.entries else {
                diagnostics.error(at: item.place, "expected a mapping, found \(item.kind)", hint: "- name: ...")
                return nil
            }
            // The language's own keys are read by the check.
            let section = ConfigSection(item, diagnostics: diagnostics)
            guard let name = section.value(required: "name", .label) else { return nil }
            guard isUsable(item, name) else { return nil }
            var config = item
            var selector: ProxySelector?
            var shared: [String] = []
            if kind == .services { checkService(section) }
            if kind == .clusters { EndpointSource.check(item, diagnostics) }
            if kind == .listeners {
                selector = section.section("proxies").map { ProxySelector($0) } ?? proxies
                config.content = .mapping(entries.filter { $0.key != "proxies" })
            } else {
                if kind != .services { shared = section.strings("shared_with") }
                config.content = .mapping(entries.filter { $0.key != "shared_with" })
            }
            let key: DocumentKey
            do {
                key = try DocumentKey(namespace, kind.rawValue, name)
            } catch {
                diagnostics.error(at: item["name"]?.place ?? item.place, error.description)
                return nil
            }
            let (kept, files) = keep(config, kind)
            let document = MeshDocument(
                key, kind, kept, proxies: selector, sharedWith: Set(shared), files: files)
            return MeshDraft(
                document: document, node: document.source == nil ? config : config.withoutDiscovery,
                tests: kind == .policies ? tests(of: config) : nil)
        }

        /// Texts that stand for files of others, or that a file of the same path would take the place of; and more of them than
        /// is kept, which aliases can make of little.
        private func isUsable(_ item: ConfigNode, _ name: String) -> Bool {
            var (size, isReserved) = (0, false)
            item.forEachText { text in
                size += text.utf8.count
                isReserved = isReserved || text.hasPrefix(MeshDocument.reservedFolder)
            }
            if size > StoreTransaction.byteLimit {
                diagnostics.error(at: item.place, "is longer than \(StoreTransaction.byteLimit) bytes")
            } else if isReserved {
                diagnostics.error(
                    at: item.place,
                    "names something below \(MeshDocument.reservedFolder), which is the control plane's",
                    hint: "name the file by another path")
            } else if submission.attachments[ConfigFile.resolve(name, from: item.mark.file)] != nil {
                diagnostics.error(
                    at: item["name"]?.place ?? item.place, "\"\(name)\" is also the path of a file that was handed in",
                    hint: "name the file by another path, such as ./\(name)")
            } else {
                return true
            }
            return false
        }

        private func checkService(_ section: ConfigSection) {
            for key in ConfigNode.serviceKeys { _ = section.raw(key) }
            section.oneOf(["cluster", "routes"], required: true)
            section.finish()
        }

        /// The script of a policy becomes part of it; other files are taken along.
        private func keep(_ config: ConfigNode, _ kind: MeshKind) -> (ConfigNode, [String: [UInt8]]) {
            var config = config
            if kind == .policies, let path = path(of: config), let bytes = submission.attachments[path],
                let script = String(validating: bytes, as: UTF8.self), case .mapping(let entries) = config.content
            {
                config.content = .mapping(
                    entries.map { entry in
                        entry.key == "file"
                            ? .init(key: "inline", keyMark: entry.keyMark, value: .text(script)) : entry
                    })
            }
            var files: [String: [UInt8]] = [:]
            let named = kind == .clusters && EndpointSource.isMeant(by: config) ? config.withoutDiscovery : config
            named.forEachText { text in
                guard files[text] == nil, !text.utf8.contains(0) else { return }
                let path = ConfigFile.resolve(text, from: config.mark.file)
                if let bytes = submission.attachments[path] { files[text] = bytes }
            }
            return (config, files)
        }

        private func path(of policy: ConfigNode) -> String? {
            policy["file"]?.text.map { ConfigFile.resolve($0, from: policy.mark.file) }
        }

        private func tests(of policy: ConfigNode) -> String? {
            guard let path = path(of: policy) else { return nil }
            let tests = ConfigFile.resolve("tests.yaml", from: path)
            return submission.attachments[tests] == nil ? nil : tests
        }
    }
}
