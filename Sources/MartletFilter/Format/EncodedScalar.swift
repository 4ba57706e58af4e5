internal import MartletCore

/// A scalar within a value that a policy has left, in the encoding of Sources/CLua/data.c.
enum EncodedScalar: Equatable {
    /// Where the text is.
    case text(Range<Int>)
    case integer(Int64)
    case number(Double)
    case bool(Bool)

    /// The value, or what mappings have under `keys`. Nil when there is none, or it is no scalar.
    static func read(_ bytes: Span<UInt8>, _ keys: ArraySlice<String>) -> EncodedScalar? {
        var reader = Reader(count: bytes.count)
        for key in keys {
            guard reader.enter(key, bytes) else { return nil }
        }
        return reader.scalar(bytes)
    }

    /// Every step stays within the bytes, whatever they say.
    private struct Reader {
        let count: Int
        var index = 0

        static let maxDepth = 64

        mutating func byte(_ bytes: Span<UInt8>) -> UInt8? {
            guard index < count else { return nil }
            defer { index += 1 }
            return bytes[index]
        }

        mutating func number(_ width: Int, _ bytes: Span<UInt8>) -> UInt64? {
            guard count - index >= width else { return nil }
            var value: UInt64 = 0
            for place in (0..<width).reversed() { value = value << 8 | UInt64(bytes[index + place]) }
            index += width
            return value
        }

        mutating func text(_ bytes: Span<UInt8>) -> Range<Int>? {
            guard let length = number(4, bytes), length <= UInt64(count - index) else { return nil }
            defer { index += Int(length) }
            return index..<(index + Int(length))
        }

        mutating func scalar(_ bytes: Span<UInt8>) -> EncodedScalar? {
            switch byte(bytes) {
            case 1: .bool(false)
            case 2: .bool(true)
            case 3: number(8, bytes).map { .integer(Int64(bitPattern: $0)) }
            case 4: number(8, bytes).map { .number(Double(bitPattern: $0)) }
            case 5: text(bytes).map { .text($0) }
            default: nil
            }
        }

        /// Goes to what the mapping here has under `key`.
        mutating func enter(_ key: String, _ bytes: Span<UInt8>) -> Bool {
            guard byte(bytes) == 7, let entries = number(4, bytes) else { return false }
            for _ in 0..<min(entries, UInt64(count)) {
                guard let name = text(bytes) else { return false }
                if bytes.extracting(name).equals(key.utf8Span.span) { return true }
                guard skip(bytes, depth: 0) else { return false }
            }
            return false
        }

        private mutating func skip(_ bytes: Span<UInt8>, depth: Int) -> Bool {
            guard depth < Self.maxDepth, let tag = byte(bytes) else { return false }
            switch tag {
            case 0, 1, 2: return true
            case 3, 4: return number(8, bytes) != nil
            case 5: return text(bytes) != nil
            case 6, 7:
                guard let entries = number(4, bytes) else { return false }
                for _ in 0..<min(entries, UInt64(count)) {
                    if tag == 7 && text(bytes) == nil { return false }
                    if !skip(bytes, depth: depth + 1) { return false }
                }
                return entries <= UInt64(count)
            default: return false
            }
        }
    }
}
