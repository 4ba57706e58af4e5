internal import Yams

/// Reads YAML into `ConfigNode`s. The only file that knows the YAML library.
package struct YAMLDocument {
    /// Values in one document, those behind aliases counted each time.
    static let maxNodes = 4_000_000
    static let maxDepth = 64
    /// Duplicate keys reported singly. Each costs one more pass over the file, so a large file gets fewer.
    private static let maxRenames = 64

    private let file: String
    private let diagnostics: ConfigDiagnostics
    private var nodes = 0
    /// Keys that were renamed to get past the library, which stops at the first duplicate: mark to true first letter.
    private var renamed: [YAMLText.Position: Unicode.Scalar] = [:]

    /// The root of the document; nil after reporting why there is none. An empty file is null.
    package static func read(_ bytes: [UInt8], file: String, diagnostics: ConfigDiagnostics) -> ConfigNode? {
        guard let text = YAMLText(bytes, file: file, diagnostics: diagnostics) else { return nil }
        var document = YAMLDocument(file: file, diagnostics: diagnostics)
        return document.read(text)
    }

    private init(file: String, diagnostics: ConfigDiagnostics) {
        self.file = file
        self.diagnostics = diagnostics
    }

    private mutating func read(_ original: YAMLText) -> ConfigNode? {
        var text = original
        let renames = max(2, min(Self.maxRenames, (4 << 20) / max(1, text.count)))
        while true {
            do {
                // `.basic` leaves every scalar a text: what is a number or a truth is decided where it is read.
                guard let root = try Yams.compose(yaml: text.string, .basic, .default, .utf8) else {
                    return ConfigNode(.null, mark: mark(1, 1), path: .root)
                }
                return convert(root, path: .root, depth: 0)
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let position = YAMLText.Position(line: context.mark.line, column: context.mark.column)
                guard renamed.count < renames,
                    let letter = text.rename(at: position, to: YAMLText.placeholder(renamed.count))
                else {
                    report(
                        mark(context.mark.line, context.mark.column),
                        "duplicate key \"\(names.first?.prefix(60) ?? "")\"", hint: "keep one")
                    return nil
                }
                renamed[position] = letter
            } catch let error as YamlError {
                report(error, in: original)
                return nil
            } catch {
                report(mark(1, 1), "cannot be read as YAML")
                return nil
            }
        }
    }

    // MARK: Nodes

    private mutating func convert(_ node: Yams.Node, path: ConfigPath, depth: Int) -> ConfigNode? {
        nodes += 1
        let mark = mark(node.mark?.line ?? 1, node.mark?.column ?? 1)
        guard nodes <= Self.maxNodes, depth <= Self.maxDepth else {
            // Once is enough: everything around is given up with it.
            if nodes <= Self.maxNodes || nodes == Self.maxNodes + 1 {
                let problem =
                    depth > Self.maxDepth
                    ? "nested more than \(Self.maxDepth) deep" : "more than \(Self.maxNodes) values, aliases expanded"
                diagnostics.error(at: ConfigPlace(mark: mark, path: path), problem)
            }
            return nil
        }
        switch node {
        case .scalar(let scalar): return ConfigNode(content(scalar), mark: mark, path: path)
        case .sequence(let sequence):
            var items: [ConfigNode] = []
            items.reserveCapacity(sequence.count)
            for (index, item) in sequence.enumerated() {
                guard let converted = convert(item, path: path.index(index), depth: depth + 1) else { return nil }
                items.append(converted)
            }
            return ConfigNode(.list(items), mark: mark, path: path)
        case .mapping(let mapping):
            guard let entries = convert(mapping, path: path, depth: depth) else { return nil }
            return ConfigNode(.mapping(entries), mark: mark, path: path)
        case .alias: return ConfigNode(.null, mark: mark, path: path)
        }
    }

    private mutating func convert(
        _ mapping: Yams.Node.Mapping, path: ConfigPath, depth: Int
    ) -> [ConfigNode.Entry]? {
        var entries: [ConfigNode.Entry] = []
        var lines: [String: Int] = [:]
        entries.reserveCapacity(mapping.count)
        for (key, value) in mapping {
            let keyMark = mark(key.mark?.line ?? 1, key.mark?.column ?? 1)
            guard let name = name(key) else {
                diagnostics.error(
                    at: ConfigPlace(mark: keyMark, path: path), "a key must be a word", hint: "write `name: value`")
                continue
            }
            let path = path.key(name)
            guard let converted = convert(value, path: path, depth: depth + 1) else { return nil }
            if let line = lines[name] {
                diagnostics.error(
                    at: ConfigPlace(mark: keyMark, path: path), "duplicate key \"\(name.prefix(60))\"",
                    hint: "first written on line \(line)")
                continue
            }
            lines[name] = keyMark.line
            entries.append(ConfigNode.Entry(key: name, keyMark: keyMark, value: converted))
        }
        return entries
    }

    private func name(_ key: Yams.Node) -> String? {
        guard case .scalar(let scalar) = key, !scalar.string.isEmpty else { return nil }
        guard let mark = key.mark,
            let letter = renamed[YAMLText.Position(line: mark.line, column: mark.column)]
        else { return scalar.string }
        return String(letter) + String(String.UnicodeScalarView(scalar.string.unicodeScalars.dropFirst()))
    }

    private func content(_ scalar: Yams.Node.Scalar) -> ConfigNode.Content {
        let isPlain = scalar.style == .plain || scalar.style == .any
        if isPlain, ["", "~", "null", "Null", "NULL"].contains(scalar.string) { return .null }
        return .scalar(scalar.string, plain: isPlain)
    }

    private func mark(_ line: Int, _ column: Int) -> ConfigMark {
        ConfigMark(file: file, line: line, column: column)
    }

    // MARK: Errors

    private func report(_ mark: ConfigMark, _ message: String, hint: String? = nil) {
        diagnostics.add(ConfigError(mark: mark, path: "", message: message, hint: hint))
    }

    private func report(_ error: YamlError, in text: YAMLText) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let fault = YAMLFault(
                problem: problem, context: context?.text ?? "", contextLine: context?.mark.line,
                letter: text.letter(at: YAMLText.Position(line: mark.line, column: mark.column)))
            let place = fault.isAtContext ? context?.mark ?? mark : mark
            report(self.mark(place.line, place.column), fault.message, hint: fault.hint)
        case .memory: report(mark(1, 1), "not enough memory to read the file")
        default: report(mark(1, 1), "cannot be read as YAML")
        }
    }
}
