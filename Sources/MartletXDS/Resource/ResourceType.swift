/// The kinds of resource that a mesh is made of, each with its own service of discovery. In the order in which a change is pushed
/// and asked for: what is referred to comes before what refers to it.
package enum ResourceType: String, Sendable, CaseIterable {
    case cluster = "envoy.config.cluster.v3.Cluster"
    case endpoints = "envoy.config.endpoint.v3.ClusterLoadAssignment"
    case secret = "envoy.extensions.transport_sockets.tls.v3.Secret"
    case listener = "envoy.config.listener.v3.Listener"
    case routes = "envoy.config.route.v3.RouteConfiguration"
    /// Policies.
    case `extension` = "envoy.config.core.v3.TypedExtensionConfig"

    package var typeURL: String { "type.googleapis.com/" + rawValue }

    package init?(typeURL: String) {
        guard let name = typeURL.split(separator: "/").last else { return nil }
        self.init(rawValue: String(name))
    }

    /// All there are are asked for, by an empty list of names; the others by the names that resources of these mention. Of a
    /// state of the world a response then holds all, and one that is not in it is gone; the end of others is told by what
    /// refers to them.
    package var isWildcard: Bool { self == .listener || self == .cluster }
}
