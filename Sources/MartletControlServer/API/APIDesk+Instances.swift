internal import MartletControl

/// Instances register and renew, for callers who may write in their namespace.
extension APIDesk {
    func register(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(Registration.self, keys: ["": Registration.keys])
        let instance = try Instance(
            try call.instance(), address: request.address, weight: request.weight ?? 1, zone: request.zone ?? "",
            health: try request.health.map { try Self.health($0) } ?? .healthy, labels: request.labels ?? [:],
            ttl: request.ttlSeconds ?? Instance.defaultTTL)
        try await instances.register(instance)
        return try answer(instance)
    }

    func renew(_ call: APICall) async throws -> APIAnswer { try answer(try await instances.renew(try call.instance())) }

    func setHealth(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(HealthRequest.self, keys: ["": HealthRequest.keys])
        let health = try Self.health(request.health)
        return try answer(try await instances.setHealth(try call.instance(), health))
    }

    func deregister(_ call: APICall) async throws -> APIAnswer {
        try answer(try await instances.deregister(try call.instance()))
    }

    func listInstances(_ call: APICall) async throws -> APIAnswer {
        let found = await instances.instances(namespace: call.namespace, service: call.path["service"])
        return try APIAnswer(InstanceList(instances: found.map { InstanceMessage($0) }))
    }

    /// As Prometheus reads them.
    static func counts(of instances: [Instance]) -> String {
        let lines = Instance.Health.allCases.map { health in
            "martlet_control_instances{health=\"\(health.rawValue)\"} \(instances.count { $0.health == health })\n"
        }
        return "# HELP martlet_control_instances Instances that are registered, by how they are.\n"
            + "# TYPE martlet_control_instances gauge\n" + lines.joined()
    }

    private func answer(_ instance: Instance) throws -> APIAnswer {
        var answer = try APIAnswer(InstanceMessage(instance))
        let service = instance.key.service
        answer.documents = ["\(service.namespace)/instances/\(service.name)/\(instance.key.id)"]
        return answer
    }

    private static func health(_ word: String) throws(APIFailure) -> Instance.Health {
        if let health = Instance.Health(rawValue: word) { return health }
        throw .badRequest("health is healthy, unhealthy or draining, not \"\(word.prefix(40))\"")
    }
}

extension APICall {
    func instance() throws -> InstanceKey { try InstanceKey(namespace, path["service"] ?? "", path["id"] ?? "") }
}
