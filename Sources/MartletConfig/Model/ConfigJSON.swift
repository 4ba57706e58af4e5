/// A JSON value with its keys in the order given, so that the same configuration is the same text.
enum ConfigJSON {
    case string(String)
    case number(Int)
    case decimal(Double)
    case bool(Bool)
    case null
    case list([ConfigJSON])
    case object([(String, ConfigJSON?)])

    /// Stands for what must not be shown.
    static let redacted = ConfigJSON.string("(redacted)")

    static func list<Item>(_ items: [Item], _ render: (Item) -> ConfigJSON) -> ConfigJSON { .list(items.map(render)) }

    static func strings(_ items: [String]) -> ConfigJSON { list(items) { .string($0) } }

    /// A duration for which nil is written as 0.
    static func timeout(_ value: Duration?) -> ConfigJSON { .string(ConfigText.duration(value ?? .zero)) }

    var text: String {
        var output = ""
        write(to: &output, indentation: "")
        return output
    }

    private var isFlat: Bool {
        switch self {
        case .string, .number, .decimal, .bool, .null: true
        case .list(let items): items.isEmpty
        case .object(let members): members.allSatisfy { $0.1 == nil }
        }
    }

    private func write(to output: inout String, indentation: String) {
        switch self {
        case .string(let text): Self.quote(text, to: &output)
        case .number(let number): output += String(number)
        case .decimal(let number): output += number == number.rounded() ? String(Int(number)) : String(number)
        case .bool(let value): output += value ? "true" : "false"
        case .null: output += "null"
        case .list(let items):
            // Lists of words stay on one line, and so do empty ones.
            guard !items.allSatisfy(\.isFlat) else {
                output += "["
                for (index, item) in items.enumerated() {
                    if index > 0 { output += ", " }
                    item.write(to: &output, indentation: indentation)
                }
                output += "]"
                return
            }
            output += "["
            for (index, item) in items.enumerated() {
                output += (index > 0 ? ",\n" : "\n") + indentation + "  "
                item.write(to: &output, indentation: indentation + "  ")
            }
            output += "\n" + indentation + "]"
        case .object(let members):
            let written = members.compactMap { name, value in value.map { (name, $0) } }
            guard !written.isEmpty else {
                output += "{}"
                return
            }
            output += "{"
            for (index, (name, value)) in written.enumerated() {
                output += (index > 0 ? ",\n" : "\n") + indentation + "  "
                Self.quote(name, to: &output)
                output += ": "
                value.write(to: &output, indentation: indentation + "  ")
            }
            output += "\n" + indentation + "}"
        }
    }

    private static func quote(_ text: String, to output: inout String) {
        output += "\""
        for letter in text.unicodeScalars {
            switch letter {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            default:
                if letter.value < 0x20 || (0x7F...0x9F).contains(letter.value)
                    || (0x2028...0x2029).contains(letter.value)
                {
                    let digits = String(letter.value, radix: 16)
                    output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    output.unicodeScalars.append(letter)
                }
            }
        }
        output += "\""
    }
}

extension ConfigJSON {
    /// Keys whose scalars are secrets wherever they stand, in lower case with `_` for `-`.
    private static let secretNames: Set<String> = [
        "authorization", "proxy_authorization", "cookie", "set_cookie", "x_api_key", "api_key", "password", "passwd",
        "secret", "token", "private_key", "credential", "credentials", "hmac",
    ]
    private static let secretEndings = ["_password", "_secret", "_token", "_api_key", "_private_key", "_credentials"]
    /// Filters whose own `key` is a secret. Elsewhere, as in a rate limit, `key` says what to count by.
    private static let secretFilters: Set<String> = ["api_key", "basic_auth", "oauth2", "hmac"]

    /// Settings as they were written, without what must not be shown. Scripts are left out as well: they are long,
    /// and people put passwords in them.
    static func settings(_ node: ConfigNode, of filter: String) -> ConfigJSON {
        render(node, isSecret: false, filter: filter)
    }

    static func isSecret(_ key: String) -> Bool {
        let name = String(key.lowercased().map { $0 == "-" ? "_" : $0 })
        return secretNames.contains(name) || secretEndings.contains(where: name.hasSuffix)
    }

    private static func render(_ node: ConfigNode, isSecret hidden: Bool, filter: String) -> ConfigJSON {
        switch node.content {
        case .null: return .null
        case .scalar(let text, let plain):
            if hidden { return redacted }
            if plain, text == "true" || text == "false" { return .bool(text == "true") }
            if plain, let number = Int(text), String(number) == text { return .number(number) }
            return .string(withoutUserInfo(text))
        case .list(let items): return list(items) { render($0, isSecret: hidden, filter: filter) }
        case .mapping(let entries):
            return .object(
                entries.map { entry in
                    if entry.key == "inline" { return (entry.key, redacted) }
                    // A file's name is no secret, and what an operator looks for.
                    let isFile = entry.key.hasSuffix("_file") || entry.key == "file"
                    let isOwn = secretFilters.contains(filter) && ["key", "keys", "users"].contains(entry.key)
                    let hidden = !isFile && (hidden || isOwn || isSecret(entry.key))
                    return (entry.key, render(entry.value, isSecret: hidden, filter: filter))
                })
        }
    }

    /// `https://name:password@host/` without what stands before the `@`.
    private static func withoutUserInfo(_ text: String) -> String {
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return text }
        let authority = parts[1].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else { return text }
        return parts[0] + "://(redacted)" + parts[1][at...]
    }
}
