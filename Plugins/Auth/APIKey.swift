public import MartletConfig
internal import MartletCore
internal import MartletCrypto
public import MartletFilter
internal import MartletHTTP

/// `api_key`: lets requests pass that bring one of the keys, and says whose it is.
public struct APIKeyKind: FilterKind {
    public let name = "api_key"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> APIKeyConfig? { APIKeyConfig(section) }

    public func decodeRoute(_ section: ConfigSection, _ config: APIKeyConfig, _ load: LoadContext) -> APIKeyRoute? {
        let isRequired = section.bool("require", default: true)
        if !isRequired, section.has("allowed_clients") {
            section.error(at: "allowed_clients", "says nothing when no key is required", hint: "remove one of the two")
        }
        return APIKeyRoute(isRequired: isRequired, allowed: config.allowedClients(section) ?? config.allowed)
    }

    /// The client's name is taken from what clients send there as well.
    public func routeOff(_ config: APIKeyConfig) -> APIKeyRoute? { APIKeyRoute(isRequired: false, allowed: nil) }

    public func makeFilter(_ config: APIKeyConfig, _ context: FilterContext) -> any Filter { APIKey(config, context) }
}

/// What a route asks for.
public struct APIKeyRoute: Sendable {
    let isRequired: Bool
    /// Nil: every client.
    let allowed: Set<Int>?
}

final class APIKey: Filter {
    private enum Refusal: String, CaseIterable {
        case missing = "api-key-missing"
        case several = "api-key-several"
        case unknown = "api-key-unknown"
        /// The key is good, but not here.
        case client = "api-key-client-refused"
    }

    private let config: APIKeyConfig
    private let context: FilterContext
    private let state = HashState()
    private let challenge: Challenge
    private let passed: Counter
    private let refused: [Refusal: Counter]

    let hooks: Hooks

    init(_ config: APIKeyConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        // No scheme is registered for keys; RFC 9110 section 15.5.2 wants one named all the same.
        challenge = Challenge("ApiKey", realm: config.realm ?? context.listener)
        passed = context.counter("api_key_passed_total")
        refused = Dictionary(
            uniqueKeysWithValues: Refusal.allCases.map {
                ($0, context.counter("api_key_refused_total", [("reason", $0.rawValue)]))
            })
        hooks = config.ownHeaders.isEmpty ? [.requestHead] : [.requestHead, .requestTrailers]
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        // First, so that it is gone whatever happens next.
        config.ownHeaders.remove(from: exchange.request.headers)
        let route = context.routeConfig(of: exchange, as: APIKeyRoute.self)
        guard route?.isRequired ?? true else { return .next }
        for source in config.sources {
            switch source.find(in: exchange.request) {
            case .none: continue
            case .several: return refuse(.several)
            case .one(let place):
                guard let client = client(place, in: exchange.request) else { return refuse(.unknown) }
                if let allowed = route.map(\.allowed) ?? config.allowed, !allowed.contains(client) {
                    return refuse(.client)
                }
                take(config.clients[client], exchange)
                return .next
            }
        }
        return refuse(.missing)
    }

    /// Some servers merge trailers into the headers.
    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        config.ownHeaders.remove(from: trailers)
        return .next
    }

    /// Whose key stands there. The table is searched by hash, so how long that takes says nothing of any key.
    private func client(_ place: CredentialPlace, in request: RequestHead) -> Int? {
        place.read(in: request) { key in
            // A key in a query may be written with escapes.
            if place.field == nil, key.firstIndex(of: 0x25) != nil {
                guard let decoded = Self.unescaped(key) else { return nil }
                return config.keys[state.sha256(decoded.span)]
            }
            return config.keys[state.sha256(key)]
        }
    }

    private static func unescaped(_ text: Span<UInt8>) -> [UInt8]? {
        var out: [UInt8] = []
        var index = 0
        while index < text.count {
            guard text[index] == 0x25 else {
                out.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.count, let high = text[index + 1].hexValue, let low = text[index + 2].hexValue else {
                return nil
            }
            out.append(high << 4 | low)
            index += 3
        }
        return out
    }

    private func take(_ client: APIKeyConfig.Client, _ exchange: Exchange) {
        // At every place: what was not looked at would pass for something that had been.
        if config.hidesCredentials { for source in config.sources { source.remove(from: exchange) } }
        if let header = config.clientHeader { exchange.request.headers.append(header, client.value.span) }
        exchange.proved(client.identity)
        passed.add()
    }

    private func refuse(_ refusal: Refusal) -> Verdict {
        refused[refusal]?.add()
        return .reply(
            refusal == .client ? .refusal(403, refusal.rawValue) : challenge.reply(refusal.rawValue))
    }
}
