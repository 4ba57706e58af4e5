internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RBACMessage = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC
typealias RBACChangeMessage = Envoy_Extensions_Filters_Http_Rbac_V3_RBACPerRoute
private typealias RulesMessage = Envoy_Config_Rbac_V3_RBAC

// `rbac`. A filter of Envoy's has rules of one action, which it asks in the order of their names; sets with `deny` beside `allow`
// are Martlet's alone.

extension RBACMessage: FilterSettings {
    static let filter = "rbac"
    static let defaults = DocumentSection([("default", .word("deny"))])

    /// Of rules that all do the same it makes no difference which is asked first.
    static func essence(of settings: DocumentSection) -> DocumentSection {
        var rest = settings.without(defaults)
        let rules = (rest.list("rules") ?? []).compactMap(\.section)
        guard let first = rules.first, rules.count == rest.list("rules")?.count,
            rules.allSatisfy({ $0.text("action") == first.text("action") }),
            rules.allSatisfy({ ($0.bool("shadow") ?? false) == (first.bool("shadow") ?? false) })
        else { return rest }
        rest["rules"] = .list(rules.sorted { $0.ruleName < $1.ruleName }.map { .section($0) })
        return rest
    }

    init?(settings: DocumentSection) {
        self.init()
        let rules = (settings.list("rules") ?? []).compactMap(\.section)
        let isShadow = rules.contains { $0.bool("shadow") ?? false }
        let isOpen = settings.text("default") == "allow"
        guard let message = RulesMessage(rules) else { return nil }
        switch (message.action, isShadow) {
        case _ where rules.isEmpty: if !isOpen { return nil }
        case (.allow, false): if isOpen { return nil } else { self.rules = message }
        case (.deny, false), (.log, false): if isOpen { self.rules = message } else { return nil }
        case (_, true): shadowRules = message
        case (.UNRECOGNIZED, _): return nil
        }
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        if hasRules, hasShadowRules { reading.warning("\(field).shadow_rules: beside rules they are ignored") }
        if hasRules {
            guard var list = rules.list(isShadow: false, reading, in: "\(field).rules") else { return nil }
            var isOpen = true
            if rules.action == .allow {
                // Where no rule allows anything, this is how Martlet refuses everything.
                isOpen = list.isEmpty
                if isOpen { list = [Self.nobody] }
            }
            return DocumentSection([("rules", .list(list))] + (isOpen ? [("default", .word("allow"))] : []))
        }
        var settings = DocumentSection([("rules", .list([])), ("default", .word("allow"))])
        guard hasShadowRules else { return settings }
        guard shadowRules.action != .log else {
            reading.warning("\(field).shadow_rules: with the action LOG they are ignored")
            return settings
        }
        guard let list = shadowRules.list(isShadow: true, reading, in: "\(field).shadow_rules") else { return nil }
        settings["rules"] = .list(list)
        if shadowRules.action == .allow { settings["shadow_default"] = .word("deny") }
        return settings
    }

    private static let nobody = Document.object(
        ("name", .text("nobody")), ("action", .word("deny")), ("when", .section(DocumentSection())))
}

extension DocumentSection {
    fileprivate var ruleName: BytewiseText { BytewiseText(text("name") ?? "") }
}

/// A text in the order of its bytes, as Envoy's maps have it.
private struct BytewiseText: Comparable {
    var text: String

    init(_ text: String) { self.text = text }

    static func < (left: Self, right: Self) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
}

extension RBACChangeMessage: FilterChange {
    static let filter = RBACMessage.filter

    init?(change: DocumentSection) {
        guard let message = RBACMessage(settings: change) else { return nil }
        self.init()
        rbac = message
    }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        hasRbac ? rbac.settings(reading, in: field).map { .section($0) } : .word("off")
    }
}

extension RulesMessage {
    private static let actions: [(String, Action)] = [("allow", .allow), ("deny", .deny), ("log", .log)]

    /// Nil: they are of several actions, or have conditions that Envoy has no words for.
    fileprivate init?(_ rules: [DocumentSection]) {
        self.init()
        let action = Self.actions.first { $0.0 == rules.first?.text("action") }?.1
        if let action { self.action = action }
        for rule in rules {
            guard rule.text("action") == rules.first?.text("action"), let name = rule.text("name"),
                let policy = Envoy_Config_Rbac_V3_Policy(
                    rule.section("when") ?? DocumentSection(), isGrant: action == .allow)
            else { return nil }
            policies[name] = policy
        }
    }

    /// Nil after reporting what is not understood: then none of them may be used.
    fileprivate func list(isShadow: Bool, _ reading: ResourceReading, in field: String) -> [Document]? {
        guard let action = Self.actions.first(where: { $0.1 == action })?.0 else {
            reading.unsupported("\(field).action", "\(self.action)")
            return nil
        }
        var list: [Document] = []
        for (name, policy) in policies.sorted(by: { BytewiseText($0.key) < BytewiseText($1.key) }) {
            guard let when = policy.condition(reading, in: "\(field).policies \(name)") else { return nil }
            list.append(
                .object(
                    ("name", .text(name)), ("action", .word(action)), ("shadow", isShadow ? .bool(true) : nil),
                    ("when", .section(when))))
        }
        return list
    }
}
