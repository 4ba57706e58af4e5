internal import HTTPTypes

extension APIRoute {
    private static let namespace = "/v1/namespaces/{namespace}"
    private static let service = namespace + "/services/{service}/instances"
    private static let instance = service + "/{id}"

    /// To renew changes nothing that anybody would look for in an audit log.
    static let instances: [APIRoute] = [
        APIRoute(
            action: "listAllInstances", method: .get, path: namespace + "/instances",
            summary: "The registered instances of all services of a namespace.", role: .read,
            content: .json("InstanceList"), answer: { try await $0.listInstances($1) }),
        APIRoute(
            action: "listInstances", method: .get, path: service, summary: "The registered instances of a service.",
            role: .read, content: .json("InstanceList"), answer: { try await $0.listInstances($1) }),
        APIRoute(
            action: "registerInstance", method: .put, path: instance,
            summary:
                "Register an instance, or change one. Unless it renews within its ttl_seconds, it gets no new requests.",
            role: .write, changes: true, body: "Registration", content: .json("Instance"), refusals: [409],
            answer: { try await $0.register($1) }),
        APIRoute(
            action: "renewInstance", method: .post, path: instance + "/renew",
            summary: "Say that an instance is still there. When it is not known any more (404), it registers again.",
            role: .write, content: .json("Instance"), refusals: [404], answer: { try await $0.renew($1) }),
        APIRoute(
            action: "setInstanceHealth", method: .post, path: instance + "/health",
            summary: "Say how an instance is. An unhealthy or draining one gets no new requests.", role: .write,
            changes: true, body: "HealthRequest", content: .json("Instance"), refusals: [404],
            answer: { try await $0.setHealth($1) }),
        APIRoute(
            action: "deregisterInstance", method: .delete, path: instance,
            summary: "Take an instance out. What it is doing finishes.", role: .write, changes: true,
            content: .json("Instance"), refusals: [404], answer: { try await $0.deregister($1) }),
    ]
}
