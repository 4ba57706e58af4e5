internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What a rule asks of a request: all that is written must hold.
///
/// Three-valued, so that `not` of what a pattern left open is open too, and never a yes.
final class RBACCondition: Sendable {
    private struct Source: Sendable {
        /// The peer of the connection; otherwise the address that trusted proxies vouch for.
        let isDirect: Bool
        let set: IPSet
    }

    private let request: RequestCondition?
    private let sources: [Source]
    private let principal: [IdentityTest]
    private let certificate: CertificateTest?
    private let all: [RBACCondition]
    private let any: [RBACCondition]
    private let none: RBACCondition?

    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection, _ load: LoadContext) {
        let match = RouteMatch(section)
        load.check(match, section)
        let request = RequestCondition(match, diagnostics: section.diagnostics)
        self.request = request?.isEmpty == true ? nil : request
        sources = section.section("source").map { Self.sources($0) } ?? []
        let principal = section.section("principal")
        self.principal = principal.map { IdentityTest.list($0, load) } ?? []
        certificate = principal.flatMap { CertificateTest.read($0, load) }
        var isComplete = request != nil
        func conditions(_ key: String) -> [RBACCondition] {
            let items = section.sections(key)
            let made = items.compactMap { RBACCondition($0, load) }
            isComplete = isComplete && made.count == items.count
            if section.raw(key)?.items?.isEmpty == true {
                section.error(at: key, "an empty list of conditions", hint: "remove it")
            }
            return made
        }
        all = conditions("and")
        any = conditions("or")
        if let inner = section.section("not") {
            none = RBACCondition(inner, load)
            isComplete = isComplete && none != nil
            if none?.isEmpty == true {
                section.error(at: "not", "never holds: every request meets an empty condition", hint: "remove it")
            }
        } else {
            none = nil
        }
        if !isComplete { return nil }
    }

    private static func sources(_ section: ConfigSection) -> [Source] {
        var sources: [Source] = []
        for (key, isDirect) in [("client", false), ("direct", true)] where section.has(key) {
            let set = IPSet(section.oneOrMore(key, .ipPrefix))
            if set.isEmpty && section.raw(key)?.items?.isEmpty == true {
                section.error(at: key, "an empty list matches nothing", hint: "remove it to match all")
            }
            sources.append(Source(isDirect: isDirect, set: set))
        }
        if !section.has("client") && !section.has("direct") && !section.isMalformed {
            section.error("one of \"client\", \"direct\" is required", hint: "write client: [10.0.0.0/8]")
        }
        return sources
    }

    private var isEmpty: Bool {
        request == nil && sources.isEmpty && principal.isEmpty && certificate == nil && all.isEmpty && any.isEmpty
            && none == nil
    }

    func match(_ exchange: Exchange) -> Pattern.Outcome {
        var result = Pattern.Outcome.matches
        if let request {
            result = request.match(exchange.request)
            if result == .differs { return .differs }
        }
        for source in sources {
            switch Self.match(source, exchange) {
            case .matches: continue
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        for test in principal {
            switch test.match(exchange) {
            case .matches: continue
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        if let certificate {
            switch certificate.match(exchange) {
            case .matches: break
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        for condition in all {
            switch condition.match(exchange) {
            case .matches: continue
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        if !any.isEmpty {
            switch anyMatches(exchange) {
            case .matches: break
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        if let none {
            switch none.match(exchange) {
            case .matches: return .differs
            case .differs: break
            case .gaveUp: result = .gaveUp
            }
        }
        return result
    }

    private func anyMatches(_ exchange: Exchange) -> Pattern.Outcome {
        var result = Pattern.Outcome.differs
        for condition in any {
            switch condition.match(exchange) {
            case .matches: return .matches
            case .differs: continue
            case .gaveUp: result = .gaveUp
            }
        }
        return result
    }

    private static func match(_ source: Source, _ exchange: Exchange) -> Pattern.Outcome {
        let text = source.isDirect ? exchange.downstream?.directRemoteIP ?? "" : exchange.clientIP
        // A unix socket's peer, or what a trusted proxy wrote: whether it is in the list cannot be said.
        guard let address = IPAddress(text) else { return .gaveUp }
        return Pattern.Outcome(source.set.contains(address))
    }
}
