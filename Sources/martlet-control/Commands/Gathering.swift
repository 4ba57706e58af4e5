internal import Foundation
internal import MartletBuiltIn
internal import MartletConfig
internal import MartletControlServer
internal import MartletFilter

/// The files that a command hands in, and what they name.
struct Gathering {
    private(set) var files: [ApplyRequest.File] = []
    private(set) var attachments: [String: Data] = [:]
    /// What cannot be read.
    private(set) var errors: [ConfigError] = []
    /// Those of them that are of the arguments themselves.
    private(set) var unread: [ConfigError] = []

    /// What a file names, and where.
    private struct NamedFile {
        let path: String
        let place: ConfigPlace
    }

    /// As relative paths in it begin, at the folder of the shell.
    private static let standardInput = "standard input"

    /// - Parameter arguments: files, folders of them, policies, folders of policies; `-` is standard input.
    init(_ arguments: [String]) {
        for argument in arguments { add(argument) }
    }

    private mutating func add(_ argument: String) {
        if argument == "-" {
            return add(Array(FileHandle.standardInput.readDataToEndOfFile()), name: Self.standardInput)
        }
        var isFolder: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
            return fail(argument, "no such file or folder")
        }
        guard !isFolder.boolValue else { return addFolder(argument) }
        if argument.hasSuffix(".lua") { return addPolicy(argument) }
        do {
            add(try ConfigFile.read(argument, atMost: ConfigFile.maxConfiguration), name: argument)
        } catch {
            fail(argument, "cannot read the file: \(error.reason)")
        }
    }

    private mutating func addFolder(_ folder: String) {
        let base = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).sorted()
        if names.contains("policy.lua") { return addPolicy(base + "/policy.lua") }
        let found = names.filter { ($0.hasSuffix(".yaml") || $0.hasSuffix(".yml")) && $0 != "tests.yaml" }
        guard !found.isEmpty else { return fail(folder, "no .yaml file and no policy.lua in it") }
        for name in found { add(base + "/" + name) }
    }

    /// A policy that no file describes: its name is the folder's, or the script's own.
    private mutating func addPolicy(_ script: String) {
        let parts = URL(fileURLWithPath: script).standardizedFileURL.pathComponents
        let file = parts.last ?? script
        let name = file == "policy.lua" ? parts.dropLast().last ?? "policy" : String(file.dropLast(4))
        let folder = script.lastIndex(of: "/").map { String(script[...$0]) } ?? ""
        let quoted = { (text: String) in "'" + text.replacing("'", with: "''") + "'" }
        add(
            Array("policies: [{ name: \(quoted(name)), file: \(quoted(file)) }]\n".utf8),
            name: folder + "policy \(name)")
    }

    private mutating func add(_ bytes: [UInt8], name: String) {
        files.append(.init(name: name, text: String(decoding: bytes, as: UTF8.self)))
        let diagnostics = ConfigDiagnostics()
        guard let root = YAMLDocument.read(bytes, file: name, diagnostics: diagnostics), root.entries != nil else {
            // What is wrong with it the control plane says, as it says the rest.
            return
        }
        for reference in Self.references(root) { attach(reference.path, at: reference.place) }
    }

    /// Every file that the decoding of a configuration asks for. That what stands elsewhere is missing here is no mistake.
    private static func references(_ root: ConfigNode) -> [NamedFile] {
        let diagnostics = ConfigDiagnostics()
        diagnostics.isDiscovered = true
        let root = process(root)
        let registry = BuiltInFilters.registry
        let config = ProxyConfig.decode(root: root, filters: Set(registry.names), diagnostics: diagnostics)
        var found = (config.listeners.flatMap { $0.tls?.files ?? [] } + config.clusters.flatMap { $0.tls?.files ?? [] })
            .map { NamedFile(path: $0.path, place: $0.place) }
        for policy in config.policies {
            found += policy.files.map { NamedFile(path: $0, place: policy.place.key("file")) }
            guard case .file(let script) = policy.source else { continue }
            let tests = ConfigFile.resolve("tests.yaml", from: script)
            guard FileManager.default.fileExists(atPath: tests) else { continue }
            found.append(NamedFile(path: tests, place: policy.place))
            found += Self.references(ofTests: tests, policy.place)
        }
        // Filters read theirs while they are decoded, and say where they stand when they cannot.
        registry.decodeFilters(of: config, diagnostics: diagnostics)
        let unread = diagnostics.errors.filter { $0.message.hasPrefix("cannot read ") }
        for path in diagnostics.files.paths {
            let mark = unread.first { $0.message.contains(path) }?.mark ?? root.mark
            found.append(NamedFile(path: path, place: ConfigPlace(mark: mark, path: .root)))
        }
        return found
    }

    /// Data and modules that tests give to their policy.
    private static func references(ofTests path: String, _ place: ConfigPlace) -> [NamedFile] {
        guard let bytes = try? ConfigFile.read(path, atMost: ConfigFile.maxConfiguration),
            let root = YAMLDocument.read(bytes, file: path, diagnostics: ConfigDiagnostics())
        else { return [] }
        let named =
            ["data", "modules"].flatMap { root[$0]?.entries?.map(\.value) ?? [] } + [root["policy"]].compactMap { $0 }
        return named.compactMap { node in
            node.text.map { NamedFile(path: ConfigFile.resolve($0, from: path), place: node.place) }
        }
    }

    /// What a proxy's own decoder reads of it: what a mesh adds to the language is not its.
    private static func process(_ root: ConfigNode) -> ConfigNode {
        var root = root
        let kinds = ["listeners", "clusters", "policies"]
        let entries = (root.entries ?? []).filter { kinds.contains($0.key) }.map { entry in
            var entry = entry
            guard let items = entry.value.items else { return entry }
            entry.value.content = .list(
                items.map { item in
                    var item = item
                    guard let own = item.entries else { return item }
                    item.content = .mapping(own.filter { $0.key != "proxies" && $0.key != "shared_with" })
                    return item
                })
            return entry
        }
        root.content = .mapping(entries)
        return root
    }

    private mutating func attach(_ path: String, at place: ConfigPlace) {
        guard attachments[path] == nil, !path.isEmpty else { return }
        do {
            attachments[path] = Data(try ConfigFile.read(path, atMost: ConfigFile.maxConfiguration))
        } catch {
            let error = ConfigError(mark: place.mark, path: "", message: "cannot read \"\(path)\": \(error.reason)")
            if !errors.contains(error) { errors.append(error) }
        }
    }

    private mutating func fail(_ file: String, _ message: String) {
        let error = ConfigError(mark: ConfigMark(file: file, line: 1, column: 1), path: "", message: message)
        errors.append(error)
        unread.append(error)
    }

    /// What is handed in.
    /// - Parameter expected: nothing is changed if the namespace has changed since this revision.
    func request(message: String?, expected: Int64?) throws -> ApplyRequest {
        guard errors.isEmpty else {
            for error in errors { print(error) }
            throw CommandFailure.silent
        }
        return ApplyRequest(files: files, attachments: attachments, message: message, expectedRevision: expected)
    }
}
