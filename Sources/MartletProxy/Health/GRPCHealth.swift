internal import MartletCore
internal import MartletGRPC
internal import MartletHTTP

/// What an answer of the standard gRPC health service says of the endpoint.
enum GRPCHealth {
    /// Nil when it serves; otherwise why it counts as failed.
    static func failure(_ head: ResponseHead, _ body: [UInt8], _ trailers: HeaderTable) -> String? {
        guard head.status == 200 else { return "status \(head.status)" }
        guard GRPCContentType.isGRPC(head.headers) else { return "the answer is no gRPC" }
        guard let status = GRPCStatus(in: trailers) ?? GRPCStatus(in: head.headers) else {
            return "the answer has no grpc-status"
        }
        guard status == .ok else { return "grpc-status \(status)" }
        var decoder = MessageDecoder(maxMessage: 1024)
        var start = 0
        do {
            guard let message = try decoder.next(body.span, &start), !message.isCompressed, start == body.count else {
                return "the answer is not one message"
            }
            switch try HealthMessages.response(message.bytes.span) {
            case .serving: return nil
            case .notServing: return "NOT_SERVING"
            case .serviceUnknown: return "SERVICE_UNKNOWN"
            case .unknown: return "UNKNOWN"
            }
        } catch {
            return "the answer cannot be read"
        }
    }
}
