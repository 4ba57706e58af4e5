/// The kinds of resource that a mesh is made of, each with its own service of discovery.
package enum ResourceType: String, Sendable, CaseIterable {
    case listener = "envoy.config.listener.v3.Listener"
    case routes = "envoy.config.route.v3.RouteConfiguration"
    case cluster = "envoy.config.cluster.v3.Cluster"
    case endpoints = "envoy.config.endpoint.v3.ClusterLoadAssignment"
    case secret = "envoy.extensions.transport_sockets.tls.v3.Secret"
    /// Policies.
    case `extension` = "envoy.config.core.v3.TypedExtensionConfig"

    package var typeURL: String { "type.googleapis.com/" + rawValue }

    package init?(typeURL: String) {
        guard let name = typeURL.split(separator: "/").last else { return nil }
        self.init(rawValue: String(name))
    }
}
