public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `require_token`: asks a cluster whether a request's token is good, and remembers who it belongs to.
public struct RequireTokenKind: FilterKind {
    public let name = "require_token"

    public init() {}

    /// What the operator writes:
    ///
    ///     - require_token: { cluster: auth, header: x-token, timeout: 200ms }
    public struct Config: Sendable {
        let cluster: String
        let header: HeaderName
        let timeout: Duration
    }

    /// What a route may write: `filters: { require_token: { optional: true } }`.
    public struct RouteConfig: Sendable {
        let isOptional: Bool
    }

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> Config? {
        let cluster = section.string(required: "cluster")
        if !load.hasCluster(cluster) {
            section.error(
                at: "cluster", "no cluster is called \"\(cluster)\"",
                hint: "clusters: \(load.clusterNames.joined(separator: ", "))")
        }
        guard let header = section.headerName("header") ?? HeaderName("x-token") else { return nil }
        let timeout = section.duration("timeout", default: .milliseconds(200), in: .milliseconds(1) ... .seconds(60))
        return Config(cluster: cluster, header: header, timeout: timeout)
    }

    public func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        RouteConfig(isOptional: section.bool("optional", default: false))
    }

    public func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter {
        RequireToken(config, context)
    }
}

final class RequireToken: Filter {
    /// What is remembered of one exchange.
    private final class Owner {
        let name: String
        init(name: String) { self.name = name }
    }

    private let config: RequireTokenKind.Config
    private let context: FilterContext
    private let owner: Slot<Owner>
    private let refused: Counter
    private let ownerHeader = HeaderName("x-token-owner")

    let hooks: Hooks = [.requestHead, .responseHead]

    init(_ config: RequireTokenKind.Config, _ context: FilterContext) {
        self.config = config
        self.context = context
        owner = context.slot(Owner.self)
        refused = context.counter("require_token_refused_total")
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let route = context.routeConfig(of: exchange, as: RequireTokenKind.RouteConfig.self)
        guard let token = exchange.request.headers.string(config.header) else {
            return route?.isOptional == true ? .next : refuse("token-missing")
        }
        var question = CallRequest(cluster: config.cluster, path: "/check", authority: "auth.internal")
        question.headers = [(config.header, token)]
        question.timeout = config.timeout
        // Take the resumption before answering `.wait`; the call may be over before this hook returns.
        let resumption = exchange.requestResumption()
        exchange.call(question) { [self] result in
            guard case .response(let answer) = result, answer.head.status == 200 else {
                return resumption.resume(refuse("token-refused"))
            }
            exchange[owner] = Owner(name: String(decoding: answer.body, as: UTF8.self))
            resumption.resume()
        }
        return .wait
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        if let owner = exchange[owner], let ownerHeader { exchange.response.headers.set(ownerHeader, owner.name) }
        return .next
    }

    private func refuse(_ reason: String) -> Verdict {
        refused.add()
        return .reply(.refusal(403, reason, flag: .unauthorizedExternalService))
    }
}
