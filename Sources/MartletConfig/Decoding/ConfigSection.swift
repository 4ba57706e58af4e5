/// Reads one mapping of a configuration, key by key.
///
/// Every reading reports what is wrong and then goes on with a usable value, so that one run finds every mistake; whoever
/// asked for the decoding looks at the diagnostics afterwards and throws the result away when there are errors.
/// Each key is read in one of three ways:
///
///     let per = section.duration("per", default: .seconds(1), in: .milliseconds(1) ... .seconds(3600))
///     let key = section.string("key")                       // nil when absent
///     let requests = section.int(required: "requests", in: 1...1_000_000)
///
/// Keys nobody has read are mistakes: `finish()` reports them, here and in every section and list taken from here.
/// The registry calls it for a filter's own section.
public struct ConfigSection {
    public let node: ConfigNode
    public let diagnostics: ConfigDiagnostics
    let reading: Reading

    /// What has been asked for so far. A class, so that a section can be passed about while it is read.
    final class Reading {
        var known: [String] = []
        var children: [ConfigSection] = []
        var acceptsAnything = false
    }

    /// A section of `node`, which may also be nothing: then every key is absent. Anything else is reported.
    public init(_ node: ConfigNode, diagnostics: ConfigDiagnostics) {
        self.node = node
        self.diagnostics = diagnostics
        reading = Reading()
        switch node.content {
        case .mapping, .null: break
        case .scalar, .list:
            diagnostics.error(
                at: node.place, "expected a mapping, found \(node.kind)", hint: "write keys as `name: value`")
        }
    }

    public var place: ConfigPlace { node.place }

    // MARK: Keys

    /// Whether `key` is written. Does not count as reading it.
    public func has(_ key: String) -> Bool { node[key] != nil }

    /// The value of `key` as it stands, for what no typed reading fits.
    public func raw(_ key: String) -> ConfigNode? {
        if !reading.known.contains(key) { reading.known.append(key) }
        return node[key]
    }

    /// Every entry, for mappings whose keys are the operator's own. Then no key is unknown.
    public func allEntries() -> [ConfigNode.Entry] {
        reading.acceptsAnything = true
        return node.entries ?? []
    }

    /// Where the value of `key` is, or the section itself when it is absent.
    public func place(of key: String) -> ConfigPlace {
        node[key]?.place ?? ConfigPlace(mark: node.mark, path: node.path.key(key))
    }

    /// Reports a mistake in what `key` says.
    public func error(at key: String, _ message: String, hint: String? = nil) {
        diagnostics.error(at: place(of: key), message, hint: hint)
    }

    /// Reports a mistake in the section as a whole.
    public func error(_ message: String, hint: String? = nil) {
        diagnostics.error(at: node.place, message, hint: hint)
    }

    public func warning(at key: String, _ message: String, hint: String? = nil) {
        diagnostics.warning(at: place(of: key), message, hint: hint)
    }

    /// Reports that `key` is missing, or what is there in its place if that looks like it.
    public func missing(_ key: String, hint: String? = nil) {
        if isMalformed || reportMisspelling(of: [key]) { return }
        diagnostics.error(at: node.place, "\"\(key)\" is required", hint: hint)
    }

    /// Whether this is not a mapping at all. That has been reported, and that keys are missing is not worth saying.
    public var isMalformed: Bool {
        switch node.content {
        case .mapping, .null: false
        case .scalar, .list: true
        }
    }

    /// One mistake, one message: a required key that is there but misspelt.
    private func reportMisspelling(of keys: [String]) -> Bool {
        for entry in node.entries ?? [] where !reading.known.contains(entry.key) {
            guard let meant = NearestName.of(entry.key, in: keys) else { continue }
            diagnostics.error(
                at: ConfigPlace(mark: entry.keyMark, path: node.path.key(entry.key)),
                "unknown key \"\(entry.key.prefix(60))\"", hint: "did you mean \"\(meant)\"?")
            reading.known.append(entry.key)
            return true
        }
        return false
    }

    /// Reports when more than one of `keys` is written, or, if one is `required`, none.
    public func oneOf(_ keys: [String], required: Bool = false) {
        let written = keys.compactMap { key in node[key].map { (key: key, value: $0) } }
            .sorted { $0.value.mark < $1.value.mark }
        if written.count > 1, let last = written.last {
            let names = written.map { "\"\($0.key)\"" }.joined(separator: " and ")
            error(at: last.key, "\(names) exclude each other", hint: "keep one")
        } else if written.isEmpty, required, !isMalformed, !reportMisspelling(of: keys) {
            error("one of \(keys.map { "\"\($0)\"" }.joined(separator: ", ")) is required")
        }
        // Of those that exclude each other one is read.
        if written.count > 1 { for key in keys { _ = raw(key) } }
    }

    /// Reports keys that were never asked for, here and in everything taken from here. Call once, last.
    public func finish() {
        for child in reading.children { child.finish() }
        guard !reading.acceptsAnything, let entries = node.entries else { return }
        for entry in entries where !reading.known.contains(entry.key) {
            let place = ConfigPlace(mark: entry.keyMark, path: node.path.key(entry.key))
            if entry.key == "<<" {
                diagnostics.error(at: place, "merge keys are not supported", hint: "write the keys out")
                continue
            }
            diagnostics.error(
                at: place, "unknown key \"\(entry.key.prefix(60))\"",
                hint: NearestName.hint(entry.key, in: reading.known, what: "valid keys"))
        }
    }

    // MARK: Values

    /// Reads `key` as `kind`; nil when it is absent or wrong.
    public func value<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> Value? {
        guard let node = raw(key) else { return nil }
        return read(node, kind)
    }

    /// Reads `key` as `kind`; reports when it is absent.
    public func value<Value>(required key: String, _ kind: ConfigScalar<Value>) -> Value? {
        guard let node = raw(key) else {
            missing(key, hint: "expected \(kind.expected)")
            return nil
        }
        return read(node, kind)
    }

    /// Reads a node as `kind`; nil after reporting what is wrong with it.
    public func read<Value>(_ node: ConfigNode, _ kind: ConfigScalar<Value>) -> Value? {
        guard case .scalar(let text, let plain) = node.content else {
            let message = node.isNull ? "has no value" : "expected \(kind.expected), found \(node.kind)"
            let hint = node.isNull ? "expected \(kind.expected)" : nil
            diagnostics.error(at: node.place, message, hint: hint)
            return nil
        }
        if !plain && !kind.allowsQuotes {
            diagnostics.error(
                at: node.place, "expected \(kind.expected), found the string \(node.kind)", hint: "remove the quotes")
            return nil
        }
        switch kind.parse(text) {
        case .success(let value): return value
        case .failure(let problem):
            diagnostics.error(at: node.place, problem.message, hint: problem.hint)
            return nil
        }
    }

    // MARK: Nested

    /// The mapping under `key`; nil when it is absent. `key:` with nothing after it is an empty mapping.
    public func section(_ key: String) -> ConfigSection? {
        guard let node = raw(key) else { return nil }
        return section(of: node)
    }

    /// A section of a node reached from here, whose unknown keys `finish()` of this one reports.
    public func section(of node: ConfigNode) -> ConfigSection {
        let child = ConfigSection(node, diagnostics: diagnostics)
        reading.children.append(child)
        return child
    }

    /// The items under `key`; empty when it is absent.
    public func list(_ key: String) -> [ConfigNode] {
        guard let node = raw(key) else { return [] }
        switch node.content {
        case .list(let items): return items
        case .null:
            diagnostics.error(at: node.place, "has no value", hint: "expected a list")
            return []
        case .scalar, .mapping:
            diagnostics.error(
                at: node.place, "expected a list, found \(node.kind)", hint: "write [a, b], or one `- item` a line")
            return []
        }
    }

    /// The mappings in the list under `key`.
    public func sections(_ key: String) -> [ConfigSection] { list(key).map { section(of: $0) } }
}
