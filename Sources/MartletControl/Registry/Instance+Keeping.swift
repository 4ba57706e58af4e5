internal import Foundation
internal import MartletConfig

/// An instance as it is kept, beside its key.
extension Instance {
    private struct Kept: Codable {
        let address: String
        let weight: Int
        let zone: String
        let health: String
        let labels: [String: String]
        let ttl: Int
    }

    var kept: [UInt8] {
        let kept = Kept(
            address: address.description, weight: weight, zone: zone, health: health.rawValue, labels: labels, ttl: ttl)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and whole numbers: there is nothing in it that could not be written.
        return (try? encoder.encode(kept)).map { Array($0) } ?? []
    }

    init(_ key: InstanceKey, kept bytes: [UInt8]) throws(RegistryError) {
        guard let kept = try? JSONDecoder().decode(Kept.self, from: Data(bytes)) else {
            throw .invalid("\(key) is damaged")
        }
        try self.init(
            key, address: kept.address, weight: kept.weight, zone: kept.zone,
            health: Health(rawValue: kept.health) ?? .unhealthy, labels: kept.labels, ttl: kept.ttl)
    }
}
