internal import Foundation
internal import SwiftProtobuf

/// Finds the fields that a message, and every message within it, has and our definitions have not.
struct UnknownFields: StructureVisitor {
    struct Field: Hashable {
        var message: String
        var name: String
    }

    /// The message that is being looked at.
    private var message: String
    private(set) var found: [Field] = []

    init(message: String) { self.message = message }

    private mutating func visit<M: Message>(_ value: M) throws {
        let outer = message
        message = M.protoMessageName
        try value.traverse(visitor: &self)
        message = outer
    }

    mutating func visitUnknown(bytes: Data) throws {
        for number in Self.numbers(bytes) {
            let field = Field(message: message, name: EnvoyFields.name(of: number, in: message))
            if !found.contains(field) { found.append(field) }
        }
    }

    /// The numbers of the fields in `bytes`, which are whole: the library has been through them.
    private static func numbers(_ bytes: Data) -> [Int] {
        var numbers: [Int] = []
        var rest = bytes[...]
        func varint() -> UInt64? {
            var (value, shift) = (UInt64(0), UInt64(0))
            while let byte = rest.popFirst(), shift < 64 {
                value |= UInt64(byte & 0x7F) << shift
                if byte & 0x80 == 0 { return value }
                shift += 7
            }
            return nil
        }
        while let tag = varint() {
            numbers.append(Int(tag >> 3))
            switch tag & 7 {
            case 0: _ = varint()
            case 1: rest = rest.dropFirst(8)
            case 2:
                let length = Int(clamping: varint() ?? 0)
                rest = rest.dropFirst(length)
            case 5: rest = rest.dropFirst(4)
            default: return numbers
            }
        }
        return numbers
    }

    mutating func visitSingularMessageField<M: Message>(value: M, fieldNumber: Int) throws { try visit(value) }

    mutating func visitRepeatedMessageField<M: Message>(value: [M], fieldNumber: Int) throws {
        for item in value { try visit(item) }
    }

    // What is packed in `Any` is checked by whoever unpacks it.
    mutating func visitMapField<KeyType, ValueType: MapValueType>(
        fieldType: _ProtobufMap<KeyType, ValueType>.Type, value: _ProtobufMap<KeyType, ValueType>.BaseType,
        fieldNumber: Int
    ) throws {}
    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufEnumMap<KeyType, ValueType>.Type, value: _ProtobufEnumMap<KeyType, ValueType>.BaseType,
        fieldNumber: Int
    ) throws where ValueType.RawValue == Int {}
    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufMessageMap<KeyType, ValueType>.Type,
        value: _ProtobufMessageMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) throws {
        for item in value.values { try visit(item) }
    }
}
