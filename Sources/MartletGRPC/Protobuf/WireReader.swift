internal import MartletCore

/// Why bytes are no protobuf message.
package struct WireFault: Error, Sendable, Equatable {
    package init() {}
}

/// Reads a protobuf message field by field (protobuf's encoding guide). Ranges are places in the bytes given to each call, so
/// nothing is copied that is not wanted. Every read is bounded by the range it was made for.
package struct WireReader {
    /// What a field holds.
    package enum Value: Equatable {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        /// Text, bytes, a message, or packed numbers.
        case bytes(Range<Int>)
    }

    package struct Field: Equatable {
        package let number: UInt32
        package let value: Value
    }

    private var next: Int
    private let end: Int
    /// Groups that are being skipped; deeper ones are a fault.
    private static let maxDepth = 32

    package init(_ range: Range<Int>) {
        next = range.lowerBound
        end = range.upperBound
    }

    package init(_ bytes: Span<UInt8>) { self.init(0..<bytes.count) }

    /// The next field; nil at the end. Groups, which nobody here knows, are passed over.
    package mutating func field(_ bytes: Span<UInt8>) throws(WireFault) -> Field? {
        while next < end {
            let (number, type) = try tag(bytes)
            switch type {
            case 3: try skipGroup(number, bytes)
            case 4: throw WireFault()
            default: return Field(number: number, value: try value(type, bytes))
            }
        }
        return nil
    }

    private mutating func tag(_ bytes: Span<UInt8>) throws(WireFault) -> (number: UInt32, type: UInt8) {
        let tag = try varint(bytes)
        let number = tag >> 3
        guard number >= 1, number <= 0x1FFF_FFFF else { throw WireFault() }
        return (UInt32(number), UInt8(tag & 7))
    }

    private mutating func value(_ type: UInt8, _ bytes: Span<UInt8>) throws(WireFault) -> Value {
        switch type {
        case 0: return .varint(try varint(bytes))
        case 1: return .fixed64(try fixed(8, bytes))
        case 2:
            let length = try varint(bytes)
            guard length <= UInt64(end - next) else { throw WireFault() }
            let range = next..<next + Int(length)
            next = range.upperBound
            return .bytes(range)
        case 5: return .fixed32(UInt32(truncatingIfNeeded: try fixed(4, bytes)))
        default: throw WireFault()
        }
    }

    private mutating func skipGroup(_ number: UInt32, _ bytes: Span<UInt8>) throws(WireFault) {
        var open = [number]
        while let last = open.last {
            let (number, type) = try tag(bytes)
            switch type {
            case 3:
                guard open.count < Self.maxDepth else { throw WireFault() }
                open.append(number)
            case 4:
                guard number == last else { throw WireFault() }
                open.removeLast()
            default: _ = try value(type, bytes)
            }
        }
    }

    private mutating func varint(_ bytes: Span<UInt8>) throws(WireFault) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while next < end {
            let byte = bytes[next]
            next += 1
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { throw WireFault() }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw WireFault()
    }

    private mutating func fixed(_ count: Int, _ bytes: Span<UInt8>) throws(WireFault) -> UInt64 {
        guard end - next >= count else { throw WireFault() }
        var value: UInt64 = 0
        for place in 0..<count { value |= UInt64(bytes[next + place]) << UInt64(8 * place) }
        next += count
        return value
    }
}

extension WireReader.Value {
    /// Where text or a message lies; a fault for a number.
    package func range() throws(WireFault) -> Range<Int> {
        guard case .bytes(let range) = self else { throw WireFault() }
        return range
    }

    /// An `int32`, `int64`, `bool` or `enum`.
    package func number() throws(WireFault) -> UInt64 {
        guard case .varint(let number) = self else { throw WireFault() }
        return number
    }

    /// Text, which protobuf has in UTF-8; what is none is a fault.
    package func text(_ bytes: Span<UInt8>) throws(WireFault) -> String {
        let range = try range()
        guard let text = String(validating: bytes.extracting(range).array(), as: UTF8.self) else { throw WireFault() }
        return text
    }
}
