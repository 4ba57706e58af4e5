public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `rbac`: rules about who may do what.
public struct RBACKind: FilterKind {
    public let name = "rbac"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> RBACRules? { RBACRules(section, load) }

    /// A route's rules take the place of the listener's.
    public func decodeRoute(_ section: ConfigSection, _ config: RBACRules, _ load: LoadContext) -> RBACRules? {
        RBACRules(section, load)
    }

    public func makeFilter(_ config: RBACRules, _ context: FilterContext) -> any Filter { RBAC(config, context) }
}

final class RBAC: Filter {
    private let rules: RBACRules
    private let context: FilterContext
    private let counters: RBACCounters
    /// Of routes with rules of their own, which live as long as this filter's snapshot.
    private var routeCounters: [ObjectIdentifier: RBACCounters] = [:]

    let hooks: Hooks = [.requestHead]

    init(_ rules: RBACRules, _ context: FilterContext) {
        self.rules = rules
        self.context = context
        counters = RBACCounters(rules) { context.counter($0, $1) }
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let rules = context.routeConfig(of: exchange, as: RBACRules.self) ?? rules
        let counters = counters(of: rules)
        let (decision, shadow) = rules.decide(exchange, counters)
        if rules.hasShadow { record(shadow, beside: decision, rules, counters, exchange) }
        guard case .denied(let rule) = decision else {
            counters.allowed.add()
            return .next
        }
        counters.denied.add()
        guard let rule else { return .reply(.refusal(403, "rbac-no-rule-allows")) }
        return .reply(.refusal(403, "rbac-denied: \(rules.list[rule].name)"))
    }

    private func counters(of rules: RBACRules) -> RBACCounters {
        if rules === self.rules { return counters }
        if let known = routeCounters[ObjectIdentifier(rules)] { return known }
        let made = RBACCounters(rules) { context.counter($0, $1) }
        routeCounters[ObjectIdentifier(rules)] = made
        return made
    }

    /// Only what would have gone another way is worth a note.
    private func record(
        _ shadow: RBACRules.Decision, beside decision: RBACRules.Decision, _ rules: RBACRules,
        _ counters: RBACCounters, _ exchange: Exchange
    ) {
        (shadow.isDenied ? counters.shadowDenied : counters.shadowAllowed).add()
        guard shadow.isDenied != decision.isDenied else { return }
        let what = shadow.isDenied ? "deny" : "allow"
        let who = shadow.rule.map { "rule \(rules.list[$0].name)" } ?? "default"
        exchange.shadowNotes.append("rbac: would \(what) by \(who)")
    }
}

/// The counts of one set of rules.
final class RBACCounters {
    let allowed, denied, shadowAllowed, shadowDenied, undecided: Counter
    /// For each rule, in the order of `RBACRules.list`: the requests it decided, or in shadow would have.
    let hits: [Counter]

    init(_ rules: RBACRules, _ counter: (String, [(String, String)]) -> Counter) {
        allowed = counter("rbac_allowed_total", [])
        denied = counter("rbac_denied_total", [])
        shadowAllowed = counter("rbac_shadow_allowed_total", [])
        shadowDenied = counter("rbac_shadow_denied_total", [])
        undecided = counter("rbac_undecided_total", [])
        hits = rules.list.map { rule in
            counter(
                "rbac_rule_hits_total",
                [
                    ("rule", rule.name), ("action", rule.action.rawValue),
                    ("mode", rule.isShadow ? "shadow" : "enforce"),
                ])
        }
    }
}
