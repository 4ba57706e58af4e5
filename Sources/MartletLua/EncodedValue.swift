internal import MartletCore

/// Values as the VM encodes them; Sources/CLua/data.c has the format.
enum EncodedValue {
    /// A mapping of encoded values.
    static func mapping(_ entries: [(key: String, value: [UInt8])]) -> [UInt8] {
        var out: [UInt8] = [7]
        append(UInt32(entries.count), to: &out)
        for entry in entries {
            append(UInt32(entry.key.utf8.count), to: &out)
            out.append(contentsOf: entry.key.utf8)
            out.append(contentsOf: entry.value)
        }
        return out
    }

    static func text(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [5]
        append(UInt32(bytes.count), to: &out)
        return out + bytes
    }

    static func number(_ number: Double) -> [UInt8] {
        var out: [UInt8] = []
        if let whole = Int64(exactly: number) {
            out.append(3)
            append(UInt64(bitPattern: whole), to: &out)
        } else {
            out.append(4)
            append(number.bitPattern, to: &out)
        }
        return out
    }

    static func json(_ value: JSONValue) -> [UInt8] {
        switch value {
        case .null: return [0]
        case .bool(let truth): return [truth ? 2 : 1]
        case .integer(let number):
            var out: [UInt8] = [3]
            append(UInt64(bitPattern: number), to: &out)
            return out
        case .number(let number):
            var out: [UInt8] = [4]
            append(number.bitPattern, to: &out)
            return out
        case .string(let text): return self.text(Array(text.utf8))
        case .array(let items):
            var out: [UInt8] = [6]
            append(UInt32(items.count), to: &out)
            for item in items { out += json(item) }
            return out
        case .object(let members): return mapping(members.map { ($0.name, json($0.value)) })
        }
    }

    /// The number that is encoded; nil when it is something else.
    static func number(in bytes: [UInt8]) -> Double? {
        guard bytes.count == 9, bytes[0] == 3 || bytes[0] == 4 else { return nil }
        var bits: UInt64 = 0
        for index in (1...8).reversed() { bits = bits << 8 | UInt64(bytes[index]) }
        return bytes[0] == 3 ? Double(Int64(bitPattern: bits)) : Double(bitPattern: bits)
    }

    /// In the machine's order, which on every machine this runs on is the lowest byte first.
    static func append<Number: FixedWidthInteger>(_ number: Number, to out: inout [UInt8]) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            out.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }
}
