internal import Foundation
internal import SwiftProtobuf

/// Finds the maps, in a message and every message within it, that have fewer entries than the bytes that it was read from: Swift
/// holds keys equal that are canonically equivalent, and of two such entries the library leaves one.
struct MapEntries: StructureVisitor {
    private(set) var lost: [UnknownFields.Field] = []
    private let bytes: [UInt8]
    /// Where the message is in the bytes that is being looked at: a message may come in parts.
    private var parts: [Range<Int>]
    private var message: String
    /// The fields in `parts` that have a length. Nil: nobody has asked for one yet.
    private var fields: [(number: Int, content: Range<Int>)]?

    init<M: Message>(of message: M, in bytes: [UInt8]) {
        (self.message, self.bytes, parts) = (M.protoMessageName, bytes, [bytes.indices])
    }

    /// Where the field is, in the order of the bytes.
    private mutating func contents(of number: Int) -> [Range<Int>] {
        if fields == nil { fields = parts.flatMap { fields(in: $0) } }
        return fields?.filter { $0.number == number }.map(\.content) ?? []
    }

    /// The library has been through the bytes: they are whole.
    private func fields(in part: Range<Int>) -> [(number: Int, content: Range<Int>)] {
        var fields: [(number: Int, content: Range<Int>)] = []
        var at = part.lowerBound
        func varint() -> UInt64 {
            var (value, shift) = (UInt64(0), UInt64(0))
            while at < part.upperBound, shift < 64 {
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte & 0x80 == 0 { break }
                shift += 7
            }
            return value
        }
        while at < part.upperBound {
            let tag = varint()
            switch tag & 7 {
            case 0: _ = varint()
            case 1: at += 8
            case 2:
                let length = Int(clamping: varint())
                let end = length < part.upperBound - at ? at + length : part.upperBound
                fields.append((Int(tag >> 3), at..<max(at, end)))
                at = end
            case 5: at += 4
            // Groups bear nothing of ours, and are not closed by a length.
            default: break
            }
        }
        return fields
    }

    private mutating func visit<M: Message>(_ value: M, at parts: [Range<Int>]) throws {
        let outer = (self.parts, message, fields)
        (self.parts, message, fields) = (parts, M.protoMessageName, nil)
        try value.traverse(visitor: &self)
        (self.parts, message, fields) = outer
    }

    /// Where the entries are; empty after noting that there are more than `count`.
    private mutating func entries(_ count: Int, _ number: Int) -> [Range<Int>] {
        let entries = contents(of: number)
        guard entries.count > count else { return entries }
        let name = MessageSchema.ours.messages[message]?.fields.values.first { $0.number == number }?.name
        let field = UnknownFields.Field(message: message, name: name ?? "\(number)")
        if !lost.contains(field) { lost.append(field) }
        return []
    }

    mutating func visitSingularMessageField<M: Message>(value: M, fieldNumber: Int) throws {
        try visit(value, at: contents(of: fieldNumber))
    }

    mutating func visitRepeatedMessageField<M: Message>(value: [M], fieldNumber: Int) throws {
        for (item, part) in zip(value, contents(of: fieldNumber)) { try visit(item, at: [part]) }
    }

    mutating func visitMapField<KeyType, ValueType: MapValueType>(
        fieldType: _ProtobufMap<KeyType, ValueType>.Type, value: _ProtobufMap<KeyType, ValueType>.BaseType,
        fieldNumber: Int
    ) throws { _ = entries(value.count, fieldNumber) }
    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufEnumMap<KeyType, ValueType>.Type, value: _ProtobufEnumMap<KeyType, ValueType>.BaseType,
        fieldNumber: Int
    ) throws where ValueType.RawValue == Int { _ = entries(value.count, fieldNumber) }
    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufMessageMap<KeyType, ValueType>.Type,
        value: _ProtobufMessageMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) throws {
        for entry in entries(value.count, fieldNumber) {
            let parts = fields(in: entry)
            let key = parts.last { $0.number == 1 }.map { String(decoding: bytes[$0.content], as: UTF8.self) } ?? ""
            guard let key = key as? KeyType.BaseType, let item = value[key] else { continue }
            try visit(item, at: parts.filter { $0.number == 2 }.map(\.content))
        }
    }

    mutating func visitUnknown(bytes: Data) throws {}
}
