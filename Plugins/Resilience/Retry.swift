public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `retry`: tries a request again when an attempt fails. It says when; the proxy, which has the attempts, does it.
public struct RetryKind: FilterKind {
    public let name = "retry"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> RetryConfig? { RetryConfig(section) }

    /// What a route does not write stays as the listener has it.
    public func decodeRoute(
        _ section: ConfigSection, _ config: RetryConfig, _ load: LoadContext
    ) -> RetryConfig? { RetryConfig(section, over: config) }

    public func makeFilter(_ config: RetryConfig, _ context: FilterContext) -> any Filter { Retry(config, context) }
}

final class Retry: Filter {
    private let policy: RetryPolicy
    private let context: FilterContext

    let hooks: Hooks = [.requestHead]

    init(_ config: RetryConfig, _ context: FilterContext) {
        policy = config.policy
        self.context = context
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        exchange.retryPolicy = context.routeConfig(of: exchange, as: RetryConfig.self)?.policy ?? policy
        return .next
    }
}
