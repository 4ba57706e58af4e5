internal import MartletCore
package import MartletXDS

/// What a resource refers to: a route to its clusters, a cluster to its endpoints.
package struct Reference: Sendable, Hashable {
    package var type: ResourceType
    package var name: String

    package init(_ type: ResourceType, _ name: String) {
        self.type = type
        self.name = name
    }

    /// Whatever there is of that type: a cluster that a header names, or one that a policy calls. It keeps all of them from
    /// being removed and waits for none.
    package static func any(_ type: ResourceType) -> Reference { Reference(type, anyName) }

    static let anyName = "*"
}

/// One version of one resource, as it is sent. An object, so that a thousand proxies share its bytes.
package final class Resource: Sendable {
    package let type: ResourceType
    package let name: String
    /// Made of the content alone, so that every replica gives the same content the same version, before and after a restart.
    package let version: String
    /// A serialized `google.protobuf.Any`.
    package let body: [UInt8]
    /// To resources that proxies get on the same stream.
    package let references: [Reference]
    /// Of name and version.
    let digest: UInt64

    package init(
        _ type: ResourceType, _ name: String, version: String, body: [UInt8], references: [Reference] = []
    ) {
        self.type = type
        self.name = name
        self.version = version
        self.body = body
        self.references = references
        digest = Self.digest(name, version)
    }

    /// Summed up, these make the version of a set: so a set's version follows a change of one resource at that resource's price.
    static func digest(_ name: String, _ version: String) -> UInt64 {
        StableHash.mix(StableHash.of(name) &+ StableHash.mix(StableHash.of(version)))
    }
}
