package import SwiftProtobuf

/// A resource as it came, and the version that its server gave it.
package struct HeldResource: Sendable, Hashable {
    /// Of the resource with delta, of its type with the state of the world.
    package var version: String
    package var resource: Google_Protobuf_Any

    package init(version: String, resource: Google_Protobuf_Any) {
        self.version = version
        self.resource = resource
    }

    /// The library's hash of an `Any` is that of its type alone: in a set of ten thousand all would collide.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(version)
        hasher.combine(resource.value)
    }
}

/// One response of a control plane: what it would have changed. It is answered once, with an acknowledgement or a refusal.
package struct DiscoveryOffer: Sendable {
    package let type: ResourceType
    /// Of the response: state of the world's `version_info`, delta's `system_version_info`.
    package let version: String
    package let nonce: String
    package var changed: [String: HeldResource]
    package var removed: Set<String>
    /// All resources there are: what is not among `changed` is gone (LDS and CDS of the state of the world).
    package let isWhole: Bool
    /// Why none of it can be used; nil: it can be looked at.
    package internal(set) var fault: String?
}
