/// One value of a configuration file, with where it was written. What YAML library read it is nobody's business.
public struct ConfigNode: Sendable {
    public struct Entry: Sendable {
        public var key: String
        public var keyMark: ConfigMark
        public var value: ConfigNode

        package init(key: String, keyMark: ConfigMark, value: ConfigNode) {
            self.key = key
            self.keyMark = keyMark
            self.value = value
        }
    }

    public enum Content: Sendable {
        /// Nothing, `~` or `null`.
        case null
        /// The text as it stands. `plain` is false when it was quoted or a block: then it is meant as a string.
        case scalar(String, plain: Bool)
        case list([ConfigNode])
        /// In file order; keys are unique.
        case mapping([Entry])
    }

    public var content: Content
    public var mark: ConfigMark
    public var path: ConfigPath

    package init(_ content: Content, mark: ConfigMark, path: ConfigPath) {
        self.content = content
        self.mark = mark
        self.path = path
    }

    public var place: ConfigPlace { ConfigPlace(mark: mark, path: path) }

    /// The text of a scalar; nil for anything else.
    public var text: String? {
        if case .scalar(let text, _) = content { return text }
        return nil
    }

    public var isNull: Bool {
        if case .null = content { return true }
        return false
    }

    /// Whether this is the word `off`, which disables things.
    public var isOff: Bool { text == "off" }

    public var entries: [Entry]? {
        if case .mapping(let entries) = content { return entries }
        return nil
    }

    public var items: [ConfigNode]? {
        if case .list(let items) = content { return items }
        return nil
    }

    /// The value of `key`, when this is a mapping that has it.
    public subscript(key: String) -> ConfigNode? { entries?.first { $0.key == key }?.value }

    /// What it is, in the words of an error message.
    package var kind: String {
        switch content {
        case .null: "nothing"
        case .scalar(let text, _): "\"\(text.count > 60 ? text.prefix(57) + "..." : text)\""
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}
