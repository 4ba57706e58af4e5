internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// What spans say of gRPC calls (OpenTelemetry's conventions for RPC).
enum RPCAttributes {
    private static let system = Array("grpc".utf8)

    static func add(_ exchange: Exchange, _ list: inout SpanAttributes, to out: inout LineBuffer) {
        let request = exchange.request
        guard GRPCContentType.isGRPC(request.headers) else { return }
        list.add("rpc.system", system.span, to: &out)
        let path = request.path()
        if let parts = GRPCMethodPath(path) {
            list.add("rpc.service", path.extracting(parts.service), to: &out)
            list.add("rpc.method", path.extracting(parts.method), to: &out)
        }
        if let status = exchange.grpcStatus { list.add("rpc.grpc.status_code", UInt64(status.rawValue), to: &out) }
    }

    /// Statuses that are a server's own fault: others say something of the request.
    static func isServerError(_ exchange: Exchange) -> Bool {
        switch exchange.grpcStatus {
        case .unknown, .deadlineExceeded, .unimplemented, .internal, .unavailable, .dataLoss: true
        default: false
        }
    }

    static func isClientError(_ exchange: Exchange) -> Bool { exchange.grpcStatus.map { $0 != .ok } ?? false }
}
