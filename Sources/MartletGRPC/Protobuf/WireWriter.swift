internal import MartletCore

/// Writes a protobuf message. Fields with their default are left out, as proto3 has it, unless written with `always`.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func varint(_ field: UInt32, _ value: UInt64) {
        guard value != 0 else { return }
        tag(field, 0)
        append(value)
    }

    package mutating func bool(_ field: UInt32, _ value: Bool) { varint(field, value ? 1 : 0) }

    package mutating func text(_ field: UInt32, _ value: String) { self.bytes(field, value.utf8Span.span) }

    /// A `string` or `bytes`.
    package mutating func bytes(_ field: UInt32, _ value: Span<UInt8>) {
        guard !value.isEmpty else { return }
        tag(field, 2)
        append(UInt64(value.count))
        append(value)
    }

    /// A message in a field, written even when it is empty: that it is there says something.
    package mutating func message(_ field: UInt32, _ fill: (inout WireWriter) -> Void) {
        var inner = WireWriter()
        fill(&inner)
        tag(field, 2)
        append(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
    }

    /// An entry of a `map<string, string>`: a message of key and value.
    package mutating func entry(_ field: UInt32, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        let size = Self.size(key) + Self.size(value)
        tag(field, 2)
        append(UInt64(size))
        bytes(1, key)
        bytes(2, value)
    }

    /// Of a text in a field below 16.
    private static func size(_ text: Span<UInt8>) -> Int {
        guard !text.isEmpty else { return 0 }
        var (digits, rest) = (1, text.count)
        while rest >= 0x80 {
            rest >>= 7
            digits += 1
        }
        return 1 + digits + text.count
    }

    private mutating func append(_ span: Span<UInt8>) {
        bytes.reserveCapacity(bytes.count + span.count)
        for index in span.indices { bytes.append(span[index]) }
    }

    private mutating func tag(_ field: UInt32, _ type: UInt64) { append(UInt64(field) << 3 | type) }

    private mutating func append(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
