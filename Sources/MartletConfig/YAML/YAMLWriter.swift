/// Writes nodes as YAML that reads back as the same nodes: what was plain stays plain, what was quoted stays text. Comments are
/// not kept, and what an alias stood for is written where it stood.
package struct YAMLWriter {
    private var text = ""

    package static func text(_ node: ConfigNode) -> String {
        var writer = YAMLWriter()
        if writer.isInline(node) {
            writer.text = writer.scalar(node, indent: 0) + "\n"
        } else {
            writer.write(node, indent: 0)
        }
        return writer.text
    }

    /// What stands on the line of its key.
    private func isInline(_ node: ConfigNode) -> Bool {
        switch node.content {
        case .null, .scalar: true
        case .list(let items): items.isEmpty
        case .mapping(let entries): entries.isEmpty
        }
    }

    private mutating func write(_ node: ConfigNode, indent: Int, isStarted: Bool = false) {
        let margin = String(repeating: " ", count: indent)
        var isFirst = isStarted
        func lead() -> String {
            defer { isFirst = false }
            return isFirst ? "" : margin
        }
        switch node.content {
        case .null, .scalar: text += scalar(node, indent: indent) + "\n"
        case .mapping(let entries):
            for entry in entries {
                text += lead() + key(entry.key) + ":"
                if isInline(entry.value) {
                    text += " " + scalar(entry.value, indent: indent + 2) + "\n"
                } else {
                    text += "\n"
                    write(entry.value, indent: indent + 2)
                }
            }
        case .list(let items):
            for item in items {
                text += lead() + "- "
                if isInline(item) {
                    text += scalar(item, indent: indent + 2) + "\n"
                } else {
                    write(item, indent: indent + 2, isStarted: true)
                }
            }
        }
    }

    private func key(_ key: String) -> String {
        let isWord = key.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (0x30...0x39).contains(byte)
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        }
        return isWord && key.utf8.first.map { $0 > 0x39 } == true ? key : quoted(key)
    }

    private func scalar(_ node: ConfigNode, indent: Int) -> String {
        switch node.content {
        case .null: "null"
        case .list: "[]"
        case .mapping: "{}"
        case .scalar(let value, let plain):
            if plain, !value.contains(where: \.isNewline) {
                value
            } else if value.contains("\n"), isLiteral(value) {
                literal(value, indent: indent)
            } else {
                quoted(value)
            }
        }
    }

    /// It can stand as a block: nothing in it needs an escape, or could be taken for an anchor, and its first line shows how far it is indented.
    private func isLiteral(_ value: String) -> Bool {
        guard let first = value.unicodeScalars.first, !["\n", " ", "\t"].contains(first) else { return false }
        return value.unicodeScalars.allSatisfy {
            $0 != "&" && ($0 == "\n" || $0 == "\t" || Self.isPrintable($0))
        }
    }

    private func literal(_ value: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: max(indent, 2))
        let ends = value.reversed().prefix { $0 == "\n" }.count
        let header = ends == 0 ? "|-" : ends == 1 ? "|" : "|+"
        var lines = value.split(separator: "\n", omittingEmptySubsequences: false)
        if ends > 0 { lines.removeLast() }
        return header + lines.map { $0.isEmpty ? "\n" : "\n" + margin + $0 }.joined()
    }

    private func quoted(_ value: String) -> String {
        var out = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            // Without it the reader need not wonder what is an anchor.
            case "&": out += "\\x26"
            case _ where Self.isPrintable(scalar): out.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                out += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return out + "\""
    }

    /// What YAML lets stand as it is, less what ends a line or turns its direction.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20...0x7E, 0xA0...0x200D, 0x2010...0x2027, 0x202F...0x2065, 0x206A...0xD7FF, 0xE000...0xFEFE,
            0xFF00...0xFFFD, 0x10000...0x10FFFF:
            true
        default: false
        }
    }
}
