/// One route of a listener, compiled. Immutable, shared by all workers.
public final class Route: Sendable {
    /// Its place in `routes`, from 0.
    public let position: Int
    /// Its `name`, or `route-<position>`.
    public let name: String
    package let action: CompiledAction
    /// The cluster it asks; of a split all, with commas between them. Nil when it asks none.
    package let cluster: String?
    /// By place in the chain; empty when the route says nothing.
    private let overrides: [RouteOverride?]

    package init(
        position: Int, name: String, action: CompiledAction, cluster: String? = nil, overrides: [Int: RouteOverride]
    ) {
        self.cluster = cluster
        self.position = position
        self.name = name
        self.action = action
        let length = (overrides.keys.max() ?? -1) + 1
        self.overrides = (0..<length).map { overrides[$0] }
    }

    package var hasOverrides: Bool { !overrides.isEmpty }

    func isDisabled(_ position: Int) -> Bool {
        guard position < overrides.count, case .disabled = overrides[position] else { return false }
        return true
    }

    func override(_ position: Int) -> (any Sendable)? {
        guard position < overrides.count, case .config(let config) = overrides[position] else { return nil }
        return config
    }
}

/// What a route's `filters:` says about one place in the chain.
package enum RouteOverride: Sendable {
    case disabled
    /// The filter's own `RouteConfig`.
    case config(any Sendable)
}
