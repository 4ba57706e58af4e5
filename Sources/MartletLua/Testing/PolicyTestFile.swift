// MartletLua/Testing runs a policy's tests in the real engine: the same loader, chain and VM as at run time, with a script
// in the place of client, upstream and clusters, and a clock that moves by itself. It opens no socket and waits for nothing.
// What `martlet test` prints and watches is the executable's.

package import MartletConfig
internal import MartletFilter

/// A `tests.yaml`, decoded: one policy and its tests.
package struct PolicyTestFile: Sendable {
    package let path: String
    package let tests: [PolicyTestCase]
    /// Of the policy; labels its metrics.
    let name: String
    private let root: ConfigNode
    /// Files that came with it; nil: they are on this machine.
    let supplied: [String: [UInt8]]?

    /// What a request is forwarded to when the file has no routes of its own.
    static let upstream = "upstream"

    /// Nil after errors were reported.
    /// - Parameter supplied: every file that may be read, by path; nil: those of this machine.
    package static func read(
        _ path: String, supplied: [String: [UInt8]]? = nil, diagnostics: ConfigDiagnostics
    ) -> PolicyTestFile? {
        let bytes: [UInt8]
        diagnostics.files.supply(supplied)
        do {
            bytes = try diagnostics.files.read(path, atMost: ConfigFile.maxConfiguration)
        } catch {
            let mark = ConfigMark(file: path, line: 1, column: 1)
            diagnostics.add(ConfigError(mark: mark, path: "", message: "cannot read the file: \(error.reason)"))
            return nil
        }
        return decode(bytes, path: path, supplied: supplied, diagnostics: diagnostics)
    }

    /// As `read`, of a text. The policy's path in it is relative to the folder of `path`.
    package static func decode(
        _ bytes: [UInt8], path: String, supplied: [String: [UInt8]]? = nil, diagnostics: ConfigDiagnostics
    ) -> PolicyTestFile? {
        guard let root = YAMLDocument.read(bytes, file: path, diagnostics: diagnostics) else { return nil }
        if root.isNull {
            diagnostics.error(at: root.place, "the file is empty", hint: "write tests: [{ name: ..., expect: ... }]")
            return nil
        }
        let section = ConfigSection(root, diagnostics: diagnostics)
        let file = PolicyTestFile(section, path: path, root: root, supplied: supplied)
        section.finish()
        if let test = file.tests.first {
            // What the engine decodes itself is the same for every test, so it is looked at here, once.
            _ = ProxyConfig.decode(
                root: file.configuration(for: test), filters: PolicyTestRunner.filterNames, diagnostics: diagnostics)
        }
        return diagnostics.hasErrors ? nil : file
    }

    private init(_ section: ConfigSection, path: String, root: ConfigNode, supplied: [String: [UInt8]]?) {
        self.path = path
        self.root = root
        self.supplied = supplied
        name = section.value("name", .label) ?? "policy"
        let config = section.raw("config")
        tests = section.sections("tests").map { PolicyTestCase($0, config: config) }
        // The engine's to decode.
        for key in Self.enginesOwn { _ = section.raw(key) }
        if !section.has("tests") {
            section.missing("tests", hint: "a list of tests, each with name, request and expect")
        } else if section.node["tests"]?.items?.isEmpty == true {
            section.error(at: "tests", "there are no tests")
        }
        var lines: [String: Int] = [:]
        for test in tests {
            if let line = lines.updateValue(test.mark.line, forKey: test.name) {
                let place = ConfigPlace(mark: test.mark, path: .root.key("tests"))
                section.diagnostics.error(
                    at: place, "two tests are called \"\(test.name.prefix(60))\"", hint: "first on line \(line)")
            }
        }
    }

    private static let enginesOwn = ["policy", "budget", "on_error", "mode", "data", "modules", "routes"]

    // MARK: What the engine runs

    /// The configuration of a proxy that has nothing but this policy, with a test's parameters.
    func configuration(for test: PolicyTestCase) -> ConfigNode {
        var policy = [
            entry("name", text(name)),
            entry("file", root["policy"] ?? text("policy.lua")),
        ]
        policy += ["on_error", "mode", "data", "modules"].compactMap { key in root[key].map { entry(key, $0) } }
        policy.append(entry("budget", budget))
        var filter = [entry("policy", text(name))]
        if let config = test.config { filter.append(entry("config", config)) }
        let route = mapping([
            entry("match", mapping([entry("path", mapping([entry("prefix", text("/"))]))])),
            entry("cluster", text(Self.upstream)),
        ])
        let listener = mapping([
            entry("name", text(PolicyTestRunner.listener)), entry("address", text("127.0.0.1:0")),
            entry("filters", list([mapping([entry("lua", mapping(filter))]), text("router")])),
            entry("routes", root["routes"] ?? list([route])),
        ])
        let clusters = clusterNames(of: test).map {
            mapping([entry("name", text($0)), entry("endpoints", list([text("127.0.0.1:1")]))])
        }
        return mapping([
            entry("listeners", list([listener])), entry("clusters", list(clusters)),
            entry("policies", list([mapping(policy)])),
        ])
    }

    /// Instructions and memory say the same on every machine; time does not, so it is bounded as far as the configuration
    /// allows unless the file says otherwise.
    private var budget: ConfigNode {
        guard let own = root["budget"] else { return mapping([entry("time", text("10s"))]) }
        guard let entries = own.entries, own["time"] == nil else { return own }
        return ConfigNode(.mapping(entries + [entry("time", text("10s"))]), mark: own.mark, path: own.path)
    }

    /// Every cluster that a route or a scripted call names.
    private func clusterNames(of test: PolicyTestCase) -> [String] {
        var names = [Self.upstream]
        func add(_ name: String?) { if let name, !name.isEmpty, !names.contains(name) { names.append(name) } }
        for route in root["routes"]?.items ?? [] {
            add(route["cluster"]?.text)
            for part in route["split"]?.items ?? [] { add(part["cluster"]?.text) }
            add(route["mirror"]?["cluster"]?.text)
        }
        for call in tests.flatMap(\.steps).flatMap(\.calls) { add(call.cluster) }
        return names
    }

    /// Made nodes stand at the root's place: what was not written can only be blamed on the file as a whole.
    private func node(_ content: ConfigNode.Content) -> ConfigNode {
        ConfigNode(content, mark: root.mark, path: .root)
    }
    private func text(_ text: String) -> ConfigNode { node(.scalar(text, plain: true)) }
    private func mapping(_ entries: [ConfigNode.Entry]) -> ConfigNode { node(.mapping(entries)) }
    private func list(_ items: [ConfigNode]) -> ConfigNode { node(.list(items)) }
    private func entry(_ key: String, _ value: ConfigNode) -> ConfigNode.Entry {
        ConfigNode.Entry(key: key, keyMark: value.mark, value: value)
    }
}
