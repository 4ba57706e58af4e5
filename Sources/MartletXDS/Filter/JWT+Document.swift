internal import MartletXDSMessages
internal import SwiftProtobuf

typealias JWTMessage = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication
typealias JWTChangeMessage = Envoy_Extensions_Filters_Http_JwtAuthn_V3_PerRouteConfig
private typealias Requirement = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtRequirement

// `jwt`. Envoy chooses by rules of its own which requests need which tokens; in Martlet one filter has one requirement, and routes
// change it.

extension JWTMessage: FilterSettings {
    static let filter = "jwt"
    static let defaults = DocumentSection([
        ("require", .word("any")), ("allow_missing", .bool(false)), ("require_expiration", .bool(true)),
        ("forward", .bool(false)), ("clock_skew", .duration(.seconds(60))),
    ])
    private static let ofKeys = DocumentSection([
        ("cache", .duration(.seconds(600))), ("timeout", .duration(.seconds(5))),
    ])

    static func essence(of settings: DocumentSection) -> DocumentSection {
        var rest = settings.without(defaults)
        if let keys = rest.section("jwks") { rest["jwks"] = .section(keys.without(ofKeys)) }
        if let providers = rest.section("providers") {
            let all = providers.entries.map { entry in
                (entry.key, entry.value.section.map { Document.section(essence(of: $0)) } ?? entry.value)
            }
            rest["providers"] = .section(DocumentSection(all))
        }
        return rest
    }

    /// Of a provider that stands alone, without a name.
    private static let only = "jwt"

    init?(settings: DocumentSection) {
        self.init()
        let named = settings.section("providers")?.entries.map { ($0.key, $0.value.section ?? DocumentSection()) }
        let all = named ?? [(Self.only, settings)]
        for (name, section) in all {
            guard let provider = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtProvider(section) else { return nil }
            providers[name] = provider
        }
        let need = settings.text("require") ?? "any"
        guard need != "false" else { return }
        guard Self.losesTokensAlike(all.map(\.1), isAll: need == "all") else { return nil }
        let isMissingAllowed = settings.bool("allow_missing") ?? false
        var needed = all.map { name, _ in Requirement.with { $0.providerName = name } }
        if isMissingAllowed { needed.append(.with { $0.allowMissing = .init() }) }
        // Of all there is no way to say that none is enough.
        if need == "all", isMissingAllowed { return nil }
        rules = [
            .with { rule in
                rule.match.prefix = "/"
                if needed.count == 1 {
                    rule.requires = needed[0]
                } else if need == "all" {
                    rule.requires.requiresAll.requirements = needed
                } else {
                    rule.requires.requiresAny.requirements = needed
                }
            }
        ]
    }

    /// Whether upstreams get the same tokens from both. Envoy takes away the one that it has checked, before it asks the next
    /// provider, and leaves those elsewhere and in cookies; Martlet takes away all of them.
    private static func losesTokensAlike(_ providers: [DocumentSection], isAll: Bool) -> Bool {
        if providers.allSatisfy({ $0.bool("forward") ?? false }) { return true }
        if isAll, providers.count > 1 { return false }
        guard providers.allSatisfy({ $0["from_params"] == nil && $0["from_cookies"] == nil }) else { return false }
        let places = providers.map { $0.list("from_headers") ?? [] }
        return places.allSatisfy { $0.count <= 1 && $0 == places[0] }
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        if bypassCorsPreflight {
            reading.error(
                "\(field).bypass_cors_preflight is not supported",
                hint: "a cors filter in front answers preflights, which then need no token")
        }
        guard let need = need(reading, in: field) else { return nil }
        var sections: [(String, Document)] = []
        for name in need.names {
            guard let provider = providers[name] else {
                reading.error("\(field): there is no provider \"\(name)\"")
                return nil
            }
            guard let section = provider.section(reading, in: "\(field).providers \(name)") else { return nil }
            sections.append((name, .section(section)))
        }
        guard !sections.isEmpty else {
            reading.error("\(field): there is no provider in it")
            return nil
        }
        var settings = DocumentSection([("providers", .section(DocumentSection(sections)))])
        if sections.map(\.0) == [Self.only], let only = sections[0].1.section { settings = only }
        if need.kind != "any" { settings["require"] = .word(need.kind) }
        if need.isMissingAllowed { settings["allow_missing"] = .bool(true) }
        return settings
    }

    private struct Need {
        var kind: String
        /// In the order in which they are asked.
        var names: [String]
        var isMissingAllowed = false
    }

    /// Nil after reporting that it is none of one filter of Martlet's.
    private func need(_ reading: ResourceReading, in field: String) -> Need? {
        guard let rule = rules.first else { return Need(kind: "false", names: providers.keys.sorted()) }
        guard rules.count == 1, rule.match.takesAll else {
            reading.unsupported("\(field).rules", "a rule for some requests, which is a route's affair")
            return nil
        }
        let requirement: Requirement?
        switch rule.requirementType {
        case .requires(let own): requirement = own
        case .requirementName(let name):
            requirement = requirementMap[name]
            if requirement == nil {
                reading.error("\(field): there is no requirement \"\(name)\"")
                return nil
            }
        case nil: requirement = nil
        }
        guard let requirement else { return Need(kind: "false", names: providers.keys.sorted()) }
        var need: Need?
        switch requirement.requiresType {
        case .providerName(let name): need = Need(kind: "any", names: [name])
        case .allowMissing: need = Need(kind: "any", names: providers.keys.sorted(), isMissingAllowed: true)
        case .requiresAny(let list):
            let isMissingAllowed = list.requirements.contains { $0.requiresType == .allowMissing(.init()) }
            let names = list.requirements.filter { $0.requiresType != .allowMissing(.init()) }.map(\.name)
            let known = names.compactMap { $0 }
            if known.count == names.count, !known.isEmpty {
                need = Need(kind: "any", names: known, isMissingAllowed: isMissingAllowed)
            }
        case .requiresAll(let list):
            let names = list.requirements.compactMap(\.name)
            if names.count == list.requirements.count, !names.isEmpty { need = Need(kind: "all", names: names) }
        case .providerAndAudiences, .allowMissingOrFailed, nil: break
        }
        guard let need, Set(need.names).count == need.names.count else {
            reading.unsupported("\(field).rules", "a requirement in this form")
            return nil
        }
        return need
    }
}

extension Requirement {
    /// Of the provider that it is about, when that is all it says.
    fileprivate var name: String? {
        if case .providerName(let name) = requiresType { return name }
        return nil
    }
}

extension JWTChangeMessage: FilterChange {
    static let filter = JWTMessage.filter

    /// What routes need of tokens stands in the filter there, and here in the route.
    init?(change: DocumentSection) { return nil }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        if case .disabled(true) = requirementSpecifier { return .word("off") }
        reading.unsupported(field, "a requirement by its name")
        return nil
    }
}
