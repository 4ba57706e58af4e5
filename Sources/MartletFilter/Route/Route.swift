/// One route of a listener, compiled. Immutable, shared by all workers.
public final class Route: Sendable {
    /// Its place in `routes`, from 0.
    public let position: Int
    /// Its `name`, or `route-<position>`.
    public let name: String
    package let action: CompiledAction
    private let overrides: [Int: RouteOverride]

    package init(position: Int, name: String, action: CompiledAction, overrides: [Int: RouteOverride]) {
        self.position = position
        self.name = name
        self.action = action
        self.overrides = overrides
    }

    package var hasOverrides: Bool { !overrides.isEmpty }

    func isDisabled(_ position: Int) -> Bool {
        if case .disabled = overrides[position] { true } else { false }
    }

    func override(_ position: Int) -> (any Sendable)? {
        if case .config(let config) = overrides[position] { config } else { nil }
    }
}

/// What a route's `filters:` says about one place in the chain.
package enum RouteOverride: Sendable {
    case disabled
    /// The filter's own `RouteConfig`.
    case config(any Sendable)
}
