internal import MartletCoding
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What the filter keeps of one exchange.
final class CompressState {
    var accepted = AcceptEncoding()
    /// There while the response is being compressed.
    var encoder: ContentEncoder?
    var effort = CompressConfig.Effort(level: 0, windowLog: 0)
    var flushes = false
    /// What the encoder has yet to take of the chunk at hand.
    var input: ByteSlice?
    private let active: ActiveStreams

    init(_ active: ActiveStreams) { self.active = active }

    // The exchange may drop it without a word, when its route has changed to one that switches the filter off.
    deinit { if encoder != nil { active.leave() } }
}

/// Streams that hold a coder now, on one worker.
final class ActiveStreams {
    private var count = 0
    private let gauge: Gauge
    init(_ gauge: Gauge) { self.gauge = gauge }

    func enter(limit: Int) -> Bool {
        guard count < limit else { return false }
        count += 1
        gauge.add(1)
        return true
    }

    func leave() {
        count -= 1
        gauge.add(-1)
    }
}

final class Compress: Filter {
    private struct CodingCounts {
        let responses: Counter
        let bytesIn: Counter
        let bytesOut: Counter

        init(_ coding: ContentCoding, _ context: FilterContext) {
            let label = [("coding", coding.rawValue)]
            responses = context.counter("compress_responses_total", label)
            bytesIn = context.counter("compress_bytes_in_total", label)
            bytesOut = context.counter("compress_bytes_out_total", label)
        }
    }

    private let config: CompressConfig
    private let context: FilterContext
    private let slot: Slot<CompressState>
    private let gzip: CodingCounts
    private let br: CodingCounts
    private let zstd: CodingCounts
    private let skipped: [CompressSkip: Counter]
    private let failed: Counter
    private let active: ActiveStreams

    private var states: [CompressState] = []
    private var encoders: [(encoder: ContentEncoder, effort: CompressConfig.Effort)] = []
    /// What comes out next is written here, unless somebody still holds the piece before.
    private var output = ByteBuffer(capacity: pieceSize)

    private static let pieceSize = 32_768
    private static let keptStates = 256
    /// 16 MiB of zstd at its default level.
    private static let keptEncoders = 8

    let hooks: Hooks = [.requestHead, .responseHead, .responseBody, .bodyEnd, .end]

    init(_ config: CompressConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(CompressState.self)
        gzip = CodingCounts(.gzip, context)
        br = CodingCounts(.br, context)
        zstd = CodingCounts(.zstd, context)
        skipped = Dictionary(
            uniqueKeysWithValues: CompressSkip.allCases.map {
                ($0, context.counter("compress_skipped_total", [("reason", $0.rawValue)]))
            })
        failed = context.counter("compress_failed_total")
        active = ActiveStreams(context.gauge("compress_active"))
    }

    // MARK: Heads

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        // Read now: filters behind this one may ask upstream for something else.
        let headers = exchange.request.headers
        let state = states.popLast() ?? CompressState(active)
        state.accepted = AcceptEncoding(headers)
        exchange[slot] = state
        if settings(exchange).removesAcceptEncoding { headers.remove(.acceptEncoding) }
        return .next
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        let config = settings(exchange)
        let request = exchange.request
        let response = exchange.response
        let isHead = request.method == .head
        let tunnels = request.method == .connect && response.status < 300
        if let reason = config.objection(response, isHeadOnly: tunnels || (exchange.isResponseHeadOnly && !isHead)) {
            return skip(reason)
        }
        let headers = response.headers
        Representation.addVary(headers)
        if isHead { return skip(.head) }
        if request.version == .http10 { return skip(.http10) }
        // A filter before this one answered: the request is as it came.
        let state = exchange[slot] ?? CompressState(active)
        if exchange[slot] == nil {
            state.accepted = AcceptEncoding(request.headers)
            exchange[slot] = state
        }
        guard let coding = state.accepted.best(of: config.codings) else { return skip(.notAccepted) }
        guard start(state, coding, config, response.body) else { return skip(.tooManyActive) }
        state.flushes =
            switch config.flush {
            case .always: true
            case .never: false
            case .auto: if case .exactly = response.body { false } else { true }
            }
        headers.remove(.contentLength)
        headers.set(.contentEncoding, coding.rawValue)
        Representation.weaken(headers)
        exchange.responseBodyLengthChanges()
        counts(coding).responses.add()
        return .next
    }

    private func settings(_ exchange: Exchange) -> CompressConfig {
        context.routeConfig(of: exchange, as: CompressConfig.self) ?? config
    }

    private func skip(_ reason: CompressSkip) -> Verdict {
        skipped[reason]?.add()
        return .next
    }

    private func counts(_ coding: ContentCoding) -> CodingCounts {
        switch coding {
        case .br: br
        case .zstd: zstd
        case .gzip, .deflate: gzip
        }
    }

    // MARK: Bodies

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let state = exchange[slot], let encoder = state.encoder else { return .next }
        if !chunk.isRest {
            state.input = chunk.slice
            counts(encoder.coding).bytesIn.add(UInt64(chunk.count))
            if chunk.count == 0 && !chunk.isLast { return .next }
        }
        // The hook is called once more than there is input when the last of it did not fit.
        var input = state.input.take() ?? chunk.slice
        prepareOutput()
        let step = encoder.encode(&input, chunk.isLast ? .finish : state.flushes ? .flush : .goOn, into: output)
        if case .failed = step {
            failed.add()
            exchange.reason = "response-compression-failed"
            finish(state)
            return .reset(.filter)
        }
        if step == .full { state.input = input }
        if step == .ended { finish(state) }
        counts(encoder.coding).bytesOut.add(UInt64(output.count))
        chunk.replace(with: ByteSlice(output, 0..<output.count), hasRest: step == .full)
        return .next
    }

    private func prepareOutput() {
        if isKnownUniquelyReferenced(&output) {
            output.removeAll()
        } else {
            output = ByteBuffer(capacity: Self.pieceSize)
        }
    }

    func onEnd(_ exchange: Exchange) {
        guard let state = exchange[slot] else { return }
        exchange[slot] = nil
        finish(state)
        if states.count < Self.keptStates { states.append(state) }
    }

    // MARK: Encoders

    private func start(
        _ state: CompressState, _ coding: ContentCoding, _ config: CompressConfig, _ body: BodyLength
    ) -> Bool {
        guard active.enter(limit: self.config.maxActive) else { return false }
        let effort = config.effort(coding)
        let windowLog = config.windowLog(effort, for: body)
        guard let encoder = kept(coding, effort, windowLog) ?? made(coding, effort, windowLog) else {
            active.leave()
            return false
        }
        state.encoder = encoder
        state.effort = effort
        return true
    }

    private func kept(_ coding: ContentCoding, _ effort: CompressConfig.Effort, _ windowLog: Int) -> ContentEncoder? {
        let index = encoders.lastIndex { $0.encoder.coding == coding && $0.effort == effort }
        guard let encoder = index.map({ encoders.remove(at: $0).encoder }), encoder.reset(windowLog: windowLog) else {
            return nil
        }
        return encoder
    }

    private func made(_ coding: ContentCoding, _ effort: CompressConfig.Effort, _ windowLog: Int) -> ContentEncoder? {
        // gzip keeps its window from stream to stream.
        ContentEncoder(coding, level: effort.level, windowLog: coding == .gzip ? effort.windowLog : windowLog)
    }

    private func finish(_ state: CompressState) {
        state.input = nil
        guard let encoder = state.encoder.take() else { return }
        active.leave()
        // Brotli's are for one stream.
        guard encoder.coding != .br, encoders.count < Self.keptEncoders else { return }
        encoders.append((encoder, state.effort))
    }
}
