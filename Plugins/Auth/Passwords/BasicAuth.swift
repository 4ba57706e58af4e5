public import MartletConfig
internal import MartletCore
internal import MartletCrypto
public import MartletFilter
internal import MartletHTTP

/// `basic_auth`: lets requests pass that bring a user's name and password (RFC 7617).
public struct BasicAuthKind: FilterKind {
    public let name = "basic_auth"
    private let tables = UserTables()

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> BasicAuthConfig? {
        BasicAuthConfig(section, tables)
    }

    public func decodeRoute(
        _ section: ConfigSection, _ config: BasicAuthConfig, _ load: LoadContext
    ) -> BasicAuthRoute? {
        let isRequired = section.bool("require", default: true)
        var table: UserTable?
        if section.has("htpasswd") {
            table = BasicAuthConfig.table(section, config.table?.settings ?? UserTable.Settings(), tables)
            if !isRequired { section.error(at: "htpasswd", "says nothing when nobody needs a password") }
        }
        return BasicAuthRoute(isRequired: isRequired, table: table)
    }

    /// The user's name is taken from what clients send there as well.
    public func routeOff(_ config: BasicAuthConfig) -> BasicAuthRoute? {
        BasicAuthRoute(isRequired: false, table: nil)
    }

    public func makeFilter(_ config: BasicAuthConfig, _ context: FilterContext) -> any Filter {
        BasicAuth(config, context)
    }
}

final class BasicAuth: Filter {
    private enum Refusal: String, CaseIterable {
        case missing = "basic-auth-missing"
        case several = "basic-auth-several"
        case malformed = "basic-auth-malformed"
        /// No such user, or not their password: which of the two is nobody's business.
        case wrong = "basic-auth-wrong"
        case tooMany = "basic-auth-too-many-failures"
        case overloaded = "basic-auth-overloaded"
    }

    private static let source = CredentialSource.header(.authorization, prefix: Array("basic ".utf8))

    private let config: BasicAuthConfig
    private let context: FilterContext
    private let state: PasswordState?
    /// Of the tables that routes have of their own; made when one is first asked.
    private var routeStates: [ObjectIdentifier: PasswordState] = [:]
    private let challenge: Challenge
    private let passed: Counter
    private let refused: [Refusal: Counter]

    let hooks: Hooks

    init(_ config: BasicAuthConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        state = config.table.map { Self.state(of: $0, context) }
        challenge = Challenge("Basic", realm: config.realm ?? context.listener)
        passed = context.counter("basic_auth_passed_total")
        refused = Dictionary(
            uniqueKeysWithValues: Refusal.allCases.map {
                ($0, context.counter("basic_auth_refused_total", [("reason", $0.rawValue)]))
            })
        hooks = config.ownHeaders.isEmpty ? [.requestHead] : [.requestHead, .requestTrailers]
    }

    private static func state(of table: UserTable, _ context: FilterContext) -> PasswordState {
        context.shared(for: table) { PasswordState(table, context) } ?? PasswordState(table, context)
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        // First, so that it is gone whatever happens next.
        config.ownHeaders.remove(from: exchange.request.headers)
        let route = context.routeConfig(of: exchange, as: BasicAuthRoute.self)
        guard route?.isRequired ?? true else { return .next }
        guard let table = route?.table ?? config.table, let state = state(for: table) else { return refuse(.wrong) }
        switch Self.source.find(in: exchange.request) {
        case .none: return refuse(.missing)
        case .several: return refuse(.several)
        case .one(let place): return examine(place, exchange, table, state)
        }
    }

    /// Some servers merge trailers into the headers.
    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        config.ownHeaders.remove(from: trailers)
        return .next
    }

    private func state(for table: UserTable) -> PasswordState? {
        if table === config.table { return state }
        let key = ObjectIdentifier(table)
        if let known = routeStates[key] { return known }
        let made = Self.state(of: table, context)
        routeStates[key] = made
        return made
    }

    private func examine(
        _ place: CredentialPlace, _ exchange: Exchange, _ table: UserTable, _ state: PasswordState
    ) -> Verdict {
        let resumption = exchange.requestResumption()
        let outcome = place.read(in: exchange.request) { credentials in
            state.examine(credentials, from: exchange.clientIP) { [weak self] user in
                guard resumption.isValid else { return }
                guard let self else { return resumption.resume(.reply(.refusal(503, Refusal.overloaded.rawValue))) }
                guard let user else { return resumption.resume(self.refuse(.wrong)) }
                self.take(table.users[user], exchange)
                resumption.resume()
            }
        }
        switch outcome {
        case .right(let user):
            take(table.users[user], exchange)
            return .next
        case .wrong: return refuse(.wrong)
        case .malformed: return refuse(.malformed)
        case .waiting: return .wait
        case .tooMany(let delay): return refuse(.tooMany, after: delay)
        case .overloaded: return refuse(.overloaded, after: .seconds(1))
        }
    }

    private func take(_ user: UserTable.User, _ exchange: Exchange) {
        if config.hidesCredentials { Self.source.remove(from: exchange) }
        if let header = config.usernameHeader { exchange.request.headers.append(header, user.value.span) }
        exchange.proved(user.identity)
        passed.add()
    }

    private func refuse(_ refusal: Refusal, after delay: Nanoseconds = .zero) -> Verdict {
        refused[refusal]?.add()
        switch refusal {
        case .tooMany, .overloaded:
            let reply = Reply.refusal(refusal == .tooMany ? 429 : 503, refusal.rawValue)
            let seconds = (delay.rawValue + 999_999_999) / 1_000_000_000
            reply.headers.append((Self.retryAfter, "\(seconds)"))
            return .reply(reply)
        case .missing, .several, .malformed, .wrong:
            return .reply(challenge.reply(refusal.rawValue, ", charset=\"UTF-8\""))
        }
    }

    private static let retryAfter = HeaderName(.retryAfter)
}
