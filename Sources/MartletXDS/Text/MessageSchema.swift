internal import Foundation
internal import MartletXDSMessages
internal import SwiftProtobuf

/// What our messages consist of, by name: read from the definitions that their code was generated from, for the library keeps
/// its own tables to itself.
struct MessageSchema: Sendable {
    indirect enum Kind: Sendable {
        case bool, float, double, text, bytes
        case signed(bits: Int)
        case unsigned(bits: Int)
        case message(String)
        case choice(String)
        case map(key: Kind, value: Kind)
    }

    struct Field: Sendable {
        var name: String
        var number: Int
        var kind: Kind
        var isRepeated: Bool
        /// Which of the message's alternatives it belongs to; nil: none.
        var alternative: String?
    }

    struct Members: Sendable {
        /// By both of the names that JSON may use: `route_config` and `routeConfig`.
        fileprivate(set) var fields: [String: Field] = [:]
        /// As the definition spells them.
        fileprivate(set) var names: [String] = []
    }

    /// By full name: `envoy.config.cluster.v3.Cluster`.
    private(set) var messages: [String: Members] = [:]
    /// Numbers of values by name, of each enum.
    private(set) var choices: [String: [String: Int]] = [:]

    static let ours = MessageSchema()

    private init() {
        let bytes = Data(base64Encoded: messageDescriptors, options: .ignoreUnknownCharacters) ?? Data()
        guard let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes) else { return }
        for file in set.file {
            for message in file.messageType { add(message, in: file.package) }
            for choice in file.enumType { add(choice, in: file.package) }
        }
    }

    private mutating func add(_ choice: Google_Protobuf_EnumDescriptorProto, in scope: String) {
        let values = choice.value.map { ($0.name, Int($0.number)) }
        choices["\(scope).\(choice.name)"] = Dictionary(values) { first, _ in first }
    }

    private mutating func add(_ message: Google_Protobuf_DescriptorProto, in scope: String) {
        let name = "\(scope).\(message.name)"
        for nested in message.nestedType where !nested.options.mapEntry { add(nested, in: name) }
        for choice in message.enumType { add(choice, in: name) }
        let pairs = message.nestedType.filter(\.options.mapEntry).map { ("\(name).\($0.name)", $0.field) }
        let maps = Dictionary(pairs) { first, _ in first }
        var members = Members()
        for field in message.field {
            let type = String(field.typeName.drop { $0 == "." })
            var own = Field(
                name: field.name, number: Int(field.number), kind: Self.kind(of: field),
                isRepeated: field.label == .repeated, alternative: nil)
            if let entry = maps[type], entry.count == 2 {
                own.kind = .map(key: Self.kind(of: entry[0]), value: Self.kind(of: entry[1]))
                own.isRepeated = false
            }
            if field.hasOneofIndex, message.oneofDecl.indices.contains(Int(field.oneofIndex)) {
                own.alternative = message.oneofDecl[Int(field.oneofIndex)].name
            }
            members.names.append(field.name)
            members.fields[field.name] = own
            members.fields[field.jsonName] = own
        }
        messages[name] = members
    }

    private static func kind(of field: Google_Protobuf_FieldDescriptorProto) -> Kind {
        let type = String(field.typeName.drop { $0 == "." })
        return switch field.type {
        case .bool: .bool
        case .float: .float
        case .double: .double
        case .bytes: .bytes
        case .int32: .signed(bits: 32)
        case .int64: .signed(bits: 64)
        case .uint32: .unsigned(bits: 32)
        case .uint64: .unsigned(bits: 64)
        case .message: .message(type)
        case .enum: .choice(type)
        // No definition of ours has those that are written otherwise.
        case .string, .group, .fixed32, .fixed64, .sfixed32, .sfixed64, .sint32, .sint64: .text
        }
    }
}
