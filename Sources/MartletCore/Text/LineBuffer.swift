/// A growing line of text made of bytes, reused for every line.
package struct LineBuffer {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { bytes.isEmpty }
    package var count: Int { bytes.count }

    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Cuts what begins at `start` to `limit` bytes, or up to three less: neither a character of UTF-8 nor an escape such
    /// as `\x0a` is cut in two.
    package mutating func truncate(from start: Int, to limit: Int) {
        guard bytes.count - start > limit else { return }
        let cut = start + limit
        var end = cut
        for index in max(start, cut - 3)..<cut where Self.length(of: bytes[index]) > cut - index {
            end = index
            break
        }
        bytes.removeLast(bytes.count - end)
    }

    /// How many bytes belong together from this one on.
    private static func length(of lead: UInt8) -> Int {
        switch lead {
        case 0x5C, 0xF0...0xF4: 4
        case 0xE0...0xEF: 3
        case 0xC2...0xDF: 2
        default: 1
        }
    }

    package mutating func append(_ byte: UInt8) { bytes.append(byte) }

    package mutating func append(_ text: StaticString) {
        guard text.hasPointerRepresentation else { return }
        // A static string's bytes live for ever.
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    package mutating func append(number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }

    /// `number` in `width` digits, for dates; higher digits are cut.
    package mutating func append(number: UInt64, width: Int) {
        var divisor: UInt64 = 1
        for _ in 1..<max(width, 1) { divisor *= 10 }
        while divisor > 0 {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }

    /// Milliseconds with three decimals.
    package mutating func append(milliseconds span: Nanoseconds) {
        append(number: span.rawValue / 1_000_000)
        append(0x2E)
        let rest = span.rawValue / 1000 % 1000
        append(0x30 + UInt8(rest / 100))
        append(0x30 + UInt8(rest / 10 % 10))
        append(0x30 + UInt8(rest % 10))
    }

    /// As the inside of a JSON string. Bytes that are not ASCII are kept only when they are UTF-8.
    package mutating func append(json value: Span<UInt8>) {
        var index = 0
        while index < value.count {
            let byte = value[index]
            switch byte {
            case 0x22, 0x5C:
                bytes.append(0x5C)
                bytes.append(byte)
            case 0x00..<0x20, 0x7F:
                append("\\u00")
                append(hex: byte)
            case 0x80...:
                let length = Self.sequenceLength(value, index)
                if length == 0 {
                    append("\\ufffd")
                } else {
                    for offset in 0..<length { bytes.append(value[index + offset]) }
                    index += length - 1
                }
            default: bytes.append(byte)
            }
            index += 1
        }
    }

    /// For a text line: nothing in it can end the line or forge a field.
    package mutating func append(text value: Span<UInt8>) {
        for index in value.indices {
            let byte = value[index]
            if byte < 0x20 || byte == 0x7F || byte == 0x22 || byte == 0x5C {
                append("\\x")
                append(hex: byte)
            } else {
                bytes.append(byte)
            }
        }
    }

    package mutating func append(bytes value: [UInt8]) { bytes.append(contentsOf: value) }

    package mutating func append(bytes value: Span<UInt8>) {
        for index in value.indices { bytes.append(value[index]) }
    }

    /// As a header's value: control characters, which no field may hold, become spaces (RFC 9110 section 5.5).
    package mutating func append(field value: Span<UInt8>) {
        for index in value.indices {
            let byte = value[index]
            bytes.append((byte < 0x20 && byte != 0x09) || byte == 0x7F ? 0x20 : byte)
        }
    }

    /// Takes white space off either end.
    package mutating func trim() {
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        let blanks = bytes.prefix { $0 == 0x20 || $0 == 0x09 }.count
        if blanks > 0 { bytes.removeFirst(blanks) }
    }

    /// Forgets what was written behind the first `count` bytes.
    package mutating func truncate(to count: Int) {
        if count >= 0 && count < bytes.count { bytes.removeLast(bytes.count - count) }
    }

    /// In `digits` hexadecimal digits, lower case.
    package mutating func append(hex number: UInt64, digits: Int = 16) {
        for place in (0..<min(max(digits, 0), 16)).reversed() {
            let nibble = UInt8(truncatingIfNeeded: number >> UInt64(place * 4)) & 15
            bytes.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
        }
    }

    private mutating func append(hex byte: UInt8) {
        for nibble in [byte >> 4, byte & 15] { bytes.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble) }
    }

    /// RFC 3629: how long the UTF-8 sequence at `index` is, 0 when it is none.
    private static func sequenceLength(_ value: Span<UInt8>, _ index: Int) -> Int {
        let lead = value[index]
        let length: Int
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return 0
        }
        guard index + length <= value.count else { return 0 }
        for offset in 1..<length where value[index + offset] & 0xC0 != 0x80 { return 0 }
        let second = value[index + 1]
        switch lead {
        case 0xE0 where second < 0xA0, 0xED where second > 0x9F, 0xF0 where second < 0x90, 0xF4 where second > 0x8F:
            return 0
        default: return length
        }
    }
}
