import Foundation
import MartletControl

/// Orders that instances would give over the API.
extension MeshDriver {
    private struct Registration: Decodable {
        var service: String
        var id: String
        var address: String
        var weight: Int?
        var zone: String?
        var health: String?
        var ttl: Int?
    }

    func registry(_ words: [String]) async throws -> String {
        switch words[0] {
        case "register":
            let order = try JSONDecoder().decode(Registration.self, from: Data(words[1].utf8))
            let instance = try Instance(
                InstanceKey("default", order.service, order.id), address: order.address, weight: order.weight ?? 1,
                zone: order.zone ?? "", health: order.health.flatMap { Instance.Health(rawValue: $0) } ?? .healthy,
                ttl: order.ttl ?? Instance.defaultTTL)
            try await control.instances.register(instance)
            return "\(instance.ttl)"
        case "renew": return "\(try await control.instances.renew(try key(words[1])).ttl)"
        case "health":
            let parts = words[1].split(separator: " ").map(String.init)
            guard parts.count == 2, let health = Instance.Health(rawValue: parts[1]) else { return "which health?" }
            return try await control.instances.setHealth(try key(parts[0]), health).health.rawValue
        case "deregister": return "\(try await control.instances.deregister(try key(words[1])).key)"
        default:
            return await control.instances.instances(namespace: nil, service: nil).map(\.key.description)
                .joined(separator: " ")
        }
    }

    private func key(_ word: String) throws -> InstanceKey {
        let parts = word.split(separator: "/").map(String.init)
        return try InstanceKey("default", parts.first ?? "", parts.last ?? "")
    }
}
