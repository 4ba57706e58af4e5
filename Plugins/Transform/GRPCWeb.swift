public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// `grpc_web`: lets clients that speak gRPC-Web, as browsers do, call services that speak gRPC.
public struct GRPCWebKind: FilterKind {
    public let name = "grpc_web"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> GRPCWebConfig? { GRPCWebConfig() }

    public func makeFilter(_ config: GRPCWebConfig, _ context: FilterContext) -> any Filter { GRPCWeb(context) }
}

/// There is nothing to set.
public struct GRPCWebConfig: Sendable {}

/// Requests become gRPC at once: what comes behind this filter cannot tell. Responses become gRPC-Web again, trailers as the last
/// frame of the body; a response that is no gRPC is left as it is, and its status says to the client what it says to any.
final class GRPCWeb: Filter {
    private final class Bridge {
        /// The request's body is base64.
        var decodesRequest = false
        /// The response's body is to be.
        var encodesResponse = false
        var decoder = TextDecoder()
        var encoder = TextEncoder()
        /// The response is one of gRPC, and its body is changed.
        var isBridging = false
        /// The trailers are in the body.
        var hasTrailers = false

        func reset() {
            decoder = TextDecoder()
            encoder = TextEncoder()
            isBridging = false
            hasTrailers = false
        }
    }

    private let slot: Slot<Bridge>
    private let binary, text, refused: Counter
    /// Used again, so that a request allocates nothing.
    private var spare: [Bridge] = []
    private var bytes: [UInt8] = []

    private static let maxSpare = 1024

    let hooks: Hooks = [
        .requestHead, .requestBody, .responseHead, .responseBody, .responseTrailers, .bodyEnd, .end,
    ]

    init(_ context: FilterContext) {
        slot = context.slot(Bridge.self)
        binary = context.counter("grpc_web_requests_total", [("format", "binary")])
        text = context.counter("grpc_web_requests_total", [("format", "text")])
        refused = context.counter("grpc_web_refused_total")
    }

    // MARK: Requests

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.request.headers
        guard exchange.request.method == .post, let type = headers.first(.contentType),
            let kind = GRPCContentType(type), kind != .grpc
        else { return .next }
        let bridge = spare.popLast() ?? Bridge()
        bridge.decodesRequest = kind == .webText
        bridge.encodesResponse = Self.wantsText(headers, kind)
        exchange[slot] = bridge
        (kind == .webText ? text : binary).add()
        setType("application/grpc", GRPCContentType.format(type), in: headers)
        headers.set(.te, "trailers")
        if bridge.decodesRequest {
            headers.remove(.contentLength)
            exchange.requestBodyLengthChanges()
        }
        return .next
    }

    /// What is accepted, when it is one of the two; otherwise as the request is.
    private static func wantsText(_ headers: HeaderTable, _ kind: GRPCContentType) -> Bool {
        guard let accept = headers.first(.accept), let accepted = GRPCContentType(accept), accepted != .grpc else {
            return kind == .webText
        }
        return accepted == .webText
    }

    private func setType(_ type: StaticString, _ format: Span<UInt8>, in headers: HeaderTable) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: type.description.utf8)
        for index in format.indices { bytes.append(format[index]) }
        let value = bytes
        headers.set(.contentType, value.span)
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let bridge = exchange[slot], bridge.decodesRequest else { return .next }
        bytes.removeAll(keepingCapacity: true)
        let piece = chunk.slice
        let isText = bridge.decoder.decode(piece.bytes(), into: &bytes)
        guard isText, !chunk.isLast || bridge.decoder.isBetweenQuanta else {
            refused.add()
            return .reply(.refusal(400, "grpc-web-text-malformed"))
        }
        chunk.replace(with: ByteSlice(copying: bytes), hasRest: false)
        return .next
    }

    // MARK: Responses

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        guard let bridge = exchange[slot] else { return .next }
        let headers = exchange.response.headers
        guard let type = headers.first(.contentType), GRPCContentType(type) == .grpc else { return .next }
        let format = GRPCContentType.format(type)
        if bridge.encodesResponse {
            setType("application/grpc-web-text", format.isEmpty ? Self.proto.span : format, in: headers)
        } else {
            setType("application/grpc-web", format.isEmpty ? Self.proto.span : format, in: headers)
        }
        exchange.bridgedStatus = GRPCStatus(in: headers)
        // A head alone has the status in it, where clients look for it as well.
        guard !exchange.isResponseHeadOnly else { return .next }
        bridge.isBridging = true
        headers.remove(.contentLength)
        exchange.responseBodyLengthChanges()
        return .next
    }

    /// Browsers' clients take a type without a format for none.
    private static let proto = Array("+proto".utf8)

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let bridge = exchange[slot], bridge.isBridging, bridge.encodesResponse || chunk.isLast else {
            return .next
        }
        let piece = chunk.slice
        bytes.removeAll(keepingCapacity: true)
        if bridge.encodesResponse {
            bridge.encoder.encode(piece.bytes(), into: &bytes)
        } else {
            bytes += piece.array()
        }
        if chunk.isLast {
            var frame: [UInt8] = []
            addTrailers(exchange, bridge, to: &frame)
            if bridge.encodesResponse { bridge.encoder.encode(frame.span, into: &bytes) } else { bytes += frame }
        }
        // Each piece whole: the client must not wait for the next one.
        if bridge.encodesResponse { bridge.encoder.flush(into: &bytes) }
        chunk.replace(with: ByteSlice(copying: bytes), hasRest: false)
        return .next
    }

    private func addTrailers(_ exchange: Exchange, _ bridge: Bridge, to frame: inout [UInt8]) {
        let trailers = exchange.responseTrailers
        bridge.hasTrailers = !trailers.isEmpty
        if let status = GRPCStatus(in: trailers) { exchange.bridgedStatus = status }
        // In gRPC the status of a call that ends without one is not known; a client would take silence for success.
        if exchange.bridgedStatus == nil {
            exchange.bridgedStatus = .unknown
            trailers.append(.grpcStatus, "2")
            trailers.append(.grpcMessage, "no status from upstream")
            TrailerFrame.append(trailers, to: &frame)
            if !bridge.hasTrailers { trailers.removeAll() }
        } else if bridge.hasTrailers {
            TrailerFrame.append(trailers, to: &frame)
        }
    }

    /// They are in the body; those who look at them before this filter have.
    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        if exchange[slot]?.hasTrailers == true { trailers.removeAll() }
        return .next
    }

    func onEnd(_ exchange: Exchange) {
        guard let bridge = exchange[slot] else { return }
        exchange[slot] = nil
        bridge.reset()
        if spare.count < Self.maxSpare { spare.append(bridge) }
    }
}
