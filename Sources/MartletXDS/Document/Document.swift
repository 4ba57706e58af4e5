package import MartletConfig
internal import MartletCore

/// A value of a configuration document without its place: what translation works on.
package enum Document: Sendable, Equatable {
    case null
    /// `plain` is false for what was quoted: then it is meant as a string.
    case scalar(String, plain: Bool)
    case list([Document])
    case section(DocumentSection)

    package init(_ node: ConfigNode) {
        switch node.content {
        case .null: self = .null
        case .scalar(let text, let plain): self = .scalar(text, plain: plain)
        case .list(let items): self = .list(items.map { Document($0) })
        case .mapping(let entries):
            self = .section(DocumentSection(entries.map { ($0.key, Document($0.value)) }))
        }
    }

    /// Everything in it is said to stand at `mark`: resources have no lines.
    package func node(mark: ConfigMark, path: ConfigPath = .root) -> ConfigNode {
        switch self {
        case .null: return ConfigNode(.null, mark: mark, path: path)
        case .scalar(let text, let plain): return ConfigNode(.scalar(text, plain: plain), mark: mark, path: path)
        case .list(let items):
            let nodes = items.enumerated().map { $1.node(mark: mark, path: path.index($0)) }
            return ConfigNode(.list(nodes), mark: mark, path: path)
        case .section(let section):
            let entries = section.entries.map { entry in
                let value = entry.value.node(mark: mark, path: path.key(entry.key))
                return ConfigNode.Entry(key: entry.key, keyMark: mark, value: value)
            }
            return ConfigNode(.mapping(entries), mark: mark, path: path)
        }
    }

    var text: String? {
        if case .scalar(let text, _) = self { return text }
        return nil
    }

    /// A key with nothing behind it is an empty mapping.
    var section: DocumentSection? {
        switch self {
        case .section(let section): section
        case .null: DocumentSection()
        case .scalar, .list: nil
        }
    }

    var items: [Document]? {
        if case .list(let items) = self { return items }
        return nil
    }

    // MARK: Written as the configuration spells it

    static func text(_ text: String) -> Document { .scalar(text, plain: false) }
    static func word(_ text: String) -> Document { .scalar(text, plain: true) }
    static func int(_ value: some BinaryInteger) -> Document { .word(String(value)) }
    static func bool(_ value: Bool) -> Document { .word(value ? "true" : "false") }
    static func duration(_ value: Duration) -> Document { .text(ConfigText.duration(value)) }
    static func size(_ bytes: some BinaryInteger) -> Document {
        .text(ConfigText.size(ByteCount(Int(clamping: bytes))))
    }
    static func percent(_ fraction: Double) -> Document { .text(ConfigText.percent(fraction)) }
    static func texts(_ texts: [String]) -> Document { .list(texts.map { .text($0) }) }
    static func object(_ entries: (String, Document?)...) -> Document {
        var section = DocumentSection()
        for (key, value) in entries { section[key] = value }
        return .section(section)
    }
}
