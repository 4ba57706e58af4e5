/// Why a text is no JSON that can be trusted.
public struct JSONFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Bytes before the place where it was noticed.
    public let offset: Int
    public let reason: String

    public var description: String { "\(reason) at byte \(offset)" }
}

/// Reads one JSON text (RFC 8259) strictly. Nesting is bounded, so that no text can exhaust the stack.
public struct JSONReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var index = 0
    private var depth = 0

    /// Deepest nesting that is read.
    public static let maxDepth = 64

    @_lifetime(copy bytes)
    private init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    /// The whole of `bytes` is one value, with white space around it.
    public static func read(_ bytes: Span<UInt8>) throws(JSONFault) -> JSONValue {
        var reader = JSONReader(bytes)
        reader.skipSpace()
        let value = try reader.value()
        reader.skipSpace()
        guard reader.index == bytes.count else { throw reader.fault("more follows the value") }
        return value
    }

    private func fault(_ reason: String) -> JSONFault { JSONFault(offset: index, reason: reason) }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    @_lifetime(self: copy self)
    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }

    @_lifetime(self: copy self)
    private mutating func value() throws(JSONFault) -> JSONValue {
        guard let next else { throw fault("the text ends too early") }
        switch next {
        case 0x7B: return try nested { reader throws(JSONFault) in .object(try reader.object()) }
        case 0x5B: return try nested { reader throws(JSONFault) in .array(try reader.array()) }
        case 0x22: return .string(try string())
        case 0x74: return try word("true", .bool(true))
        case 0x66: return try word("false", .bool(false))
        case 0x6E: return try word("null", .null)
        case 0x2D, 0x30...0x39: return try number()
        default: throw fault("no value begins like this")
        }
    }

    @_lifetime(self: copy self)
    private mutating func nested(
        _ read: (inout JSONReader) throws(JSONFault) -> JSONValue
    ) throws(JSONFault) -> JSONValue {
        guard depth < Self.maxDepth else { throw fault("nested deeper than \(Self.maxDepth)") }
        depth += 1
        index += 1
        let value = try read(&self)
        depth -= 1
        return value
    }

    @_lifetime(self: copy self)
    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let end = index + text.utf8CodeUnitCount
        guard end <= bytes.count, bytes.extracting(index..<end).equals(text) else { throw fault("no such word") }
        index = end
        return value
    }

    // MARK: Objects and arrays

    @_lifetime(self: copy self)
    private mutating func object() throws(JSONFault) -> [JSONMember] {
        var members: [JSONMember] = []
        // One look at a set each, so that many members cost no more than their number.
        var names: Set<String> = []
        skipSpace()
        if take(0x7D) { return members }
        while true {
            guard next == 0x22 else { throw fault("expected a member's name") }
            let name = try string()
            guard names.insert(name).inserted else { throw fault("member \"\(name.prefix(40))\" twice") }
            skipSpace()
            guard take(0x3A) else { throw fault("expected a colon") }
            skipSpace()
            members.append(JSONMember(name: name, value: try value()))
            if try isOver(0x7D) { return members }
        }
    }

    @_lifetime(self: copy self)
    private mutating func array() throws(JSONFault) -> [JSONValue] {
        var items: [JSONValue] = []
        skipSpace()
        if take(0x5D) { return items }
        while true {
            items.append(try value())
            if try isOver(0x5D) { return items }
        }
    }

    /// Behind an item: `close` ends the list, a comma goes on.
    @_lifetime(self: copy self)
    private mutating func isOver(_ close: UInt8) throws(JSONFault) -> Bool {
        skipSpace()
        if take(close) { return true }
        guard take(0x2C) else { throw fault("expected a comma or an end") }
        skipSpace()
        return false
    }

    @_lifetime(self: copy self)
    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    // MARK: Scalars

    @_lifetime(self: copy self)
    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = index
        _ = take(0x2D)
        if !take(0x30) { try digits() }
        var isInteger = true
        if take(0x2E) {
            isInteger = false
            try digits()
        }
        if next == 0x65 || next == 0x45 {
            isInteger = false
            index += 1
            if next == 0x2B || next == 0x2D { index += 1 }
            try digits()
        }
        guard index - start <= 64 else { throw fault("a number of more than 64 bytes") }
        let text = bytes.extracting(start..<index).string()
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw fault("a number out of range") }
        return .number(value)
    }

    @_lifetime(self: copy self)
    private mutating func digits() throws(JSONFault) {
        guard let first = next, first.isDigit else { throw fault("expected a digit") }
        while let byte = next, byte.isDigit { index += 1 }
    }

    @_lifetime(self: copy self)
    private mutating func string() throws(JSONFault) -> String {
        index += 1
        var text: [UInt8] = []
        while true {
            guard let byte = next else { throw fault("a string without end") }
            switch byte {
            case 0x22:
                index += 1
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw fault("a string that is not UTF-8")
                }
                return valid
            case 0x5C:
                index += 1
                try escape(&text)
            case 0x00..<0x20: throw fault("a control character in a string")
            default:
                text.append(byte)
                index += 1
            }
        }
    }

    @_lifetime(self: copy self)
    private mutating func escape(_ text: inout [UInt8]) throws(JSONFault) {
        guard let byte = next else { throw fault("a string without end") }
        index += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: text.append(byte)
        case 0x62: text.append(0x08)
        case 0x66: text.append(0x0C)
        case 0x6E: text.append(0x0A)
        case 0x72: text.append(0x0D)
        case 0x74: text.append(0x09)
        case 0x75:
            var code = try unit()
            if code >= 0xD800 && code < 0xDC00 {
                guard take(0x5C), take(0x75) else { throw fault("half a character") }
                let low = try unit()
                guard low >= 0xDC00 && low < 0xE000 else { throw fault("half a character") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fault("half a character") }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw fault("no such escape")
        }
    }

    @_lifetime(self: copy self)
    private mutating func unit() throws(JSONFault) -> UInt32 {
        guard index + 4 <= bytes.count else { throw fault("a string without end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = bytes[index].hexValue else { throw fault("expected four hexadecimal digits") }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
