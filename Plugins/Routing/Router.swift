public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `router`: the last filter of every chain. It carries out what the matched route says: forward, redirect or respond.
public struct RouterKind: FilterKind {
    public let name = "router"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> RouterConfig? { RouterConfig() }

    public func makeFilter(_ config: RouterConfig, _ context: FilterContext) -> any Filter { Router() }
}

/// The router has no settings: routes say it all.
public struct RouterConfig: Sendable {}

final class Router: Filter {
    /// Weyl sequence: enough for sharing requests out, and no system call.
    private var weyl = UInt64.random(in: 0...UInt64.max)

    var hooks: Hooks { .requestHead }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        guard let route = exchange.route else {
            if exchange.isRouteUnknown { return .reply(.refusal(400, "route-pattern-gave-up")) }
            return .reply(.refusal(404, "no-route", flag: .noRouteFound))
        }
        switch route.action {
        case .forward(let action): return forward(exchange, action)
        case .redirect(let action):
            guard let location = Redirect.location(exchange.request, action, scheme: exchange.downstream?.scheme) else {
                return .reply(.refusal(400, "redirect-target-invalid"))
            }
            return .reply(Reply(status: action.status, headers: [(.location, location)]))
        case .respond(let action):
            return .reply(Reply(status: action.status, headers: action.headers, body: action.body))
        }
    }

    private func forward(_ exchange: Exchange, _ action: ForwardAction) -> Verdict {
        // Before the rewrite: policies name what the client sent.
        let hash = action.hash.isEmpty ? nil : HashKey(action.hash, exchange)
        if let rewrite = action.rewrite, !Rewrite.apply(rewrite, to: exchange.request) {
            return .reply(.refusal(400, "rewrite-target-invalid"))
        }
        var mirrors: [Int] = []
        for wanted in action.mirrors where fraction() < wanted.share { mirrors.append(wanted.cluster) }
        exchange.plan = UpstreamPlan(
            cluster: choose(action), timeout: action.timeout, idleTimeout: action.idleTimeout,
            sendsDeadline: action.sendsDeadline, mirrors: mirrors, hashKey: hash?.key, cookie: hash?.cookie)
        return .next
    }

    private func choose(_ action: ForwardAction) -> Int {
        if action.clusters.count == 1 { return action.clusters[0].cluster }
        var point = next() % max(action.totalWeight, 1)
        for part in action.clusters {
            let weight = UInt64(part.weight)
            if point < weight { return part.cluster }
            point -= weight
        }
        return action.clusters.last?.cluster ?? 0
    }

    /// SplitMix64.
    private func next() -> UInt64 {
        weyl &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (weyl ^ (weyl >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
