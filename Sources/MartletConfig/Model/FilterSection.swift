/// One filter of a chain as written. What stands in it is the filter's own affair: it decodes it when the chain is built.
package struct FilterSection: Sendable {
    package var name: String
    /// The filter's settings: a mapping, or null for a bare name.
    package var node: ConfigNode
    package var place: ConfigPlace

    /// The name of the filter that ends every HTTP chain.
    package static let router = "router"

    package static let lua = "lua"

    /// The policy that a `lua` filter names; nil for inline ones and other filters.
    package var policy: String? { name == Self.lua ? node["policy"]?.text : nil }

    /// Filters whose second appearance in a chain has no meaning.
    static let onlyOnce: Set<String> = ["router", "cors", "compress", "decompress", "retry", "tracing"]

    /// Reads the settings. Whoever decodes calls `finish()` on the result.
    package func section(diagnostics: ConfigDiagnostics) -> ConfigSection {
        ConfigSection(node, diagnostics: diagnostics)
    }

    /// Reads `- router`, `- name: { ... }` and `- name:`.
    init?(_ item: ConfigNode, known: Set<String>, diagnostics: ConfigDiagnostics) {
        switch item.content {
        case .scalar(let text, _):
            name = text
            node = ConfigNode(.null, mark: item.mark, path: item.path.key(text))
            place = item.place
        case .mapping(let entries):
            guard let entry = entries.first else {
                diagnostics.error(at: item.place, "a filter has no name", hint: "write `- name` or `- name: { ... }`")
                return nil
            }
            if entries.count > 1 {
                let second = entries[1]
                diagnostics.error(
                    at: ConfigPlace(mark: second.keyMark, path: item.path),
                    "one filter with two names, \"\(entry.key.prefix(40))\" and \"\(second.key.prefix(40))\"",
                    hint: "begin each filter with `-`, and indent its settings below its name")
            }
            name = entry.key
            node = entry.value
            place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
        case .null, .list:
            diagnostics.error(
                at: item.place, "expected a filter, found \(item.kind)", hint: "write `- name` or `- name: { ... }`")
            return nil
        }
        guard known.contains(name) else {
            diagnostics.error(
                at: place, "unknown filter \"\(name.prefix(60))\"",
                hint: NearestName.hint(name, in: known, what: "filters"))
            return nil
        }
    }
}

/// What a route changes about one filter of its listener's chain.
package struct FilterOverride: Sendable {
    package enum Change: Sendable {
        /// The filter does not run on this route.
        case off
        /// The settings for this route, decoded by the filter. For `lua` a mapping from policy to `{ config: ... }` or `off`.
        case settings(ConfigNode)
    }

    package var filter: String
    package var change: Change
    package var place: ConfigPlace

    init(_ entry: ConfigNode.Entry) {
        filter = entry.key
        change = entry.value.isOff ? .off : .settings(entry.value)
        place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
    }
}
