internal import MartletCoding
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What the filter keeps of one exchange with something to decode.
final class DecompressState {
    struct Stream {
        var decoder: ContentDecoder
        /// What the decoder has yet to take of the chunk at hand.
        var input: ByteSlice?
    }

    var request: Stream? { didSet { settle(oldValue, request) } }
    var response: Stream? { didSet { settle(oldValue, response) } }
    private let active: ActiveStreams

    init(_ active: ActiveStreams) { self.active = active }

    private func settle(_ before: Stream?, _ now: Stream?) { if before != nil && now == nil { active.leave() } }

    deinit {
        if request != nil { active.leave() }
        if response != nil { active.leave() }
    }
}

final class Decompress: Filter {
    private struct SideCounts {
        let name: String
        let messages: Counter
        let bytesIn: Counter
        let bytesOut: Counter
        private let skipped: Counter
        private let refused: [CodingFault: Counter]
        let layers: Counter
        let unknown: Counter
        let tooManyActive: Counter

        init(_ name: String, _ context: FilterContext) {
            self.name = name
            let label = [("direction", name)]
            messages = context.counter("decompress_messages_total", label)
            bytesIn = context.counter("decompress_bytes_in_total", label)
            bytesOut = context.counter("decompress_bytes_out_total", label)
            skipped = context.counter("decompress_skipped_total", label)
            func refusals(_ reason: String) -> Counter {
                context.counter("decompress_refused_total", label + [("reason", reason)])
            }
            let faults: [CodingFault] = [
                .malformed, .truncated, .trailingBytes, .tooLarge, .ratio, .window, .noMemory,
            ]
            refused = Dictionary(uniqueKeysWithValues: faults.map { ($0, refusals($0.rawValue)) })
            layers = refusals("layers")
            unknown = refusals("unknown-coding")
            tooManyActive = refusals("too-many-active")
        }

        func refuse(_ fault: CodingFault) { refused[fault]?.add() }
        func skip() -> Verdict {
            skipped.add()
            return .next
        }
    }

    private let config: DecompressConfig
    private let context: FilterContext
    private let slot: Slot<DecompressState>
    private let requests: SideCounts
    private let responses: SideCounts
    private let active: ActiveStreams
    /// What comes out next is written here, unless somebody still holds the piece before.
    private var output = ByteBuffer(capacity: pieceSize)

    private static let pieceSize = 65_536

    let hooks: Hooks = [.requestHead, .requestBody, .responseHead, .responseBody, .bodyEnd, .end]

    init(_ config: DecompressConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(DecompressState.self)
        requests = SideCounts("request", context)
        responses = SideCounts("response", context)
        active = ActiveStreams(context.gauge("decompress_active"))
    }

    private func settings(_ exchange: Exchange) -> DecompressConfig {
        context.routeConfig(of: exchange, as: DecompressConfig.self) ?? config
    }

    // MARK: Requests

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = settings(exchange)
        let headers = exchange.request.headers
        if let side = config.response {
            // A part of an encoded body cannot be decoded.
            if headers.firstIndex(id: .range) != nil {
                headers.set(.acceptEncoding, "identity")
            } else {
                headers.set(.acceptEncoding, side.names.span)
            }
        }
        guard let side = config.request, !exchange.isRequestHeadOnly else { return .next }
        switch EncodedContent(headers) {
        case .plain: return .next
        case .layers:
            // Nobody sends them but to hide what is inside.
            requests.layers.add()
            return .reply(unsupported("request-content-encoding-layers", side))
        case .one(let coding) where side.codings.contains(coding):
            guard let stream = start(coding, side) else {
                requests.tooManyActive.add()
                return .reply(.refusal(503, "too-many-decompressions", flag: .overloadManager))
            }
            state(exchange).request = stream
            clean(headers)
            exchange.requestBodyLengthChanges()
            requests.messages.add()
            return .next
        case .one, .unknown:
            guard side.unknown == .refuse else { return requests.skip() }
            requests.unknown.add()
            return .reply(unsupported("request-content-encoding-unknown", side))
        }
    }

    /// RFC 9110 section 15.5.16: with what is supported.
    private func unsupported(_ reason: String, _ side: DecompressConfig.Side) -> Reply {
        let reply = Reply.refusal(415, reason)
        reply.headers.append((.acceptEncoding, String(decoding: side.names, as: UTF8.self)))
        return reply
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let state = exchange[slot], var stream = state.request else { return .next }
        let fault = decode(&stream, &chunk, requests)
        state.request = fault != nil || isOver(chunk) ? nil : stream
        guard let fault else { return .next }
        let reason = "request-body-\(fault.rawValue)"
        switch fault {
        case .malformed, .truncated, .trailingBytes: return .reply(.refusal(400, reason))
        case .tooLarge, .ratio, .window: return .reply(.refusal(413, reason))
        case .noMemory: return .reply(.refusal(503, reason, flag: .overloadManager))
        }
    }

    // MARK: Responses

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        guard let side = settings(exchange).response else { return .next }
        let response = exchange.response
        let headers = response.headers
        let isHead = exchange.request.method == .head
        guard isHead || !exchange.isResponseHeadOnly, response.status >= 200, response.status != 304 else {
            return .next
        }
        switch EncodedContent(headers) {
        case .plain: return .next
        case .one(let coding) where side.codings.contains(coding):
            guard response.status != 206, !Representation.isPartial(headers), !Representation.forbidsTransform(headers)
            else { return responses.skip() }
            if isHead {
                clean(headers)
                Representation.weaken(headers)
                return .next
            }
            guard let stream = start(coding, side) else {
                responses.tooManyActive.add()
                return .reply(.refusal(503, "too-many-decompressions", flag: .overloadManager))
            }
            state(exchange).response = stream
            clean(headers)
            Representation.weaken(headers)
            exchange.responseBodyLengthChanges()
            responses.messages.add()
            return .next
        case .one, .unknown, .layers:
            guard side.unknown == .refuse, !isHead else { return responses.skip() }
            responses.unknown.add()
            return .reply(.refusal(502, "response-content-encoding-unknown"))
        }
    }

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let state = exchange[slot], var stream = state.response else { return .next }
        let fault = decode(&stream, &chunk, responses)
        state.response = fault != nil || isOver(chunk) ? nil : stream
        guard let fault else { return .next }
        // The head is on its way: only breaking off tells the client that the rest is missing.
        exchange.reason = "response-body-\(fault.rawValue)"
        return .reset(.filter)
    }

    func onEnd(_ exchange: Exchange) { if exchange[slot] != nil { exchange[slot] = nil } }

    // MARK: Both

    private func state(_ exchange: Exchange) -> DecompressState {
        if let state = exchange[slot] { return state }
        let state = DecompressState(active)
        exchange[slot] = state
        return state
    }

    private func start(_ coding: ContentCoding, _ side: DecompressConfig.Side) -> DecompressState.Stream? {
        guard active.enter(limit: config.maxActive) else { return nil }
        if let decoder = ContentDecoder(coding, side.limits) { return DecompressState.Stream(decoder: decoder) }
        active.leave()
        return nil
    }

    private func clean(_ headers: HeaderTable) {
        headers.remove(.contentEncoding)
        headers.remove(.contentLength)
        Representation.removeDigests(headers)
    }

    private func isOver(_ chunk: BodyChunk) -> Bool { chunk.isLast && !chunk.hasRest }

    /// Puts one piece of decoded body in the chunk's place; the fault that ends it all otherwise.
    private func decode(
        _ stream: inout DecompressState.Stream, _ chunk: inout BodyChunk, _ counts: SideCounts
    ) -> CodingFault? {
        if !chunk.isRest { counts.bytesIn.add(UInt64(chunk.count)) }
        var input = chunk.isRest ? stream.input.take() ?? chunk.slice : chunk.slice
        if isKnownUniquelyReferenced(&output) {
            output.removeAll()
        } else {
            output = ByteBuffer(capacity: Self.pieceSize)
        }
        let step = stream.decoder.decode(&input, isLast: chunk.isLast, into: output)
        if case .failed(let fault) = step {
            counts.refuse(fault)
            return fault
        }
        if step == .full { stream.input = input }
        counts.bytesOut.add(UInt64(output.count))
        chunk.replace(with: ByteSlice(output, 0..<output.count), hasRest: step == .full)
        return nil
    }
}
