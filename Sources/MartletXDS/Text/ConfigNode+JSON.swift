internal import MartletConfig
internal import MartletCore

extension ConfigNode {
    /// A JSON text as a document, all of it at one place: what a control plane sends has no lines.
    init(json value: JSONValue, mark: ConfigMark, path: ConfigPath) {
        let content: Content
        switch value {
        case .null: content = .null
        case .bool(let isTrue): content = .scalar(isTrue ? "true" : "false", plain: true)
        case .integer(let number): content = .scalar("\(number)", plain: true)
        case .number(let number):
            // JSON does not tell `5.0` from `5`, nor does the mapping.
            let whole = Int64(exactly: number)
            content = .scalar(whole.map { "\($0)" } ?? "\(number)", plain: true)
        case .string(let text): content = .scalar(text, plain: false)
        case .array(let items):
            content = .list(items.enumerated().map { ConfigNode(json: $1, mark: mark, path: path.index($0)) })
        case .object(let members):
            content = .mapping(
                members.map { member in
                    let value = ConfigNode(json: member.value, mark: mark, path: path.key(member.name))
                    return Entry(key: member.name, keyMark: mark, value: value)
                })
        }
        self.init(content, mark: mark, path: path)
    }

    /// The same as a JSON text.
    var json: String { value.text }

    private var value: JSONValue {
        switch content {
        case .null: .null
        case .scalar(let text, plain: false): .string(text)
        case .scalar(let text, plain: true): Self.plain(text)
        case .list(let items): .array(items.map(\.value))
        case .mapping(let entries): .object(entries.map { JSONMember(name: $0.key, value: $0.value.value) })
        }
    }

    /// YAML's core schema: what looks like a truth or a number is one.
    private static func plain(_ text: String) -> JSONValue {
        if text == "true" || text == "false" { return .bool(text == "true") }
        if let number = Int64(text) { return .integer(number) }
        guard text.utf8.first.map({ "+-.0123456789".utf8.contains($0) }) == true, let number = Double(text),
            number.isFinite
        else { return .string(text) }
        return .number(number)
    }
}
