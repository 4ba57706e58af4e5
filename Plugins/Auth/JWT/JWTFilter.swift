public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `jwt`: lets requests pass that bring a valid JSON web token, and says whose they are.
public struct JWTKind: FilterKind {
    public let name = "jwt"
    private let directory = ProviderDirectory()

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> JWTConfig? {
        JWTConfig(section, load, directory)
    }

    public func decodeRoute(_ section: ConfigSection, _ config: JWTConfig, _ load: LoadContext) -> JWTRequirement? {
        config.requirement(section)
    }

    /// Headers that say who a request is from are removed there as well.
    public func routeOff(_ config: JWTConfig) -> JWTRequirement? { config.off }

    public func makeFilter(_ config: JWTConfig, _ context: FilterContext) -> any Filter { JWTFilter(config, context) }
}

final class JWTFilter: Filter {
    private let config: JWTConfig
    private let context: FilterContext
    private let states: [ProviderState]
    private let challenge: Challenge
    private let passed: Counter
    private let anonymous: Counter
    private let refused: [TokenFault: Counter]

    let hooks: Hooks

    init(_ config: JWTConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        states = config.providers.map { provider in
            context.shared(for: provider) { ProviderState(provider, context) } ?? ProviderState(provider, context)
        }
        challenge = Challenge("Bearer", realm: config.realm ?? context.listener)
        passed = context.counter("jwt_passed_total")
        anonymous = context.counter("jwt_anonymous_total")
        refused = Dictionary(
            uniqueKeysWithValues: TokenFault.allCases.map {
                ($0, context.counter("jwt_refused_total", [("reason", $0.rawValue)]))
            })
        hooks = config.ownHeaders.isEmpty ? [.requestHead] : [.requestHead, .requestTrailers]
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        // First, so that they are gone whatever happens next.
        config.ownHeaders.remove(from: exchange.request.headers)
        return judge(exchange, mayWait: true)
    }

    /// Some servers merge trailers into the headers.
    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        config.ownHeaders.remove(from: trailers)
        return .next
    }

    private func judge(_ exchange: Exchange, mayWait: Bool) -> Verdict {
        let requirement = context.routeConfig(of: exchange, as: JWTRequirement.self) ?? config.standard
        switch requirement.need {
        case .none: return .next
        case .any: return judgeAny(exchange, requirement, mayWait: mayWait)
        case .all: return judgeAll(exchange, requirement, mayWait: mayWait)
        }
    }

    private func judgeAny(_ exchange: Exchange, _ requirement: JWTRequirement, mayWait: Bool) -> Verdict {
        var fault = TokenFault.missing
        var undecided: (state: ProviderState, fault: TokenFault)?
        for number in requirement.providers {
            let state = states[number]
            switch state.examine(exchange.request, for: requirement.audiences) {
            case .accepted(let token, let source):
                for place in requirement.removals[number][source] { place.remove(from: exchange) }
                take(token, exchange)
                passed.add()
                return .next
            case .missing: continue
            case .refused(let reason): fault = Self.moreTelling(fault, reason)
            case .undecided(let reason):
                undecided = undecided ?? (state, reason)
                fault = Self.moreTelling(fault, reason)
            }
        }
        if mayWait, let undecided, wait(exchange, undecided.state, undecided.fault) { return .wait }
        return end(fault, exchange, requirement)
    }

    private func judgeAll(_ exchange: Exchange, _ requirement: JWTRequirement, mayWait: Bool) -> Verdict {
        var accepted: [(number: Int, source: Int, token: VerifiedToken)] = []
        var isOneMissing = false
        var isAnyThere = false
        for number in requirement.providers {
            let state = states[number]
            switch state.examine(exchange.request, for: requirement.audiences) {
            case .accepted(let token, let source):
                isAnyThere = true
                accepted.append((number, source, token))
            case .missing: isOneMissing = true
            case .refused(let fault): return refuse(fault)
            case .undecided(let fault):
                isAnyThere = true
                if mayWait, wait(exchange, state, fault) { return .wait }
                return refuse(fault)
            }
        }
        if isOneMissing {
            guard !isAnyThere else { return refuse(.missing) }
            return end(.missing, exchange, requirement)
        }
        let kept = accepted.compactMap { entry -> CredentialSource? in
            let settings = config.providers[entry.number].settings
            return settings.forwards ? settings.sources[entry.source] : nil
        }
        let places = JWTRequirement.places(of: requirement.providers.map { config.providers[$0] })
        for place in places where !kept.contains(place) { place.remove(from: exchange) }
        for entry in accepted { take(entry.token, exchange) }
        passed.add()
        return .next
    }

    /// Of two providers' reasons, the one that tells the client more: that a token is another issuer's says little.
    private static func moreTelling(_ present: TokenFault, _ next: TokenFault) -> TokenFault {
        present == .missing || present == .issuer ? next : present
    }

    private func wait(_ exchange: Exchange, _ state: ProviderState, _ fault: TokenFault) -> Bool {
        let resumption = exchange.requestResumption()
        return state.wait(because: fault) { [weak self] in
            guard resumption.isValid else { return }
            guard let self else { return resumption.resume(.reply(.refusal(503, TokenFault.keysUnavailable.rawValue))) }
            resumption.resume(self.judge(exchange, mayWait: false))
        }
    }

    private func take(_ token: VerifiedToken, _ exchange: Exchange) {
        exchange.proved(token.identity)
        let headers = exchange.request.headers
        for field in token.headers { headers.append(field.name, field.value.span) }
    }

    // MARK: Refusing

    private func end(_ fault: TokenFault, _ exchange: Exchange, _ requirement: JWTRequirement) -> Verdict {
        guard fault == .missing, requirement.allowsMissing else { return refuse(fault) }
        anonymous.add()
        return .next
    }

    private func refuse(_ fault: TokenFault) -> Verdict {
        refused[fault]?.add()
        switch fault {
        case .keysUnavailable: return .reply(.refusal(503, fault.rawValue))
        // RFC 6750 section 3.1: no error code for who has not tried.
        case .missing: return .reply(challenge.reply(fault.rawValue))
        case .several:
            return .reply(challenge.reply(fault.rawValue, ", error=\"invalid_request\""))
        default:
            return .reply(
                challenge.reply(fault.rawValue, ", error=\"invalid_token\", error_description=\"\(fault.rawValue)\""))
        }
    }
}
