internal import Foundation
internal import MartletConfig
internal import SwiftProtobuf

/// Makes messages of YAML and JSON, in protobuf's JSON mapping, and tells of everything at once what is no part of it and
/// where that stands.
struct MessageReader {
    /// What becomes of fields that Envoy has and ours have not.
    enum Foreign {
        /// They are told where they stand: the file is an operator's.
        case told
        /// They are unknown fields of the message, which is judged when it is used: the resource is a control plane's.
        case carried
    }

    let diagnostics: ConfigDiagnostics
    let foreign: Foreign
    private let schema = MessageSchema.ours

    init(_ foreign: Foreign, diagnostics: ConfigDiagnostics) {
        (self.foreign, self.diagnostics) = (foreign, diagnostics)
    }

    /// What could be read of `node`; what could not has been reported.
    func read<Wanted: Message>(_ node: ConfigNode, as type: Wanted.Type) -> Wanted {
        (try? Wanted(serializedBytes: bytes(node, of: Wanted.protoMessageName) ?? [])) ?? Wanted()
    }

    /// A message in an `Any`, as JSON has it: with `@type` among its fields. Nil after reporting that there is none.
    func any(_ node: ConfigNode) -> Google_Protobuf_Any? {
        guard let url = node["@type"]?.text, url.contains("/") else {
            report(node.place, "\"@type\" is required", hint: "\"@type\": type.googleapis.com/NAME.OF.THE.MESSAGE")
            return nil
        }
        var any = Google_Protobuf_Any()
        any.typeURL = url
        let name = any.shortName
        var content = node
        content.content = .mapping((node.entries ?? []).filter { $0.key != "@type" })
        if name.hasPrefix(Self.wellKnown) { content = node["value"] ?? content }
        any.value = Data(bytes(content, of: name) ?? [])
        // Of one that nobody here knows its name is all that is needed to say so.
        return any
    }

    func report(_ place: ConfigPlace, _ message: String, hint: String? = nil) {
        diagnostics.error(at: place, message, hint: hint)
    }

    // MARK: Messages

    private static let wellKnown = "google.protobuf."

    /// Nil after reporting that it is none.
    private func bytes(_ node: ConfigNode, of name: String) -> [UInt8]? {
        if name.hasPrefix(Self.wellKnown) { return wellKnown(name, node) }
        guard let members = schema.messages[name] else { return [] }
        switch node.content {
        case .null: return []
        case .scalar, .list:
            report(node.place, "expected a mapping, found \(node.kind)")
            return nil
        case .mapping(let entries):
            var out: [UInt8] = []
            var alternatives: [String: String] = [:]
            for entry in entries {
                guard let field = members.fields[entry.key] else {
                    unknown(entry, of: name, members, &out)
                    continue
                }
                if entry.value.isNull, !isValue(field.kind) { continue }
                if let alternative = field.alternative,
                    let other = alternatives.updateValue(entry.key, forKey: alternative)
                {
                    report(entry.value.place, "\"\(other)\" and \"\(entry.key)\" exclude each other", hint: "keep one")
                    continue
                }
                write(entry.value, field, to: &out)
            }
            return out
        }
    }

    private func isValue(_ kind: MessageSchema.Kind) -> Bool {
        if case .message("google.protobuf.Value") = kind { return true }
        return false
    }

    private func unknown(
        _ entry: ConfigNode.Entry, of message: String, _ members: MessageSchema.Members, _ out: inout [UInt8]
    ) {
        let place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
        guard let number = EnvoyFields.number(of: entry.key, in: message) else {
            report(
                place, "\(message) has no field \"\(entry.key.prefix(60))\"",
                hint: NearestName.hint(entry.key, in: members.names, what: "fields"))
            return
        }
        switch foreign {
        case .carried: out.append(tag: number, wireType: 0, [1])
        case .told:
            let name = "\(message).\(EnvoyFields.name(of: number, in: message))"
            if EnvoyFields.isHarmless(EnvoyFields.name(of: number, in: message)) {
                diagnostics.warning(at: place, "\(name) has no counterpart and is ignored")
            } else {
                report(place, "\(name) is not supported")
            }
        }
    }

    /// Messages that JSON writes in ways of their own, which the library knows.
    private func wellKnown(_ name: String, _ node: ConfigNode) -> [UInt8]? {
        func decoded<Wanted: Message>(_ type: Wanted.Type, _ expected: String, _ json: String? = nil) -> [UInt8]? {
            do {
                return try Wanted(jsonString: json ?? node.json).serializedBytes()
            } catch {
                report(node.place, "expected \(expected), found \(node.kind)")
                return nil
            }
        }
        return switch name {
        case "google.protobuf.Any": any(node).flatMap { try? $0.serializedBytes() }
        case "google.protobuf.Duration": decoded(Google_Protobuf_Duration.self, "a duration in seconds such as 0.25s")
        case "google.protobuf.Timestamp": decoded(Google_Protobuf_Timestamp.self, "a time such as 2030-01-01T00:00:00Z")
        case "google.protobuf.Struct": decoded(Google_Protobuf_Struct.self, "a mapping")
        case "google.protobuf.Value": decoded(Google_Protobuf_Value.self, "a value")
        case "google.protobuf.BoolValue":
            decoded(Google_Protobuf_BoolValue.self, "true or false", truth(node).map { "\($0)" })
        case "google.protobuf.UInt32Value": decoded(Google_Protobuf_UInt32Value.self, "a number from 0 to 4294967295")
        case "google.protobuf.UInt64Value": decoded(Google_Protobuf_UInt64Value.self, "a number from 0")
        case "google.protobuf.DoubleValue": decoded(Google_Protobuf_DoubleValue.self, "a number")
        case "google.protobuf.Empty": []
        default: []
        }
    }

    // MARK: Fields

    private func write(_ node: ConfigNode, _ field: MessageSchema.Field, to out: inout [UInt8]) {
        if case .map(let key, let value) = field.kind {
            guard let entries = node.entries else {
                return report(node.place, "expected a mapping, found \(node.kind)")
            }
            for entry in entries {
                let name = ConfigNode(.scalar(entry.key, plain: true), mark: entry.keyMark, path: entry.value.path)
                var pair: [UInt8] = []
                write(name, number: 1, key, to: &pair)
                write(entry.value, number: 2, value, to: &pair)
                out.append(tag: field.number, length: pair)
            }
        } else if field.isRepeated {
            guard let items = node.items else { return report(node.place, "expected a list, found \(node.kind)") }
            for item in items { write(item, number: field.number, field.kind, to: &out) }
        } else {
            write(node, number: field.number, field.kind, to: &out)
        }
    }

    private func write(_ node: ConfigNode, number: Int, _ kind: MessageSchema.Kind, to out: inout [UInt8]) {
        if case .message(let name) = kind {
            // One with a mistake is left out: what its absence means is not worth telling.
            if let content = bytes(node, of: name) { out.append(tag: number, length: content) }
            return
        }
        guard let text = node.text else {
            return report(node.place, "expected a single value, found \(node.kind)")
        }
        func wrong(_ expected: String) { report(node.place, "expected \(expected), found \(node.kind)") }
        switch kind {
        case .text: out.append(tag: number, length: Array(text.utf8))
        case .bytes:
            // Either alphabet of RFC 4648, with or without padding.
            let plain = text.replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
            let padded = plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
            guard let data = Data(base64Encoded: padded) else { return wrong("bytes in base64") }
            out.append(tag: number, length: Array(data))
        case .bool:
            guard let value = truth(node) else { return wrong("true or false") }
            out.append(tag: number, wireType: 0, [value ? 1 : 0])
        case .signed(let bits):
            guard let value = Int64(text), bits == 64 || Int32(exactly: value) != nil else {
                return wrong("a whole number")
            }
            out.append(tag: number, wireType: 0, varint: UInt64(bitPattern: value))
        case .unsigned(let bits):
            guard let value = UInt64(text), bits == 64 || UInt32(exactly: value) != nil else {
                return wrong("a whole number from 0")
            }
            out.append(tag: number, wireType: 0, varint: value)
        case .float:
            guard let value = Float(text) else { return wrong("a number") }
            out.append(tag: number, wireType: 5, fixed: UInt64(value.bitPattern), bytes: 4)
        case .double:
            guard let value = Double(text) else { return wrong("a number") }
            out.append(tag: number, wireType: 1, fixed: value.bitPattern, bytes: 8)
        case .choice(let name):
            let values = schema.choices[name] ?? [:]
            guard let value = values[text] ?? Int32(text).map(Int.init) else {
                return report(
                    node.place, "\"\(text.prefix(60))\" is none that is supported",
                    hint: NearestName.hint(text, in: values.keys.sorted(), what: "values"))
            }
            out.append(tag: number, wireType: 0, varint: UInt64(bitPattern: Int64(value)))
        case .message, .map: break
        }
    }
}

extension MessageReader {
    /// As Envoy's reader of YAML takes words; JSON has the first of each.
    private func truth(_ node: ConfigNode) -> Bool? {
        guard case .scalar(let text, let isPlain) = node.content else { return nil }
        switch isPlain ? text.lowercased() : text {
        case "true": return true
        case "false": return false
        case "yes", "on", "y": return isPlain ? true : nil
        case "no", "off", "n": return isPlain ? false : nil
        default: return nil
        }
    }
}

/// Protobuf's wire format.
extension [UInt8] {
    fileprivate mutating func append(varint: UInt64) {
        var rest = varint
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func append(tag: Int, wireType: UInt64, _ content: [UInt8]) {
        append(varint: UInt64(tag) << 3 | wireType)
        append(contentsOf: content)
    }

    fileprivate mutating func append(tag: Int, length content: [UInt8]) {
        append(varint: UInt64(tag) << 3 | 2)
        append(varint: UInt64(content.count))
        append(contentsOf: content)
    }

    fileprivate mutating func append(tag: Int, wireType: UInt64, varint: UInt64) {
        append(tag: tag, wireType: wireType, [])
        append(varint: varint)
    }

    fileprivate mutating func append(tag: Int, wireType: UInt64, fixed: UInt64, bytes: Int) {
        append(tag: tag, wireType: wireType, [])
        for index in 0..<bytes { append(UInt8(truncatingIfNeeded: fixed >> UInt64(8 * index))) }
    }
}
