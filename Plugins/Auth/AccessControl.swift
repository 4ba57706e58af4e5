public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `access_control`: lets requests pass by the address of their client.
public struct AccessControlKind: FilterKind {
    public let name = "access_control"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> AccessControlConfig? {
        AccessControlConfig(section)
    }

    /// A route's lists take the place of the listener's.
    public func decodeRoute(
        _ section: ConfigSection, _ config: AccessControlConfig, _ load: LoadContext
    ) -> AccessControlConfig? { AccessControlConfig(section) }

    public func makeFilter(_ config: AccessControlConfig, _ context: FilterContext) -> any Filter {
        AccessControl(config, context)
    }
}

public struct AccessControlConfig: Sendable {
    enum Address: String, CaseIterable {
        /// The one that trusted proxies vouch for (`xff_num_trusted_hops`).
        case client
        /// The peer of the connection.
        case direct
    }

    private let allowed: IPSet
    private let denied: IPSet
    private let address: Address

    init(_ section: ConfigSection) {
        allowed = IPSet(section.values("allow_cidrs", .ipPrefix))
        denied = IPSet(section.values("deny_cidrs", .ipPrefix))
        address = section.choice("address", default: .client)
        if !section.has("allow_cidrs") && !section.has("deny_cidrs") {
            section.error("allows everybody", hint: "write allow_cidrs, deny_cidrs or both")
        } else if section.has("allow_cidrs") && allowed.isEmpty && !section.diagnostics.hasErrors {
            section.error(
                at: "allow_cidrs", "an empty list allows nobody", hint: "leave it out to allow all that are not denied")
        }
    }

    /// Why the request is refused; nil when it may pass.
    func refusal(_ exchange: Exchange) -> String? {
        let text = address == .client ? exchange.clientIP : exchange.downstream?.directRemoteIP ?? ""
        // A unix socket's peer, or what a trusted proxy wrote: on no list, and so not known to be harmless.
        guard let client = IPAddress(text) else { return "client-address-unknown" }
        if denied.contains(client) { return "client-address-denied" }
        return allowed.isEmpty || allowed.contains(client) ? nil : "client-address-not-allowed"
    }
}

final class AccessControl: Filter {
    private let config: AccessControlConfig
    private let context: FilterContext
    private let refused: Counter

    let hooks: Hooks = [.requestHead]

    init(_ config: AccessControlConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        refused = context.counter("access_control_refused_total")
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = context.routeConfig(of: exchange, as: AccessControlConfig.self) ?? config
        guard let reason = config.refusal(exchange) else { return .next }
        refused.add()
        return .reply(.refusal(403, reason))
    }
}
