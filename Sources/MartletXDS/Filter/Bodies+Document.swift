internal import MartletXDSMessages
internal import SwiftProtobuf

typealias BufferMessage = Envoy_Extensions_Filters_Http_Buffer_V3_Buffer
typealias BufferChangeMessage = Envoy_Extensions_Filters_Http_Buffer_V3_BufferPerRoute
typealias GRPCWebMessage = Envoy_Extensions_Filters_Http_GrpcWeb_V3_GrpcWeb

// `buffer` and `grpc_web`, which say little.

extension BufferMessage: FilterSettings {
    static let filter = "buffer"

    init?(settings: DocumentSection) {
        guard let size = settings.size("max_request_bytes"), let bytes = UInt32(exactly: size) else { return nil }
        self.init()
        maxRequestBytes = .init(bytes)
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        DocumentSection([("max_request_bytes", .size(maxRequestBytes.value))])
    }
}

extension BufferChangeMessage: FilterChange {
    static let filter = BufferMessage.filter

    init?(change: DocumentSection) {
        guard let message = BufferMessage(settings: change) else { return nil }
        self.init()
        buffer = message
    }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        switch override {
        case .disabled(true): return .word("off")
        case .buffer(let message): return message.settings(reading, in: field).map { .section($0) }
        case .disabled(false), nil:
            reading.error("\(field): it changes nothing")
            return nil
        }
    }
}

extension GRPCWebMessage: FilterSettings {
    static let filter = "grpc_web"

    init?(settings: DocumentSection) { self.init() }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? { DocumentSection() }
}
