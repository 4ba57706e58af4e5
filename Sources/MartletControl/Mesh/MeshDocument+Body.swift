internal import Foundation
package import MartletConfig

/// A document as the store keeps it: YAML, so that it can be read by people, too.
extension MeshDocument {
    private enum Key {
        static let config = "config"
        static let proxies = "proxies"
        static let sharedWith = "shared_with"
        static let files = "files"
        /// Those that are no text, in base64.
        static let binaryFiles = "binary_files"
    }

    package var body: [UInt8] { Array(YAMLWriter.text(bodyNode).utf8) }

    private var bodyNode: ConfigNode {
        var entries: [(String, ConfigNode)] = [(Key.config, config)]
        if let proxies { entries.append((Key.proxies, proxies.node)) }
        if !sharedWith.isEmpty { entries.append((Key.sharedWith, .texts(sharedWith.sorted()))) }
        let sorted = files.sorted { $0.key < $1.key }
        let texts = sorted.compactMap { path, bytes in String(validating: bytes, as: UTF8.self).map { (path, $0) } }
        let others = sorted.filter { String(validating: $0.value, as: UTF8.self) == nil }
        if !texts.isEmpty { entries.append((Key.files, .made(texts.map { ($0, .text($1)) }))) }
        if !others.isEmpty {
            entries.append((Key.binaryFiles, .made(others.map { ($0, .text(Data($1).base64EncodedString())) })))
        }
        return .made(entries)
    }

    /// Nil after reporting why it cannot be read, which is a fault of whoever wrote to the store past the control plane.
    package init?(_ document: Document, diagnostics: ConfigDiagnostics) {
        let key = document.key
        guard let kind = MeshKind(rawValue: key.kind),
            let root = YAMLDocument.read(document.body, file: key.description, diagnostics: diagnostics)
        else { return nil }
        let section = ConfigSection(root, diagnostics: diagnostics)
        let proxies = section.section(Key.proxies).map { ProxySelector($0) }
        let shared = section.strings(Key.sharedWith)
        var files: [String: [UInt8]] = [:]
        for (path, text) in section.stringMap(Key.files) { files[path] = Array(text.utf8) }
        for (path, text) in section.stringMap(Key.binaryFiles) {
            guard let data = Data(base64Encoded: text) else {
                section.error(at: Key.binaryFiles, "\"\(path)\" is no base64")
                continue
            }
            files[path] = Array(data)
        }
        guard let config = section.raw(Key.config) else {
            section.missing(Key.config)
            return nil
        }
        section.finish()
        self.init(
            key, kind, config, proxies: proxies, sharedWith: Set(shared), files: files, revision: document.revision,
            created: document.created)
    }

    /// Reports it if what the store would keep could not be read again.
    func checkKept(_ diagnostics: ConfigDiagnostics) {
        let own = ConfigDiagnostics()
        let kept = Document(key: key, body: body, revision: 1, created: 1)
        guard MeshDocument(kept, diagnostics: own)?.body == kept.body, !own.hasErrors else {
            let reason = own.errors.first.map { ": \($0.message)" } ?? ""
            diagnostics.error(
                at: config.place, "cannot be kept\(reason)", hint: "put quotes around texts with &, * or ? in them")
            return
        }
    }

    /// As `apply` takes it, less what its files hold.
    package var text: String {
        var entries = (config.entries ?? []).map { ($0.key, $0.value) }
        let place = entries.firstIndex { $0.0 == "name" }.map { $0 + 1 } ?? 0
        if let proxies { entries.insert((Key.proxies, proxies.node), at: place) }
        if !sharedWith.isEmpty { entries.insert((Key.sharedWith, .texts(sharedWith.sorted())), at: place) }
        return YAMLWriter.text(
            .made([
                ("namespace", .text(key.namespace)), (kind.rawValue, .made([.made(entries)])),
            ]))
    }
}

extension ProxySelector {
    var node: ConfigNode {
        var entries: [(String, ConfigNode)] = []
        for (key, values) in [("ids", ids), ("clusters", clusters), ("regions", regions), ("zones", zones)]
        where !values.isEmpty {
            entries.append((key, .texts(values.sorted())))
        }
        if !labels.isEmpty {
            entries.append(("labels", .made(labels.sorted { $0.key < $1.key }.map { ($0.key, .text($0.value)) })))
        }
        return .made(entries)
    }
}

extension ConfigNode {
    private static let nowhere = ConfigMark(file: "", line: 1, column: 1)

    static func made(_ entries: [(String, ConfigNode)]) -> ConfigNode {
        let entries = entries.map { Entry(key: $0.0, keyMark: nowhere, value: $0.1) }
        return ConfigNode(.mapping(entries), mark: nowhere, path: .root)
    }

    static func made(_ items: [ConfigNode]) -> ConfigNode { ConfigNode(.list(items), mark: nowhere, path: .root) }

    static func text(_ text: String) -> ConfigNode {
        ConfigNode(.scalar(text, plain: false), mark: nowhere, path: .root)
    }

    static func texts(_ texts: [String]) -> ConfigNode { made(texts.map { ConfigNode.text($0) }) }
}
