internal import MartletConfig
internal import MartletControl

package struct InstanceMessage: Codable, Sendable, Equatable {
    package var namespace: String
    package var service: String
    package var id: String
    package var address: String
    package var weight: Int
    package var zone: String
    /// `healthy`, `unhealthy` or `draining`.
    package var health: String
    package var labels: [String: String]
    /// In which it has to renew.
    package var ttlSeconds: Int
}

package struct InstanceList: Codable, Sendable {
    package var instances: [InstanceMessage]
}

/// What an instance says of itself. What it leaves out has its default.
struct Registration: Codable, Sendable {
    var address: String
    var weight: Int?
    var zone: String?
    var health: String?
    var labels: [String: String]?
    var ttlSeconds: Int?

    static let keys = ["address", "weight", "zone", "health", "labels", "ttl_seconds"]
}

struct HealthRequest: Codable, Sendable {
    var health: String

    static let keys = ["health"]
}

extension InstanceMessage {
    init(_ instance: Instance) {
        (namespace, service, id) = (instance.key.service.namespace, instance.key.service.name, instance.key.id)
        (address, weight, zone) = (instance.address.description, instance.weight, instance.zone)
        (health, labels, ttlSeconds) = (instance.health.rawValue, instance.labels, instance.ttl)
    }
}
