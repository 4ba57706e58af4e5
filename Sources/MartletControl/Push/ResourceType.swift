// MartletControl is the control plane: what proxies are told, in which order (Push), and where that is kept (Store).

/// The kinds of resources that proxies are sent, in the order in which a change is pushed: what is referred to comes before
/// what refers to it.
package enum ResourceType: String, Sendable, CaseIterable {
    case cluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    case endpoint = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    case secret = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    case listener = "type.googleapis.com/envoy.config.listener.v3.Listener"
    case route = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    case virtualHost = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
    case extensionConfig = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    case runtime = "type.googleapis.com/envoy.service.runtime.v3.Runtime"

    package var url: String { rawValue }

    /// Its place in `allCases`.
    var ordinal: Int {
        switch self {
        case .cluster: 0
        case .endpoint: 1
        case .secret: 2
        case .listener: 3
        case .route: 4
        case .virtualHost: 5
        case .extensionConfig: 6
        case .runtime: 7
        }
    }

    /// In the state-of-the-world protocol a response holds all of them: one that is not in it is gone. Of the other types a
    /// response may hold some, and their end is told by what refers to them. The same two are meant as a whole by an empty
    /// list of names.
    var isFullState: Bool { self == .cluster || self == .listener }

    /// The types whose resources may refer to one of this type: it is removed after them.
    var referrers: [ResourceType] {
        switch self {
        case .cluster: [.listener, .route, .virtualHost, .extensionConfig]
        case .endpoint: [.cluster]
        case .secret: [.cluster, .listener, .extensionConfig]
        case .route, .extensionConfig: [.listener]
        case .virtualHost: [.route]
        case .listener, .runtime: []
        }
    }

    /// What a proxy must have been sent before it uses a new version of a resource of this type ("warming").
    var warmedBy: ResourceType? {
        switch self {
        case .cluster: .endpoint
        case .listener: .route
        default: nil
        }
    }
}
