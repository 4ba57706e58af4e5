internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// A message of Envoy's that can have the settings of a filter of Martlet's.
protocol FilterSettings: Message {
    /// What Martlet calls the filter.
    static var filter: String { get }
    /// What settings say that do not say it: to write it makes no difference.
    static var defaults: DocumentSection { get }

    /// The settings without what they say that is so anyway.
    static func essence(of settings: DocumentSection) -> DocumentSection

    /// That the filter does nothing until a route says what.
    var isIdle: Bool { get }

    /// That messages which stand beside each other in a chain are one filter of Martlet's.
    static var isPart: Bool { get }

    /// Nil: there are no words for them. Words that are missing for a part are found by reading the message again.
    init?(settings: DocumentSection)

    /// Those that say the settings together; empty: there are no words for them.
    static func messages(of settings: DocumentSection) -> [Self]

    /// Nil after reporting why there are none.
    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection?

    /// Of one message, or of those that are one filter. Nil after reporting why there are none.
    static func settings(of parts: [(message: Self, field: String)], _ reading: ResourceReading) -> DocumentSection?
}

/// A message of Envoy's that can have what a route changes about a filter of Martlet's.
protocol FilterChange: Message {
    static var filter: String { get }
    /// What several levels say counts together, and not the route's alone.
    static var isMerged: Bool { get }

    init?(change: DocumentSection)

    /// Settings, or `off`; nil after reporting why there is none.
    func change(_ reading: ResourceReading, in field: String) -> Document?
}

extension FilterSettings {
    static var defaults: DocumentSection { DocumentSection() }
    static func essence(of settings: DocumentSection) -> DocumentSection { settings.without(defaults) }
    var isIdle: Bool { false }
    static var isPart: Bool { false }

    init?(settings: DocumentSection) { return nil }

    static func messages(of settings: DocumentSection) -> [Self] { Self(settings: settings).map { [$0] } ?? [] }

    static func settings(of parts: [(message: Self, field: String)], _ reading: ResourceReading) -> DocumentSection? {
        parts.first?.message.settings(reading, in: parts[0].field)
    }
}

extension FilterChange {
    static var isMerged: Bool { false }

    init?(change: DocumentSection) { return nil }
}

/// The filters that Envoy has as well. A message of Envoy's stands for settings only where reading it gives these again, so
/// that nothing is lost by it; all else travels as a message of Martlet's own.
package enum EnvoyFilters {
    private static let settings: [any FilterSettings.Type] = [
        FaultMessage.self, RBACMessage.self, JWTMessage.self, ExtAuthzMessage.self, CORSMessage.self,
        RateLimitMessage.self, HeaderEditsMessage.self, BufferMessage.self, GRPCWebMessage.self, CompressMessage.self,
        DecompressMessage.self, BasicAuthMessage.self, APIKeyMessage.self,
    ]
    private static let changes: [any FilterChange.Type] = [
        FaultMessage.self, RBACChangeMessage.self, JWTChangeMessage.self, ExtAuthzChangeMessage.self,
        CORSPolicyMessage.self, RateLimitMessage.self, HeaderEditsChangeMessage.self, BufferChangeMessage.self,
        CompressChangeMessage.self, BasicAuthChangeMessage.self, APIKeyChangeMessage.self,
    ]

    /// Whether both say the same to the filter.
    package static func mean(_ filter: String, _ one: Document, _ other: Document) -> Bool {
        guard let type = settings.first(where: { $0.filter == filter }), let one = one.section,
            let other = other.section
        else { return one == other }
        return Document.section(type.essence(of: one)).means(.section(type.essence(of: other)))
    }

    // MARK: Writing

    /// Empty: Envoy has no words for all of it.
    static func messages(_ filter: String, _ settings: Document) -> [Google_Protobuf_Any] {
        Self.settings.first { $0.filter == filter }.map { written($0, settings) } ?? []
    }

    static func message(_ filter: String, change: Document) -> Google_Protobuf_Any? {
        for type in changes where type.filter == filter {
            if let message = written(type, change: change) { return message }
        }
        return nil
    }

    private static func written<Settings: FilterSettings>(
        _ type: Settings.Type, _ settings: Document
    ) -> [Google_Protobuf_Any] {
        guard let section = settings.section else { return [] }
        let messages = Settings.messages(of: section)
        let reading = ResourceReading("", "", diagnostics: ConfigDiagnostics())
        guard !messages.isEmpty, let again = Settings.settings(of: messages.map { ($0, "") }, reading),
            reading.hasNothingToTell, mean(type.filter, .section(again), settings)
        else { return [] }
        return messages.map { Google_Protobuf_Any(of: $0) }
    }

    private static func written<Change: FilterChange>(
        _ type: Change.Type, change: Document
    ) -> Google_Protobuf_Any? {
        guard let section = change.section, let message = Change(change: section) else { return nil }
        let reading = ResourceReading("", "", diagnostics: ConfigDiagnostics())
        guard let again = message.change(reading, in: ""), reading.hasNothingToTell, mean(type.filter, again, change)
        else {
            return nil
        }
        return Google_Protobuf_Any(of: message)
    }

    // MARK: Reading

    /// What Martlet calls the filter whose settings `any` is. Nil: it is none that Envoy and Martlet have.
    static func filter(of any: Google_Protobuf_Any) -> String? { settings.first { any.isA($0) }?.filter }

    /// The same of a message that is a part of it, perhaps.
    static func filter(ofPart any: Google_Protobuf_Any) -> String? {
        settings.first { $0.isPart && any.isA($0) }?.filter
    }

    static func isIdle(_ any: Google_Protobuf_Any) -> Bool {
        func read<Settings: FilterSettings>(_ type: Settings.Type) -> Bool {
            (try? type.init(unpackingAny: any))?.isIdle ?? false
        }
        return settings.first { any.isA($0) }.map { read($0) } ?? false
    }

    /// And of what a route changes.
    static func filter(ofChange any: Google_Protobuf_Any) -> String? { changes.first { any.isA($0) }?.filter }

    static func isMerged(_ any: Google_Protobuf_Any) -> Bool { changes.first { any.isA($0) }?.isMerged ?? false }

    /// Of messages that are one filter. Nil after reporting why there are none.
    static func settings(
        of parts: [(any: Google_Protobuf_Any, field: String)], _ reading: ResourceReading
    ) -> DocumentSection? {
        func read<Settings: FilterSettings>(_ type: Settings.Type) -> DocumentSection? {
            let messages = parts.compactMap { part in
                reading.unpack(part.any, as: type, in: part.field).map { (message: $0, field: part.field) }
            }
            guard messages.count == parts.count else { return nil }
            return Settings.settings(of: messages, reading)
        }
        return settings.first { parts.first?.any.isA($0) ?? false }.flatMap { read($0) }
    }

    /// Nil after reporting why there is none.
    static func change(of any: Google_Protobuf_Any, _ reading: ResourceReading, in field: String) -> Document? {
        func read<Change: FilterChange>(_ type: Change.Type) -> Document? {
            reading.unpack(any, as: type, in: field)?.change(reading, in: field)
        }
        return changes.first { any.isA($0) }.flatMap { read($0) }
    }
}

extension ResourceReading {
    fileprivate var hasNothingToTell: Bool { diagnostics.errors.isEmpty && diagnostics.warnings.isEmpty }
}
