internal import GRPCCore
internal import MartletControl
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias NodeMessage = Envoy_Config_Core_V3_Node
typealias WholeRequest = Envoy_Service_Discovery_V3_DiscoveryRequest
typealias DeltaRequestMessage = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest

/// A request of either protocol.
protocol DiscoveryMessage: Message {
    static var variant: DiscoveryStream.Variant { get }
    var hasNode: Bool { get }
    var node: NodeMessage { get }
    func receive(into stream: inout DiscoveryStream) -> StreamOutput
}

extension WholeRequest: DiscoveryMessage {
    static var variant: DiscoveryStream.Variant { .stateOfTheWorld }

    func receive(into stream: inout DiscoveryStream) -> StreamOutput {
        stream.receive(
            DiscoveryRequest(
                node: hasNode ? ProxyNode(id: node.id, cluster: node.cluster) : nil, typeURL: typeURL,
                names: resourceNames, version: versionInfo, nonce: responseNonce,
                error: hasErrorDetail ? ErrorDetail(code: errorDetail.code, message: errorDetail.message) : nil))
    }
}

extension DeltaRequestMessage: DiscoveryMessage {
    static var variant: DiscoveryStream.Variant { .delta }

    func receive(into stream: inout DiscoveryStream) -> StreamOutput {
        stream.receive(
            DeltaRequest(
                node: hasNode ? ProxyNode(id: node.id, cluster: node.cluster) : nil, typeURL: typeURL,
                subscribe: resourceNamesSubscribe, unsubscribe: resourceNamesUnsubscribe,
                initialVersions: initialResourceVersions, nonce: responseNonce,
                error: hasErrorDetail ? ErrorDetail(code: errorDetail.code, message: errorDetail.message) : nil))
    }
}

/// A response, written: its resources are bytes already, the same for every proxy.
struct DiscoveryResponseBytes: Sendable {
    let bytes: [UInt8]

    init(_ response: PushResponse, _ variant: DiscoveryStream.Variant, identifier: String) throws {
        let size = response.resources.reduce(256) { $0 + $1.body.count + 64 }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        switch variant {
        case .stateOfTheWorld:
            var head = Envoy_Service_Discovery_V3_DiscoveryResponse()
            head.versionInfo = response.version
            head.typeURL = response.type.typeURL
            head.nonce = response.nonce
            head.controlPlane.identifier = identifier
            bytes += try head.serializedBytes() as [UInt8]
            for resource in response.resources { Self.append(resource.body, field: 2, to: &bytes) }
        case .delta:
            var head = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse()
            head.systemVersionInfo = response.version
            head.typeURL = response.type.typeURL
            head.nonce = response.nonce
            head.removedResources = response.removed
            head.controlPlane.identifier = identifier
            bytes += try head.serializedBytes() as [UInt8]
            for resource in response.resources {
                var entry = Envoy_Service_Discovery_V3_Resource()
                entry.name = resource.name
                entry.version = resource.version
                var item: [UInt8] = try entry.serializedBytes()
                Self.append(resource.body, field: 2, to: &item)
                Self.append(item, field: 2, to: &bytes)
            }
        }
        self.bytes = bytes
    }

    /// A field of length-delimited bytes; protobuf lets fields stand in any order.
    private static func append(_ body: [UInt8], field: UInt8, to bytes: inout [UInt8]) {
        bytes.append(field << 3 | 2)
        var length = UInt64(body.count)
        while length >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: length) | 0x80)
            length >>= 7
        }
        bytes.append(UInt8(length))
        bytes += body
    }
}

struct DiscoveryResponseSerializer: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: DiscoveryResponseBytes) throws -> Bytes {
        Bytes(message.bytes)
    }
}
