/// Who a proxy says it is.
package struct ProxyIdentity: Sendable, Hashable {
    /// What it can be told.
    package enum Audience: Sendable, Hashable {
        case martlet
        /// Envoy, and what else reads Envoy's messages only.
        case other
        /// A gRPC client or server, which asks for services by name.
        case grpc
    }

    package var id: String
    package var cluster: String
    /// Whose configuration it gets. A label of this name, or `default`.
    package var namespace: String
    package var region: String
    package var zone: String
    package var labels: [String: String]
    package var audience: Audience
    /// Its program and that program's version, for people.
    package var agent: String

    package static let defaultNamespace = "default"

    package init(
        id: String, cluster: String = "default", region: String = "", zone: String = "", labels: [String: String] = [:],
        audience: Audience = .martlet, agent: String = ""
    ) {
        self.id = id
        self.cluster = cluster
        self.region = region
        self.zone = zone
        self.labels = labels
        self.audience = audience
        self.agent = agent
        let namespace = labels["namespace"] ?? ""
        self.namespace = namespace.isEmpty ? Self.defaultNamespace : namespace
    }
}

/// What a proxy is known by: namespaces may have proxies of the same id.
package struct ProxyName: Sendable, Hashable {
    package var namespace: String
    package var id: String

    package init(namespace: String, id: String) { (self.namespace, self.id) = (namespace, id) }
}

extension ProxyIdentity {
    package var name: ProxyName { ProxyName(namespace: namespace, id: id) }
}
