package import MartletConfig

// MartletControl/Registry is where the endpoints of discovered clusters are known: instances that register and renew, and files.

/// What instances do the same work under.
package struct ServiceName: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let namespace: String
    package let name: String

    package init(_ namespace: String, _ name: String) { (self.namespace, self.name) = (namespace, name) }

    package var description: String { "\(namespace)/\(name)" }

    package static func < (one: ServiceName, other: ServiceName) -> Bool {
        (one.namespace, one.name) < (other.namespace, other.name)
    }
}

package struct InstanceKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let service: ServiceName
    package let id: String

    /// Each part as in the key of a document.
    package init(_ namespace: String, _ service: String, _ id: String) throws(RegistryError) {
        do {
            _ = try DocumentKey(namespace, service, id)
        } catch {
            throw .invalid(error.description)
        }
        self.service = ServiceName(namespace, service)
        self.id = id
    }

    package var description: String { "\(service)/\(id)" }

    package static func < (one: InstanceKey, other: InstanceKey) -> Bool {
        (one.service, one.id) < (other.service, other.id)
    }
}

/// One server of a service, as it registered itself.
package struct Instance: Sendable, Equatable {
    package enum Health: String, Sendable, CaseIterable {
        /// It gets requests.
        case healthy
        /// It gets no new ones, by its own word or somebody else's.
        case unhealthy
        /// It gets no new ones, for it is about to end; what is under way finishes.
        case draining
    }

    package let key: InstanceKey
    package let address: ConfigAddress
    /// Its share against the others'. 1 to 128.
    package let weight: Int
    /// Where it runs; empty: nobody said.
    package let zone: String
    package var health: Health
    /// For people and programs; the mesh does nothing with them.
    package let labels: [String: String]
    /// Seconds in which it has to renew. 1 to 3600.
    package let ttl: Int

    package static let defaultTTL = 15
    package static let ttls = 1...3600
    package static let weights = 1...128
    package static let labelLimit = 32

    /// - Parameter address: IP address and port.
    package init(
        _ key: InstanceKey, address: String, weight: Int = 1, zone: String = "", health: Health = .healthy,
        labels: [String: String] = [:], ttl: Int = Self.defaultTTL
    ) throws(RegistryError) {
        switch ConfigAddress.scalar(ports: 1...65535).parse(address) {
        case .success(.unix): throw .invalid("address: a socket's path is no address that other machines reach")
        case .success(let address) where address.isWildcard:
            throw .invalid("address: \(address) is no address to connect to")
        case .success(let address): self.address = address
        case .failure(let problem):
            throw .invalid("address: \(problem.message)" + (problem.hint.map { " (\($0))" } ?? ""))
        }
        guard Self.weights.contains(weight) else { throw .invalid("weight is 1 to 128, not \(weight)") }
        guard Self.ttls.contains(ttl) else { throw .invalid("ttl_seconds is 1 to 3600, not \(ttl)") }
        guard labels.count <= Self.labelLimit else {
            throw .invalid("labels: there are \(labels.count), more than \(Self.labelLimit)")
        }
        for text in [zone] + labels.keys + labels.values {
            guard text.utf8.count <= DocumentKey.limit, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw .invalid(
                    "\"\(text.prefix(60))\" is no zone or label: it takes up to \(DocumentKey.limit) bytes without control characters"
                )
            }
        }
        guard !labels.keys.contains("") else { throw .invalid("labels: one has no name") }
        (self.key, self.weight, self.zone, self.health) = (key, weight, zone, health)
        (self.labels, self.ttl) = (labels, ttl)
    }
}
