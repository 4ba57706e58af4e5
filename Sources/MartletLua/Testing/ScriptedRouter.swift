internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// Stands for the router where the real one is not at hand: forwards to the first cluster of the matched route.
struct ScriptedRouterKind: FilterKind {
    struct Config: Sendable {}

    let name = FilterSection.router
    func decode(_ section: ConfigSection, _ load: LoadContext) -> Config? { Config() }
    func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter { ScriptedRouter() }
}

private final class ScriptedRouter: Filter {
    var hooks: Hooks { .requestHead }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        guard case .forward(let action) = exchange.route?.action, let target = action.clusters.first else {
            return .reply(.refusal(404, "no-route", flag: .noRouteFound))
        }
        exchange.plan = UpstreamPlan(cluster: target.cluster, timeout: .zero)
        return .next
    }
}
