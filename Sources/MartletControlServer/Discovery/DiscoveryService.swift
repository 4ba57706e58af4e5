internal import GRPCCore
internal import GRPCProtobuf
internal import MartletControl

/// The aggregated discovery service of xDS (ADS), both protocols.
struct DiscoveryService: RegistrableRPCService {
    let control: MeshControl
    /// Of this replica, for people who look at a proxy.
    let identifier: String
    let now: @Sendable () -> Int64

    private static let service = ServiceDescriptor(
        fullyQualifiedService: "envoy.service.discovery.v3.AggregatedDiscoveryService")

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        register(WholeRequest.self, "StreamAggregatedResources", &router)
        register(DeltaRequestMessage.self, "DeltaAggregatedResources", &router)
    }

    private func register<Request: DiscoveryMessage, Transport: ServerTransport>(
        _: Request.Type, _ method: String, _ router: inout RPCRouter<Transport>
    ) {
        router.registerHandler(
            forMethod: MethodDescriptor(service: Self.service, method: method),
            deserializer: ProtobufDeserializer<Request>(), serializer: DiscoveryResponseSerializer()
        ) { request, context in
            let session = DiscoverySession<Request>(
                control: control, identifier: identifier, address: context.remotePeer, now: now)
            return StreamingServerResponse { writer in
                try await session.run(request.messages, writer)
                return [:]
            }
        }
    }
}
