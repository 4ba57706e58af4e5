internal import Foundation
internal import MartletConfig
internal import MartletCore
internal import MartletXDSMessages
internal import SwiftProtobuf

/// One resource on its way to a configuration: says what of it Martlet cannot do, under the resource's name. Nothing is
/// passed over: an error refuses the version, a warning tells of what changes only what is seen.
struct ResourceReading {
    let diagnostics: ConfigDiagnostics
    let name: String
    let place: ConfigPlace
    /// What is found on the way.
    let findings: ReadingFindings
    let origin: ResourceOrigin
    /// What the filters are that routes call by the names they have in the chain.
    var chain: [String: String] = [:]
    /// The kinds of filter that do nothing on routes that do not say what.
    var idle: Set<String> = []
    /// What is read is Martlet's own, and has beside it what Envoy's fields do not say.
    var isOwn = false

    init(
        _ kind: String, _ name: String, diagnostics: ConfigDiagnostics,
        findings: ReadingFindings = ReadingFindings(), origin: ResourceOrigin = ResourceOrigin()
    ) {
        (self.diagnostics, self.findings, self.origin) = (diagnostics, findings, origin)
        self.name = name
        place = origin.places["\(kind) \(name)"] ?? ConfigPlace(mark: Self.mark(kind, name), path: .root)
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

    /// Reports maps of `message`, or in it, that have fewer entries than its bytes: of keys that are one for Unicode and two for
    /// Envoy, only one is left, and the other may have been a guard.
    func checkEntries(of message: some Message, _ any: Google_Protobuf_Any) {
        var visitor = MapEntries(of: message, in: Array(any.value))
        try? message.traverse(visitor: &visitor)
        for field in visitor.lost {
            error(
                "\(field.message).\(field.name): an entry twice is not supported",
                hint: "keys that Unicode holds equal are one")
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
            checkEntries(of: message, any)
            return message
        } catch {
            self.error("\(field): the \(type.protoMessageName) in it cannot be read")
            return nil
        }
    }

    /// Whether what `source` names comes from whom this came from, which is the only way there is; or is in a file.
    func check(_ source: Envoy_Config_Core_V3_ConfigSource, in field: String) {
        switch source.configSourceSpecifier {
        case .ads where origin.isLocal, .self_p where origin.isLocal:
            unsupported(field, "a control plane for a part of what stands in a file")
        case .ads, .self_p: break
        case .apiConfigSource(let api) where origin.takes(api): break
        case .apiConfigSource: unsupported(field, "api_config_source of another source than the control plane")
        case .pathConfigSource where origin.isLocal: break
        case .pathConfigSource: unsupported(field, "path_config_source")
        case nil: error("\(field): no source is named")
        }
    }

    /// The file that is the source; nil: it is none.
    func file(of source: Envoy_Config_Core_V3_ConfigSource) -> String? {
        guard origin.isLocal, case .pathConfigSource(let path) = source.configSourceSpecifier else { return nil }
        return ResourceOrigin.absolute(path.path)
    }

    /// The path under which the configuration finds what `source` has: that of a file, or of one that is on no disk. Nil after
    /// reporting that there is none.
    func path(_ source: Envoy_Config_Core_V3_DataSource, in field: String) -> String? {
        switch source.specifier {
        case .filename(let path) where origin.isLocal: return ResourceOrigin.absolute(path)
        case .inlineBytes(let data): return supply(Array(data))
        case .inlineString(let text): return supply(Array(text.utf8))
        case .filename: unsupported(field, "a file of the proxy's machine")
        case .environmentVariable: unsupported(field, "environment_variable")
        case nil: error("\(field): there is nothing in it")
        }
        return nil
    }

    /// Other content is another file, so that a change is seen. The name can be seen, too: it is another in each process, so
    /// that nobody can try what a secret is by it.
    private func supply(_ bytes: [UInt8]) -> String {
        var hasher = Hasher()
        hasher.combine(bytes)
        let path = "/inline/" + String(UInt(bitPattern: hasher.finalize()), radix: 16)
        diagnostics.files.supply(bytes, as: path)
        return path
    }
}

extension Google_Protobuf_Any {
    /// A message in one. It cannot fail for messages without required fields, which these all are.
    init(of message: some Message) {
        self.init()
        // The same message is the same bytes, maps in it too: versions are told apart by them.
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        typeURL = "type.googleapis.com/\(type(of: message).protoMessageName)"
        value = (try? message.serializedBytes(options: options)) ?? Data()
    }

    /// The message's name, without what stands before it in the URL.
    var shortName: String { typeURL.split(separator: "/").last.map(String.init) ?? "nothing" }
}
