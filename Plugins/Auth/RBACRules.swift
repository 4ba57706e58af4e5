internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// One rule: what it asks, and what follows when that holds.
final class RBACRule: Sendable {
    enum Action: String, CaseIterable {
        /// Decides nothing: the request is counted and named in the access log.
        case log
        case deny, allow
    }

    let name: String
    let action: Action
    let isShadow: Bool
    let condition: RBACCondition

    init(name: String, action: Action, isShadow: Bool, condition: RBACCondition) {
        self.name = name
        self.action = action
        self.isShadow = isShadow
        self.condition = condition
    }
}

/// The rules of one `rbac` section. Whatever order they are written in, any `deny` that holds refuses; otherwise any `allow`
/// that holds lets pass; otherwise the default decides.
///
/// Rules in shadow take no part in that. Beside it stands what would be decided if they did.
public final class RBACRules: Sendable {
    /// `rule` is a place in `list`; nil for the default.
    enum Decision: Equatable {
        case allowed(rule: Int?)
        case denied(rule: Int?)

        var isDenied: Bool {
            if case .denied = self { return true }
            return false
        }

        var rule: Int? {
            switch self {
            case .allowed(let rule), .denied(let rule): rule
            }
        }
    }

    enum Default: String, CaseIterable {
        case deny, allow
        var decision: Decision { self == .deny ? .denied(rule: nil) : .allowed(rule: nil) }
    }

    /// Rules of each kind together, those in force first: `log`, `deny`, `allow`.
    let list: [RBACRule]
    let hasShadow: Bool
    private let fallback: Default
    private let shadowFallback: Default

    /// More rules than this are a table, and belong behind `ext_authz`.
    static let maxRules = 1000

    init?(_ section: ConfigSection, _ load: LoadContext) {
        fallback = section.choice("default", default: .deny)
        let shadowed: Default? = section.choice("shadow_default")
        shadowFallback = shadowed ?? fallback
        var names: [String: Int] = [:]
        let items = section.sections("rules")
        let rules = items.compactMap { RBACRule($0, load, &names) }
        if !section.has("rules") { section.missing("rules") }
        if items.count > Self.maxRules {
            section.error(at: "rules", "\(items.count) rules are too many", hint: "at most \(Self.maxRules)")
        }
        list = RBACRule.Action.allCases.flatMap { action in
            let same = rules.filter { $0.action == action }
            return same.filter { !$0.isShadow } + same.filter(\.isShadow)
        }
        hasShadow = shadowed != nil || list.contains { $0.isShadow }
        guard rules.count == items.count, section.has("rules") else { return nil }
        check(section)
    }

    /// What lets everybody pass, or nobody, by mistake.
    private func check(_ section: ConfigSection) {
        func has(_ action: RBACRule.Action, shadow: Bool) -> Bool {
            list.contains { $0.action == action && $0.isShadow == shadow }
        }
        if fallback == .deny && !has(.allow, shadow: false) {
            section.error(
                "refuses every request: no rule allows one",
                hint: "write a rule with action: allow, or default: allow to refuse only what deny rules name")
        }
        if fallback == .allow && has(.allow, shadow: false) {
            section.error(
                at: "default", "with it an allow rule allows what passes anyway",
                hint: "leave it out to refuse what no rule allows")
        }
        if shadowFallback == .allow && fallback == .allow && has(.allow, shadow: true) {
            section.error(
                at: "default", "with it an allow rule in shadow changes nothing", hint: "add shadow_default: deny")
        }
    }

    /// What is decided, and what would be with the rules in shadow.
    func decide(_ exchange: Exchange, _ counters: RBACCounters) -> (Decision, shadow: Decision) {
        var shadow: Decision?
        var index = 0
        while index < list.count {
            let rule = list[index]
            defer { index += 1 }
            let outcome = rule.condition.match(exchange)
            if outcome == .gaveUp { counters.undecided.add() }
            // Not knowing is on the safe side: it is refused, and it is not allowed.
            guard outcome == .matches || (outcome == .gaveUp && rule.action != .allow) else { continue }
            if rule.action == .log {
                counters.hits[index].add()
                exchange.shadowNotes.append("rbac: log by rule \(rule.name)")
                continue
            }
            let decision: Decision = rule.action == .deny ? .denied(rule: index) : .allowed(rule: index)
            if rule.isShadow {
                if shadow == nil {
                    shadow = decision
                    counters.hits[index].add()
                }
                continue
            }
            counters.hits[index].add()
            return (decision, shadow ?? decision)
        }
        return (fallback.decision, shadow ?? shadowFallback.decision)
    }
}

extension RBACRule {
    /// Nil after reporting what is wrong. `names` has the lines of the names so far.
    convenience init?(_ section: ConfigSection, _ load: LoadContext, _ names: inout [String: Int]) {
        let name = section.value(required: "name", .label)
        let action: Action? = section.choice("action")
        let isShadow = section.bool("shadow", default: false)
        if !section.has("action") { section.missing("action", hint: "allow, deny or log") }
        if let name {
            if let line = names[name] {
                section.error(at: "name", "duplicate rule \"\(name.prefix(60))\"", hint: "first on line \(line)")
            } else {
                names[name] = section.place(of: "name").mark.line
            }
        }
        if action == .log && isShadow {
            section.error(at: "shadow", "a log rule decides nothing, in shadow or not", hint: "remove it")
        }
        guard let when = section.section("when") else {
            section.missing("when", hint: "for every request write when: {}")
            return nil
        }
        guard let condition = RBACCondition(when, load), let name, let action else { return nil }
        self.init(name: name, action: action, isShadow: isShadow, condition: condition)
    }
}
