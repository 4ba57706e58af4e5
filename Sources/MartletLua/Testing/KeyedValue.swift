internal import MartletConfig

/// A value under a key of a store, or of what a filter leaves on an exchange. Any value of the configuration language.
struct KeyedValue: Sendable {
    /// The store's or the filter's name.
    var group: String
    var key: String
    /// As VMs encode it; nil: absent.
    var value: [UInt8]?
    var mark: ConfigMark

    /// `{ group: { key: value } }`
    static func all(under key: String, in section: ConfigSection) -> [KeyedValue] {
        guard let groups = section.section(key) else { return [] }
        return groups.allEntries().flatMap { group in
            groups.section(of: group.value).allEntries().map { entry in
                KeyedValue(
                    group: group.key, key: entry.key,
                    value: entry.value.isNull ? nil : LuaParameters.encode(entry.value), mark: entry.value.mark)
            }
        }
    }
}

extension EncodedValue {
    /// An encoded value for people, and for comparing: `{"a":[1,true]}`, keys in order. A number is the same whether it is
    /// kept as a whole one or not, and so is an empty table.
    static func text(_ bytes: [UInt8]) -> String {
        var rest = bytes[...]
        return text(&rest) ?? "(cut short)"
    }

    private static func text(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let tag = rest.popFirst() else { return nil }
        switch tag {
        case 1: return "false"
        case 2: return "true"
        case 3: return number(&rest, 8).map { "\(Int64(bitPattern: $0))" }
        case 4:
            guard let number = number(&rest, 8).map({ Double(bitPattern: $0) }) else { return nil }
            return Int64(exactly: number).map { "\($0)" } ?? "\(number)"
        case 5: return string(&rest)
        case 6, 7:
            guard let count = number(&rest, 4) else { return nil }
            var items: [String] = []
            for _ in 0..<count {
                var key = ""
                if tag == 7 {
                    guard let name = string(&rest) else { return nil }
                    key = name + ":"
                }
                guard let value = text(&rest) else { return nil }
                items.append(key + value)
            }
            if tag == 6, count > 0 { return "[" + items.joined(separator: ",") + "]" }
            return "{" + items.sorted().joined(separator: ",") + "}"
        default: return "nil"
        }
    }

    private static func number(_ rest: inout ArraySlice<UInt8>, _ size: Int) -> UInt64? {
        guard rest.count >= size else { return nil }
        defer { rest = rest.dropFirst(size) }
        return rest.prefix(size).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func string(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let count = number(&rest, 4), rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        let text = String(decoding: rest.prefix(Int(count)), as: UTF8.self)
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
    }
}
