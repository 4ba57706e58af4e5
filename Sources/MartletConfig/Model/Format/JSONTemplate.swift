/// A JSON text with formats for values: Envoy's `json_format`.
package indirect enum JSONTemplate: Sendable {
    /// A value that is one operator alone keeps its kind: numbers are numbers, and what has no value is null.
    case text([FormatPart])
    case object([(name: String, value: JSONTemplate)])
    case list([JSONTemplate])
    /// Numbers, truth values and null, as they were written.
    case constant(String)

    /// Nil after reporting what is wrong.
    init?(_ node: ConfigNode, for use: FormatUse, _ diagnostics: ConfigDiagnostics) {
        switch node.content {
        case .null: self = .constant("null")
        case .scalar(let text, let plain):
            let isConstant = text == "true" || text == "false" || Int64(text).map { String($0) == text } == true
            if plain && isConstant {
                self = .constant(text)
            } else {
                self = .text(
                    FormatPart.parse(text, for: use) { diagnostics.error(at: node.place, $0, hint: $1) })
            }
        case .list(let items): self = .list(items.compactMap { JSONTemplate($0, for: use, diagnostics) })
        case .mapping(let entries):
            self = .object(
                entries.compactMap { entry in
                    JSONTemplate(entry.value, for: use, diagnostics).map { (entry.key, $0) }
                })
        }
    }

    var json: ConfigJSON {
        switch self {
        case .text(let parts): .string(parts.map(\.text).joined())
        case .object(let members): .object(members.map { ($0.name, $0.value.json) })
        case .list(let items): .list(items.map(\.json))
        case .constant(let text): text == "null" ? .null : Int(text).map { .number($0) } ?? .bool(text == "true")
        }
    }
}

extension ConfigSection {
    /// A text with operators under `key`; nil when it is absent. Control characters but line breaks and tabs have no
    /// place in it.
    package func format(_ key: String, for use: FormatUse = .general) -> [FormatPart]? {
        guard let node = raw(key), let text = read(node, .string) else { return nil }
        if text.utf8.contains(where: { ($0 < 0x20 && $0 != 0x0A && $0 != 0x09) || $0 == 0x7F }) {
            error(at: key, "must not hold control characters")
            return nil
        }
        return FormatPart.parse(text, for: use) { diagnostics.error(at: node.place, $0, hint: $1) }
    }

    /// A mapping of JSON fields under `key`; nil when it is absent.
    package func template(_ key: String, for use: FormatUse = .general) -> JSONTemplate? {
        guard let node = raw(key) else { return nil }
        guard let entries = node.entries, !entries.isEmpty else {
            error(at: key, "expected fields, found \(node.kind)", hint: "write \(key): { status: \"%RESPONSE_CODE%\" }")
            return nil
        }
        return JSONTemplate(node, for: use, diagnostics)
    }
}
