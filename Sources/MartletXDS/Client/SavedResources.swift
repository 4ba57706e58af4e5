internal import MartletXDSMessages
internal import SwiftProtobuf

/// The last resources that were in force, as they are kept on disk for a start without a control plane.
extension ResourceCache {
    /// One message of delta discovery with all of them: each names its type.
    package func saved() -> [UInt8]? {
        let message = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse.with { message in
            for type in ResourceType.allCases {
                for (name, held) in held(type).sorted(by: { $0.key < $1.key }) {
                    message.resources.append(
                        .with {
                            $0.name = name
                            $0.version = held.version
                            $0.resource = held.resource
                        })
                }
            }
        }
        return try? message.serializedBytes()
    }

    /// Nil when `bytes` are no such message.
    package init?(saved bytes: [UInt8]) {
        guard let message = try? Envoy_Service_Discovery_V3_DeltaDiscoveryResponse(serializedBytes: bytes) else {
            return nil
        }
        self.init()
        for type in ResourceType.allCases {
            var response = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse()
            response.typeURL = type.typeURL
            response.resources = message.resources.filter { $0.resource.typeURL == type.typeURL }
            guard let offer = DiscoveryOffer(response), offer.fault == nil else { return nil }
            apply(offer)
        }
    }
}
