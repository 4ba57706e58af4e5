internal import Foundation
internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// One resource on its way to a configuration: says what of it Martlet cannot do, under the resource's name. Nothing is
/// passed over: an error refuses the version, a warning tells of what changes only what is seen.
struct ResourceReading {
    let diagnostics: ConfigDiagnostics
    let place: ConfigPlace
    /// The secrets that are named on the way.
    let references: SecretReferences

    init(
        _ kind: String, _ name: String, diagnostics: ConfigDiagnostics,
        references: SecretReferences = SecretReferences()
    ) {
        (self.diagnostics, self.references) = (diagnostics, references)
        place = ConfigPlace(mark: Self.mark(kind, name), path: .root)
    }

    /// A resource has no lines. Slashes would make a folder of the name, where relative paths begin.
    static func mark(_ kind: String, _ name: String) -> ConfigMark {
        let name = name.replacing("/", with: "%2F")
        return ConfigMark(file: name.isEmpty ? kind : "\(kind) \(name)", line: 1, column: 1)
    }

    func error(_ message: String, hint: String? = nil) { diagnostics.error(at: place, message, hint: hint) }
    func warning(_ message: String, hint: String? = nil) { diagnostics.warning(at: place, message, hint: hint) }

    /// A value of a field that Martlet knows, but not this value.
    func unsupported(_ field: String, _ value: String) { error("\(field): \(value) is not supported") }

    /// Reports the fields of `message`, and of all in it, that Martlet has no word for.
    func checkFields(_ message: some Message) {
        var visitor = UnknownFields(message: type(of: message).protoMessageName)
        try? message.traverse(visitor: &visitor)
        for field in visitor.found {
            if EnvoyFields.isHarmless(field.name) {
                warning("\(field.message).\(field.name) has no counterpart and is ignored")
            } else {
                error("\(field.message).\(field.name) is not supported")
            }
        }
    }

    /// The message in an `Any`, checked; nil after reporting that it is another one or cannot be read.
    func unpack<Wanted: Message>(_ any: Google_Protobuf_Any, as type: Wanted.Type, in field: String) -> Wanted? {
        guard any.isA(type) else {
            error("\(field): \(any.shortName) is not supported", hint: "expected \(type.protoMessageName)")
            return nil
        }
        do {
            let message = try Wanted(unpackingAny: any)
            checkFields(message)
            return message
        } catch {
            self.error("\(field): the \(type.protoMessageName) in it cannot be read")
            return nil
        }
    }

    /// Whether what `source` names comes from whom this came from, which is the only way there is.
    func check(_ source: Envoy_Config_Core_V3_ConfigSource, in field: String) {
        switch source.configSourceSpecifier {
        case .ads, .self_p: break
        case .apiConfigSource: unsupported(field, "api_config_source")
        case .pathConfigSource: unsupported(field, "path_config_source")
        case nil: error("\(field): no source is named")
        }
    }
}

extension Google_Protobuf_Any {
    /// A message in one. It cannot fail for messages without required fields, which these all are.
    init(of message: some Message) {
        self = (try? Google_Protobuf_Any(message: message)) ?? Google_Protobuf_Any()
    }

    /// The message's name, without what stands before it in the URL.
    var shortName: String { typeURL.split(separator: "/").last.map(String.init) ?? "nothing" }
}
