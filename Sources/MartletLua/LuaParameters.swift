internal import MartletConfig

/// Encodes a section of the configuration for the VM; data.c has the format.
enum LuaParameters {
    /// No parameters.
    static let none: [UInt8] = [0]

    static func encode(_ node: ConfigNode) -> [UInt8] {
        var out: [UInt8] = []
        append(node, to: &out)
        return out
    }

    private static func append(_ node: ConfigNode, to out: inout [UInt8]) {
        switch node.content {
        case .null: out.append(0)
        case .scalar(let text, let plain): append(text, isPlain: plain, to: &out)
        case .list(let items):
            out.append(6)
            EncodedValue.append(UInt32(items.count), to: &out)
            for item in items { append(item, to: &out) }
        case .mapping(let entries):
            out.append(7)
            EncodedValue.append(UInt32(entries.count), to: &out)
            for entry in entries {
                append(text: entry.key, to: &out)
                append(entry.value, to: &out)
            }
        }
    }

    /// What stands without quotes is a number or a truth where it looks like one (YAML 1.2's core schema).
    private static func append(_ text: String, isPlain: Bool, to out: inout [UInt8]) {
        if isPlain {
            if text == "true" || text == "false" { return out.append(text == "true" ? 2 : 1) }
            if let number = Int64(text) {
                out.append(3)
                return EncodedValue.append(UInt64(bitPattern: number), to: &out)
            }
            if let first = text.utf8.first, first == 0x2D || first == 0x2E || (first >= 0x30 && first <= 0x39),
                let number = Double(text)
            {
                out.append(4)
                return EncodedValue.append(number.bitPattern, to: &out)
            }
        }
        out.append(5)
        append(text: text, to: &out)
    }

    private static func append(text: String, to out: inout [UInt8]) {
        EncodedValue.append(UInt32(text.utf8.count), to: &out)
        out.append(contentsOf: text.utf8)
    }
}
